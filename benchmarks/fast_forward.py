"""Time of MoCoLSK-Net's forward pass as it is over that of the accelerated one, and what differs.

``python benchmarks/fast_forward.py [--width N] [--side N] [--scale N] [--threads N]`` computes one
tile in two processes by turns and prints the ratio of the fastest passes, the largest difference,
and the peak memory of each. The accelerated one keeps the memory that it frees, as a run does.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.acceleration import accelerate
from groklst_models.freed_memory import keep_freed_memory
from groklst_models.guided.mocolsk import MoCoLSKNet

BANDS = 10
KELVIN = 14.59  # deviation of the published data's LST
VARIANTS = ("plain", "accelerated")


def scene(scale: int, side: int) -> tuple[Tensor, Tensor]:
    """Make standardised LST and guidance."""
    torch.manual_seed(1)
    return torch.randn(1, 1, side // scale, side // scale), torch.randn(1, BANDS, side, side)


def network(scale: int, width: int) -> nn.Module:
    """Make the network with weights under which its layers' outputs are as large as inputs."""
    torch.manual_seed(0)
    made = MoCoLSKNet(scale=scale, guide_channels=BANDS, width=width).eval()
    for weight in made.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    return made


def work(variant: str, options: argparse.Namespace, path: Path) -> None:
    """Compute the tile for each line on the input, print the seconds, at last the memory."""
    torch.set_num_threads(options.threads)
    made = network(options.scale, options.width)
    if variant == "accelerated":
        keep_freed_memory()
        made = accelerate(made, torch.device("cpu"))
    lst, guide = scene(options.scale, options.side)
    with torch.inference_mode():
        for _ in sys.stdin:
            began, began_work = time.perf_counter(), time.process_time()
            fine = made(lst, guide)
            print(time.perf_counter() - began, time.process_time() - began_work, flush=True)
    torch.save(fine, path)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, flush=True)


def main() -> None:
    """Start both processes, let them compute by turns, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 32), ("side", 512), ("scale", 8), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker[0], options, Path(options.worker[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / variant for variant in VARIANTS]
        workers = [
            subprocess.Popen(
                [sys.executable, *sys.argv, "--worker", variant, str(path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for variant, path in zip(VARIANTS, paths, strict=True)
        ]  # fmt: skip
        passes: list[list[list[float]]] = [[], []]
        for turn in range(options.repeats + 1):
            for worker, found in zip(workers, passes, strict=True):
                print(turn, file=worker.stdin, flush=True)
                found.append([float(word) for word in worker.stdout.readline().split()])
        peaks = [float(worker.communicate()[0]) for worker in workers]
        plain, fast = (torch.load(path) for path in paths)
    for column, clock in enumerate(("wall clock", "processor time")):
        before, after = (min(one[column] for one in found[1:]) for found in passes)
        print(f"{clock}: {before:.2f} s plain, {after:.2f} s accelerated: {before / after:.2f} ×")
    lst, _ = scene(options.scale, options.side)
    detail = plain - functional.interpolate(lst, scale_factor=options.scale, mode="bicubic")
    largest = float((plain - fast).abs().max())
    print(
        f"largest difference: {largest / float(plain.std()):.1e} deviations of the output, "
        f"{largest * KELVIN:.1e} K where the network adds {float(detail.std()) * KELVIN:.2f} K"
    )
    print(f"peak memory: {peaks[0]:.0f} MiB plain, {peaks[1]:.0f} MiB accelerated")


if __name__ == "__main__":
    main()
