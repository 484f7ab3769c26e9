"""Every network of the registry on a GPU against the CPU, and a step of training in bf16."""

from collections.abc import Iterator
from typing import Any

import torch
from gpu_setting import WIDTHS, Setting
from torch import Tensor, nn
from torch.nn import functional

from groklst_models.padding import run_padded
from groklst_models.registry import REGISTRY, build, find

SCALE = 8
BANDS = 3
KELVIN = 5.0
"""Of one standardised unit: the spread of the LST that the networks would have learned from."""
PROMISED = {"fp32": (0.001, 0.01), "bf16": (0.03, 0.3)}
"""Kelvin, root mean square and largest; ``docs/precision.md`` states them."""


def networks(setting: Setting) -> Iterator[dict[str, Any]]:
    """Compare one network after the other; one that fails does not keep the others from it."""
    setting.begin()
    names = [name for name, entry in REGISTRY.items() if entry.needs_weights]
    first = ["mocolsk", "pgdm"]
    for name in first if setting.tiny else [*first, *(n for n in names if n not in first)]:
        if setting.knows(network=name):
            continue
        try:
            yield {"network": name, **compare(name, setting)}
        except Exception as error:  # whatever it is, it is what was to be found out
            yield {"network": name, "error": f"{type(error).__name__}: {error}"[:300]}


def compare(name: str, setting: Setting) -> dict[str, Any]:
    """Let a network learn for a moment on the device, then run it there and on the CPU."""
    device, side = torch.device(setting.device), 64 if setting.tiny else 256
    guided = {"guide_channels": BANDS} if find(name).shelf == "guided" else {}
    arguments = WIDTHS[name]["tiny" if setting.tiny else "small"]
    torch.manual_seed(0)
    network = build(name, scale=SCALE, **guided, **arguments).to(device)
    given = [values.to(device) for values in fields(side)]
    losses = learn(network, given, 3 if setting.tiny else 20)
    row: dict[str, Any] = {"loss before": losses[0], "after": losses[-1]}
    row["bf16 gradient off"] = gradient_change(network, given)
    found = {precision: predict(network, given, precision).cpu() for precision in PROMISED}
    exact = predict(network.cpu(), [values.cpu() for values in given], "fp32")
    kept = True
    for precision, (rms, largest) in PROMISED.items():
        off = KELVIN * (found[precision] - exact).double()
        row[f"{precision} rms K"] = off.square().mean().sqrt().item()
        row[f"{precision} largest K"] = off.abs().max().item()
        kept &= row[f"{precision} rms K"] <= rms and row[f"{precision} largest K"] <= largest
    return {**row, "keeps the promise": "yes" if kept else "no"}


def fields(side: int) -> list[Tensor]:
    """Make standardised coarse LST, guide and the truth behind them: fields 5 pixels wide."""
    torch.manual_seed(1)
    coarse = torch.randn(2, BANDS, side // 5 + 1, side // 5 + 1)
    guide = functional.interpolate(coarse, scale_factor=5)[..., :side, :side].contiguous()
    truth = 0.5 * guide[:, :1] - 0.8 * guide[:, 1:2]
    return [functional.avg_pool2d(truth, SCALE), guide, truth]


def run(network: nn.Module, given: list[Tensor], precision: str) -> Tensor:
    """Run a network as groklst does."""
    lst, guide, _ = given
    guided = guide if ".guided." in type(network).__module__ else None
    with torch.autocast(lst.device.type, torch.bfloat16, enabled=precision != "fp32"):
        return run_padded(network, lst, guided, SCALE).float()


def predict(network: nn.Module, given: list[Tensor], precision: str) -> Tensor:
    """Run a network without gradient."""
    with torch.inference_mode():
        return run(network.eval(), given, precision)


def loss_of(network: nn.Module, given: list[Tensor], precision: str) -> Tensor:
    """Return the mean absolute difference to the truth."""
    return (run(network, given, precision) - given[2]).abs().mean()


def learn(network: nn.Module, given: list[Tensor], steps: int) -> list[float]:
    """Take a few steps in fp32 and return their losses."""
    optimizer, losses = torch.optim.Adam(network.parameters(), 1e-3), []
    network.train()
    for _ in range(steps):
        loss = loss_of(network, given, "fp32")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def gradient_change(network: nn.Module, given: list[Tensor]) -> float:
    """Return the share by which bf16 changes the gradient; NaN where it is not finite."""
    found = []
    for precision in PROMISED:
        network.zero_grad()
        loss_of(network, given, precision).backward()
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        found.append(torch.cat([gradient.flatten() for gradient in gradients]).clone())
    exact, rounded = found
    return ((rounded - exact).norm() / exact.norm()).item()
