"""The request to ``downscale``, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from groklst_cli.data.scenes import refuse_reference
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.masks import NO_MASKS, Masks
from groklst_cli.geo.targets import Naming
from groklst_cli.geo.writer import OutputFormat
from groklst_cli.pipeline.downscale.running import Running
from groklst_cli.pipeline.predict.plan import Plan
from groklst_cli.pipeline.predict.settings import Settings


@dataclass(frozen=True)
class Request(Settings, Running):
    """What to downscale, how, and where to: the settings, the way to run it, and the files.

    Attributes:
        lst: The coarse raster.
        output: The GeoTIFF to write.
        guides: Guidance files.
        masks: Which pixels of LST and guides are clear.
        named: How the output was named; a file that groklst did not write is replaced only if an
            option names it.
        provenance: Tags about the request, such as the command.
        page: A page about the run to write, in a folder that the caller makes whole, or None.
    """

    lst: BandSource
    output: Path
    guides: Sequence[BandSource] = ()
    masks: Masks = NO_MASKS
    named: Naming = "option"
    provenance: Mapping[str, str] = field(default_factory=dict)
    page: Path | None = None

    def __post_init__(self) -> None:
        """Refuse values that are never valid, without opening files.

        Raises:
            UsageError: If a value is not valid.
        """
        refuse_reference(self.guides)
        Settings.__post_init__(self)
        Running.__post_init__(self)
        OutputFormat(
            nodata=self.dst_nodata, creation=self.creation
        )  # refuses values that it cannot store

    @property
    def processes(self) -> int:
        """Number of local processes that share the work; 0 for this one alone."""
        return self.workers or (len(self.devices) if len(self.devices) > 1 else 0)

    @property
    def shares_work(self) -> bool:
        """Whether other processes do the work."""
        return bool(self.processes) or self.scheduler is not None

    @property
    def rasters(self) -> list[str]:
        """Every raster that is read."""
        sources = [self.lst, *self.guides, *self.masks.sources]
        return [*(source.path for source in sources), *([self.like] if self.like else [])]

    @property
    def has_target(self) -> bool:
        """Whether the result is resampled to another grid than the refined grid of the LST."""
        return self.like is not None or self.resolution is not None

    @property
    def targets(self) -> list[Path]:
        """Every file that will be written."""
        return [p for p in (self.output, self.uncertainty, self.picture) if p is not None]

    def naming_of(self, target: Path) -> Naming:
        """Return how one of these files was named."""
        return self.named if target == self.output else "option"


@dataclass(frozen=True)
class Refused(Request):
    """One of many scenes that is known to fail; it fails in its turn.

    Attributes:
        why: The error.
    """

    why: Exception = field(default_factory=Exception)

    @classmethod
    def of(cls, request: Request, why: Exception) -> Self:
        """Refuse a request."""
        return cls(
            **{named.name: getattr(request, named.name) for named in fields(request)}, why=why
        )


@dataclass(frozen=True)
class Result:
    """The result of a request.

    Attributes:
        output: The file.
        plan: How.
        shifts: How far each guide was moved, columns and rows in coarse pixels, by file.
        tiles: Tiles computed.
        seconds: Wall time from opening the inputs to the finished file.
        mean: Mean of the valid fine pixels, in the output's unit; NaN when there is none.
        skipped: Whether an earlier run wrote it, and this one did nothing.
        coarse_means: Differences of coarse means from the LST, if the result was resampled to
            another grid.
    """

    output: Path
    plan: Plan
    shifts: Mapping[str, tuple[float, float]]
    tiles: int
    seconds: float
    mean: float
    skipped: bool = False
    coarse_means: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "output": str(self.output),
            **self.plan.to_json(),
            "shifts": {path: list(shift) for path, shift in self.shifts.items()},
            "coarse_means": self.coarse_means,
            "tiles": self.tiles,
            "seconds": round(self.seconds, 3),
            "mean": None if np.isnan(self.mean) else round(self.mean, 4),
        }
