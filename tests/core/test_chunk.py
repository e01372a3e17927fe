"""The chunk codec gives back every bit, and tells every wrong byte."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wattline.core.chunk import MOST, Chunk, Codec, encode, encode_alike, joined
from wattline.errors import Malformed

TESTDATA = Path(__file__).parent / "testdata"
ODD = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7e308, 2.0**53, 2.0**53 + 2, -(2.0**63), 0.1, 1 / 3, 1e-9]
PAYLOAD = np.array([0x7FF8_0000_DEAD_BEEF, 0xFFF0_0000_0000_0001], np.uint64).view(np.float64)
BOTH = pytest.mark.parametrize("codec", [Codec.PCO, Codec.MATRIX])


def bits(values):
    return np.ascontiguousarray(values).view(np.int64)


def walk(n, k, seed=0):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.integers(-3, 4, (n, k)) * (rng.random((n, k)) < 0.3), axis=0) / 10.0
    time = 1_764_000_000 * 10**9 + np.arange(n) * 10**9 + rng.normal(0, 1e6, n).astype(np.int64) // 1000 * 1000
    return time, values


@st.composite
def batches(draw):
    n, k = draw(st.integers(0, 400)), draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = []
    for _ in range(k):
        kind = draw(st.integers(0, 6))
        column = {
            0: lambda: np.cumsum(rng.integers(-5, 6, n)).astype(float),
            1: lambda: rng.integers(0, 5000, n) / 10.0 ** rng.integers(0, 10),
            2: lambda: rng.normal(0, 1, n),
            3: lambda: rng.choice(np.concatenate([ODD, PAYLOAD]), n),
            4: lambda: np.full(n, rng.choice(ODD)),
            5: lambda: (10**12 + np.cumsum(rng.integers(0, 90, n)) * 3600).astype(float),
            6: lambda: rng.integers(0, 4000, n) / 60.0,
        }[kind]()
        columns.append(column)
    values = np.stack(columns, axis=1) if k else np.zeros((n, 0))
    time = draw(hnp.arrays(np.int64, n)) if draw(st.booleans()) else np.sort(rng.integers(0, 2**60, n))
    present = None if draw(st.booleans()) else rng.random((n, k)) < rng.random()
    run = draw(st.sampled_from([None, np.ones(n, np.int64), rng.integers(0, 3, n)]))
    return time, values, present, run


@given(batches(), st.sampled_from([Codec.PCO, Codec.MATRIX]))
@settings(max_examples=300, deadline=None)
def test_every_batch_comes_back_bit_for_bit(batch, codec):
    time, values, present, run = batch
    n, k = values.shape
    chunk = Chunk(encode(time, values, present, run, codec=codec))
    assert (chunk.n, chunk.k) == (n, k)
    assert np.array_equal(chunk.time(), time)
    assert (chunk.run() is None) == (run is None or n == 0)
    if chunk.run() is not None:
        assert np.array_equal(chunk.run(), run)
    there = np.ones((n, k), bool) if present is None else present
    assert np.array_equal(np.ones((n, k), bool) if chunk.present() is None else chunk.present(), there)
    for place in range(k):
        assert np.array_equal(bits(chunk.column(place))[there[:, place]], bits(values[:, place])[there[:, place]])
    assert np.array_equal(bits(chunk.values(range(k)))[there], bits(values)[there])


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 300))), st.sampled_from([Codec.PCO, Codec.MATRIX])
)
@settings(max_examples=100, deadline=None)
def test_columns_of_integers_come_back(columns, codec):
    time = np.arange(columns.shape[1])
    chunk = Chunk(encode(time, list(columns), codec=codec))
    assert all(chunk.is_whole(i) and np.array_equal(chunk.column(i), column) for i, column in enumerate(columns))


def test_many_bodies_of_one_shape_are_what_each_alone_would_be():
    parts = [walk(95, 20, seed) for seed in range(40)]
    time, values = np.stack([t for t, _ in parts]), np.stack([v for _, v in parts])
    for i, body in enumerate(encode_alike(time, values, list(range(40)))):
        chunk = Chunk(body)
        assert np.array_equal(chunk.time(), time[i])
        assert np.array_equal(chunk.values(range(20)), values[i])
        assert (chunk.run() == i).all()


@pytest.mark.parametrize("places", [(0, 0, 0), (1, 0, 3), (2, None, 1)])
def test_bodies_one_after_the_other_are_packed_as_their_frames_would_be(places):
    parts = [walk(n, 6, seed=n) for n in (1, 175, 60)]
    time = np.concatenate([t + i * 10**12 for i, (t, _) in enumerate(parts)])
    scaled = [v if p is None else np.round(v * 7.123, p) for (_, v), p in zip(parts, places, strict=True)]
    for values in scaled:
        values[:, 5] = np.pi * np.arange(1, len(values) + 1)  # bits of doubles
    ends = np.cumsum([0, *(len(v) for v in scaled)])
    bodies = [
        encode_alike(time[None, a:b], values[None], [i])[0]
        for i, (a, b, values) in enumerate(zip(ends, ends[1:], scaled, strict=False))
    ]
    frames, run = joined([Chunk(body) for body in bodies]), np.repeat([0, 1, 2], [1, 175, 60])
    assert frames is not None
    assert np.array_equal(frames.time, time)
    assert np.array_equal(bits(frames.values()), bits(np.concatenate(scaled)))
    assert frames.encode() == encode(time, np.concatenate(scaled), run=run)


def test_bodies_with_absent_cells_are_not_joined():
    time, values = walk(20, 3)
    present = np.ones(values.shape, bool)
    present[3, 1] = False
    odd = encode(time, values, present, np.zeros(20, np.int64), codec=Codec.MATRIX)
    assert joined([Chunk(encode_alike(time[None], values[None], [0])[0]), Chunk(odd)]) is None


def test_slow_readings_take_a_quarter_of_a_byte():
    time, values = walk(3600, 20)
    assert len(encode(time, values)) / values.size < 0.4
    assert len(encode(time, values, codec=Codec.MATRIX)) / values.size < 0.5


def test_a_common_divisor_is_found():
    steps = np.random.default_rng(1).integers(0, 2, 3600)
    whole, multiple = (1e9 + np.cumsum(steps) * factor for factor in (1, 3600))
    sizes = [len(encode(np.arange(3600), values[:, None])) for values in (whole, multiple)]
    assert abs(sizes[0] - sizes[1]) < 32


@BOTH
def test_any_wrong_bit_and_any_shorter_body_is_malformed(codec):
    rng = np.random.default_rng(3)
    time, values = walk(300, 5)
    present = rng.random(values.shape) < 0.9
    body = encode(time, values, present, rng.integers(0, 2, 300), codec=codec)
    for place in {*rng.integers(0, len(body), 400).tolist(), *range(80)}:
        wrong = bytearray(body)
        wrong[place] ^= 1 << int(rng.integers(0, 8))
        if place == 1:
            continue  # kept for flags, under the checksum all the same
        with pytest.raises(Malformed):
            everything(bytes(wrong))
    for length in range(0, len(body), 7):
        with pytest.raises(Malformed):
            everything(body[:length])
    with pytest.raises(Malformed):
        everything(body + b"\0")


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_crash(body):
    with pytest.raises(Malformed):
        everything(b"\x01\x00" + body)


def test_parts_with_right_checksums_and_wrong_contents_are_malformed():
    """What an encoder with a bug, or a hand with intent, could write: checksums hold, contents do not."""
    import zlib

    rng = np.random.default_rng(4)
    time, values = walk(300, 3)
    for codec in (Codec.PCO, Codec.MATRIX):
        body = encode(time, values, codec=codec)
        k = 3
        head = 12 + 10 * (4 + k)
        for _ in range(300):
            wrong = bytearray(body)
            for place in rng.integers(head, len(body), 3).tolist():
                wrong[place] = int(rng.integers(0, 256))
            if rng.random() < 0.5:
                wrong[12 + 10 * int(rng.integers(0, 4 + k))] = int(rng.integers(0, 10))
            offset = head
            for part in range(4 + k):
                at = 12 + 10 * part
                size = int.from_bytes(wrong[at + 2 : at + 6], "little")
                wrong[at + 6 : at + 10] = zlib.crc32(wrong[offset : offset + size]).to_bytes(4, "little")
                offset += size
            wrong[8:12] = zlib.crc32(wrong[12:head], zlib.crc32(wrong[:8])).to_bytes(4, "little")
            try:
                everything(bytes(wrong))
            except Malformed:
                continue


def test_a_newer_version_and_too_many_cells_are_named():
    body = bytearray(encode(*walk(10, 1)))
    body[0] = 2
    with pytest.raises(Malformed, match="version 2"):
        Chunk(bytes(body))
    with pytest.raises(ValueError, match="more than a chunk"):
        encode(np.zeros(MOST + 1, np.int64), np.zeros((MOST + 1, 1)))


def test_the_bytes_of_version_1_are_read_for_ever():
    """Written once by the first release of the codec; to make them again is to break every store there is."""
    expected = np.load(TESTDATA / "chunk-v1.npz")
    for name in ("pco", "matrix", "alike"):
        chunk = Chunk((TESTDATA / f"chunk-v1-{name}.bin").read_bytes())
        assert np.array_equal(chunk.time(), expected["time"])
        assert np.array_equal(chunk.run(), expected["run"])
        present = expected["present"] if name != "alike" else np.ones_like(expected["present"])
        got = chunk.values(range(chunk.k))
        assert np.array_equal(bits(got)[present], bits(expected["values"])[present])


def everything(body):
    chunk = Chunk(body)
    chunk.time()
    chunk.run()
    chunk.present()
    for place in range(chunk.k):
        chunk.column(place)
