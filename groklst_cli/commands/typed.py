"""The command as it was typed, kept for logs and tags."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final

import typer
from typer.core import TyperGroup

from groklst_cli.shown_text import masked, printable

COMMAND_TAG: Final = "GROKLST_COMMAND"
CONFIG_TAG: Final = "GROKLST_CONFIG"
_KEY: Final = "groklst.typed"


class KeepingGroup(TyperGroup):
    """A group of commands that keeps what was typed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the arguments, then parse them."""
        ctx.meta[_KEY] = tuple(args)
        return super().parse_args(ctx, args)


def provenance(context: typer.Context, said: Mapping[str, Any]) -> dict[str, str]:
    """Return the command as it was typed, and the options in its file, as tags.

    Credentials are masked.
    """
    words = ["groklst", *context.meta.get(_KEY, ())]
    tags = {COMMAND_TAG: shlex.join(words)}
    if said:
        tags[CONFIG_TAG] = json.dumps(said, ensure_ascii=False)
    return {key: masked(printable(text)) for key, text in tags.items()}
