"""Whether what is said of a fitted method's gain is what its map has.

``python benchmarks/promises.py --scenes SCENES --pairs PAIRS [--methods best local ridge]`` runs
methods as a user does, under Wald's protocols at ×4 and ×8 and over pairs of MODIS and ASTER, and
compares the gain over bicubic that a run says is to be expected with the one that the truth shows:
means, and the correlation of the two over all images (at least 0.8 is wanted).
"""

import argparse
import re
from pathlib import Path

import numpy as np
import torch

from groklst_cli.data.scenes import SceneFolder, scene_folders
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.arrays.rasters import scene_of
from groklst_cli.pipeline.evaluate.cases import Case, cross_sensor_case, wald_case
from groklst_cli.pipeline.evaluate.protocol import CrossSensorProtocol, find_protocol
from groklst_cli.pipeline.predict.default_scale import FoundScale
from groklst_cli.pipeline.predict.planned import Planned
from groklst_cli.pipeline.predict.settings import Settings

PROMISE = re.compile(r"expect about (-?\d+)% below in the result")


def cases(folder: Path, protocol_name: str) -> list[Case]:
    """Make every case of a folder of scenes."""
    protocol = find_protocol(protocol_name)
    with gdal_environment():
        return [
            cross_sensor_case(SceneFolder.read(scene), protocol)
            if isinstance(protocol, CrossSensorProtocol)
            else wald_case(SceneFolder.read(scene), protocol)
            for scene in scene_folders(folder)
            if scene.name not in protocol.left_out
        ]


def run(case: Case, method: str) -> tuple[float, float]:
    """Return the RMSE, kelvin, and the gain that was said to be expected, per cent."""
    notes: list[str] = []
    settings = Settings(
        scale=case.scale, model=method, conserve="none" if method == "bicubic" else "auto"
    )
    with gdal_environment(), scene_of(settings, case.lst, case.guides) as scene:
        planned = Planned.of(settings, scene, FoundScale(case.scale, "option"))
        made = planned.aligned().ready(1, note=notes.append).whole()
    said = PROMISE.search(" ".join(notes))
    rmse = float(np.sqrt(np.nanmean((made.astype(float) - case.truth) ** 2)))
    return rmse, float(said[1]) if said else 0.0


def main() -> None:
    """Print a row an image and method, and for each method how both agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--methods", nargs="+", default=["best", "local", "ridge"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = cases(options.pairs, "cross_sensor_modis_aster") if options.pairs else []
    for scale in (4, 8) if options.scenes else ():
        found += cases(options.scenes, f"wald_x{scale}")
    gains: dict[str, list[tuple[float, float]]] = {method: [] for method in options.methods}
    for case in found:
        plain, _ = run(case, "bicubic")
        for method, pairs in gains.items():
            rmse, said = run(case, method)
            pairs.append((said, 100 * (1 - rmse / plain)))
        row = "  ".join(f"{m} said {p[-1][0]:.0f} got {p[-1][1]:.0f}" for m, p in gains.items())
        print(f"x{case.scale} {case.name:28s} {row}", flush=True)
    for method, pairs in gains.items():
        said, got = np.array(pairs).T
        print(
            f"{method}: said {said.mean():.1f} %, got {got.mean():.1f} %, "
            f"correlation {np.corrcoef(said, got)[0, 1]:.2f} over {len(got)}"
        )


if __name__ == "__main__":
    main()
