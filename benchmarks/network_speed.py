"""Each network's forward pass over EDSR's, at the default widths.

``python benchmarks/network_speed.py [--side N] [--device D] [NAME …]`` runs one ×8 tile through
each network, with EDSR before it, and writes the ratios into ``models/groklst_models/speeds.toml``,
where the catalogue takes them from. On the CPU it counts processor time of one thread.
"""

import argparse
import platform
import time
import tomllib
from pathlib import Path

import torch

from groklst_models.accounting import BENCHMARK_CHANNELS
from groklst_models.registry import REGISTRY, build, find

SCALE = 8
TABLE = Path(__file__).parents[1] / "models" / "groklst_models" / "speeds.toml"


def seconds(name: str, side: int, device: torch.device, repeats: int) -> float:
    """Time the fastest of some forward passes over one tile."""
    guided = {"guide_channels": BENCHMARK_CHANNELS} if find(name).shelf == "guided" else {}
    torch.manual_seed(0)
    network = build(name, scale=SCALE, **guided).eval().to(device)
    coarse = -(-side // SCALE // network.multiple_of) * network.multiple_of
    given = [torch.randn(1, 1, coarse, coarse, device=device)]
    if guided:
        fine = coarse * SCALE
        given.append(torch.randn(1, BENCHMARK_CHANNELS, fine, fine, device=device))
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    found = []
    with torch.inference_mode():
        for _ in range(repeats):
            began = clock()
            network(*given)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            found.append(clock() - began)
    return min(found) * (side / SCALE / coarse) ** 2


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "one processor core"
    coarse = options.side // SCALE
    conditions = (
        f"one {coarse} × {coarse} to {options.side} × {options.side} tile on {where} "
        f"({platform.machine()}, torch {torch.__version__.split('+')[0]})"
    )
    ratio = tomllib.loads(TABLE.read_text(encoding="utf-8"))["ratio"] if options.names else {}
    for name in options.names or [n for n, entry in REGISTRY.items() if entry.needs_weights]:
        edsr = seconds("edsr", options.side, device, 3)
        own = seconds(name, options.side, device, 2)
        ratio[name] = float(f"{own / edsr:.3g}")
        print(f"{name}: {ratio[name]:.3g}  ({own:.2f} s, EDSR {edsr:.2f} s)", flush=True)
        rows = "".join(f"{key} = {ratio[key]}\n" for key in sorted(ratio))
        TABLE.write_text(f'conditions = "{conditions}"\n\n[ratio]\n{rows}', encoding="utf-8")


if __name__ == "__main__":
    main()
