"""The command line: one file for each command, and the only place that may import everything.

A command is imported when it is named, so that `wattline --help` answers at once.
"""

import importlib
import os
import sys
from typing import Any, Final

import click

from wattline import __version__
from wattline.errors import Unreachable, WattlineError

# No matrix product of ours is worth sharing out: BLAS threads would only spin. Read when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_COMMANDS: Final = {
    "up": "Meter, store and show, all in one process.",
    "collect": "Meter without pages, also from older systems' files.",
    "read": "Read a meter once and print what it says.",
    "discover": "Find meters on a network, and write a site's file.",
    "doctor": "Say how good meters are, and what would make them better.",
    "check": "Check a configuration and say what it would read.",
    "import": "Write our configuration from an older system's.",
    "top": "Show devices by watts, live, in the terminal.",
    "promote": "Ask for optional metrics, and every frame of fast meters.",
    "load": "Load samples from Parquet, Arrow, CSV or NDJSON files.",
    "dump": "Write samples to Parquet, Arrow, CSV or NDJSON.",
    "bridge": "Show what is metered to clients of other systems.",
    "store": "Look into the store: stats, verify, compact.",
    "new": "Write the files of a new driver.",
    "bench": "Measure Wattline against its peers on this machine.",
}
_ELSEWHERE: Final = {"import": "import_old"}
"""Commands whose name is a word of Python, and can be no module's."""


class Commands(click.Group):
    """A group that knows its commands by name and help line, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table above."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `wattline.cli.NAME` and return its command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module = _ELSEWHERE.get(cmd_name, cmd_name)
        command: click.Command = getattr(importlib.import_module(f"wattline.cli.{module}"), module)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and name the nearest one when there is none of that name."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a file or a pipe of the command line that fails is one line as well."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unreachable(f"{error.filename or 'input or output'}: {error.strerror or error}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wattline")
def wattline() -> None:
    """Wattline meters energy: any power meter in, every joule accounted for.

    \b
    Start here:
      wattline up --demo                           a simulated rack and this host, with a live page
      wattline up --meter snmp://public@pdu-1/     a PDU or UPS, whose make is found
      wattline read rapl://                        what do this machine's sockets draw?
      wattline up --config site.yaml               a whole site
    """  # noqa: D301 - click wants the character itself


def main() -> None:
    """Run a command; an error raised on purpose becomes one line on standard error and exit status 1."""
    try:
        wattline(standalone_mode=True)
    except WattlineError as error:
        click.echo(f"wattline: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
