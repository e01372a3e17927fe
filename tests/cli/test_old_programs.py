"""Old command lines and what is made of old files: no password is shown, and no option says what it does not do."""

import stat

import pytest
from click.testing import CliRunner

from wattline.cli import aliases, wattline
from wattline.cli.old_programs import without_password
from wattline.errors import Misconfigured
from wattline.imports import kwapi
from wattline.imports.conversion import Where
from wattline.imports.description import describe
from wattline.runtime.registry import Registry

CONF = "[Dummy]\nprobes = ['a']\ndriver = Dummy\n"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("kwollector -m d --db_password s3cret --db_host h", "kwollector -m d --db_host h"),
        ("kwollector --db_password=s3cret conf", "kwollector conf"),
        ("kwollector conf --db_password", "kwollector conf"),
        ("kwollector --db_user s3cret", "kwollector --db_user s3cret"),
    ],
)
def test_a_password_is_taken_off_a_command_line(words, left):
    assert without_password(words.split()) == left.split()


@pytest.mark.parametrize(
    ("said", "asked", "level"),
    [
        ("", "", "info"),
        ("verbose = false\n", "", "warning"),
        ("verbose = true\n", "", "info"),
        ("verbose = false\ndebug = true\n", "", "debug"),
        ("verbose = false\n", "info", "info"),
        ("", "debug", "debug"),
    ],
)
def test_how_much_kwapi_logs(tmp_path, said, asked, level):
    (tmp_path / "drivers.conf").write_text(f"[DEFAULT]\n{said}{CONF}")
    assert kwapi.convert(tmp_path / "drivers.conf", Registry.installed(), log=asked).site.log == level


def test_flags_of_kwapi_reach_the_program(tmp_path, monkeypatch):
    (tmp_path / "drivers.conf").write_text(CONF)
    made = []
    monkeypatch.setattr(aliases, "start", made.append)
    arguments = ["--config-file", str(tmp_path / "drivers.conf"), "-d", "--use-syslog", "--log-file", "x"]
    done = CliRunner().invoke(aliases.kwapi_drivers, arguments)
    assert done.exit_code == 0, done.output
    assert made[0].site(Registry.installed()).log == "debug"
    assert "No effect here: use-syslog, log-file" in done.output


def test_what_is_written_is_private_also_where_a_file_was(tmp_path):
    (tmp_path / "drivers.conf").write_text(CONF)
    file = tmp_path / "site.yaml"
    file.write_text("")
    file.chmod(0o644)
    command = ["import", "kwapi", str(tmp_path / "drivers.conf"), "-o", str(file)]
    refused = CliRunner().invoke(wattline, command)
    assert (refused.exit_code, file.read_text()) == (2, "")
    assert "--force" in refused.output
    done = CliRunner().invoke(wattline, [*command, "--force"])
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["ipmisensor://u:12/3@bmc-1/4", "snmp://host:5/6@x"])
def test_a_password_that_looks_like_a_port_is_refused_and_not_shown(url):
    with pytest.raises(Misconfigured, match="%2F") as caught:
        describe({"name": "a", "device_id": "b", "url": url}, Where("", 0, ""))
    assert "12" not in str(caught.value)
