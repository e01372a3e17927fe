"""The laws of the house that no linter knows: sizes, names, folders and the documents that belong together."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MODULES = [path for path in SOURCES if not path.name.startswith("test_")]
BANNED_FILES = re.compile(r"^(utils?|helpers?|common|misc|manager|base|info|data)\.py$")
PLUGIN_FILES = {
    "drivers": ("driver.py", "sample.yaml", "README.md", "test_{name}.py"),
    "sinks": ("sink.py", "sample.yaml", "README.md", "test_{name}.py"),
    "stores": ("store.py", "sample.yaml", "README.md", "test_{name}.py"),
}


def test_no_file_says_more_than_one_thing():
    long = {str(path.relative_to(ROOT)): n for path in SOURCES if (n := len(path.read_text().splitlines())) > 500}
    assert not long


def test_no_file_has_a_name_that_says_nothing():
    assert not [path for path in MODULES if BANNED_FILES.match(path.name)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


@pytest.mark.parametrize("kind", PLUGIN_FILES)
def test_every_plugin_has_its_files(kind):
    for folder in (ROOT / "src/wattline" / kind).iterdir():
        if folder.is_dir() and not folder.name.startswith("_"):
            for name in PLUGIN_FILES[kind]:
                assert (folder / name.format(name=folder.name)).is_file(), f"{folder.name} lacks {name}"


def test_only_the_ticks_read_a_clock_in_the_runtime():
    reading = re.compile(r"\btime\.(time|time_ns|monotonic|monotonic_ns)\(|datetime\.now\(|utcnow\(")
    for layer in ("core", "drivers", "runtime", "ledger", "wire"):
        for path in (ROOT / "src/wattline" / layer).rglob("*.py"):
            if path.name != "ticks.py" and not path.name.startswith("test_"):
                assert not reading.search(path.read_text()), f"{path.relative_to(ROOT)} reads a clock"


def test_every_driver_stands_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in project["entry-points"]["wattline.drivers"]:
        assert f"`{name}`" in readme, f"README.md does not name the driver {name}"


def test_every_decision_is_listed():
    listed = (ROOT / "decisions/README.md").read_text()
    for path in (ROOT / "decisions").glob("0*.md"):
        assert f"({path.name})" in listed


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("decisions/*.md")], ids=str
)
def test_links_between_documents_live(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("folder", ["core", "core/chunk", "runtime", "ledger"])
def test_every_module_stands_in_the_architecture(folder):
    told = (ROOT / "ARCHITECTURE.md").read_text()
    for path in (ROOT / "src/wattline" / folder).glob("[!_]*.py"):
        assert f"`{path.stem}`" in told, f"ARCHITECTURE.md does not name {folder}/{path.name}"
