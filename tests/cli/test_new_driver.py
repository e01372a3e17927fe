"""`wattline new driver` writes a driver that keeps the contract, and the house's style, as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wattline.cli.new import FILES, new, write_driver
from wattline.errors import Misconfigured

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(folder, *command):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.fixture(params=["acme", "power_over_9000_or_so_xy"])
def project(request, tmp_path):
    told = CliRunner().invoke(new, ["driver", request.param, "--folder", str(tmp_path / "project")])
    assert told.exit_code == 0, told.output
    assert "make driver.py yours" in told.output
    return tmp_path / "project"


def test_its_tests_pass_and_the_suite_is_among_them(project):
    told = run(project, sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    assert int(re.search(r"(\d+) passed", told)[1]) >= 15


def test_its_style_is_the_houses(project):
    run(project, BIN / "ruff", "format", "--check", "--no-cache", ".")
    run(project, BIN / "ruff", "check", "--no-cache", ".")


def test_its_types_are_strict(tmp_path):
    write_driver("acme", tmp_path)
    run(tmp_path, BIN / "mypy", "--cache-dir", ROOT / ".mypy_cache/new-driver", "--no-error-summary", "wattline_acme")


def test_it_writes_the_five_files(tmp_path):
    names = {path.relative_to(tmp_path / "wattline_acme").as_posix() for path in write_driver("acme", tmp_path)[1:]}
    assert names == {
        "__init__.py", "driver.py", "sample.yaml", "README.md", "test_acme.py", "testdata/power1_input",
    }  # fmt: skip
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "{" in path.name]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Acme", "cannot name"),
        ("a-b", "cannot name"),
        ("9v", "cannot name"),
        ("a" * 25, "at most 24"),
        ("snmp", "already"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path, name, says):
    with pytest.raises(Misconfigured, match=says):
        write_driver(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "pyproject.toml").write_text("mine")
    with pytest.raises(Misconfigured, match=r"pyproject\.toml is there already"):
        write_driver("acme", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]


def test_every_file_of_the_template_is_written():
    there = {path.name.removesuffix(".txt") for path in (ROOT / "src/wattline/cli/template").iterdir()}
    assert there == set(FILES)
