"""What each network of the benchmark's table takes to train: operations, memory, hours on one H100.

``python benchmarks/expected_hours.py`` prints the tables of ``docs/benchmark.md``, and with
``--write`` puts them there. Operations and the memory that the backward pass needs are counted
without computing anything. Hours follow from what MoCoLSK-Net's training was measured to take on
the card (``docs/gpu.md``), times the network's operations over MoCoLSK-Net's, or times its
processor time over MoCoLSK-Net's (``python benchmarks/network_speed.py``), whichever is more.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from groklst_cli.pipeline.evaluate.comparable import SIDE, TEST_TILES
from groklst_cli.pipeline.evaluate.published import PublishedMethod, published_methods
from groklst_cli.pipeline.train.options import TrainOptions
from groklst_cli.pipeline.train.paper_recipes import paper_recipes
from groklst_cli.pipeline.train.recipes import assemble
from groklst_models.accounting import BENCHMARK_CHANNELS, speeds
from groklst_models.contract import SamplingNetwork
from groklst_models.registry import build, find

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
YARDSTICK = "mocolsk"
SCALES = (2, 4, 8)
SAMPLE = 1 / (4 * 0.51)
"""Seconds a 512² sample of its training at ×8 in fp32, four to a step; ``docs/gpu.md``."""
LEAST_STEP = 1 / 6.3
"""Seconds of its smallest measured step, one 128² crop: starting kernels, not arithmetic."""
SCORING = 0.14
"""Processor seconds that the scores of a 512² tile take in a validation, on the CPU."""
MARK = "<!-- {}: python benchmarks/expected_hours.py --write -->\n"


@dataclass(frozen=True)
class Cost:
    """What a network's forward pass over one sample costs.

    Attributes:
        operations: Multiplications and additions; of one guess, where an answer takes several.
        held: Memory that is kept for the backward pass, GiB.
    """

    operations: int
    held: float


@cache
def _counted(name: str, scale: int, side: int, arguments: tuple[tuple[str, Any], ...]) -> Cost:
    guided = {"guide_channels": BENCHMARK_CHANNELS} if find(name).shelf == "guided" else {}
    with torch.device("meta"):
        network = build(name, scale=scale, **guided, **dict(arguments))
    coarse = -(-side // scale // network.multiple_of) * network.multiple_of
    given = [torch.empty(1, 1, coarse, coarse, device="meta")]
    if guided:
        fine = coarse * scale
        given.append(torch.empty(1, BENCHMARK_CHANNELS, fine, fine, device="meta"))
    weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held[storage._cdata] = storage
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        if isinstance(network, SamplingNetwork):  # a step trains one guess, not a whole draw
            fine = torch.empty(1, 1, coarse * scale, coarse * scale, device="meta")
            network.guess(*given, fine, fine, torch.zeros(1, dtype=torch.int64, device="meta"))
        else:
            network(*given)
    kept = sum(each.nbytes() for key, each in held.items() if key not in weights)
    return Cost(int(counter.get_total_flops()), kept / 2**30)


def cost(name: str, scale: int, arguments: Mapping[str, Any], side: int = SIDE) -> Cost:
    """Count what a network's forward pass over one sample costs, without computing it."""
    return _counted(name, scale, side, tuple(arguments.items()))


def hours(name: str, options: TrainOptions) -> float:
    """Estimate a run's hours on the card.

    A sample costs what MoCoLSK-Net's costs, times the ratio of operations or, where it is more, of
    time on a processor; a step never less than the smallest that was measured.
    """
    own = cost(name, options.scale, options.arguments, options.crop or SIDE).operations
    shares = [own / cost(YARDSTICK, 8, {}).operations]
    if name in (ratio := speeds().ratio):
        shares.append(ratio[name] / ratio[YARDSTICK] * own / cost(name, 8, {}).operations)
    sample = max(shares) * SAMPLE
    whole = sample * (SIDE / (options.crop or SIDE)) ** 2
    tile = whole / 3 + SCORING  # a forward pass alone is a third of a training step
    validations = options.steps / options.validate_every * TEST_TILES[-1]
    steps = options.steps * max(LEAST_STEP, options.batch * sample)
    return (steps + validations * tile) / 3600


def trained() -> list[tuple[str, PublishedMethod]]:
    """List the table's networks, those with guidance last."""
    return [item for item in published_methods().items() if find(item[0]).needs_weights]


def networks() -> Iterator[str]:
    """Write a row for each network of the table, trained as it was for its figures."""
    yield (
        "| key | published as | add to the command | 10⁹ operations | GiB | hours ×2 | ×4 | ×8 |"
    )
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    total = dict.fromkeys(SCALES, 0.0)
    for key, row in trained():
        costs = [cost(key, scale, row.arguments) for scale in sorted(row.at)]
        cells = [
            three_digits(costs[-1].operations / 1e9),
            two_digits(4 * max(each.held for each in costs)),
            *["–"] * len(SCALES),
        ]
        for place, scale in enumerate(SCALES, 2):
            if scale in row.at:
                taken = hours(key, benchmark_options(key, row, scale))
                cells[place] = two_digits(taken)
                total[scale] += taken
        yield f"| `{key}` | {row.name} | {added(row)} | {' | '.join(cells)} |"
    sums = " | ".join(two_digits(value) for value in total.values())
    yield f"| all of them | | | | | {sums} |"


def benchmark_options(key: str, row: PublishedMethod, scale: int) -> TrainOptions:
    """Ask for the training that the table's figure is of."""
    told = {"network": key, "scale": scale, "recipe": row.recipe, "arguments": row.arguments}
    return assemble({**told, **row.training.get(scale, {})})


def added(row: PublishedMethod) -> str:
    """Write what a network's command says beside its key."""
    words = [] if row.recipe == "published" else [f"`--recipe {row.recipe}`"]
    words += [f"`--set arguments.{key}={toml(value)}`" for key, value in row.arguments.items()]
    for scale, values in row.training.items():
        words += [f"at ×{scale}", *(f"`--set {key}={value}`" for key, value in values.items())]
    return " ".join(words)


def toml(value: Any) -> str:
    """Write an argument as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def papers() -> Iterator[str]:
    """Write a row for each network whose paper trains it in another way."""
    yield "| key | paper | crop | batch | steps | learning rate | GiB | hours | not followed |"
    yield "|---|---|---:|---:|---:|---|---:|---:|---|"
    for key, recipe in sorted(paper_recipes().items()):
        options = assemble({"network": key, "scale": 8, "crop": recipe.patch * 8, **recipe.options})
        held = cost(key, 8, options.arguments, options.crop or SIDE).held
        cells = [two_digits(options.batch * held), two_digits(hours(key, options))]
        yield (
            f"| `{key}` | {recipe.paper} | {options.crop or SIDE} | {options.batch} | "
            f"{options.steps:,} | {rates(options)} | {' | '.join(cells)} | {recipe.beyond} |"
        )


def rates(options: TrainOptions) -> str:
    """Say how the learning rate goes."""
    if options.schedule == "steps":
        at = ", ".join(f"{step // 1000}" for step in options.milestones)
        return f"{options.learning_rate:g}, times {options.decay:g} at {at} thousand"
    return f"{options.learning_rate:g}, {options.schedule} to {options.floor:g}"


def differences() -> Iterator[str]:
    """Write what sets our methods apart from those that were scored."""
    yield "| key | what differs |"
    yield "|---|---|"
    for key, row in published_methods().items():
        if differs := next(iter(row.at.values())).differs:
            yield f"| `{key}` | {differs} |"


def three_digits(value: float) -> str:
    """Write a count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def two_digits(value: float) -> str:
    """Write an estimate no finer than it is."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


TABLES = {"networks": networks, "papers": papers, "differences": differences}


def with_tables(page: str) -> str:
    """Put the tables into a page, each after its mark."""
    for name, rows in TABLES.items():
        mark = MARK.format(name)
        assert page.count(mark) == 1, f"the page has no line {mark}"
        before, after = page.split(mark)
        rest = re.sub(r"\A(?:\|.*\n)*", "", after)
        page = f"{before}{mark}" + "".join(f"{row}\n" for row in rows()) + rest
    return page


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put them into docs/benchmark.md")
    if parser.parse_args().write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    for rows in TABLES.values():
        print("\n".join(rows()), end="\n\n")


if __name__ == "__main__":
    main()
