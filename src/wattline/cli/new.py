"""`wattline new`: write the files of something new, which work as they are."""

import importlib.metadata
import re
from importlib import resources
from pathlib import Path
from typing import Final

import click

from wattline.errors import Misconfigured

FILES: Final = {
    "pyproject.toml": "pyproject.toml",
    "init.py": "wattline_{name}/__init__.py",
    "driver.py": "wattline_{name}/driver.py",
    "sample.yaml": "wattline_{name}/sample.yaml",
    "README.md": "wattline_{name}/README.md",
    "test.py": "wattline_{name}/test_{name}.py",
    "power1_input": "wattline_{name}/testdata/power1_input",
}
"""Where each file of the template goes, below the folder of the project."""
NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST: Final = 24


@click.group()
def new() -> None:
    """Write the files of something new.

    \b
    Example:
      wattline new driver acme                     a driver, its tests and its page, in wattline-acme
    """  # noqa: D301 - click wants the character itself


@new.command(short_help="Write a driver that works, with its tests.")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the project goes; without it, wattline-NAME here.",
)
def driver(name: str, folder: Path | None) -> None:
    """Write a driver that works: it reads watts from a text file, and its tests pass.

    NAME is also the scheme of its addresses: acme:// for acme.

    \b
    Examples:
      wattline new driver acme
      cd wattline-acme && pip install -e . && pytest
      wattline read 'acme:///sys/class/hwmon/hwmon0/power1_input?unit=uW'
    """  # noqa: D301 - click wants the character itself
    root = folder if folder is not None else Path(f"wattline-{name.replace('_', '-')}")
    for path in write_driver(name, root):
        click.echo(path)
    click.echo(f"\nIt works as it is: cd {root} && pip install -e . && pytest\nNow make driver.py yours.")


def write_driver(name: str, folder: Path) -> list[Path]:
    """Write a project with the driver `name` into `folder`; return its files.

    Raises Misconfigured, with nothing written: the name is none, or taken, or a file is there already.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise Misconfigured(f"{name!r} cannot name a driver: small letters, digits and single _, at most {LONGEST}")
    if name in {point.name for point in importlib.metadata.entry_points(group="wattline.drivers")}:
        raise Misconfigured(f"there is a driver {name!r} already")
    title = "".join(word.capitalize() for word in name.split("_"))
    names = {"name": name, "title": title, "dashed": name.replace("_", "-")}
    paths = {file: folder / place.format_map(names) for file, place in FILES.items()}
    if there := [path for path in paths.values() if path.exists()]:
        raise Misconfigured(f"{there[0]} is there already; nothing was written")
    template = resources.files("wattline.cli").joinpath("template")
    for file, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.joinpath(f"{file}.txt").read_text().format_map(names))
    return list(paths.values())
