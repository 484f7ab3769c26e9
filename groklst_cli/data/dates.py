"""When a scene was acquired: from its ``scene.json``, else from the tags of its raster."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Self

TAG: Final = "GROKLST_DATE"
TIFF_TAG: Final = "TIFFTAG_DATETIME"

_TIFF: Final = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
"""How TIFF 6.0 writes a date with a time."""


@dataclass(frozen=True)
class Seen:
    """A day, with or without a time.

    Attributes:
        day: In UTC if the time is known, else as it was stated.
        moment: Date and time in UTC, or None.
    """

    day: date
    moment: datetime | None = None

    @classmethod
    def parse(cls, text: Any) -> Self | None:
        """Read a date, with or without a time, of ISO 8601 or TIFF; None for other texts."""
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
        """Return it for a file; TIFF's own tag has no form for a day without a time."""
        stated = {TAG: str(self)}
        if self.moment is not None:
            stated[TIFF_TAG] = self.moment.strftime("%Y:%m:%d %H:%M:%S")
        return stated


def name_with_date(name: str, seen: Seen | None) -> str:
    """Add the day to a name that does not contain it."""
    if seen is None or seen.compact in re.sub(r"[-_.]", "", name):
        return name
    return f"{name}_{seen.compact}"
