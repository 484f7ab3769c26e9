"""When a scene was seen: what its ``scene.json`` says, else the tags of its raster."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Self

TAG: Final = "GROKLST_DATE"
TIFF_TAG: Final = "TIFFTAG_DATETIME"

_TIFF: Final = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
"""How TIFF 6.0 writes a moment."""


@dataclass(frozen=True)
class Seen:
    """A day, or a moment of it.

    Attributes:
        day: In UTC where the moment is known, else as it was stated.
        moment: In UTC, or None.
    """

    day: date
    moment: datetime | None = None

    @classmethod
    def parse(cls, text: Any) -> Self | None:
        """Read a date or a moment of ISO 8601, or a moment as TIFF writes it; None for others."""
        if not isinstance(text, str):
            return None
        if found := _TIFF.fullmatch(text.strip()):
            text = "{}-{}-{}T{}".format(*found.groups())
        try:
            if len(text) <= len("2024-07-15"):
                return cls(date.fromisoformat(text))
            moment = datetime.fromisoformat(text)
            utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
        return cls(utc.date(), utc.replace(microsecond=0))

    def __str__(self) -> str:
        if self.moment is None:
            return self.day.isoformat()
        return self.moment.replace(tzinfo=None).isoformat() + "Z"

    @property
    def compact(self) -> str:
        """The day in eight digits."""
        return self.day.strftime("%Y%m%d")

    @property
    def seconds(self) -> int:
        """Seconds since 1970 in UTC; a day begins at midnight."""
        return int((self.moment or datetime(*self.day.timetuple()[:3], tzinfo=UTC)).timestamp())

    @property
    def tags(self) -> dict[str, str]:
        """State it in a file; TIFF's own tag has no form for a day without a time."""
        stated = {TAG: str(self)}
        if self.moment is not None:
            stated[TIFF_TAG] = self.moment.strftime("%Y:%m:%d %H:%M:%S")
        return stated


def name_with_date(name: str, seen: Seen | None) -> str:
    """Add the day to a name that does not hold it."""
    if seen is None or seen.compact in re.sub(r"[-_.]", "", name):
        return name
    return f"{name}_{seen.compact}"
