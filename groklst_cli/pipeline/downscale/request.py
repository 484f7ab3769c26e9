"""What is asked of ``downscale``, what it comes to, and what was made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from groklst_cli.geo.align import ResamplingName
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import BandSource
from groklst_cli.geo.targets import Naming
from groklst_cli.geo.units import Units
from groklst_cli.pipeline.downscale.request_checks import check_request
from groklst_cli.pipeline.predict.ready import Choice, PrecisionChoice
from groklst_cli.pipeline.predict.tile_rows import Strip

Coregistration = Literal["none", "auto"] | tuple[float, float]
"""Leave guides where they are, find their shift, or state it (columns, rows; coarse pixels)."""

PointSpread = Literal["auto", "none"] | float
"""Estimate the point spread, take none, or take this one, fine pixels."""

Progress = Callable[[int, int], None]
"""Called with tiles done and tiles in all; with 0 and 0 until it is known how many there are."""

ScaleSource = Literal["option", "checkpoint", "guides", "default"]
"""Who says by how much to refine."""


@dataclass(frozen=True)
class Request:
    """What to downscale, how, and where to.

    Attributes:
        lst: The coarse raster.
        output: The GeoTIFF to write.
        guides: Guidance files.
        scale: Fine pixels along a coarse one; None for the checkpoint's, else what leads to the
            finest guide's pixel, else 8.
        model: ``auto``, a method's key, or a checkpoint's path.
        units: The LST's unit, or None to find out.
        resampling: How guidance comes to the fine grid.
        coregister: What to do about guides that lie beside the LST.
        psf: The point spread of the fine product, for fitted methods.
        conserve: Whether coarse values are kept; None means the method's default: fitted
            methods keep them, networks do as they were trained.
        radiance: Keep the mean of ``T⁴`` instead of that of ``T``.
        sensor_psf: Keep the mean weighed by a Gaussian of so many coarse pixels; 0: the plain one.
        uncertainty: A GeoTIFF for the standard deviation of the result, or None.
        tile: Side of a tile, fine pixels; None for the method's own.
        overlap: What neighbouring tiles share, fine pixels; None for the method's own.
        batch: Tiles a network gets at once; ``auto`` for as many as pay on its device.
        device: Where a network runs; several, with commas between, share the work.
        precision: Of a network's arithmetic.
        bounds: Left, bottom, right, top in the LST's CRS; None for all.
        nodata: The output's nodata value.
        creation: GDAL's COG creation options.
        picture: A PNG to draw before and after in, or None.
        overwrite: Whether existing files may be replaced.
        resume: Whether to go on from what an interrupted run has finished.
        skip_existing: Whether outputs that hold what this request asks for are left as they are.
        jobs: Threads to compute and compress with; None for all processors.
        workers: Local processes to spread the work over; 0 for this one alone.
        scheduler: Address of a Dask scheduler whose workers are to do it.
        online: Whether GDAL may fetch what lies on the network.
        named: Who named the output; what groklst did not write is replaced only by an option.
    """

    lst: BandSource
    output: Path
    guides: Sequence[BandSource] = ()
    scale: int | None = None
    model: str = "auto"
    units: Units | None = None
    resampling: ResamplingName = "auto"
    coregister: Coregistration = "none"
    psf: PointSpread = "auto"
    conserve: bool | None = None
    radiance: bool = False
    sensor_psf: float = 0.0
    uncertainty: Path | None = None
    tile: int | None = None
    overlap: int | None = None
    batch: int | Literal["auto"] = "auto"
    device: str = "auto"
    precision: PrecisionChoice = "auto"
    bounds: tuple[float, float, float, float] | None = None
    nodata: float = float("nan")
    creation: Mapping[str, str] = field(default_factory=dict)
    picture: Path | None = None
    overwrite: bool = False
    resume: bool = False
    skip_existing: bool = False
    jobs: int | None = None
    workers: int = 0
    scheduler: str | None = None
    online: bool = False
    named: Naming = "option"

    def __post_init__(self) -> None:
        """Refuse what makes no sense, whatever the files hold.

        Raises:
            UsageError: If something does not.
        """
        check_request(self)

    @property
    def factor(self) -> int:
        """The scale, once it is settled."""
        assert self.scale is not None
        return self.scale

    @property
    def devices(self) -> list[str]:
        """Where to compute; several devices get a process each."""
        return self.device.split(",")

    @property
    def processes(self) -> int:
        """How many local processes share the work; 0 for this one alone."""
        return self.workers or (len(self.devices) if len(self.devices) > 1 else 0)

    @property
    def shares_work(self) -> bool:
        """Whether other processes do the work."""
        return bool(self.processes) or self.scheduler is not None

    @property
    def targets(self) -> list[Path]:
        """Every file that will be written."""
        return [p for p in (self.output, self.uncertainty, self.picture) if p is not None]

    def naming_of(self, target: Path) -> Naming:
        """Say who named one of these files."""
        return self.named if target == self.output else "option"


@dataclass(frozen=True)
class Plan:
    """What a request comes to, once its inputs are known.

    Attributes:
        choice: The method and why it was chosen.
        grid: The output's grid.
        scale: Fine pixels along a coarse one.
        strip: The coarse pixels that are computed.
        tile: Side of a tile, fine pixels.
        overlap: What neighbours share, fine pixels.
        conserve: Whether coarse values are kept.
        bands: Names of the guidance bands.
        resampling: How each guide comes to the fine grid, by file.
        units: Of LST and output.
        units_from: How the unit became known.
        valid: Coarse pixels of the whole LST that hold a value.
        scale_from: How the scale became known.
        coverage: Share of them that each guide covers, by file, where it was looked at.
    """

    choice: Choice
    grid: Grid
    scale: int
    strip: Strip
    tile: int
    overlap: int
    conserve: bool
    bands: tuple[str, ...]
    resampling: Mapping[str, str]
    units: Units
    units_from: str
    valid: int
    scale_from: ScaleSource = "option"
    coverage: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "method": self.choice.name,
            "checkpoint": str(self.choice.checkpoint) if self.choice.checkpoint else None,
            "reason": self.choice.reason,
            "scale": self.scale,
            "scale_from": self.scale_from,
            "height": self.grid.height,
            "width": self.grid.width,
            "crs": self.grid.crs.to_string(),
            "transform": list(self.grid.transform)[:6],
            "tile": self.tile,
            "overlap": self.overlap,
            "conserve": self.conserve,
            "bands": list(self.bands),
            "resampling": dict(self.resampling),
            "units": self.units,
            "units_from": self.units_from,
            "valid_coarse_pixels": self.valid,
            "coverage": {path: round(share, 4) for path, share in self.coverage.items()},
        }


@dataclass(frozen=True)
class Result:
    """What was made.

    Attributes:
        output: The file.
        plan: How.
        shifts: How far each guide was moved, columns and rows in coarse pixels, by file.
        tiles: Tiles computed.
        seconds: Wall time from opening the inputs to the finished file.
        mean: Mean of the valid fine pixels, in the output's unit; NaN when there is none.
        skipped: Whether an earlier run made it, and this one nothing.
    """

    output: Path
    plan: Plan
    shifts: Mapping[str, tuple[float, float]]
    tiles: int
    seconds: float
    mean: float
    skipped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "output": str(self.output),
            **self.plan.to_json(),
            "shifts": {path: list(shift) for path, shift in self.shifts.items()},
            "tiles": self.tiles,
            "seconds": round(self.seconds, 3),
            "mean": None if np.isnan(self.mean) else round(self.mean, 4),
        }
