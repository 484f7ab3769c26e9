"""What the intervals of ``--uncertainty`` hold, where the truth is known.

``python benchmarks/coverage.py SCENES [--method NAME] [--scales 2 4 8] [--others SCENES]
[--without NAME …] [--pairs PAIRS]`` downscales the scenes of a folder under Wald's protocol and
prints, for each, the share of truth within one standard deviation (68 % is due) and within 1.96
(95 %), how standard deviation and size of the error correlate, and z, the RMS of errors over that
of standard deviations. The factors of each row were measured on all other places (two dates of one
place are left out together), so each row is a test; the last factors are of all of them. OTHERS,
but for those whose names begin with what ``--without`` says, are tested with the factors that
groklst has: scenes that none was measured on. So are PAIRS of MODIS and ASTER, whose mean
difference is taken off each.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np
import torch
from error_factors import Pixels, measured
from real_scenes import wald_cases

from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.error_model import MEASURED, Factors, Terms
from groklst_cli.pipeline.arrays.rasters import scene_of
from groklst_cli.pipeline.evaluate.cases import Case, cross_sensor_case
from groklst_cli.pipeline.evaluate.protocol import CrossSensorProtocol, find_protocol
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.deviation import Evidence, Finished
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.settings import Settings

_PIXELS: Final = 5000  # of each result
_INTERPOLATION: Final = "bicubic"


def sampled(case: Case, method: str) -> Pixels:
    """Downscale a case and draw some of its pixels."""
    settings, scale = Settings(scale=case.scale, model=method), case.scale
    with gdal_environment(), scene_of(settings, case.lst, case.guides) as scene:
        ready = Planned.of(settings, scene, FoundScale(scale, "option")).aligned().ready(1)
        needed, evidence = ready.needed(), Evidence(ready.plan.strip)
        tiles = ready.tile_rows(needed, ready.layout.groups_of(needed))
        rows = ready.finished(tiles, on_residual=evidence.add_residual)
        fine = np.concatenate([part for _, part in rows]).astype(np.float64)
        finished = Finished(
            lambda rows: fine[rows.start * scale : rows.stop * scale], ready.plan, scene, evidence
        )
        parts = [terms for _, terms in finished.terms()]
    error = fine - case.truth
    known = np.flatnonzero(np.isfinite(error))
    drawn = np.random.default_rng(0).choice(known, min(_PIXELS, known.size), replace=False)
    return Pixels(case.name, scale, error.ravel()[drawn], _joined(parts, drawn))


def _joined(parts: Sequence[Terms], drawn: np.ndarray) -> Terms:
    planes: dict[str, np.ndarray | float] = {}
    for name in (field.name for field in fields(Terms) if field.name != "pixels"):
        values = [getattr(part, name) for part in parts]
        whole = isinstance(values[0], np.ndarray)
        planes[name] = np.concatenate(values).ravel()[drawn] if whole else values[0]
    return Terms(**planes, pixels=parts[0].pixels)


def cases(folder: Path, scales: Sequence[int]) -> Iterator[Case]:
    """Make all cases of a folder; files that they need are there as long as they are used."""
    with tempfile.TemporaryDirectory() as name:
        yield from wald_cases(folder, scales, Path(name))


def pairs(folder: Path) -> Iterator[Case]:
    """Make a case of each pair of sensors."""
    protocol = find_protocol("cross_sensor_modis_aster")
    assert isinstance(protocol, CrossSensorProtocol)
    for scene in scene_folders(folder):
        with gdal_environment():
            yield cross_sensor_case(SceneFolder.read(scene), protocol)


def row(part: Pixels, factors: Factors) -> tuple[float, ...]:
    """Return both shares, per cent, the correlation, and RMS error over RMS deviation."""
    deviation, size = part.deviation(factors), np.abs(part.error)
    return (
        100 * part.within(factors, 1),
        100 * part.within(factors, 1.96),
        float(np.corrcoef(deviation, size)[0, 1]),
        float(np.sqrt((size**2).mean() / (deviation**2).mean())),
    )


def show(title: str, rows: Sequence[tuple[float, ...]]) -> None:
    """Print means and spreads over results."""
    (inner, outer, _, z), spread = np.mean(rows, axis=0), np.std(rows, axis=0)
    print(
        f"{title}: {inner:.1f} ± {spread[0]:.1f} % in 68 %, {outer:.1f} ± {spread[1]:.1f} % in "
        f"95 %, median correlation {np.median(rows, axis=0)[2]:.3f}, mean z {z:.2f}",
        flush=True,
    )


def main() -> None:
    """Print a row a scene and scale, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--others", type=Path)
    parser.add_argument("--without", nargs="+", default=[])
    parser.add_argument("--pairs", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results, plain = [], []
    for case in cases(options.scenes, options.scales):
        results.append(sampled(case, options.method))
        plain.append(sampled(case, _INTERPOLATION))
    tested = []
    for place in sorted({part.place for part in results}):
        elsewhere = [part for part in results if part.place != place]
        interpolated = [part for part in plain if part.place != place]
        factors = measured([*elsewhere, *interpolated], elsewhere)
        for part in (part for part in results if part.place == place):
            tested.append(row(part, factors))
            print(
                "x{} {:26s} {:5.1f} {:5.1f} {:5.2f} z {:.2f}".format(
                    part.scale, part.name, *tested[-1]
                ),
                flush=True,
            )
    show(f"{options.method}, each place left out", tested)
    factors = measured([*results, *plain], results)
    print(f"measured on all: {factors}")
    show("all, with groklst's factors", [row(part, MEASURED) for part in results])
    show(f"{_INTERPOLATION}, with groklst's factors", [row(part, MEASURED) for part in plain])
    if options.others is not None:
        others = [
            sampled(case, options.method)
            for case in cases(options.others, options.scales)
            if not case.name.startswith(tuple(options.without))
        ]
        show(f"{len(others)} results elsewhere", [row(part, MEASURED) for part in others])
    if options.pairs is not None:
        both = [unbiased(sampled(case, options.method)) for case in pairs(options.pairs)]
        show(f"{len(both)} pairs", [row(part, MEASURED) for part in both])


def unbiased(part: Pixels) -> Pixels:
    """Take the mean difference of two sensors off."""
    return Pixels(part.name, part.scale, part.error - part.error.mean(), part.terms)


if __name__ == "__main__":
    main()
