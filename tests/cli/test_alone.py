"""Two programs do not share a directory, and a killed one leaves it free."""

import signal
import subprocess
import sys

import pytest

from wattline.cli.alone import alone_in
from wattline.errors import Misconfigured

HOLD = "import sys, pathlib; from wattline.cli.alone import alone_in\nwith alone_in(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"  # noqa: E501


def test_a_second_program_is_refused_until_the_first_is_gone_however_it_went(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "new")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout.readline() == b"held\n"
        refusal = pytest.raises(Misconfigured, match=rf"another Wattline \(process {first.pid}\)")
        with refusal, alone_in(tmp_path / "new"):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
    with alone_in(tmp_path / "new"):
        pass


def test_a_directory_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    refusal = pytest.raises(Misconfigured, match="cannot be written to: Not a directory; choose with --data")
    with refusal, alone_in(tmp_path / "file" / "data"):
        pass
