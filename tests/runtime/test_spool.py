"""The queue on disk: order, bounds, torn tails, garbage, a full disk and `kill -9`."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series, pack_mask
from wattline.runtime.packing import pack_batch, pack_layout, unpack_batch, unpack_layout
from wattline.runtime.spool import Spool
from wattline.units import Scale, Unit

MANY = 10**9
LAYOUTS = [
    Layout.of(
        [Series.of(f"d{k}", Metric("power_watts", Unit.WATT, Kind.GAUGE), {"n": str(i)}) for i in range(k)],
        [Column(scale=Scale(1, 10), range=2.0**32, period=1.0)] * k,
        devices=[Device(f"d{k}", "server", (("", "rack"),))],
    )
    for k in range(1, 4)
]


def batch(sequence, k=2, n=1):
    time = np.arange(n, dtype=np.int64) + sequence * 1000
    return Batch(LAYOUTS[k - 1], time, np.full((n, k), float(sequence)), None, {}, "h/m", 7, sequence)


def drained(spool, most=3):
    """Deliver all, a part at a time."""
    got = []
    while some := spool.peek(most):
        got += some
        spool.forget(some)
    return [one.sequence for one in got]


@given(
    st.integers(0, 5).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.lists(st.floats(width=64), min_size=3, max_size=3), min_size=n, max_size=n)
        )
    ),
    st.randoms(),
)
def test_a_batch_comes_back_bit_for_bit(given_frames, random):
    n, rows = given_frames
    values = np.array(rows, np.float64).reshape(n, 3)
    mask = np.array([[random.random() < 0.5 for _ in range(3)] for _ in range(n)], bool).reshape(n, 3)
    original = Batch(
        LAYOUTS[2], np.arange(n, dtype=np.int64), values, pack_mask(mask), {1: ("up", "down")}, "h/m", -3, 9
    )
    layout = unpack_layout(pack_layout(LAYOUTS[2]))
    back = unpack_batch(pack_batch(original), {layout.id: layout})
    assert back.values.tobytes() == original.values.tobytes()
    assert back.time.tobytes() == original.time.tobytes()
    assert (back.mask() == original.mask()).all()
    assert (back.texts, back.source, back.run, back.sequence) == ({1: ("up", "down")}, "h/m", -3, 9)
    assert (layout.series, layout.columns, layout.devices) == (
        LAYOUTS[2].series, LAYOUTS[2].columns, LAYOUTS[2].devices
    )  # fmt: skip


def test_what_is_appended_comes_out_in_order_and_survives_opening_again(tmp_path):
    spool = Spool(tmp_path, MANY)
    for i in range(1, 11):
        spool.append([batch(2 * i - 1), batch(2 * i, k=1 + i % 3)])
    some = spool.peek(5)
    assert [one.sequence for one in some] == [1, 2, 3]
    spool.forget(some)
    spool.close()
    again = Spool(tmp_path, MANY)
    assert again.samples == spool.samples
    again.append([batch(21)])
    assert drained(again) == list(range(4, 22))
    assert (again.size, again.samples) == (0, 0)
    assert not list(tmp_path.glob("*.spool"))


def test_what_was_not_forgotten_is_given_again(tmp_path):
    spool = Spool(tmp_path, MANY)
    spool.append([batch(1), batch(2)])
    assert [one.sequence for one in spool.peek(1)] == [1]
    spool.close()
    assert drained(Spool(tmp_path, MANY)) == [1, 2]


def test_past_its_limit_it_drops_the_oldest_and_counts_them(tmp_path):
    spool = Spool(tmp_path, 16_000)
    for i in range(1, 1001):
        spool.append([batch(i)])
    assert spool.size <= 16_000 + 1000
    left = drained(spool)
    assert left == list(range(left[0], 1001))
    assert spool.dropped == 2 * (left[0] - 1) > 0


def test_a_torn_tail_is_cut_and_later_ones_are_kept(tmp_path):
    spool = Spool(tmp_path, MANY)
    spool.append([batch(1), batch(2), batch(3)])
    spool.close()
    [path] = tmp_path.glob("*.spool")
    whole = path.read_bytes()
    for size in range(len(whole) - 1, len(whole) - 60, -7):
        path.write_bytes(whole[:size])
        torn = Spool(tmp_path, MANY)
        torn.append([batch(4)])
        assert [one.sequence for one in torn.peek(2)] == [1]
        torn.close()
        path.write_bytes(whole[:size])
        later = Spool(tmp_path, MANY)
        assert drained(later) == [1, 2, 4]
        later.close()
        (tmp_path / "delivered").unlink()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(at=st.floats(0, 1), length=st.integers(1, 400), seed=st.integers(0, 2**32))
def test_garbage_in_the_middle_costs_only_what_it_covers(tmp_path_factory, at, length, seed):
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, MANY)
    for i in range(1, 21):
        spool.append([batch(i)])
    spool.close()
    [path] = folder.glob("*.spool")
    raw = bytearray(path.read_bytes())
    body = len(pack_layout(LAYOUTS[1])) + 17  # the first record is the layout, which all batches need
    start = body + int(at * (len(raw) - body - 1))
    garbage = np.random.default_rng(seed).bytes(min(length, len(raw) - start))
    raw[start : start + len(garbage)] = garbage
    path.write_bytes(raw)
    got = drained(Spool(folder, MANY))
    record = (len(raw) - body) // 20
    assert got == sorted(set(got) & set(range(1, 21)))
    assert len(got) >= 20 - (length // record + 2)


def test_a_damaged_layout_loses_its_batches_and_no_others(tmp_path):
    spool = Spool(tmp_path, MANY)
    spool.append([batch(1, k=1), batch(2, k=2), batch(3, k=1)])
    spool.close()
    [path] = tmp_path.glob("*.spool")
    raw = bytearray(path.read_bytes())
    raw[20] ^= 0xFF
    path.write_bytes(raw)
    again = Spool(tmp_path, MANY)
    assert again.damaged > 0
    assert drained(again) == [2]


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        Spool(tmp_path / "file" / "spool", MANY)


WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    import numpy as np
    from wattline.model import Batch, Layout, Metric, Series
    from wattline.runtime.spool import Spool

    layout = Layout.of([Series.of("d", Metric("m"))])
    spool = Spool(Path(sys.argv[1]), int(sys.argv[2]))
    for i in range(1, 10**6):
        spool.append([Batch(layout, np.array([i]), np.full((1, 1), float(i)), None, {}, "h/m", 1, i)])
        print(i, flush=True)
""")


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    for round_ in range(3):
        folder = tmp_path / str(round_)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(MANY)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(40 * (round_ + 1))]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        writer.stdout.close()
        got = drained(Spool(folder, MANY), most=1000)
        assert got[: len(acknowledged)] == acknowledged
        assert len(got) <= len(acknowledged) + 1


FULL = textwrap.dedent("""
    import resource, signal, sys
    from pathlib import Path
    import numpy as np
    from wattline.model import Batch, Layout, Metric, Series
    from wattline.runtime.spool import Spool

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    layout = Layout.of([Series.of("d", Metric("m"))])
    def batch(i): return Batch(layout, np.array([i]), np.full((1, 1), float(i)), None, {}, "h/m", 1, i)
    spool = Spool(Path(sys.argv[1]), 10**9)
    spool.append([batch(1), batch(2)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size + 40, resource.RLIM_INFINITY))
    try:
        spool.append([batch(3)])
    except OSError as error:
        print("full", spool.samples)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    spool.append([batch(3), batch(4)])
""")


def test_on_a_full_disk_an_append_fails_whole_and_the_next_one_works(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True, env=os.environ
    )
    assert done.stdout == "full 2\n"
    assert drained(Spool(tmp_path, MANY)) == [1, 2, 3, 4]
