"""Names of files as GDAL takes them: UTF-8 text, whatever bytes the system allows."""


def is_text(name: str) -> bool:
    """Tell whether a name can be handed to GDAL; other bytes stand in it as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name
