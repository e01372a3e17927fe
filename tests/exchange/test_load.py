"""What a file may say, what it may not, and that nothing of a bad file is stored."""

import asyncio
import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from wattline.errors import Malformed, Refused
from wattline.exchange.form import Assumed
from wattline.exchange.formats import format_of
from wattline.exchange.load import BadRows, check, store
from wattline.model import Kind
from wattline.plugin import Misconfigured
from wattline.testing.memory import MemoryStore
from wattline.testing.store_scenario import written
from wattline.units import NANOSECONDS, Unit

T = 1764000000
NS = T * NANOSECONDS


def silent(stage, done, rows):
    assert 0 <= done <= 1


def load(path, into=None, *, skip_bad=False, form=None, **assumed):
    into = into or MemoryStore()
    checked = check(path, form or format_of(path.name), Assumed(**assumed), into.entries(), silent, skip_bad=skip_bad)
    return into, asyncio.run(store(checked, into, silent))


def samples(into):
    found = written(into.samples([entry.id for entry in into.entries()], -(2**62), 2**62))
    return {
        (entry.series.device, entry.series.metric.name): [
            (time, float(np.array([value]).view(np.float64)[0])) for time, value in found.get(entry.id, [])
        ]
        for entry in into.entries()
    }


@pytest.fixture
def csv(tmp_path):
    def write(*rows, header="time,device,metric,value"):
        path = tmp_path / "history.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        path = tmp_path / "history.parquet"
        pa.parquet.write_table(pa.table(columns), path)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-11-24T16:00:00Z", NS),
        ("2025-11-24 17:00:00.25+01:00", NS + NANOSECONDS // 4),
        ("2025-11-24T16:00:00.123456789Z", NS + 123456789),
        ("2025-11-24T16:00+00", NS),
        (f"{T}", NS),
        (f"{T}.123456789", NS + 123456789),
        (f"{T}.1", NS + 10**8),
        ("1.764e9", NS),
        ("-1.5", -1_500_000_000),
    ],
)
def test_times_are_read_exactly(csv, text, time):
    into, _ = load(csv(f"{text},a,m,1"))
    assert samples(into)[("a", "m")] == [(time, 1.0)]


@pytest.mark.parametrize(("unit", "factor"), [("ms", 10**6), ("us", 1000), ("ns", 1)])
def test_numbers_count_what_they_are_said_to_count(csv, unit, factor):
    into, _ = load(csv(f"{NS // factor + 7},a,m,1"), time_unit=unit)
    assert samples(into)[("a", "m")] == [(NS + 7 * factor, 1.0)]


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (pa.array([NS // 1000 + 5], pa.timestamp("us", "UTC")), {}),
        (pa.array([NS // 1000 + 5], pa.timestamp("us", "Europe/Berlin")), {}),
        (pa.array([NS // 1000 + 5], pa.timestamp("us")), {"naive": True}),
        (pa.array([NS // 1000 + 5]), {"time_unit": "us"}),
        (pa.array([T + 5e-6]), {}),
        (pa.array(["2025-11-24T16:00:00.000005Z"]), {}),
    ],
)
def test_parquet_may_have_times_of_many_types(parquet, column, options):
    path = parquet(time=column, device=["a"], metric=["m"], value=pa.array([1.5], pa.float32()))
    into, _ = load(path, **options)
    assert samples(into)[("a", "m")] == [(NS + 5000, 1.5)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("yesterday,a,m,1", "time is neither ISO 8601 nor a number"),
        ("2025-11-24T16:00:00,a,m,1", "no offset"),
        ("2025-13-24T16:00:00Z,a,m,1", "no instant"),
        ("1500-01-01T00:00:00Z,a,m,1", "no instant"),
        ("99999999999,a,m,1", "outside 1677 to 2262"),
        ("nan,a,m,1", "outside"),
        (",a,m,1", "no time"),
        (f"{T},,m,1", "names no device"),
        (f"{T},a,,1", "names no metric"),
        (f"{T},a,m,", "no value"),
        (f"{T},a,m,1_000", "no number"),
        (f"{T},a,m,watts", "no number"),
        (f"{T},a,m", "3 columns instead of 4"),
        (f"{T},a,m,1,2", "5 columns instead of 4"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(csv, row, reason):
    path = csv(f"{T},a,m,1", f"{T + 1},a,m,2", row, f"{T + 2},a,m,3")
    into = MemoryStore()
    with pytest.raises(BadRows, match=f"row 3: .*{reason}"):
        load(path, into)
    assert into.entries() == ()
    into, loaded = load(path, skip_bad=True)
    assert (loaded.rows, loaded.bad) == (3, 1)
    assert len(samples(into)[("a", "m")]) == 3


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"labels": "[1]"}, "labels are no JSON object"),
        ({"unit": "furlong"}, "no unit"),
        ({"kind": "gage"}, "no kind"),
        ({"period": "often"}, "period is no number"),
        ({"scale": "1/0"}, "scale"),
        ({"device_parents": "rack"}, "no JSON list"),
        ({"text": "open", "kind": "gauge"}, "has a text"),
        ({"kind": "state"}, "needs its text"),
        ({"run": "first"}, "no whole number"),
    ],
)
def test_what_describes_a_series_must_mean_something(csv, said, reason):
    row = ",".join('"' + text.replace('"', '""') + '"' for text in said.values())
    path = csv(f"{T},a,m,1,{row}", header="time,device,metric,value," + ",".join(said))
    with pytest.raises(BadRows, match=f"row 1: .*{reason}"):
        load(path)


def test_rows_after_ragged_ones_keep_their_numbers(csv):
    with pytest.raises(BadRows) as refused:
        load(csv("1,a,m", f"{T},a,m,1", "1,a", f"{T},a,m,x"))
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()[1:]] == ["row 1", "row 3", "row 4"]


def test_many_bad_rows_are_counted_and_a_few_quoted(csv):
    with pytest.raises(BadRows, match="40 bad rows") as refused:
        load(csv(*["x,a,m,1"] * 40))
    assert len(str(refused.value).splitlines()) == 7


def test_a_missing_column_is_named(csv):
    with pytest.raises(Malformed, match="no column metric, value, only time, device"):
        load(csv(f"{T},a", header="time,device"))


def test_a_column_that_stands_twice_is_refused(csv, tmp_path):
    with pytest.raises(Malformed, match="the column value stands twice"):
        load(csv(f"{T},a,m,1,2", header="time,device,metric,value,value"))
    columns = {"time": [T], "device": ["a"], "metric": ["m"], "value": [1.0]}
    table = pa.Table.from_arrays([*map(pa.array, columns.values()), pa.array([2.0])], [*columns, "value"])
    with pa.ipc.new_file(tmp_path / "twice.arrow", table.schema) as file:
        file.write_table(table)
    with pytest.raises(Malformed, match="the column value stands twice"):
        load(tmp_path / "twice.arrow")


@pytest.mark.parametrize("writer", [pa.ipc.new_file, pa.ipc.new_stream])
def test_an_arrow_file_that_points_outside_itself_is_refused(tmp_path, writer):
    table = pa.table({"time": [T, T], "device": ["a" * 77, "b" * 77], "metric": ["m", "m"], "value": [1.0, 2.0]})
    path = tmp_path / "outside.arrow"
    with writer(path, table.schema) as file:
        file.write_table(table)
    offsets = np.array([0, 77, 154], np.int32).tobytes()
    assert path.read_bytes().count(offsets) == 1
    path.write_bytes(path.read_bytes().replace(offsets, np.array([0, 77, 2**30], np.int32).tobytes()))
    with pytest.raises(Malformed, match="cannot be read as arrow"):
        load(path)


@pytest.mark.parametrize(("raw", "line"), [(b"a\xe9", 3), (b"\xff\xfe", 3), (b"b\xc3", 3)])
def test_a_text_of_another_encoding_is_refused_with_the_line(tmp_path, raw, line):
    path = tmp_path / "latin.csv"
    path.write_bytes(f"time,device,metric,value\n{T},a,m,1\n{T},".encode() + raw + b",m,1\n")
    with pytest.raises(Malformed, match=f"no UTF-8 text, as line {line} shows"):
        load(path, skip_bad=True)
    path.write_bytes(f"time,device,metric,value\n{T},a,m,1\n{T},a,m,\xe9"[:-1].encode() + b"\xc3")
    with pytest.raises(Malformed, match="ends within a character of UTF-8, on line 3"):
        load(path)


def test_names_and_reasons_without_end_are_cut_short(csv):
    rows = [f"{T},{'d' * 5000},m,1,{{}}", f'{T},d,m,1,"{{""a"":""{"x" * 70_000}""}}"', f"{T},d,m,1,{'[' * 5000}"]
    with pytest.raises(BadRows, match="3 bad rows") as refused:
        load(csv(*rows, header="time,device,metric,value,labels"))
    assert "row 1: too long: its device (5000 characters)" in str(refused.value)
    assert "row 2: too long: its labels" in str(refused.value)
    assert len(str(refused.value)) < 600


def test_a_file_without_rows_is_loaded(csv):
    _, loaded = load(csv())
    assert (loaded.rows, loaded.first) == (0, None)


def test_a_file_of_another_format_says_so(tmp_path):
    path = tmp_path / "history.parquet"
    path.write_bytes(b"time,device\n")
    with pytest.raises(Malformed, match="cannot be read as parquet"):
        load(path)


def test_an_unknown_ending_names_the_known_ones():
    with pytest.raises(Misconfigured, match=r"\.parquet.*--format"):
        format_of("history.xlsx")


def test_units_and_kinds_may_be_said_for_a_file_that_has_none(csv):
    path = csv(f"{T},a,power,1.5", f"{T},a,total,2", f"{T},a,other,3")
    into, _ = load(path, units={"power": "kW", "total": "kWh"}, kinds={"power": "gauge", "total": "counter"})
    assert samples(into) == {("a", "power"): [(NS, 1500.0)], ("a", "total"): [(NS, 7.2e6)], ("a", "other"): [(NS, 3.0)]}
    metrics = {entry.series.metric.name: entry.series.metric for entry in into.entries()}
    assert (metrics["power"].unit, metrics["power"].kind) == (Unit.WATT, Kind.GAUGE)
    assert (metrics["total"].unit, metrics["total"].kind) == (Unit.JOULE, Kind.COUNTER)
    assert metrics["other"].kind is Kind.UNKNOWN


def test_what_the_file_says_of_a_unit_comes_before_the_option(csv):
    path = csv(f"{T},a,m,1,mW", f"{T},b,m,1,", header="time,device,metric,value,unit")
    into, _ = load(path, units={"": "kW"}, kinds={"": "gauge"})
    assert samples(into) == {("a", "m"): [(NS, 0.001)], ("b", "m"): [(NS, 1000.0)]}


def test_device_and_metric_may_be_said_for_all_rows(csv):
    into, _ = load(csv(f"{T},1", header="time,value"), device="rack-1", metric="power_watts")
    assert samples(into) == {("rack-1", "power_watts"): [(NS, 1.0)]}


def test_a_metric_of_two_meanings_is_a_bad_row(csv):
    path = csv(f"{T},a,m,1,W", f"{T},b,m,1,J", header="time,device,metric,value,unit")
    with pytest.raises(BadRows, match="row 2: m is said to be gauge in J, but it was gauge in W before"):
        load(path, kinds={"": "gauge"})


def test_what_contradicts_the_store_is_refused_before_anything_is_stored(csv):
    into, _ = load(csv(f"{T},a,m,1"), units={"": "W"}, kinds={"": "gauge"})
    with pytest.raises(Refused, match="m is said to be counter in J, but it was gauge in W before, by a in the store"):
        load(csv(f"{T},b,n,1", f"{T},b,m,1"), into, units={"": "J"}, kinds={"": "counter"})
    assert len(into.entries()) == 1


def test_rows_of_one_device_and_time_become_a_frame(csv):
    into, _ = load(csv(*(f"{T + n},a,m{k},{n}" for n in range(3) for k in range(4))))
    [[block]] = into.samples([1, 2, 3, 4], 0, 2**62)
    assert block.values.shape == (3, 4)
    assert into.statistics()["layouts"] == 1


@pytest.mark.parametrize("name", ["time", "device", "value", "run"])
def test_a_column_of_a_type_that_means_nothing_is_refused(parquet, name):
    columns = {"time": [T], "device": ["a"], "metric": ["m"], "value": [1.0], name: [[["a"]]]}
    with pytest.raises(Malformed, match=r"means? nothing|are no numbers"):
        load(parquet(**columns))


def test_labels_may_be_a_structure(parquet):
    labels = pa.array([{"feed": "A", "n": 1}, {"feed": "B", "n": None}])
    into, _ = load(parquet(time=[T, T], device=["a", "a"], metric=["m", "m"], value=[1, 2], labels=labels))
    assert [entry.series.label_values() for entry in into.entries()] == [{"feed": "A", "n": 1}, {"feed": "B"}]


def test_ndjson_may_mix_what_json_allows(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(
        f'{{"time": {T}, "device": "a", "metric": "m", "value": 1, "more": [1]}}\n\n'
        f'{{"time": "{T}.5", "device": "a", "metric": "m", "value": "NaN", "period": 2.5}}\n'
        f'{{"time": {T}.25, "device": "a", "metric": "m", "value": "-Inf", "labels": {{}}}}'
    )
    into, _ = load(path)
    assert [time - NS for time, _ in samples(into)[("a", "m")]] == [0, NANOSECONDS // 4, NANOSECONDS // 2]
    assert [value for _, value in samples(into)[("a", "m")]][1] == -np.inf


def test_a_line_that_is_no_json_has_its_number(tmp_path):
    path = tmp_path / "history.ndjson"
    path.write_text(f'{{"time": {T}, "device": "a", "metric": "m", "value": 1}}\n\n{{"time": \n[1]\n')
    with pytest.raises(BadRows, match=r"(?s)2 bad rows.*row 3: it is no row.*row 4: it is no row"):
        load(path)


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_text_is_read(tmp_path, ending):
    text = f"time,device,metric,value\n{T},a,m,1\n".encode()
    path = tmp_path / f"history.csv.{ending}"
    path.write_bytes(gzip.compress(text) if ending == "gz" else bytes(pa.compress(text, "zstd", asbytes=True)))
    into, _ = load(path)
    assert samples(into) == {("a", "m"): [(NS, 1.0)]}


class Interrupted(RuntimeError):
    pass


class Failing(MemoryStore):
    """Dies after some writes, as a machine without power does."""

    def __init__(self, writes):
        super().__init__()
        self.left = writes

    async def write(self, batches):
        if not self.left:
            raise Interrupted
        self.left -= 1
        await super().write(batches)


def test_an_interrupted_load_doubles_nothing_when_it_is_begun_again(tmp_path):
    rows = 3 << 20
    time = pa.array(NS + np.arange(rows) // 4 * 10**6).cast(pa.timestamp("ns", "UTC"))
    names = pa.array([f"m{n}" for n in range(4)])
    metric = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows, dtype=np.int32) % 4), names)
    device = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["a"]))
    path = tmp_path / "history.parquet"
    pa.parquet.write_table(pa.table({"time": time, "device": device, "metric": metric, "value": np.arange(rows)}), path)
    into = Failing(1)
    with pytest.raises(Interrupted):
        load(path, into)
    assert 0 < into.statistics()["samples"] < rows
    into.left = 99
    load(path, into)
    assert into.statistics()["repeats"] == 1
    assert into.statistics()["samples"] == rows
    load(path, into)
    assert into.statistics()["samples"] == rows
