"""What a belief in noise is worth on real sensors, and that it costs exact ones nothing.

``python benchmarks/noise.py --pairs PAIRS --scenes SCENES [--methods ridge local]`` runs each
method as ``--conserve auto`` does and with all coarse means kept. Over PAIRS of MODIS and ASTER it
prints both mean RMSEs as shares of bicubic's and both worst pairs (at most 1.01 is wanted of the
first); over SCENES under Wald's protocols at ×4 and ×8, whose coarse values are exact, how many
results have the same bits, and the largest ratio of the two RMSEs (1.002 is allowed).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from groklst_cli.pipeline.evaluate.contenders import Contender, Follow, Shown
from groklst_cli.pipeline.evaluate.protocol import BASELINE, find_protocol
from groklst_cli.pipeline.evaluate.trials import run_protocol

EXACT = ":conserved"


def shown(protocol: str, folder: Path, methods: list[str]) -> Iterator[Shown]:
    """Run methods both ways over a folder of scenes."""
    images: list[Shown] = []
    asked = [Contender.parse(method + how) for method in methods for how in ("", EXACT)]
    run_protocol(find_protocol(protocol), folder, asked, follow=Follow(watch=images.append))
    yield from images


def rmse(images: list[Shown], method: str) -> np.ndarray:
    """Return a method's RMSE on each image, kelvin."""
    return np.array([image.outcomes[method].scores.rmse for image in images])


def main() -> None:
    """Print a row a method and protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--methods", nargs="+", default=["ridge", "local"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.pairs is not None:
        images = [*shown("cross_sensor_modis_aster", options.pairs, options.methods)]
        plain = rmse(images, BASELINE)
        for method in options.methods:
            for how in ("", EXACT):
                made = rmse(images, method + how)
                print(
                    f"{len(images)} pairs {method + how:20s} {made.mean() / plain.mean():.3f} of "
                    f"bicubic, worst pair {(made / plain).max():.3f}",
                    flush=True,
                )
    for scale in (4, 8) if options.scenes is not None else ():
        images = [*shown(f"wald_x{scale}", options.scenes, options.methods)]
        for method in options.methods:
            same = [
                np.array_equal(i.predictions[method], i.predictions[method + EXACT], equal_nan=True)
                for i in images
            ]
            ratio = (rmse(images, method) / rmse(images, method + EXACT)).max()
            print(
                f"wald x{scale} {method:20s} {sum(same)} of {len(same)} with the same bits, "
                f"largest ratio {ratio:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
