"""What can go wrong with methods and checkpoints, one class a cause."""


class ModelsError(Exception):
    """The root of every error that this package raises on purpose."""


class UnknownMethodError(ModelsError, KeyError):
    """No method has the name that was asked for."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class ArgumentsError(ModelsError, ValueError):
    """A method cannot be built with these arguments."""


class CheckpointError(ModelsError, ValueError):
    """A file is not a checkpoint that can be read, or does not fit its network."""


class MissingBandsError(ModelsError, ValueError):
    """A method needs guidance bands that are not there."""


class MissingPackageError(ModelsError, ImportError):
    """A method needs a package that is not installed, or that does not load."""


class FitError(ModelsError, ValueError):
    """A fitted method cannot be fitted to this scene."""


def lacks_guidance(method: str) -> FitError:
    """Say that a method learns from guidance, and that there is none."""
    return FitError(f"{method} needs at least one guide; add --guide FILE")
