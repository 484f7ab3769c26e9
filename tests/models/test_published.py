"""The tables of published keys at every size, and what is refused of a file."""

import inspect
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from groklst_models.blueprint import shapes_of
from groklst_models.errors import ArgumentsError, CheckpointError
from groklst_models.published.dat import frozen_bias, frozen_weight
from groklst_models.published.layout import (
    Arranged,
    Backwards,
    First,
    Joined,
    NotNegative,
    Part,
    Plus,
    Spread,
    Widened,
    arranged,
)
from groklst_models.published.table import Published, Source, turned
from groklst_models.published.told import TOLD, Told
from groklst_models.registry import REGISTRY, arguments_of, build
from groklst_models.toolkit import import_toolkit, published_form
from tests.models.reference.rule import NUMBERS, Reference

Shape = tuple[int, ...]

FROZEN = (frozen_weight, frozen_bias)
"""Both are made of the same statistics."""

TRAINED = [name for name, entry in REGISTRY.items() if entry.needs_weights]
REFERENCES = sorted(path.stem for path in NUMBERS.glob("*.json"))
SMALL = tomllib.loads((Path(__file__).parent / "networks.toml").read_text(encoding="utf-8"))


def arguments(name: str, scale: int, sizes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    bands = {"guide_channels": 10} if REGISTRY[name].shelf == "guided" else {}
    return {"scale": scale, **bands, **(sizes or {})}


def shapes(name: str, given: Mapping[str, Any]) -> dict[str, Shape]:
    """Shapes of our tensors, without memory for them."""
    return shapes_of(partial(build, name, **given), 10**5)


def before(shape: Shape, step: Any) -> Shape:
    """The published shape that a step turns into this one."""
    if isinstance(step, Arranged):
        left, right = step.pattern.split("->")
        return tuple(Arranged(f"{right}->{left}", step.sizes)(empty(shape)).shape)
    changed = list(shape)
    if isinstance(step, Part):
        changed[0] *= step.of
    elif isinstance(step, Widened):
        changed[step.axis] = min(3, step.size)  # what SGNet looks at
    elif isinstance(step, First):
        changed[step.axis] += 8  # PGDM's land cover
    elif isinstance(step, Spread):
        changed[step.axis] = 1
    else:
        assert isinstance(step, Backwards | Plus | NotNegative)
    return tuple(changed)


def given_to(source: Source, shape: Shape) -> Iterator[tuple[str, Shape]]:
    """The published tensors, with their shapes, that make one of ours."""
    made = reduce(before, reversed(source.steps), shape)
    if isinstance(source.join, Joined):
        made = tuple(
            size // len(source.keys) if axis == 0 else size for axis, size in enumerate(made)
        )
        yield from ((key, made) for key in source.keys)
    elif source.join in FROZEN:
        yield from ((key, made) for key in source.keys)
    elif len(source.keys) > 1:  # factors of an invertible convolution
        square, vector = made[:2], made[:1]
        yield from zip(source.keys, (square, square, vector, vector, square), strict=True)
    else:
        yield from ((key, made) for key in source.keys)


def published_shapes(published: Published, ours: Mapping[str, Shape]) -> dict[str, Shape]:
    """What the published network would hold, found from ours by going all steps backwards."""
    found: dict[str, Shape] = {}
    for name, source in published.sources(ours).items():
        for key, shape in given_to(source, ours[name]):
            parted = any(isinstance(step, Part) for step in source.steps)
            shared = parted or source.join in FROZEN
            assert key not in found or shared, f"{key} fills two of ours"
            assert found.setdefault(key, shape) == shape
    return found


def empty(shape: Shape) -> Tensor:
    """A tensor of any size in the memory of one number."""
    return torch.zeros(()).expand(shape)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_table_tells_keys_and_shapes_of_the_published_network(name):
    reference = Reference.read(name)
    published = published_form(reference.network, **reference.arguments)
    ours = shapes(reference.network, reference.arguments)
    told = published_shapes(published, ours)
    if reference.network == "msg":  # each band is seen there in the reference
        told["branchY.0.layers.weight"] = ours["guide_stem.0.0.weight"]
    assert told == {entry.key: tuple(entry.shape) for entry in reference.entries}
    assert all(published.is_idle(key) for key in reference.idle)


def check(name: str, given: Mapping[str, Any]) -> set[int]:
    """Hold a table to its network at some size; return how many parts change places."""
    ours, published = shapes(name, given), published_form(name, **given)
    theirs = published_shapes(published, ours)
    weights = published.weights({key: empty(shape) for key, shape in theirs.items()}, ours)
    assert {key: tuple(weight.shape) for key, weight in weights.items()} == ours
    layers = {key.rpartition(".")[0] for key in theirs if key.endswith((".weight", ".bias"))}
    parents = {key[:place] for key in theirs for place, sign in enumerate(key) if sign == "."}
    inner = {key for layer in layers for key in parents if key.startswith(f"{layer}.")}
    assert inner == set(), "a layer holds other layers"
    sources = published.sources(ours).items()
    turns = [(ours[key], step) for key, source in sources for step in source.steps]
    found = [(shape, step) for shape, step in turns if isinstance(step, Backwards)]
    return {shape[step.axis] // step.size for shape, step in found if step.size > 1}


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize(
    "scale", [4, pytest.param(2, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)]
)
def test_every_table_fills_its_network_at_the_published_widths(name, scale):
    check(name, arguments(name, scale))


@pytest.mark.parametrize("name", TRAINED)
def test_every_table_fills_its_network_at_other_scales_widths_and_depths(name):
    small = SMALL[name]["small"]
    parts = [check(name, arguments(name, scale, small)) for scale in (2, 4, 8)]
    assert parts[0] == parts[1] == parts[2]  # as many change places at every scale
    check(name, arguments(name, 4, SMALL[name]["tiny"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_every_table_follows_each_argument(name):
    small = SMALL[name]["small"]
    defaults = inspect.signature(REGISTRY[name].load()).parameters
    for argument in set(arguments_of(name)) - {"scale", "guide_channels"}:
        value = small.get(argument, defaults[argument].default)
        changes = (value * 2, value + 1) if type(value) is int else ()
        given = (arguments(name, 4, {**small, argument: changed}) for changed in changes)
        for possible in filter(partial(can_be_built, name), given):
            check(name, possible)
            break


def can_be_built(name: str, given: Mapping[str, Any]) -> bool:
    try:
        return bool(shapes(name, given))
    except (ArgumentsError, CheckpointError):
        return False


SMALLEST = ("srcnn", 2, {"width": 4, "mapped": 2})


def tensors(name: str, scale: int, sizes: Mapping[str, Any]) -> dict[str, Tensor]:
    """A published state dict with numbers of no meaning."""
    given = arguments(name, scale, sizes)
    told = published_shapes(published_form(name, **given), shapes(name, given))
    generator = torch.Generator().manual_seed(0)
    return {key: torch.rand(shape, generator=generator) for key, shape in told.items()}


def imported(path: Path, held: object, **options: Any) -> Mapping[str, Tensor]:
    """Save something and import it as the smallest network unless another is named."""
    torch.save(held, path)
    name, scale, sizes = SMALLEST
    asked = {"network": name, "scale": scale, "arguments": sizes, **options}
    return import_toolkit(path, **asked).weights


def without(held: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in held.items() if name != key}


REFUSED = {
    "missing": (lambda held: without(held, "conv2.bias"), "lacks 1 tensors, such as 'conv2.bias'"),
    "unknown": (
        lambda held: held | {"conv4.bias": torch.zeros(2)},
        "1 unknown tensors, such as 'conv4.bias'",
    ),
    "other shape": (
        lambda held: held | {"conv2.bias": torch.zeros(3)},
        r"tensor 'conv2.bias' has shape \(3,\), which cannot become \(2,\)",
    ),
    "doubled": (
        lambda held: held | {"module.conv2.bias": torch.zeros(2)},
        "two tensors for 'conv2.bias'",
    ),
    "our own keys": (
        lambda held: {"describe.weight": torch.zeros(4, 1, 9, 9)},
        "as 'conv1.weight'",
    ),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_the_published_network_is_refused(tmp_path, change, says):
    with pytest.raises(CheckpointError, match=says) as caught:
        imported(tmp_path / "a.pth", change(tensors(*SMALLEST)))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "a.pth") in str(caught.value)


@pytest.mark.parametrize("name", TRAINED)
def test_shapes_that_no_step_was_made_for_are_refused(name):
    given = arguments(name, 4, SMALL[name]["tiny"])
    ours, published = shapes(name, given), published_form(name, **given)
    theirs = published_shapes(published, ours)
    for shape in ((), (0,), (1, 1), (2,) * 9):
        with pytest.raises(CheckpointError, match="cannot become"):
            published.weights(dict.fromkeys(theirs, torch.zeros(shape)), ours)
    for name, source in published.sources(ours).items():
        held = {key: torch.zeros(theirs[key]) for key in source.keys}
        for key in source.keys:  # one after the other
            with pytest.raises(CheckpointError, match="cannot become"):
                source.made(held | {key: torch.zeros((2,) * 9)}, ours[name])


@pytest.mark.parametrize("wrapping", ["state_dict", "params", "params_ema"])
def test_tensors_are_found_where_training_codes_put_them(tmp_path, wrapping):
    held = tensors(*SMALLEST)
    weights = imported(tmp_path / "a.pth", {wrapping: held, "iter": 3})
    assert torch.equal(weights["map.bias"], held["conv2.bias"])


def test_averaged_weights_go_before_the_last_ones(tmp_path):
    last, averaged = tensors(*SMALLEST), {k: v + 1 for k, v in tensors(*SMALLEST).items()}
    weights = imported(tmp_path / "a.pth", {"params": last, "params_ema": averaged})
    assert torch.equal(weights["map.bias"], averaged["conv2.bias"])


def test_arguments_that_the_network_does_not_take_are_told(tmp_path):
    with pytest.raises(CheckpointError, match="has no argument depth"):
        imported(tmp_path / "a.pth", tensors(*SMALLEST), arguments={"depth": 3})


BUFFERS = {
    "swinir": (
        "layers.0.residual_group.blocks.1.attn_mask",
        "layers.0.residual_group.blocks.0.attn.relative_position_index",
    ),
    "dctlsa": (
        "B1.body.0.transformer_body.0.blocks.0.attn.local.pointwise_prenorm_0.running_mean",
    ),
    "dkn": ("ImageKernel.conv1_bn.running_var", "ImageKernel.conv1_bn.num_batches_tracked"),
    "fenet": ("sub_mean.weight", "add_mean.bias"),
}


@pytest.mark.parametrize("name", BUFFERS)
def test_buffers_that_nothing_depends_on_are_ignored_by_name(name, tmp_path):
    small = SMALL[name]["tiny"]
    held = tensors(name, 4, small) | dict.fromkeys(BUFFERS[name], torch.zeros(2))
    options = {"network": name, "scale": 4, "arguments": small, "accept_differences": True}
    weights = imported(tmp_path / "a.pth", held, **options)
    assert weights.keys() == shapes(name, arguments(name, 4, small)).keys()
    with pytest.raises(CheckpointError, match="unknown tensors, such as 'other'"):
        imported(tmp_path / "a.pth", held | {"other": torch.zeros(2)}, **options)


@pytest.mark.parametrize("name", ["dkn", "dsrn", "dagf", "dgf", "dctlsa", "dct", "han"])
def test_what_would_compute_otherwise_is_refused_unless_accepted(name, tmp_path):
    small = SMALL[name]["tiny"]
    options = {"network": name, "scale": 4, "arguments": small}
    held = tensors(name, 4, small)
    with pytest.raises(CheckpointError, match=r"published code .*; add --accept-differences"):
        imported(tmp_path / "a.pth", held, **options)
    torch.save(held, tmp_path / "a.pth")
    checkpoint = import_toolkit(tmp_path / "a.pth", accept_differences=True, **options)
    assert checkpoint.header.training["differs"].startswith("the published code ")


def test_statistics_of_batches_are_ignored_only_where_that_is_said():
    forms = {name: published_form(name, **arguments(name, 4)) for name in TRAINED}
    ignoring = {name for name, form in forms.items() if form.is_idle("bn.running_mean")}
    assert ignoring >= {"dkn", "fdkn", "dsrn", "dagf", "dgf", "dctlsa"}
    assert all("normaliz" in forms[name].differs for name in ignoring)


def test_a_threshold_below_zero_is_refused(tmp_path):
    small = SMALL["cunet"]["tiny"]
    held = tensors("cunet", 4, small)
    options = {"network": "cunet", "scale": 4, "arguments": small}
    imported(tmp_path / "a.pth", held, **options)
    held["net_v.lam_1"] -= 2
    with pytest.raises(CheckpointError, match=r"'net_v\.lam_1' holds a negative value"):
        imported(tmp_path / "a.pth", held, **options)


def test_a_head_stands_in_where_the_guidance_has_none_of_its_own(tmp_path):
    small = SMALL["rsag"]["tiny"]
    given = {"guide_channels": 1, "scale": 8, **small}
    told = published_shapes(published_form("rsag", **given), shapes("rsag", given))
    held = {k: torch.rand(shape) for k, shape in told.items() if not k.startswith("rgb_head")}
    options = {"network": "rsag", "scale": 8, "bands": ("dem",), "arguments": small}
    weights = imported(tmp_path / "a.pth", held, **options)
    assert torch.equal(weights["guide_head.weight"], held["head.weight"])


def test_bands_that_the_published_network_does_not_look_at_have_no_weight():
    published = published_form("sgnet", **arguments("sgnet", 4))
    source = published.sources(["gradients.guide_gradients.0.weight"])
    seen = torch.rand(40, 3, 3, 3)
    weight = next(iter(source.values())).made({"gradNet.c_rgb.weight": seen}, (40, 10, 3, 3))
    assert torch.equal(weight[:, :3], seen)
    assert not weight[:, 3:].any()


def test_weights_on_the_mean_of_bands_are_spread_over_them():
    seen, bands = torch.rand(4, 1, 3, 3), torch.rand(1, 5, 8, 8)
    convolve = torch.nn.functional.conv2d
    spread = Spread(1, 5)(seen)
    torch.testing.assert_close(convolve(bands, spread), convolve(bands.mean(1, keepdim=True), seen))


def test_an_arrangement_moves_every_value_once():
    values = torch.arange(24).reshape(2, 12)
    there = arranged("a (b c) -> (c b) a 1", b=3)
    back = arranged("(c b) a 1 -> a (b c)", b=3)
    assert there(values).shape == (12, 2, 1)
    assert torch.equal(back(there(values)), values)
    assert torch.equal(arranged("(b c) ... -> (c b) ...", b=2)(values).flatten()[:12], values[0])
    assert arranged("1 ->")(torch.ones(1)).shape == ()
    for wrong in ("a -> a", "(a b) c d -> a b c d", "a 1 -> a"):
        with pytest.raises((ValueError, KeyError)):
            arranged(wrong)(values)


def test_going_backwards_twice_changes_nothing():
    values = torch.rand(6, 4)
    for step in (Backwards(0), Backwards(0, size=2), Backwards(1, size=2)):
        assert not torch.equal(step(values), values)
        assert torch.equal(step(step(values)), values)
    assert torch.equal(Backwards(0, size=2)(values)[:2], values[4:])


def test_parts_make_the_whole():
    values = torch.rand(6, 2)
    assert torch.equal(Joined()(*(Part(place, of=3)(values) for place in range(3))), values)
    assert torch.equal(
        turned("a", Plus((1.0, 0.0))).made({"a": values[0]}, (2,)),
        values[0] + torch.tensor([1.0, 0.0]),
    )


@pytest.mark.parametrize("name", TRAINED)
def test_the_catalogue_says_of_published_weights_what_their_table_says(name):
    bands = {"guide_channels": 10} if REGISTRY[name].shelf == "guided" else {}
    form = published_form(name, scale=8, **bands)
    assert TOLD[name] == Told(form.code, form.differs, form.note)
