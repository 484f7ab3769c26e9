"""Read untrusted XML: elements and text, without document types and entities."""

import re
import xml.etree.ElementTree as ElementTree
from typing import Final

from groklst_cli.errors import InputError

Element = ElementTree.Element

_DECLARED: Final = re.compile(r"<\?xml[^>]*\?>")
_TYPED: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def parse_xml(text: str, name: str) -> Element:
    """Parse a document; tags come without their namespaces.

    The text is already decoded, so the encoding that the document states is ignored: Python's
    parser knows no multi-byte encodings except those of Unicode.

    Args:
        text: The document.
        name: Its name in messages.

    Raises:
        InputError: If it is not XML, or declares a document type, whose entities could read other
            files or grow without bound.
    """
    if _TYPED.search(text):
        raise InputError(
            f"{name} declares a document type, which is not allowed; remove the declaration"
        )
    try:
        root = ElementTree.fromstring(_DECLARED.sub("", text.lstrip("\ufeff \t\r\n"), count=1))
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{name} is not XML: {error}; download the product again") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
