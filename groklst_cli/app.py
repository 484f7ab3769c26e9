"""The Typer app: a line a command; our errors become one line and an exit code."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any

import typer

from groklst_cli import __version__
from groklst_cli.commands.downscale import downscale
from groklst_cli.commands.evaluate import evaluate
from groklst_cli.commands.import_toolkit import import_toolkit
from groklst_cli.commands.info import info
from groklst_cli.commands.models import models
from groklst_cli.commands.prepare import prepare
from groklst_cli.commands.train import train

app = typer.Typer(
    name="groklst",
    help="Turn coarse land surface temperature rasters into fine ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(downscale)
app.command()(evaluate)
app.command()(prepare)
app.command()(train)
app.command()(models)
app.command()(info)
app.command("import")(import_toolkit)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"groklst {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Turn coarse land surface temperature rasters into fine ones."""
    _State.debug = debug


class _State:
    debug = False


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def run(application: Callable[[], Any] = app) -> int:
    """Run the command line and return its exit code; every known error becomes one line."""
    from groklst_cli.errors import GroklstError

    signal.signal(signal.SIGTERM, _terminate)
    try:
        application()
    except SystemExit as ended:
        if ended.code == 130:  # how Typer ends on Ctrl-C
            return _failed("interrupted", 130)
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except GroklstError as error:
        return _failed(error, error.exit_code)
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except _Terminated:
        return _failed("terminated", 143)
    except BrokenPipeError:
        return 1
    except MemoryError as error:
        return _failed(error or "out of memory", 5)
    return 0


def _failed(what: object, code: int) -> int:
    if _State.debug and isinstance(what, BaseException):
        import traceback

        traceback.print_exception(what)
    line = " ".join(str(what).split())
    sys.stderr.write(f"groklst: {line}\n")
    return code
