"""What is dumped and loaded again is what it was, to the last bit, in every format."""

import asyncio
import io

import numpy as np
import pytest

from wattline.exchange.dump import Selection, dump
from wattline.exchange.form import Assumed
from wattline.exchange.formats import Format
from wattline.exchange.load import check, store
from wattline.testing.memory import MemoryStore
from wattline.testing.store_scenario import by_key, written

ALL_TIME = (0, 2**62)


def silent(stage, done, rows):
    assert 0 <= done <= 1


def dumped(source, form, **selection):
    out = io.BytesIO()
    dump(source, form, out, Selection(**selection), silent)
    return out.getvalue()


def loaded(content, form, path, **assumed):
    path.write_bytes(content)
    into = MemoryStore()
    asyncio.run(store(check(path, form, Assumed(**assumed), into.entries(), silent), into, silent))
    return into


@pytest.mark.parametrize("form", Format)
def test_dump_load_dump_is_the_same_file(odd_store, form, tmp_path):
    first = dumped(odd_store, form)
    again = dumped(loaded(first, form, tmp_path / "history"), form)
    assert again == first


@pytest.mark.parametrize("form", Format)
def test_every_sample_series_and_device_comes_back(odd_store, form, tmp_path):
    again = loaded(dumped(odd_store, form), form, tmp_path / "history")
    ours, theirs = by_key(odd_store.entries()), by_key(again.entries())
    assert ours.keys() == theirs.keys()
    for key, entry in ours.items():
        assert theirs[key].series == entry.series
        assert theirs[key].column == entry.column
        [want] = [*written(odd_store.samples([entry.id], *ALL_TIME)).values()]
        [got] = [*written(again.samples([theirs[key].id], *ALL_TIME)).values()]
        if entry.series.metric.name == "door":
            want, got = worded(odd_store, entry.id, want), worded(again, theirs[key].id, got)
        assert got == want
    assert again.devices() == odd_store.devices()


def worded(source, number, samples):
    texts = source.texts(number)
    values = np.array([value for _, value in samples]).view(np.float64)
    return [(time, texts[int(value)]) for (time, _), value in zip(samples, values, strict=True)]


def test_csv_is_what_people_expect(odd_store):
    lines = dumped(odd_store, Format.CSV, devices=("node-*",), metrics=("power_*",), plain=True).decode().splitlines()
    assert lines[:3] == [
        "time,device,metric,value,labels",
        "2025-11-24T16:00:00.000000Z,node-1,power_watts,1,{}",
        "2025-11-24T16:00:01.000000Z,node-1,power_watts,3,{}",
    ]


def test_ndjson_is_what_people_expect(odd_store):
    lines = dumped(odd_store, Format.NDJSON, devices=("rack-1",), plain=True).decode().splitlines()
    assert lines[0] == (
        '{"time":"2025-11-24T16:00:00.000000Z","device":"rack-1","metric":"door","value":null,"labels":{},"text":"open"}'
    )
    assert '"labels":{"feed":"A","phase":1,"tags":["a",null,{"b":2.5}]}' in lines[1]
