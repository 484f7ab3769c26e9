"""From settings to a plan: check everything on a scene, and compute the lattice."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.conserve import LARGEST_PSF, Conservation
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.masks import MaskedLst
from groklst_cli.geo.noise import Belief
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.unit_names import Units
from groklst_cli.pipeline.predict.choice import Choice, choose
from groklst_cli.pipeline.predict.default_scale import FoundScale, ScaleSource
from groklst_cli.pipeline.predict.layout import Layout, Strip
from groklst_cli.pipeline.predict.settings import Settings

if TYPE_CHECKING:  # a plan is made before torch is imported
    from groklst_models.contract import Method

NETWORK_OVERLAP: Final = 64
"""Fine pixels; leaves 0.021 K at tile lines, where 16 leave 0.046 K and 128 leave 0.020 K."""


@dataclass(frozen=True)
class Plan:
    """The settings resolved for a scene.

    Attributes:
        choice: The method and why it was chosen.
        grid: The output's grid.
        scale: Fine pixels along a coarse pixel.
        strip: The coarse pixels that are computed.
        tile: Side of a tile, fine pixels.
        overlap: What neighbours share, fine pixels.
        conservation: Which coarse values are kept; None for none.
        bands: Names of the guidance bands.
        resampling: How each guide is resampled to the fine grid, by file.
        units: Of LST and output.
        units_from: The source of the unit.
        valid: Coarse pixels of the whole LST with a value.
        scale_from: The source of the scale.
        coverage: Share of them that each guide covers, by file, if it was measured.
        masked: The effect of masks on the LST; None without masks.
        target: The grid that the result is resampled to; None for its own.
    """

    choice: Choice
    grid: Grid
    scale: int
    strip: Strip
    tile: int
    overlap: int
    conservation: Conservation | None
    bands: tuple[str, ...]
    resampling: Mapping[str, str]
    units: Units
    units_from: str
    valid: int
    scale_from: ScaleSource = "option"
    coverage: Mapping[str, float] = field(default_factory=dict)
    masked: MaskedLst | None = None
    target: Grid | None = None

    @property
    def output(self) -> Grid:
        """The grid of the output."""
        return self.target or self.grid

    @property
    def conserve(self) -> bool:
        """Whether coarse values are conserved."""
        return self.conservation is not None

    @property
    def believed(self) -> Belief | None:
        """How far coarse values are kept; None if they are exact, or before the estimate."""
        return self.conservation.belief if self.conservation else None

    def believing(self, belief: Belief | None) -> Self:
        """Keep coarse values as far as their noise allows."""
        if self.conservation is None or belief is None:
            return self
        return replace(self, conservation=replace(self.conservation, belief=belief))

    def _noise(self) -> dict[str, float] | None:
        if (belief := self.believed) is None:
            return None
        return {
            "found": round(belief.found, 4),
            "believed": round(belief.noise, 4),
            "point_spread": round(belief.spread, 4),
            "means_differ_rms": round(belief.departure, 4),
        }

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "method": self.choice.name,
            "checkpoint": str(self.choice.checkpoint) if self.choice.checkpoint else None,
            "reason": self.choice.reason,
            "scale": self.scale,
            "scale_from": self.scale_from,
            "height": self.output.height,
            "width": self.output.width,
            "crs": self.output.crs.to_string(),
            "transform": list(self.output.transform)[:6],
            "tile": self.tile,
            "overlap": self.overlap,
            "conserve": self.conserve,
            "noise": self._noise(),
            "bands": list(self.bands),
            "resampling": dict(self.resampling),
            "units": self.units,
            "units_from": self.units_from,
            "valid_coarse_pixels": self.valid,
            "coverage": {path: round(share, 4) for path, share in self.coverage.items()},
            "mask": self.masked.to_json() if self.masked else None,
        }

    def layout(self, scene: Scene, method: "Method", batch: int) -> Layout:
        """Divide the whole scene into tiles, with this batch size."""
        return Layout.of(
            scene.coarse.shape,
            tile=self.tile // self.scale,
            overlap=self.overlap // self.scale,
            halo=method.halo,
            batch=batch,
        )


def plan_of(settings: Settings, scene: Scene, found: FoundScale | None = None) -> Plan:
    """Resolve settings for a scene.

    Args:
        settings: Settings with a known scale.
        scene: Open.
        found: Where the scale comes from; None if it was stated.

    Raises:
        GroklstError: If they cannot be used for the scene.
    """
    choice = choose(settings.model, scene.bands, scene.scale)
    strip = _strip(settings, scene)
    tile = choice.tile - choice.tile % scene.scale if settings.tile is None else settings.tile
    overlap = settings.overlap
    if overlap is None:
        overlap = 0 if choice.is_fitted else min(NETWORK_OVERLAP, tile // 2)
    _check_tiling(tile, overlap, scene.scale)
    return Plan(
        choice=choice,
        grid=scene.fine.crop(scene.to_fine(strip.rows), scene.to_fine(strip.columns)),
        scale=scene.scale,
        strip=strip,
        tile=tile,
        overlap=overlap - overlap % scene.scale,
        conservation=_conservation(settings, scene.scale, by_default=choice.conserves),
        bands=scene.bands,
        resampling={guide.path: guide.method for guide in scene.guides},
        units=scene.lst.units,
        units_from=scene.lst.units_from,
        valid=scene.known,
        masked=scene.masked,
        scale_from=found.source if found else "option",
    )


def _conservation(settings: Settings, scale: int, *, by_default: bool) -> Conservation | None:
    """Return which coarse values are conserved, if any.

    Raises:
        UsageError: If the sensor's point spread is not valid.
    """
    if not 0 <= settings.sensor_psf <= LARGEST_PSF:
        raise UsageError(
            f"--sensor-psf {settings.sensor_psf:g} must be between 0 and {LARGEST_PSF}"
        )
    if settings.conserve == "none" or (settings.conserve == "auto" and not by_default):
        return None
    return Conservation(scale, settings.conserve == "radiance", settings.sensor_psf)


def _strip(settings: Settings, scene: Scene) -> Strip:
    rows, columns = slice(0, scene.coarse.height), slice(0, scene.coarse.width)
    if settings.bounds is not None:
        rows, columns = scene.coarse.window_of(settings.bounds)
    if rows.start == rows.stop or columns.start == columns.stop:
        raise InputError(
            f"--bounds are outside {scene.lst.path}, whose bounds are "
            f"{' '.join(f'{v:.10g}' for v in scene.coarse.bounds)}"
        )
    return Strip(rows, columns)


def _check_tiling(tile: int, overlap: int, scale: int) -> None:
    if tile < scale or tile % scale:
        raise UsageError(f"--tile {tile} is not a multiple of the scale {scale}")
    if not 0 <= overlap <= tile // 2:
        raise UsageError(f"--overlap {overlap} must be between 0 and half the tile, {tile // 2}")
