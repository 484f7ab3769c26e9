"""Open files, or rasters in memory, as a scene."""

from collections.abc import Callable, Sequence

from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.masks import NO_MASKS, MaskedLst, Masking, Masks
from groklst_cli.geo.scene import Scene
from groklst_cli.geo.summary import ValueSummary
from groklst_cli.pipeline.predict.settings import Settings


def open_scene(
    settings: Settings,
    lst: BandSource,
    guides: Sequence[BandSource],
    *,
    masks: Masks = NO_MASKS,
    summary: ValueSummary | None = None,
    masked: MaskedLst | None = None,
    kind: Callable[..., Scene] = Scene,
) -> Scene:
    """Open LST and guides on one fine grid; close it, or use it as a context manager.

    Args:
        settings: How to read them, with a known scale.
        lst: The coarse raster.
        guides: Guidance, in order.
        masks: Of the LST and of guides.
        summary: Summary of the LST's values if it is known, so that they are not read again.
        masked: The effect of masks on the LST, likewise.
        kind: The class of scene.

    Raises:
        GroklstError: If one cannot be used.
    """
    return kind(
        lst,
        guides,
        settings.factor,
        units=settings.lst_units,
        resampling=settings.resampling,
        summary=summary,
        masking=Masking(masks.lst, masks.guides, settings.min_clear, settings.fill_masked),
        masked=masked,
    )
