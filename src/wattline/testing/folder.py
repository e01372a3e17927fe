"""What the folder of every plugin holds, as checks: a sample that shows every option, and a README that people expect.

`sample.yaml` shows each option on a line of its own, explained by a `##` line before it or its block. An option that
may be left out is commented by `#` and shown with its default, or with an example where the default is empty; one that
must be given stands uncommented with an example.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from wattline.errors import Misconfigured
from wattline.plugin import Driver, Metric, Sink

Plugin = type[Driver[Any]] | type[Sink[Any]]
DRIVER_HEADINGS: Final = ("What it reads", "Configuration", "Metrics", "Tested with", "Known quirks")
SINK_HEADINGS: Final = ("What it writes", "Configuration", "Guarantees", "Tested with", "Known quirks")
_SHOWN: Final = re.compile(r"^(# )?([a-z][a-z0-9_]*):", re.MULTILINE)
_ROW: Final = re.compile(r"^\| `([^`]+)` \| *([^|]*?) *\| *([^|]*?) *\|", re.MULTILINE)


def folder_of(plugin: Plugin) -> Path:
    """Return the folder that a plugin's module lies in."""
    return Path(inspect.getfile(plugin)).parent


def sample_of(plugin: Plugin) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of `sample.yaml`: those given as it stands, and all with the commented ones."""
    text = (folder_of(plugin) / "sample.yaml").read_text()
    bare = re.sub(r"^# ", "", re.sub(r"^##.*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    given: dict[str, Any] = yaml.safe_load(text)
    whole: dict[str, Any] = yaml.safe_load(bare)
    given.pop("driver")
    whole.pop("driver")
    return given, whole


def check_sample(plugin: Plugin, name: str) -> None:
    """Check that `sample.yaml` is valid, shows and explains every option, and tells true defaults."""
    text = (folder_of(plugin) / "sample.yaml").read_text()
    names = (name, folder_of(plugin).name)  # a second name of a driver has its folder in common with the first
    assert yaml.safe_load(text)["driver"] in names, f"sample.yaml says no `driver: {name}`"
    given, whole = sample_of(plugin)
    defaults = plugin.Config.of("sample.yaml", given)
    fields = {field.name: field for field in msgspec.structs.fields(plugin.Config)}
    named = {match[2]: match for match in _SHOWN.finditer(text) if match[2] in fields}
    assert set(named) == set(fields), f"sample.yaml does not show {', '.join(sorted(set(fields) - set(named)))}"
    for option, match in named.items():
        block = text[: match.start()].rpartition("\n\n")[2]
        assert re.search(r"^## ", block, re.MULTILINE), f"no `## ` line explains {option}"
        if match[1]:
            assert not fields[option].required, f"{option} must be given: show it uncommented"
            shown = plugin.Config.of("sample.yaml, uncommented", given | {option: whole[option]})
            default = getattr(defaults, option)
            told = getattr(shown, option)
            assert told == default or not default, (
                f"sample.yaml tells {told!r} for {option}: its default is {default!r}"
            )


def check_misspelt(plugin: Plugin) -> None:
    """Check that a misspelt option is refused by name, beside every option that is right."""
    given, whole = sample_of(plugin)
    for option in whole:
        wrong = f"{option}_x"
        with pytest.raises(Misconfigured, match=wrong):
            plugin.Config.of("test", given | {wrong: whole[option]})


def check_readme(plugin: Plugin, headings: Sequence[str]) -> None:
    """Check that README.md has the headings of its kind, in their order, and something below each."""
    text = (folder_of(plugin) / "README.md").read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    assert tuple(parts[1::2]) == tuple(headings)
    assert all(body.strip() for body in parts[2::2]), "a heading has nothing below it"


def metrics_told(plugin: Plugin) -> Mapping[str, tuple[str, str]]:
    """Return unit and kind by metric, as the table in README.md tells them."""
    text = (folder_of(plugin) / "README.md").read_text()
    table = text.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    return {match[1]: (match[2], match[3]) for match in _ROW.finditer(table)}


def metrics_declared(metrics: Sequence[Metric]) -> Mapping[str, tuple[str, str]]:
    """Return unit and kind by metric, as the code declares them."""
    return {metric.name: (str(metric.unit), str(metric.kind)) for metric in metrics}
