"""The Typer app: one line per command; errors become one line on stderr and an exit code."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any, Final, cast

import typer

from groklst_cli import __version__
from groklst_cli.commands import run_log
from groklst_cli.commands.doctor import doctor
from groklst_cli.commands.downscale import downscale
from groklst_cli.commands.evaluate import evaluate
from groklst_cli.commands.examples import examples
from groklst_cli.commands.import_toolkit import import_toolkit
from groklst_cli.commands.info import info
from groklst_cli.commands.ingest import ingest
from groklst_cli.commands.models import models
from groklst_cli.commands.prepare import prepare
from groklst_cli.commands.train import train
from groklst_cli.commands.typed import KeepingGroup
from groklst_cli.shown_text import one_line, traced

_Refusal: Final[type[Exception]] = typer.BadParameter.__bases__[0]
"""The base class of what Typer raises when the command line is not valid."""


class _App(typer.Typer):
    """Raises errors instead of printing them, so that ``run`` can print them on one line."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line under the name ``groklst``, however it was started."""
        return super().__call__(
            *args, **{"prog_name": "groklst", "standalone_mode": False} | kwargs
        )


app = _App(
    name="groklst",
    cls=KeepingGroup,
    help="Turn coarse land surface temperature rasters into fine ones.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=examples("ingest"))(ingest)
app.command(epilog=examples("downscale"))(downscale)
app.command(epilog=examples("evaluate"))(evaluate)
app.command(epilog=examples("prepare"))(prepare)
app.command(epilog=examples("train"))(train)
app.command(epilog=examples("models"))(models)
app.command(epilog=examples("info"))(info)
app.command("import", epilog=examples("import"))(import_toolkit)
app.command()(doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"groklst {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Turn coarse land surface temperature rasters into fine ones."""
    _State.debug = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


class _State:
    debug = False


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def run(application: Callable[[], Any] = app) -> int:
    """Run the command line and return its exit code; known errors become one line on stderr."""
    try:
        code = _run(application)
    except BaseException as error:  # a bug in groklst; Python prints the traceback
        run_log.tell(traced(error))
        run_log.end(1)
        raise
    run_log.end(code)
    return code


def _run(application: Callable[[], Any]) -> int:
    from groklst_cli.errors import GroklstError, lacks_memory, out_of_memory

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code = application()
    except SystemExit as ended:
        code = ended.code
    except GroklstError as error:
        return _failed(error, error.exit_code)
    except _Refusal as error:
        return _failed(_refused(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except _Terminated:
        return _failed("terminated", 143)
    except BrokenPipeError:
        return 1
    except (MemoryError, RuntimeError, ImportError) as error:
        if not lacks_memory(error):
            raise
        return _failed(out_of_memory(error), 5)
    except OSError as error:  # of the system: a full disk, no permission to read
        return _failed(error, 1)
    if code == 130:  # how Typer ends on Ctrl-C
        return _failed("interrupted", 130)
    return code if isinstance(code, int) else int(bool(code))


def _refused(error: Exception) -> str:
    """Return on one line what Typer prints on three."""
    what = cast("typer.BadParameter", error).format_message().rstrip(".")
    context: typer.Context | None = getattr(error, "ctx", None)
    command = "groklst" if context is None else context.command_path
    return f"{what}; {command} --help shows the options"


def _failed(what: object, code: int) -> int:
    if _State.debug and isinstance(what, BaseException):
        _say(traced(what))
    _say(f"groklst: {one_line(what)}\n")
    return code


def _say(text: str) -> None:
    sys.stderr.write(text)
    run_log.tell(text)
