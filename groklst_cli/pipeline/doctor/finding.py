"""What a check of the doctor's found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        about: What was looked at, a word or two.
        state: ``wrong`` keeps groklst from working, ``warning`` may surprise.
        found: What is there.
        mend: What to type or do, where something is to be mended.
    """

    about: str
    state: State
    found: str
    mend: str = ""
