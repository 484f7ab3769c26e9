"""File names for GDAL: they must be UTF-8, although systems allow other bytes."""


def is_text(name: str) -> bool:
    """Return whether GDAL can open a name; bytes that are not UTF-8 appear as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name
