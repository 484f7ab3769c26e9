"""Bare forward passes of MoCoLSK-Net and PGDM: batches, precisions, layouts, what may be faster."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from statistics import median
from typing import Any

import torch
from gpu_setting import Setting
from torch import Tensor, nn

from groklst_models.accounting import BENCHMARK_CHANNELS, count_operations
from groklst_models.registry import build

SCALE = 8
LEAST_PASSES, LEAST_SECONDS = 3, 0.3


@dataclass(frozen=True)
class Way:
    """One way to compute a batch of tiles.

    Attributes:
        batch: Tiles.
        network: Its key.
        precision: ``fp32``, ``bf16`` by autocast, ``bf16 weights`` without it, or ``tf32``.
        layout: ``planes``, or ``channels last``.
        how: ``eager``, ``repeatable`` (cuDNN's deterministic algorithms), ``searched`` (cuDNN tries
            its algorithms), ``graph`` or ``compiled``.
    """

    batch: int
    precision: str = "bf16"
    layout: str = "planes"
    how: str = "eager"
    network: str = "mocolsk"

    @property
    def told(self) -> dict[str, Any]:
        """What a row says of it."""
        return {
            "network": self.network,
            "batch": self.batch,
            "numbers": self.precision,
            "layout": self.layout,
            "how": self.how,
        }


def forward(setting: Setting) -> Iterator[dict[str, Any]]:
    """Time single ideas at one batch, every batch in both precisions, and PGDM in a few ways."""
    batch, batches = (1, (1, 2)) if setting.tiny else (4, (1, 2, 4, 8))
    last = "channels last"
    ideas = [
        Way(batch),
        Way(batch, layout=last),
        Way(batch, "bf16 weights"),
        *(Way(batch, precision, how="repeatable") for precision in ("bf16", "fp32")),
    ]
    if setting.on_cuda:
        ideas += [Way(batch, how="searched"), Way(batch, "tf32"), Way(1, how="graph")]
    rest = [Way(*each) for each in product(batches, ("bf16", "fp32"))]
    pgdm = [
        Way(1, precision, layout, network="pgdm")
        for precision, layout in product(("bf16", "fp32"), ("planes", last))
    ]
    more = [] if setting.tiny else [Way(batch, network="pgdm")]
    yield from timed(setting, [*ideas, *(way for way in rest if way not in ideas), *pgdm, *more])


def compiled(setting: Setting) -> Iterator[dict[str, Any]]:
    """Time what ``torch.compile`` makes of the networks; making it takes most of a minute."""
    batch = 1 if setting.tiny else 4
    ways = [Way(batch, how="compiled"), Way(1, how="compiled", network="pgdm")]
    yield from timed(setting, ways)


def timed(setting: Setting, ways: list[Way]) -> Iterator[dict[str, Any]]:
    """Time each way; one that fails does not keep the others from it."""
    setting.begin()
    for way in ways:
        if setting.knows(**way.told):
            continue
        row = way.told
        try:
            row |= measure(way, setting)
        except Exception as error:  # whatever it is, it is what was to be found out
            yield {**row, "error": f"{type(error).__name__}: {error}"[:300]}
            continue
        if not setting.tiny:
            row["Tflop/s"] = operations_of(way.network) / row["ms a tile"] / 1e9
        yield row


@cache
def operations_of(name: str) -> int:
    """Count what a network at its published width computes for a tile of 512²."""
    return count_operations(name, SCALE, side=512)


def measure(way: Way, setting: Setting) -> dict[str, Any]:
    """Run a batch until it is warm, then several times; take the median."""
    setting.forget_peak()
    began = time.perf_counter()
    with numbers(way, setting):
        network, given = ready(way, setting)
        once = pass_of(way, network, given, setting)
        for _ in range(2):
            once()
        setting.wait()
        first = time.perf_counter() - began
        found = passes(once, setting)
        off = difference(once)
    each = 1000 * median(found) / way.batch
    return {
        "ms a tile": each,
        "Mpx/s": setting.tile**2 / each / 1000,
        "peak GiB": setting.peak(),
        "again off": off,
        "s before": first,
    }


def difference(once: Callable[[], Any]) -> float:
    """Return how far two passes over the same numbers are apart, standardised."""
    return float((once() - once()).abs().max())


def passes(once: Callable[[], object], setting: Setting) -> list[float]:
    """Time passes one by one, each to its end."""
    found: list[float] = []
    while len(found) < LEAST_PASSES or sum(found) < LEAST_SECONDS:
        began = time.perf_counter()
        once()
        setting.wait()
        found.append(time.perf_counter() - began)
        if setting.tiny:
            break
    return found


@contextmanager
def numbers(way: Way, setting: Setting) -> Iterator[None]:
    """Set what torch may do to numbers, and put it back."""
    torch.backends.cudnn.benchmark = way.how == "searched"
    torch.backends.cudnn.deterministic = way.how == "repeatable"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = (
        way.precision == "tf32"
    )
    kind = torch.device(setting.device).type
    try:
        with (
            torch.inference_mode(way.how != "compiled"),
            torch.no_grad(),
            torch.autocast(kind, torch.bfloat16, enabled=way.precision == "bf16"),
        ):
            yield
    finally:
        torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def ready(way: Way, setting: Setting) -> tuple[nn.Module, list[Tensor]]:
    """Build the network and a batch of noise as this way wants them."""
    torch.manual_seed(0)
    network = build(
        way.network,
        scale=SCALE,
        guide_channels=BENCHMARK_CHANNELS,
        **setting.arguments_of(way.network),
    ).eval()
    coarse = setting.tile // SCALE
    given = [
        torch.randn(way.batch, 1, coarse, coarse),
        torch.randn(way.batch, BENCHMARK_CHANNELS, setting.tile, setting.tile),
    ]
    kept = torch.bfloat16 if way.precision == "bf16 weights" else torch.float32
    layout = torch.channels_last if way.layout == "channels last" else torch.contiguous_format
    network = network.to(setting.device, kept).to(memory_format=layout)
    return network, [values.to(setting.device, kept, memory_format=layout) for values in given]


def pass_of(
    way: Way, network: nn.Module, given: list[Tensor], setting: Setting
) -> Callable[[], object]:
    """Return what runs one pass."""
    if way.how == "compiled":
        made = torch.compile(network, backend="aot_eager" if setting.tiny else "inductor")
        return lambda: made(*given)
    if way.how == "graph":
        return graph_of(network, given)
    return lambda: network(*given)


def graph_of(network: nn.Module, given: list[Tensor]) -> Callable[[], Tensor]:
    """Record a pass once, so that it can be played without starting each kernel by hand."""
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        for _ in range(2):
            network(*given)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        fine = network(*given)

    def replay() -> Tensor:
        graph.replay()
        return fine.clone()

    return replay
