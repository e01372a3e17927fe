"""`wattline import SYSTEM FILE`: an older system's configuration as ours, in a file that a person reads."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from wattline.cli.counted import counted
from wattline.errors import Unreachable
from wattline.imports import energyrecorder, kwapi, kwollect, wattmetre
from wattline.imports.conversion import Conversion
from wattline.imports.written import render
from wattline.runtime.registry import Registry

EXIT_FAULTY: Final = 1
SYSTEMS: Final[Mapping[str, Callable[[Path, Registry], Conversion]]] = {
    kwapi.SYSTEM: kwapi.convert, kwollect.SYSTEM: kwollect.convert, wattmetre.SYSTEM: wattmetre.convert,
    energyrecorder.SYSTEM: energyrecorder.convert,
}  # fmt: skip
_PRIVATE: Final = 0o600


@click.command("import", short_help="Write our configuration from an older system's.")
@click.argument("system", type=click.Choice(list(SYSTEMS)))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.  [stdout]")
@click.option("--force", is_flag=True, help="Replace the file where there is one.")
def import_old(system: str, file: Path, output: Path | None, force: bool) -> None:
    """Write our configuration from that of Kwapi, Kwollect or energyrecorder, with a comment at what changed.

    Whatever cannot be read is left out and told of, on standard error and at the end of the file; the exit status is
    1 then. The file holds the passwords that the old one held: nobody else may read it.

    \b
    Examples:
      wattline import kwapi /etc/kwapi/drivers.conf -o site.yaml
      wattline import kwollect /etc/kwollect/kwollector.conf -o site.yaml
      wattline check site.yaml
    """  # noqa: D301 - click wants the character itself
    if output is not None and os.path.exists(output) and not force:
        raise click.UsageError(f"{output} is there already: --force replaces it")
    made = SYSTEMS[system](file, Registry.installed())
    text = render(made)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
        click.echo(f"{output}: {counted(len(made.parts), 'meter')}; check it with `wattline check {output}`.", err=True)
    for fault in made.faults:
        click.echo(str(fault), err=True)
    if made.faults:
        click.echo(f"{file}: {counted(len(made.faults), 'fault')}", err=True)
        sys.exit(EXIT_FAULTY)


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "w") as file:
            os.fchmod(file.fileno(), _PRIVATE)  # of a file that was there before as well
            file.write(text)
    except OSError as error:
        raise Unreachable(f"{path} cannot be written: {error.strerror}") from error
