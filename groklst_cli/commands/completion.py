"""What the shell offers for the value of an option, without importing torch.

If nothing matches what was typed so far, the shell offers files.
"""

from collections.abc import Callable, Sequence

Offer = list[tuple[str, str]]
"""Words, each with a help text for shells that show one."""


def words(choices: Sequence[str]) -> Callable[[str], Offer]:
    """Return a callback that offers words; ``methods`` stands for those of the registry."""

    def offer(incomplete: str) -> Offer:
        return [(word, "") for word in choices if word.startswith(incomplete)]

    return methods_and_auto if "methods" in choices else offer


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


def shipped(incomplete: str) -> Offer:
    """Offer the methods whose weights come with groklst."""
    from groklst_models.registry import REGISTRY

    return [
        (name, entry.title)
        for name, entry in REGISTRY.items()
        if name.startswith(incomplete) and entry.weights is not None
    ]


def _methods(incomplete: str, *, networks_only: bool) -> Offer:
    from groklst_models.registry import REGISTRY

    return [
        (name, entry.title)
        for name, entry in REGISTRY.items()
        if name.startswith(incomplete) and (entry.needs_weights or not networks_only)
    ]
