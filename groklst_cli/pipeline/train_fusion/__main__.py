"""``python -m groklst_cli.pipeline.train_fusion RECIPE --data SCENES --out FILE``."""

import argparse
import sys
import time
from pathlib import Path

import torch

from groklst_cli import __version__
from groklst_cli.data.truth import sha256
from groklst_cli.errors import GroklstError, OutputExistsError
from groklst_cli.pipeline.train_fusion.fit import cases_of, train, training_scenes
from groklst_cli.pipeline.train_fusion.options import FusionOptions
from groklst_models.regression.fusion_weights import save
from groklst_models.threads import threads


def main() -> int:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(prog="train_fusion", description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    try:
        with threads(arguments.threads):
            run(arguments.recipe, arguments.data, arguments.out)
    except GroklstError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def run(recipe: Path, data: Path, out: Path) -> None:
    """Train as a recipe says.

    Raises:
        GroklstError: If it cannot be carried out.
    """
    if out.exists():
        raise OutputExistsError(f"{out} exists; name another file")
    options = FusionOptions.read(recipe)
    scenes = training_scenes(data, options)
    began = time.process_time()
    cases = list(cases_of(scenes, options, note))
    note(f"{len(cases)} cases in {time.process_time() - began:.0f} processor-seconds")
    began = time.process_time()
    networks = [train(cases, options, seed, note) for seed in options.seeds]
    seconds = time.process_time() - began
    note(f"{len(networks)} networks in {seconds:.0f} processor-seconds")
    facts = {
        "version": __version__,
        "torch": str(torch.__version__),
        "options": options.to_json(),
        "cases": len(cases),
        "scenes": {
            folder.name: {path.name: sha256(path) for path in sorted(folder.path.glob("*.tif"))}
            for folder in scenes
        },
        "licence": options.licence,
    }
    save(networks, facts, out)
    print(out)


def note(text: str) -> None:
    """Say something to people."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
