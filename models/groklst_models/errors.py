"""The errors of methods and checkpoints: one class per cause."""


class ModelsError(Exception):
    """The base class of every error that this package raises on purpose."""


class UnknownMethodError(ModelsError, KeyError):
    """There is no method of this name."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class ArgumentsError(ModelsError, ValueError):
    """A method cannot be built with these arguments."""


class CheckpointError(ModelsError, ValueError):
    """A file is not a readable checkpoint, or does not fit its network."""


class MissingBandsError(ModelsError, ValueError):
    """A method needs guidance bands that are missing."""


class MissingPackageError(ModelsError, ImportError):
    """A method needs a package that is not installed or cannot be loaded."""


class FitError(ModelsError, ValueError):
    """A fitted method cannot be fitted to this scene."""


def lacks_guidance(method: str) -> FitError:
    """Return an error that says that a method needs guides."""
    return FitError(f"{method} needs at least one guide; add --guide FILE")
