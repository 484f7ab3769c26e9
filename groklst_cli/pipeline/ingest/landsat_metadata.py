"""A Landsat product's ``MTL`` file, as text (ODL), XML or JSON: values by group and key."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Self

from groklst_cli.errors import InputError
from groklst_cli.pipeline.ingest.delivery import Delivery
from groklst_cli.pipeline.ingest.plain_xml import parse_xml

_LINE: Final = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")


@dataclass(frozen=True)
class LandsatMetadata:
    """The content of an ``MTL`` file.

    Attributes:
        name: The file.
        groups: Texts by group and key. Groups of Collection 1 and 2 differ in their names.
    """

    name: str
    groups: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, delivery: Delivery, name: str) -> Self:
        """Read a file of a delivery.

        Raises:
            InputError: If it is none.
        """
        text = delivery.text(name)
        kind = PurePosixPath(name).suffix.lower()
        read = {".xml": _from_xml, ".json": _from_json}.get(kind, _from_text)
        groups = read(text, name)
        if not groups:
            raise InputError(f"{name} of {delivery.path} contains no metadata; download it again")
        return cls(name, groups)

    def text(self, key: str, groups: str = "") -> str | None:
        """Find a text by its key, in groups whose names contain a word."""
        for name, group in self.groups.items():
            if groups in name and key in group:
                return group[key]
        return None

    def number(self, key: str, groups: str) -> float | None:
        """Find a number.

        Raises:
            InputError: If it is present and not a number.
        """
        found = self.text(key, groups)
        if found is None:
            return None
        try:
            return float(found)
        except ValueError as error:
            raise InputError(f"{self.name}: {key} is {found!r}, expected a number") from error

    def needed(self, key: str, groups: str) -> float:
        """Find a number that has to be there.

        Raises:
            InputError: If it is missing, or not a number.
        """
        found = self.number(key, groups)
        if found is None:
            raise InputError(f"{self.name} has no {key}; download the product's whole MTL file")
        return found


def _from_text(text: str, name: str) -> dict[str, dict[str, str]]:
    """Read the lines between ``GROUP`` and ``END_GROUP``; other lines are ignored."""
    groups: dict[str, dict[str, str]] = {}
    inside: list[str] = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            continue
        key, value = found[1], found[2].strip('"')
        if key == "GROUP":
            inside.append(value)
        elif key == "END_GROUP":
            inside = inside[:-1]
        elif inside:
            groups.setdefault(inside[-1], {})[key] = value
    return groups


def _from_xml(text: str, name: str) -> dict[str, dict[str, str]]:
    root = parse_xml(text, name)
    return {group.tag: {value.tag: (value.text or "").strip() for value in group} for group in root}


def _from_json(text: str, name: str) -> dict[str, dict[str, str]]:
    try:
        stated: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}; download it again") from error
    whole: Any = next(iter(stated.values()), {}) if isinstance(stated, dict) else {}
    return {
        group: {key: str(value) for key, value in values.items()}
        for group, values in (whole.items() if isinstance(whole, dict) else ())
        if isinstance(values, dict)
    }
