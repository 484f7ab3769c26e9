"""The reference of the command line, written from the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from groklst_cli.app import app

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")
FLAG = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z])")
OPENING = """# The command line

`groklst COMMAND --help` prints the same on a terminal. Results go to stdout, everything else to
stderr; [errors.md](../errors.md) explains the exit codes.
"""
PYTHON_TYPE = re.compile(r" <list\[\w+\]>")
"""What a help names an argument's values after, where it has no name for them."""


def page() -> str:
    """Write the page: a chapter for each command, an entry for each argument and option."""
    group: Any = typer.main.get_command(app)
    chapters = [_chapter("groklst", group)]
    chapters += [_chapter(f"groklst {name}", command) for name, command in group.commands.items()]
    return "\n".join([OPENING, *chapters])


def entries(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """List a command's arguments and options as its help shows them: what to type, and the help."""
    context = typer.Context(command, info_name=name)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            typed, said = record
            yield PYTHON_TYPE.sub("", typed), said


def plain(text: str) -> str:
    """Write text so that Markdown shows it as it is, and options as code."""
    return FLAG.sub(r"`\1`", SPECIAL.sub(r"\\\1", text))


def _chapter(name: str, command: Any) -> str:
    listed = [f"`` {typed} ``\n:   {plain(said)}\n" for typed, said in entries(command, name)]
    parts = [f"## {name}\n", *_paragraphs(command.help or ""), *listed]
    if command.epilog:
        _, _, lines = command.epilog.partition("\n")
        typed = "\n".join(line.strip() for line in lines.splitlines() if line.strip())
        parts += [f"Examples:\n\n```sh\n{typed}\n```\n"]
    return "\n".join(parts)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        yield plain(" ".join(paragraph.split())) + "\n"
