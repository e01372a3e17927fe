"""The command lines of older systems' programs: each is `wattline collect`. What has no effect here is said once."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from wattline.cli.collect import start
from wattline.cli.collection import Collection, Source
from wattline.errors import WattlineError
from wattline.imports import energyrecorder, kwapi, kwollect, wattmetre
from wattline.runtime.site import state_directory

_KWAPI: Final = "/etc/kwapi/drivers.conf"
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_LOGGING: Final = ("log-file", "log-dir", "log-config", "log-format", "log-date-format", "syslog-log-facility")


def _into(command: Callable[..., None]) -> Callable[..., None]:
    """Add what these programs have of ours: where samples go."""
    folder = click.Path(file_okay=False, path_type=Path)
    data = click.option("--data", type=folder, envvar="WATTLINE_DATA", help="Folder of the store.")
    return data(click.option("--sink", "sinks", multiple=True, metavar="NAME", help="stdout.")(command))


def _named(options: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--key` for each option of a Kwollect program, and the short flag that the first one with a letter has."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        seen: set[str] = set()
        for name in options:
            flags = [f"--{name}", *([] if name[0] in seen else [f"-{name[0]}"])]
            seen.add(name[0])
            command = click.option(*flags, name, default="", help="As before.")(command)
        return command

    return add


@click.command("kwapi-drivers")
@click.option("--config-file", "files", type=_file, multiple=True, help=f"drivers.conf.  [default: {_KWAPI}]")
@click.option("--config-dir", default="", help="Has no effect: wattmeters stand in the first file.")
@click.option("-d", "--debug", is_flag=True, help="As `debug = true` in the file.")
@click.option("-v", "--verbose", is_flag=True, help="As `verbose = true` in the file.")
@click.option("--use-syslog", is_flag=True, help="Has no effect.")
@_into
def kwapi_drivers(
    files: tuple[Path, ...], sinks: tuple[str, ...], data: Path | None, *, debug: bool, verbose: bool, **idle: Any
) -> None:
    """Kwapi's drivers, by `wattline collect --kwapi`."""
    _say(name for name, value in idle.items() if value)
    path, log = files[0] if files else Path(_KWAPI), "debug" if debug else "info" if verbose else ""
    _start("kwapi-drivers", lambda registry: kwapi.convert(path, registry, log=log), sinks, data)


for _option in _LOGGING:
    kwapi_drivers.params.append(
        click.Option([f"--{_option}"], default="", help="Has no effect: the log goes to stderr.")
    )


@click.command("kwollector")
@click.argument("conf", type=_file, required=False)
@_named(kwollect.OPTIONS)
@_into
def kwollector(conf: Path | None, sinks: tuple[str, ...], data: Path | None, **given: str) -> None:
    """Kwollect's collector, by `wattline collect --kwollect`."""
    _say(name for name, value in given.items() if value and name not in ("metrics_dir", "log_level"))
    _start("kwollector", lambda registry: kwollect.convert(conf, registry, given), sinks, data)


@click.command("kwollector-wattmetre")
@click.argument("conf", type=_file, required=False)
@_named(wattmetre.OPTIONS)
@_into
def kwollector_wattmetre(conf: Path | None, sinks: tuple[str, ...], data: Path | None, **given: str) -> None:
    """Kwollect's wattmeter on standard input, by `wattline collect --wattmetre`."""
    _say(name for name, value in given.items() if value and name.startswith("db_"))
    _start("kwollector-wattmetre", lambda registry: wattmetre.convert(conf, registry, given), sinks, data)


@click.command("server-collector")
@_into
def server_collector(sinks: tuple[str, ...], data: Path | None) -> None:
    """Energyrecorder's collector, by `wattline collect --energyrecorder conf/collector-settings.yaml`."""
    path = Path(energyrecorder.SETTINGS)
    _start("server-collector", lambda registry: energyrecorder.convert(path, registry), sinks, data)


def _start(program: str, source: Source, sinks: Sequence[str], data: Path | None) -> None:
    """Collect; several of these programs run on one machine, so each has a folder of its own."""
    start(Collection(sources=(source,), sinks=tuple(sinks), data=data, home=state_directory() / program))


def _say(idle: Any) -> None:
    if names := ", ".join(name.replace("_", "-") if name[:3] != "db_" else name for name in idle):
        click.echo(
            f"No effect here: {names}; samples go to a store of Wattline's, the log to standard error.", err=True
        )


def main(command: click.Command) -> None:
    """Run one of these; an error raised on purpose becomes one line on standard error and exit status 1."""
    try:
        command.main(standalone_mode=True)
    except WattlineError as error:
        click.echo(f"{command.name}: {error}", err=True)
        sys.exit(1)
