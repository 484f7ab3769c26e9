"""The toolkit's names for a network of two stages with one block a group, in order."""

from collections.abc import Iterator

_LAYER = ("weight", "bias")


def toolkit_keys(stages: int = 2, blocks: int = 1) -> Iterator[str]:
    """Name every tensor of the published network at these sizes."""
    yield from _layers("lst_stem", "gui_stem")
    for stage in range(stages):
        yield from _group(f"lst_rgs.{stage}", blocks)
        yield from _group(f"gui_rgs.{stage}", blocks)
        yield from _bridge(f"bridges.{stage}")
    yield from _group("decoder.0", blocks)
    yield from _projection("decoder.1")
    yield from _group("decoder.2", 2 * blocks)
    yield from _group("decoder.3", 2 * blocks)
    yield from _layers("proj_head.0", "proj_head.2")


def _layers(*names: str) -> Iterator[str]:
    yield from (f"{name}.{kind}" for name in names for kind in _LAYER)


def _group(name: str, blocks: int) -> Iterator[str]:
    for block in range(blocks):
        inner = f"{name}.body.{block}.body"
        yield from _layers(f"{inner}.0", f"{inner}.2")
        yield from _layers(f"{inner}.3.conv_du.0", f"{inner}.3.conv_du.2")
    yield from _layers(f"{name}.body.{blocks}")


def _projection(name: str) -> Iterator[str]:
    for step in (1, 2, 3):
        yield from _layers(f"{name}.conv_{step}.0")
        yield f"{name}.conv_{step}.1.weight"


def _bridge(name: str) -> Iterator[str]:
    yield from _projection(f"{name}.lst_up")
    kernel = f"{name}.dlsk"
    yield from _layers(*(f"{kernel}.{part}" for part in ("conv_lst", "conv_spatial0")))
    yield from _layers(f"{kernel}.conv1", f"{kernel}.conv2")
    generation = f"{kernel}.dynamic_mlp"
    yield from _layers(f"{generation}.conv1", f"{generation}.conv2.0.dynamic_conv.get_weight")
    yield from _layers(f"{generation}.conv2.0.dynamic_conv.norm")
    yield from _layers(*(f"{generation}.{part}" for part in ("conv3", "norm3", "conv4")))
    yield from _layers(f"{kernel}.conv")
    yield from _projection(f"{name}.down")
