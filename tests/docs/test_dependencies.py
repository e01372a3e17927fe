"""What `pip install .` brings is enough: only drivers with an extra of their own may lack something."""

import importlib.metadata
import re
import subprocess
import sys

from packaging.requirements import Requirement

NEED_AN_EXTRA = {"ipmi", "ipmisensor", "mqtt"}

TRIAL = """
import importlib, importlib.abc, pkgutil, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = set(sys.argv[1:])
sys.meta_path.insert(0, Absent())
import wattline.cli
for module in pkgutil.iter_modules(wattline.cli.__path__):
    importlib.import_module(f"wattline.cli.{module.name}")
from wattline.runtime.registry import Registry
registry = Registry.installed()
for group in ("drivers", "sinks", "stores"):
    print(*sorted(registry.loadable(group)[1]))
"""


def test_what_is_installed_without_extras_is_enough():
    brought = _closure("wattline", set())
    absent = {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not brought & {_plain(owner) for owner in owners}
    }
    assert {"aiomqtt", "cryptography", "pytest"} <= absent
    done = subprocess.run([sys.executable, "-c", TRIAL, *sorted(absent)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= NEED_AN_EXTRA


def _closure(name: str, extras: set[str]) -> set[str]:
    """Return the names of a distribution and of all that it requires here, without extras of its own."""
    seen: set[str] = set()
    waiting = [(name, frozenset(extras))]
    while waiting:
        one, wanted = waiting.pop()
        if _plain(one) in seen and not wanted:
            continue
        seen.add(_plain(one))
        for text in importlib.metadata.requires(one) or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                waiting.append((need.name, frozenset(need.extras)))
    return seen


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
