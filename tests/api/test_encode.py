"""Four formats say the same, bit for bit, whatever the rows hold."""

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.api.encode import encode, encoder
from wattline.api.formats import Format
from wattline.api.rows import Catalogue, Rows, cell_rows, sample_rows
from wattline.model import Column, Kind, Metric, Series
from wattline.plugin import Block, Entry
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS

BEGIN = 1_795_179_600 * NANOSECONDS
HEADS = {"csv": b"time,device,metric,value,labels\n", "json": b"[]\n", "ndjson": b""}


def body_of(store: MemoryStore, form: str, start=BEGIN, end=BEGIN + 3600 * NANOSECONDS) -> bytes:
    catalogue = Catalogue(store.entries())
    pieces = sample_rows(store.samples(catalogue.ids, start, end), catalogue)
    return b"".join(encode(pieces, encoder(Format(form), catalogue, store.texts, rolled=False)))


@pytest.mark.parametrize("form", ["ndjson", "csv", "arrow"])
async def test_formats_agree(store, form, rows_of):
    expected = rows_of(body_of(store, "json"), "json")
    assert len(expected) == 2 * 60 * 6 - 20
    assert rows_of(body_of(store, form), form) == expected


async def test_rows_hold_what_was_written(store, rows_of):
    rows = rows_of(body_of(store, "json"), "json")
    assert rows[0] == {
        "time": "2026-11-20T13:00:00.000001Z", "device": "rack-1/pdu-1", "metric": "energy_joules", "value": "1000.0",
        "labels": {},
    }  # fmt: skip
    inlet = [r["value"] for r in rows if r["metric"].startswith("inlet") and r["device"] == "rack-1/pdu-2"]
    assert inlet[4:10] == ["21.5", "nan", "inf", "-inf", "-0.0", "21.5"]
    states = [r["value"] for r in rows if r["metric"] == "outlet_state" and r["device"] == "rack-1/pdu-2"]
    assert states == ["on"] * 20 + ['of,f "x"'] * 20 + ["on"] * 20
    labels = {json.dumps(r["labels"], sort_keys=True) for r in rows}
    assert labels == {"{}", '{"slot": 1}', '{"slot": 2}', '{"phase": "L1", "who": "a \\"quoted\\", name"}'}


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
async def test_an_answer_without_rows_is_whole(store, form, rows_of):
    body = body_of(store, form, BEGIN - 10, BEGIN)
    assert rows_of(body, form) == []
    if form in HEADS:
        assert body == HEADS[form]


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
async def test_formats_agree_on_cells(store, form, rows_of):
    catalogue = Catalogue(store.entries())
    energies = [entry.series.metric.unit in "WJ" for entry in catalogue.entries]
    span = 10 * NANOSECONDS

    def rolled(name: str) -> list[dict]:
        slices = store.cells(catalogue.ids, BEGIN, BEGIN + 120 * NANOSECONDS, span)
        one = encoder(Format(name), catalogue, store.texts, rolled=True)
        return rows_of(b"".join(encode(cell_rows(slices, catalogue, energies), one)), name)

    expected = rolled("json")
    assert [(r["time"], r["device"], r["metric"]) for r in expected] == sorted(
        (r["time"], r["device"], r["metric"]) for r in expected
    )
    found = next(r for r in expected if r["metric"] == "power_watts" and r["time"].endswith("13:00:10.000000Z"))
    assert (found["min"], found["mean"], found["max"], found["count"]) == ("300.1", "300.1", "300.1", "10.0")
    assert float(found["joules"]) == pytest.approx(3001, abs=1e-5)
    assert found["coverage"] == "1.0"
    inlet = next(r for r in expected if r["metric"].startswith("inlet"))
    assert inlet["joules"] is inlet["coverage"] is None
    state = next(r for r in expected if r["metric"] == "outlet_state")
    assert (state["min"], state["mean"], state["max"], state["count"]) == (None, None, None, "10.0")
    assert rolled(form) == expected


NUMBERS = st.floats(width=64) | st.sampled_from([0.1, 1e15, 1e16, 1e22, 1e-7, 5e-324, 1.7e308, -0.0, 2.0**53])


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=30), st.integers(-(2**62), 2**62))
def test_every_double_comes_back(rows_of_any, values, begin):
    catalogue = Catalogue([Entry(7, Series.of("d", Metric("m")), Column())])
    time_ = np.int64(begin) // 1000 * 1000 + np.arange(len(values)) * 1000
    rows = Rows(time_, np.zeros(len(values), np.int32), np.array(values))
    for form in Format:
        one = encoder(form, catalogue, lambda _: (), rolled=False)
        found = rows_of_any(b"".join(encode(iter([rows]), one)), form)
        assert [bits(float(row["value"])) for row in found] == [bits(value) for value in values]
        assert [row["time"] for row in found] == [f"{t}Z" for t in time_.view("datetime64[ns]").astype("M8[us]")]


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


BLOCKS = st.lists(
    st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 5), st.integers(0, 2**31)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(BLOCKS, st.randoms())
def test_rows_ascend_and_none_is_lost(drawn, random):
    numbers = list(range(sum(width for _, width, _ in drawn)))
    random.shuffle(numbers)
    entries = [Entry(i, Series.of(f"d{i % 7}", Metric(f"m{i // 7}"), {"x": str(i % 3)}), Column()) for i in numbers]
    catalogue, blocks, expected = Catalogue(entries), [], []
    for times, width, seed in drawn:
        ids = tuple(numbers.pop() for _ in range(width))
        stamps = np.sort(np.array(times, np.int64))
        values = np.random.default_rng(seed).random((len(times), width))
        present = np.random.default_rng(seed + 1).random((len(times), width)) < 0.7
        blocks.append(Block(ids, stamps, values, present))
        expected += [
            (int(stamps[i]), catalogue.places([ids[j]])[0], values[i, j]) for i, j in np.argwhere(present).tolist()
        ]
    pieces = list(sample_rows(iter([blocks]), catalogue))
    rows = [
        row
        for piece in pieces
        for row in zip(*map(np.ndarray.tolist, (piece.time, piece.place, piece.value)), strict=True)
    ]
    assert sorted(rows) == sorted(expected)
    assert [row[:2] for row in rows] == sorted(row[:2] for row in expected)
    assert all(len(piece) for piece in pieces)


def test_a_large_slice_leaves_in_small_pieces():
    ids = tuple(range(100))
    catalogue = Catalogue([Entry(i, Series.of(f"d{i}", Metric("m", kind=Kind.GAUGE)), Column()) for i in ids])
    block = Block(ids, BEGIN + np.arange(3600) * NANOSECONDS, np.ones((3600, 100)))
    sizes = [len(piece) for piece in sample_rows(iter([[block]]), catalogue)]
    assert sum(sizes) == 360_000
    assert sizes[0] <= 2048
    assert max(sizes) <= 16_384


def test_a_time_that_is_no_whole_microsecond_loses_nothing():
    catalogue = Catalogue([Entry(1, Series.of("d", Metric("m")), Column())])
    rows = Rows(np.array([BEGIN, BEGIN + 1]), np.zeros(2, np.int32), np.ones(2))
    one = encoder(Format.CSV, catalogue, lambda _: (), rolled=False)
    lines = b"".join(encode(iter([rows]), one)).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [
        "2026-11-20T13:00:00.000000Z", "2026-11-20T13:00:00.000000001Z",
    ]  # fmt: skip


def test_a_text_that_came_while_the_answer_was_on_its_way_is_given():
    catalogue = Catalogue([Entry(1, Series.of("d", Metric("s", kind=Kind.STATE)), Column())])
    texts = ["on"]
    one = encoder(Format.NDJSON, catalogue, lambda _: tuple(texts), rolled=False)
    rows = Rows(np.array([BEGIN]), np.zeros(1, np.int32), np.array([1.0]))
    texts.append("off")
    assert json.loads(one.samples(rows))["value"] == "off"
    with pytest.raises(LookupError):
        one.samples(Rows(np.array([BEGIN]), np.zeros(1, np.int32), np.array([2.0])))
