"""What the shell offers for an option's value; torch is never imported for it.

Where nothing fits what was typed so far, the shell goes on to files.
"""

from collections.abc import Callable

Offer = list[tuple[str, str]]
"""Words, each with what a shell that shows help says beside it."""


def words(*choices: str) -> Callable[[str], list[str]]:
    """Return a callback that offers these words."""

    def offer(incomplete: str) -> list[str]:
        return [word for word in choices if word.startswith(incomplete)]

    return offer


def methods(incomplete: str) -> Offer:
    """Offer every method of the registry."""
    return _methods(incomplete, networks_only=False)


def methods_and_auto(incomplete: str) -> Offer:
    """Offer every method, and ``auto``."""
    auto = [("auto", "by what the scene has")] if "auto".startswith(incomplete) else []
    return auto + methods(incomplete)


def networks(incomplete: str) -> Offer:
    """Offer what can be trained."""
    return _methods(incomplete, networks_only=True)


def resamplings(incomplete: str) -> list[str]:
    """Offer GDAL's resamplings."""
    from groklst_cli.geo.align import RESAMPLINGS

    return words(*RESAMPLINGS)(incomplete)


def _methods(incomplete: str, *, networks_only: bool) -> Offer:
    from groklst_models.registry import REGISTRY

    return [
        (name, entry.title)
        for name, entry in REGISTRY.items()
        if name.startswith(incomplete) and (entry.needs_weights or not networks_only)
    ]


units = words("auto", "K", "C")
devices = words("auto", "cpu", "cuda", "mps")
precisions = words("auto", "fp32", "bf16", "fp16")
conservations = words("kelvin", "radiance", "none")
