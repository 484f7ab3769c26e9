"""How far a scene's coarse values are kept, estimated once from some windows of it.

The estimate uses the coarse residual of a fitted method. A network has seen the noisy LST itself,
so its residual has no information about noise: ridge regression is used instead.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from groklst_cli.geo.noise import Belief, Noise, Spectra
from groklst_cli.geo.scene import Scene
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.listeners import Note
from groklst_cli.pipeline.predict.reading import NoiseLevel
from groklst_cli.pipeline.predict.view import FileView
from groklst_models.contract import FittedMethod, Method, Tiles
from groklst_models.errors import FitError
from groklst_models.fading import Fading
from groklst_models.guidance import coarse_means
from groklst_models.on_device import OnDevice
from groklst_models.registry import build
from groklst_models.sampling.aggregation import sensor_means
from groklst_models.sampling.features import Features
from groklst_models.sampling.places import Place, even_places
from groklst_models.sampling.sensor import Sensor, guides_surely
from groklst_models.threads import one_thread

Plane = NDArray[np.float64]

_SIDES: Final = (24, 16, 12, 8)
"""Of a window, coarse pixels: the largest that the scene has room for counts."""

_KNOWN: Final = 0.9
_LEAST_SHARE: Final = 0.6
"""Share of its detail that a method must explain; with less, its residual is mostly land."""

_ALONG: Final = 4
"""Windows along each axis at most, so that a large scene costs no more than a small one."""


@dataclass(frozen=True)
class _Trend:
    """The method that explains the LST, and how its answers become coarse.

    Attributes:
        method: Fitted to the scene.
        reach: Coarse pixels that it needs around a window.
        whole: The point spread that was found.
        beyond: What the sensor adds to the blur of the method's own answers.
    """

    method: Method
    reach: int
    whole: Sensor
    beyond: Sensor

    @classmethod
    def of(cls, method: Method) -> "_Trend | None":
        """Return the point spread of a fitted method, or None."""
        fitted = method
        while isinstance(fitted, OnDevice | Fading):
            fitted = fitted.method
        if not isinstance(fitted, FittedMethod):
            return None
        whole, own = fitted.point_spread, fitted.product_spread
        if whole is None or own is None or fitted.share < _LEAST_SHARE:
            return None
        beyond = Sensor(method.scale, math.sqrt(max(0.0, whole**2 - own**2)))
        return cls(method, method.halo + beyond.halo, Sensor(method.scale, whole), beyond)


@dataclass(frozen=True)
class _Window:
    """A part of the scene at the coarse scale, its gaps at its mean.

    Attributes:
        left: The LST minus the answer as the sensor sees it, kelvin.
        explained: That answer, kelvin.
        unrestored: What conservation would restore, kelvin.
    """

    left: Plane
    explained: Plane
    unrestored: Plane


def find_belief(
    scene: Scene, method: Method, noise: NoiseLevel, psf: float | None, note: Note
) -> Belief | None:
    """Estimate how far coarse values are kept.

    Args:
        scene: The open scene, with registered guides.
        method: Fitted, or a network.
        noise: The noise in kelvin, or ``auto`` to estimate it.
        psf: The stated point spread, fine pixels; None if it is to be estimated.
        note: Called with the findings if coarse values are not exact.

    Returns:
        None if they are exact, or there is too little information.
    """
    if noise == 0:
        return None
    belief = _found(scene, method, noise, psf)
    if belief is None:
        if noise != "auto":
            note(
                f"noise {noise:g} K has no effect here: the method has no fit with guides "
                "from which it could be estimated"
            )
        return None
    source = "found" if noise == "auto" else "fitted"
    note(
        f"noise of {belief.found:.2f} K {source} in the coarse LST, {belief.noise:.2f} K of it "
        f"used; point spread of the sensor {belief.spread:.2f} coarse pixels"
    )
    note(
        "coarse values are kept only as far as this noise allows, so coarse means differ from "
        f"the LST by about {belief.departure:.2f} K RMS; --conserve kelvin keeps them exactly"
    )
    return belief


def _found(scene: Scene, method: Method, noise: NoiseLevel, psf: float | None) -> Belief | None:
    trend = _trend(scene, method, psf)
    if trend is None:
        return None
    if noise == "auto":
        features = Features(tuple(scene.bands), scene.scale)
        if not guides_surely(FileView(scene, psf=psf), features, trend.whole):
            return None
    windows: list[_Window] = []
    for side in _SIDES:
        if side <= min(scene.coarse.shape):
            with one_thread():  # so that the bits are the same on any machine
                windows = [*_windows(scene, trend, side)]
        if windows:
            break
    if not windows:
        return None
    spectra = Spectra(len(windows[0].left), scene.scale, trend.beyond.sigma)
    left = spectra.power([window.left for window in windows])
    stated = None if noise == "auto" else noise
    residual = spectra.likeliest(left, stated)
    land = spectra.likeliest(spectra.power([window.explained for window in windows]))
    if residual is None or land is None:
        return None
    ratio = residual.ratio
    if stated is None:
        ratio = Noise.of(residual, land, trend.beyond.sigma / scene.scale).believed
    if not ratio:
        return None
    unrestored = spectra.power([window.unrestored for window in windows])
    spread = trend.whole.sigma / scene.scale
    return spectra.believe(residual, ratio, unrestored, spread=spread)


def _trend(scene: Scene, method: Method, psf: float | None) -> _Trend | None:
    if isinstance(method, (OnDevice, Fading, FittedMethod)):
        return _Trend.of(method)
    if not scene.bands:
        return None
    ridge: FittedMethod = build("ridge", scale=scene.scale)
    try:
        ridge.fit(FileView(scene, psf=psf))
    except FitError:
        return None
    return _Trend.of(ridge)


def _windows(scene: Scene, trend: _Trend, side: int) -> Iterator[_Window]:
    """Predict the windows in which enough pixels are known."""
    needed = max(-(-size // side) for size in scene.coarse.shape)
    for place in even_places(scene.coarse.shape, side, min(_ALONG, max(2, needed))):
        if np.isfinite(scene.read_lst(*place)).mean() >= _KNOWN:
            window = _window(scene, trend, place)
            if window is not None:
                yield window


def _window(scene: Scene, trend: _Trend, place: Place) -> _Window | None:
    around = Strip(*place).widened(trend.reach, scene.coarse.shape)
    lst = scene.read_lst(around.rows, around.columns).astype(np.float64)
    filled = torch.from_numpy(scene.read_filled_lst(around.rows, around.columns))[None, None]
    guide = torch.from_numpy(scene.read_guide(around.rows, around.columns))[None]
    first = (around.rows.start,), (around.columns.start,)
    fine = trend.method.predict(Tiles(filled, guide, *first))
    part = tuple(
        slice(inner.start - outer.start, inner.stop - outer.start)
        for inner, outer in zip(place, (around.rows, around.columns), strict=True)
    )
    known = coarse_means((~guide.isnan()).all(dim=1, keepdim=True).float(), scene.scale)
    usable = (np.isfinite(lst) & (known[0, 0] == 1).numpy())[part]
    if usable.mean() < _KNOWN:
        return None
    seen = sensor_means(fine, trend.beyond)[0, 0].double().numpy()
    plain = coarse_means(fine, scene.scale)[0, 0].double().numpy()
    planes = (np.where(usable, plane[part], np.nan) for plane in (lst - seen, seen, lst - plain))
    return _Window(*(np.where(usable, plane, np.nanmean(plane)) for plane in planes))
