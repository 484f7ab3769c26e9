"""The options of a run from all sources: the command line, a file, and defaults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import typer

from groklst_cli import __version__
from groklst_cli.commands import config_file, run_log, typed
from groklst_cli.commands.config_file import Key


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        keys: Of the command.
        values: The values in effect, by the command's parameters.
        provenance: Tags with what was typed, and what the file has.
    """

    keys: Mapping[str, Key]
    values: Mapping[str, Any]
    provenance: Mapping[str, str]

    @classmethod
    def of(cls, context: typer.Context, command: Callable[..., None]) -> Self:
        """Collect what Typer has read.

        Raises:
            UsageError: If options contradict each other.
        """
        keys, values = config_file.keys_of(context, command), dict(context.params)
        values["output_option"] = config_file.output_of(context)
        if values["no_conserve"]:
            from groklst_cli.commands import parse

            values["conserve"] = parse.no_conserve(values["conserve"])
        said = config_file.said_beside_defaults(keys, context.default_map or {})
        return cls(keys, values, typed.provenance(context, said))

    @property
    def output(self) -> Path | None:
        """The output that an option or the file names."""
        named = self.values["output_option"]
        return None if named is None else Path(named)

    @property
    def command(self) -> str:
        """The command as it was typed, as a shell takes it."""
        return self.provenance[typed.COMMAND_TAG]

    def to_toml(self) -> str:
        """Return all of them as TOML."""
        return config_file.to_toml(self.keys, self.values)

    def log(self) -> None:
        """Log the command, if there is a log."""
        run_log.tell(f"groklst {__version__}: {self.command}")
        run_log.tell(config_file.to_toml(self.keys, self.values, unset=False))
