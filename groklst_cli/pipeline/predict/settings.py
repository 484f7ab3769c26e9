"""Everything except files that determines the pixels of a result: one field per option."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from groklst_cli.errors import UsageError
from groklst_cli.geo.resamplings import RESAMPLINGS, ResamplingName
from groklst_cli.geo.unit_names import Units
from groklst_cli.pipeline.predict import reading
from groklst_cli.pipeline.predict.option import option
from groklst_cli.pipeline.predict.reading import Coregistration, NoiseLevel, PointSpread

PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]

Conserving = Literal["auto", "kelvin", "radiance", "none"]
"""Conserve coarse means: by the method's default, of T, of T⁴, or not at all."""

SCALES: Final = range(2, 65)

MOST_SAMPLES: Final = 1024

_DEVICE: Final = re.compile(r"auto|cpu|cuda(:\d{1,3})?|mps")
_LONGEST: Final = 65536
"""Fine pixels along a tile, and tiles in a batch."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that determine pixels; see each option's help for its meaning.

    Attributes:
        scale: Fine pixels along a coarse pixel; None until it is found.
        model: ``auto``, a method's key, or a checkpoint's path.
        lst_units: The LST's unit, or None to find out.
        resampling: How guides are resampled to the fine grid.
        coregister: What to do about guides that are misregistered; ``fitted`` looks for shifts only
            where a method is fitted, which reads the scene anyway.
        psf: The point spread of the fine product, fine pixels, for fitted methods.
        conserve: Which coarse means are conserved; ``auto`` keeps them as far as their noise
            allows.
        noise: Noise of the coarse LST, kelvin, for ``auto``; 0 for exact values.
        sensor_psf: Standard deviation of Gaussian weights for conserved means, coarse pixels; 0:
            plain.
        tile: Side of a tile, fine pixels; None for the method's own.
        overlap: Overlap of neighbouring tiles, fine pixels; None for the method's own.
        batch: Tiles that a network processes at once; ``auto`` for as many as memory allows.
        device: Where a network runs; several, separated by commas, share the work.
        precision: Floating-point precision of a network.
        seed: Seed of a method's random numbers.
        samples: Samples whose mean is the result, for networks with random answers.
        min_clear: Share of a coarse pixel that must be clear for its value to be used.
        fill_masked: Whether masked parts of known coarse pixels get values.
        bounds: Left, bottom, right, top in the LST's CRS; None for all.
    """

    scale: int | None = option(
        None,
        "Fine pixels along a coarse pixel; by default the checkpoint's scale, else that of the "
        "finest guide, else 8.",
        "--scale", "-s",
        kind=int, low=SCALES[0], high=SCALES[-1], listed=True, in_python=True,
    )  # fmt: skip
    model: str = option(
        "auto", "A method, a checkpoint file, or 'auto'.", "--model", "-m",
        metavar="NAME|FILE", words=("auto", "methods"), read=str, listed=True,
    )  # fmt: skip
    lst_units: Units | None = option(
        None, "Unit of the LST's values.", "--lst-units",
        metavar="auto|K|C", shown="auto", words=("auto", "K", "C"), read=reading.lst_units,
        listed=True, in_python=True,
    )  # fmt: skip
    resampling: ResamplingName = option(
        "auto", "How guides are resampled to the fine grid; 'auto': mean if they are finer, else "
            "bilinear.",
        "--resampling", "-r",
        metavar="METHOD", words=RESAMPLINGS,
        read=reading.word_of("--resampling", ResamplingName), listed=True, in_python=True,
    )  # fmt: skip
    coregister: Coregistration = option(
        "fitted",
        "Move misregistered guides: where the shift is certain, for every method ('auto') or "
        "only for fitted ones ('fitted'), or by DX,DY coarse pixels.",
        "--coregister",
        metavar="none|fitted|auto|DX,DY", read=reading.coregistration,
        listed=True, in_python=True,
    )  # fmt: skip
    psf: PointSpread = option(
        "auto", "Point spread of the fine result, a standard deviation in fine pixels, which "
            "fitted methods aim at.",
        "--psf",
        metavar="auto|none|SIGMA", read=reading.point_spread, listed=True, in_python=True,
    )  # fmt: skip
    conserve: Conserving = option(
        "auto",
        "Conserve the coarse values: the mean of the fine pixels inside a coarse pixel equals "
        "its value, in T ('kelvin') or T⁴ ('radiance'). 'auto': fitted methods conserve as far "
        "as the noise of the LST allows, networks as they were trained.",
        "--conserve",
        metavar="auto|kelvin|radiance|none", words=("auto", "kelvin", "radiance", "none"),
        read=reading.word_of("--conserve", Conserving), listed=True, in_python=True,
    )  # fmt: skip
    noise: NoiseLevel = option(
        "auto", "Noise of the coarse LST, K, by which --conserve auto may depart from it; 0: "
            "exact.",
        "--noise",
        metavar="auto|K", read=reading.noise_level, listed=True, in_python=True,
    )  # fmt: skip
    sensor_psf: float = option(
        0.0, "Conserve means weighted by a Gaussian with this standard deviation, coarse "
            "pixels, instead of plain means.", "--sensor-psf",
        kind=float, listed=True, in_python=True,
    )  # fmt: skip
    tile: int | None = option(
        None, "Side of a tile, fine pixels.", "--tile", kind=int, low=1, in_python=True
    )
    overlap: int | None = option(
        None, "Overlap of neighbouring tiles, fine pixels.", "--overlap",
        kind=int, low=0, in_python=True,
    )  # fmt: skip
    batch: int | Literal["auto"] = option(
        "auto",
        "Tiles that a network processes at once; 'auto': as many as fit into the device's memory.",
        "--batch", "-B",
        metavar="auto|N", read=reading.batch, in_python=True,
    )  # fmt: skip
    device: str = option(
        "auto", "Where to compute.", "--device", "-d",
        metavar="auto|cpu|cuda[:N]|mps", words=("auto", "cpu", "cuda", "mps"), read=str,
        in_python=True,
    )  # fmt: skip
    precision: PrecisionChoice = option(
        "auto", "Floating-point precision of a network.", "--precision",
        metavar="auto|fp32|bf16|fp16", words=("auto", "fp32", "bf16", "fp16"),
        read=reading.word_of("--precision", PrecisionChoice), in_python=True,
    )  # fmt: skip
    seed: int = option(
        0, "Seed of a method's random numbers.", "--seed",
        kind=int, low=0, high=2**32 - 1, listed=True, in_python=True,
    )  # fmt: skip
    samples: int = option(
        1, "Samples to average, for networks whose output is random.", "--samples",
        metavar="N", kind=int, low=1, high=MOST_SAMPLES, listed=True, in_python=True,
    )  # fmt: skip
    min_clear: float = option(
        0.5, "Share of a coarse pixel that must be clear for its value to be used.",
        "--min-clear",
        metavar="SHARE", kind=float, low=0, high=1, listed=True, in_python=True,
    )  # fmt: skip
    fill_masked: bool = option(
        False,
        "Also fill the masked parts of coarse pixels whose values are used.",
        "--fill-masked",
        kind=bool, in_python=True,
    )  # fmt: skip
    bounds: tuple[float, float, float, float] | None = option(
        None, "Only this part, in the LST's CRS.", "--bounds",
        metavar="L B R T", kind=tuple[float, float, float, float], read=reading.bounds, listed=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse values that are never valid, without opening files.

        Raises:
            UsageError: If a value is not valid.
        """
        check_range("--tile", self.tile, 1, _LONGEST)
        check_range("--samples", self.samples, 1, MOST_SAMPLES)
        check_range("--batch", None if self.batch == "auto" else self.batch, 1, _LONGEST)
        _check_devices(self.device)
        if not 0 <= self.min_clear <= 1:
            raise UsageError(f"--min-clear {self.min_clear:g} is not a share from 0 to 1")
        if self.bounds is not None:
            _check_bounds(*self.bounds)

    @property
    def factor(self) -> int:
        """The scale, when it is known."""
        assert self.scale is not None
        return self.scale

    @property
    def devices(self) -> list[str]:
        """Where to compute; several devices get a process each."""
        return self.device.split(",")


def check_range(flag: str, value: int | None, low: int, high: int) -> None:
    """Refuse a number outside a range.

    Raises:
        UsageError: If it is.
    """
    if value is not None and not low <= value <= high:
        raise UsageError(f"{flag} {value} must be between {low} and {high}")


def _check_devices(text: str) -> None:
    named = text.split(",")
    if not all(_DEVICE.fullmatch(name) for name in named):
        raise UsageError(
            f"--device {text or repr(text)} is not one of auto, cpu, cuda, cuda:N, mps; name one, "
            "or several separated by commas"
        )
    if len({name.partition(":")[0] for name in named}) > 1:
        raise UsageError(
            f"--device {text} names devices that round differently; name devices of one kind"
        )


def _check_bounds(left: float, bottom: float, right: float, top: float) -> None:
    if not all(map(math.isfinite, (left, bottom, right, top))):
        raise UsageError(f"--bounds {left} {bottom} {right} {top} must be finite numbers")
    if not (left < right and bottom < top):
        raise UsageError("--bounds are LEFT BOTTOM RIGHT TOP, with LEFT < RIGHT, BOTTOM < TOP")
