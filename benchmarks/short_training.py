"""Every network trained alike for a short time, scored on a place that none has seen.

``python benchmarks/short_training.py SCENES WORK [NAME …] [--steps N] [--jobs N]`` prepares patches
at ×4 from all scenes but Chiapas, trains each network at the small widths of
``tests/models/networks.toml`` with the same options, and prints one row of a Markdown table for
each, best first: RMSE in kelvin on Chiapas at 60 m, beside bicubic and ridge. WORK keeps what was
trained; a network that is there is not trained again.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from groklst_models.checkpoint import load
from groklst_models.registry import REGISTRY, find

SCALE = 4
BANDS = "blue,green,red,nir,swir1,swir2"
TRAINING = (
    "talca_l7_20130215",
    "pennsylvania_l7_20021125",
    "pennsylvania_l7_20020720",
    "hongkong_l8_20131129",
    "hongkong_l8_20141015",
)
UNSEEN = "chiapas_l7_19991118"
OPTIONS = (
    "--recipe", "local", "-d", "cpu", "--set", "workers=0", "--set", "trend=false",
    "--set", "crop=64", "--set", "batch=2", "--set", "picture_every=0", "--set", f"bands={BANDS}",
)  # fmt: skip
TABLE = Path(__file__).parents[1] / "tests" / "models" / "networks.toml"


def groklst(*arguments: object) -> str:
    """Run a command and return what it prints on stdout."""
    command = [sys.executable, "-m", "groklst_cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def prepare(scenes: Path, folder: Path) -> None:
    """Cut training, validation and test patches."""
    if folder.is_dir():
        return
    native = [f"{name}=1" for name in TRAINING if name.startswith("hongkong")]
    whole = [f"{name}=train" for name in TRAINING if not name.startswith("hongkong")]
    groklst(
        "prepare", *(scenes / name for name in (*TRAINING, UNSEEN)), "--out", folder,
        "--scale", SCALE, "--patch", 144, "--bands", BANDS, "--max-nodata", 0.4,
        "--native-resolution", "60m",
        *(part for text in native for part in ("--native-resolution", text)),
        *(part for text in (*whole, f"{UNSEEN}=test") for part in ("--whole", text)),
    )  # fmt: skip


def score(scenes: Path, model: object) -> float:
    """Score a method on the unseen place, kelvin."""
    printed = groklst(
        "evaluate", "--data", scenes, "--protocol", f"wald_x{SCALE}", "--scene", UNSEEN,
        "-m", model, "-d", "cpu", "--json", "-q",
    )  # fmt: skip
    return float(json.loads(printed)["methods"][0]["summary"]["rmse_pooled"])


def train(name: str, arguments: dict[str, object], work: Path, scenes: Path, steps: int) -> str:
    """Train and score a network; return its row."""
    run = work / name
    if not (run / "best.safetensors").is_file():
        sets = [
            ("--set", f"arguments.{key}={json.dumps(value)}") for key, value in arguments.items()
        ]
        groklst(
            "train", "--data", work / "set", "--model", name, "--scale", SCALE, "--out", run,
            *OPTIONS, "--set", f"steps={steps}",
            "--set", f"validate_every={steps}", *(part for pair in sets for part in pair),
        )  # fmt: skip
    weights = load(run / "best.safetensors").weights.values()
    rmse = score(scenes, run / "best.safetensors")
    print(f"{name} {rmse:.4f}", file=sys.stderr, flush=True)
    entry = find(name)
    shown = ", ".join(f"{key} {value}" for key, value in arguments.items())
    return (
        f"| `{name}` | {entry.title} | {entry.shelf} | {shown} | "
        f"{sum(part.numel() for part in weights):,} | {rmse:.4f} |"
    )


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    prepare(options.scenes, options.work / "set")
    widths = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    names = options.names or [n for n, entry in REGISTRY.items() if entry.needs_weights]
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = pool.map(
            lambda name: train(
                name, widths[name]["small"], options.work, options.scenes, options.steps
            ),
            names,
        )
    ranked = sorted(rows, key=lambda row: float(row.split("|")[-2]))
    print("| key | network | shelf | arguments | parameters | RMSE (K) |")
    print("|---|---|---|---|---:|---:|")
    for row in ranked:
        print(row)
    for name in ("bicubic", "ridge"):
        print(f"| `{name}` | {find(name).title} | fitted | | | {score(options.scenes, name):.4f} |")


if __name__ == "__main__":
    main()
