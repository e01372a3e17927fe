"""Our parser against prometheus_client's: equal on every page that it takes, and never an error but Malformed."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as families

from wattline.errors import Malformed
from wattline.wire.exposition import Parser

MILLISECOND = 1_000_000

NODE = """\
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 2.87310592e+06
node_cpu_seconds_total{cpu="0",mode="user"} 57012.83
# HELP node_hwmon_temp_celsius Hardware monitor for temperature (input)
# TYPE node_hwmon_temp_celsius gauge
node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp1"} 41
node_hwmon_power_average_watt{chip="power_meter_acpi0",sensor="power1"} 184
# HELP node_rapl_package_joules_total Current RAPL package value in joules
# TYPE node_rapl_package_joules_total counter
node_rapl_package_joules_total{index="0",path="/sys/class/powercap/intel-rapl:0"} 101223.402391
# TYPE http_seconds histogram
http_seconds_bucket{le="0.1"} 3
http_seconds_bucket{le="+Inf"} 5
http_seconds_sum 0.9
http_seconds_count 5
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} NaN
rpc_seconds_sum 0
rpc_seconds_count 0
# TYPE gpu_power_watts untyped
gpu_power_watts{name="NVIDIA \\"A\\" 100\\\\x",note="two\\nlines",empty=""} +Inf
floor -Inf
"""

OPENMETRICS = """\
# TYPE pdu_energy_joules counter
# UNIT pdu_energy_joules joules
# HELP pdu_energy_joules Register of the PDU.
pdu_energy_joules_total{outlet="1"} 7200000 1700000000.25
pdu_energy_joules_created{outlet="1"} 1690000000 1700000000.25
# TYPE latency_seconds histogram
# UNIT latency_seconds seconds
latency_seconds_bucket{le="0.1"} 3 # {trace_id="a # b"} 0.067 1700000000.1
latency_seconds_bucket{le="+Inf"} 4
latency_seconds_sum 1.5
latency_seconds_count 4
# TYPE load gauge
load 0.5
# EOF
"""


def parsed(text, parser=None, *, openmetrics=False):
    """Return (name, labels) -> value, with the time where a sample has one."""
    page = (parser or Parser()).parse(text.encode("utf-8", "surrogateescape"), openmetrics=openmetrics)
    found = {(key.name, key.labels): float(value) for key, value in zip(page.keys, page.values, strict=True)}
    return found | {(key.name, key.labels, time): value for key, time, value in page.stamped}


def expected(text, read=families):
    """The same by prometheus_client; of samples that repeat the first."""
    found = {}
    for family in read(text):
        for sample in family.samples:
            labels = tuple(sorted((name, value) for name, value in sample.labels.items() if value))
            time = () if sample.timestamp is None else (round(float(sample.timestamp) * 1_000_000) * 1000,)
            found.setdefault((sample.name, labels, *time), float(sample.value))
    return found


def same(one, other):
    return one.keys() == other.keys() and all(
        one[key] == other[key] or (math.isnan(one[key]) and math.isnan(other[key])) for key in one
    )


def test_a_page_of_an_exporter():
    assert same(parsed(NODE), expected(NODE))


def test_a_page_of_openmetrics():
    ours = parsed(OPENMETRICS, openmetrics=True)
    assert same(ours, expected(OPENMETRICS, openmetrics_families))
    assert ours["pdu_energy_joules_total", (("outlet", "1"),), 1_700_000_000_250 * MILLISECOND] == 7_200_000


def test_a_second_scrape_gives_new_values_of_the_same_keys():
    parser = Parser()
    first = parser.parse(NODE.encode())
    second = parser.parse(NODE.replace("57012.83", "57013.91").encode())
    assert all(one is other for one, other in zip(first.keys, second.keys, strict=True))
    assert second.values[1] == 57013.91


def test_keys_say_what_the_page_declares():
    keys = {key.name: key for key in Parser().parse(NODE.encode()).keys}
    assert (keys["http_seconds_bucket"].family, keys["http_seconds_bucket"].type) == ("http_seconds", "histogram")
    assert (keys["floor"].family, keys["floor"].type) == ("floor", "")
    page = Parser().parse(OPENMETRICS.encode(), openmetrics=True)
    stamped = page.stamped[0]
    assert (stamped.key.family, stamped.key.type, stamped.key.unit) == ("pdu_energy_joules", "counter", "joules")


WORD = st.sampled_from(["a", "b", "c_total", "power_watts", "le", "x1", "_y", "http_seconds_sum", "z_count"])
TEXT = st.lists(st.sampled_from("ab \\\"\n{},=#é本'\t"), max_size=8).map("".join)
NUMBER = st.one_of(
    st.floats().map(repr), st.integers(-(2**70), 2**70).map(str), st.sampled_from(["+Inf", "-Inf", "NaN", "1e5", ".5"])
)


def escaped(text):
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@st.composite
def lines(draw):
    labels = draw(st.dictionaries(WORD, TEXT, max_size=3))
    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    if inside and draw(st.booleans()):
        inside += ","
    blank = draw(st.sampled_from([" ", "  ", "\t"]))
    stamp = draw(st.one_of(st.just(""), st.integers(0, 2**40).map(lambda ms: f"{blank}{ms}")))
    braces = f"{{{inside}}}" if inside or draw(st.booleans()) else ""
    return f"{draw(WORD)}{braces}{blank}{draw(NUMBER)}{stamp}"


@st.composite
def pages(draw):
    return "\n".join(draw(st.lists(lines(), max_size=12))) + "\n"


@given(pages(), pages())
def test_generated_pages_are_read_as_prometheus_client_reads_them(one, other):
    parser = Parser()
    for page in (one, other, one):  # the second time by what was remembered
        assert same(parsed(page, parser), expected(page))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_page_or_malformed(body, openmetrics):
    with suppress(Malformed):
        Parser().parse(body, openmetrics=openmetrics)


PIECES = st.lists(
    st.sampled_from(["a", "b_total", "{", "}", 'x="y"', '"', ",", "=", " ", "\t", "1", "NaN", "-", "1e999", "\n", "\\",
                     "# ", "#", "TYPE a counter", "UNIT a joules", "EOF", "é", "\r", "\0", "\ud800", "1_0", "١",
                     '{"q"}', "9" * 30, "1e99999"]),
    max_size=40,
).map("".join)  # fmt: skip


@given(PIECES, PIECES, st.booleans())
def test_spoilt_pages_are_a_page_or_malformed(one, other, openmetrics):
    parser = Parser(lambda name, _: name != "b_total")
    for text in (one, other, f"a 1\n{one}", f"{other}\n# EOF\n"):
        with suppress(Malformed):
            page = parser.parse(text.encode("utf-8", "surrogatepass"), openmetrics=openmetrics)
            assert len(page.keys) == len(page.values) == len(set(page.keys))
            assert all(key.name != "b_total" for key in page.keys)


@pytest.mark.parametrize(
    "line",
    ["a", "a x", "1 2", "a{ 1", "a{b} 1", 'a{b="c} 1', 'a{b="c"', 'a{b="1",b="2"} 1', "a 1_000", "a ١", "a 1 2 3",
     "a 1 1.5", "a 1 x", 'a{b="\0"} 1', "a 1 # {} 1", '{"a","b"} 1', '{b="c"} 1', "a 1 99999999999999999999"],
)  # fmt: skip
def test_a_bad_line_costs_that_line(line):
    parser = Parser()
    for good in (1, 2):
        page = parser.parse(f"x 1\n{line}\ny {good}\n".encode())
        assert [key.name for key in page.keys] == ["x", "y"]
        assert list(page.values) == [1, good]
        assert page.bad == 1
        assert page.complaint


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\n <!DOCTYPE html><p>log in", "HTML"),
        (b'{"status": "success"}', "no line is a sample; the first is '{\"status"),
        (b"\xff\xfe\x00garbage", "no line is a sample"),
        (b"x\n" * 20_000, "more than 10000 lines are no samples"),
    ],
)
def test_what_is_no_page_says_so(body, said):
    with pytest.raises(Malformed, match=said):
        Parser().parse(body)


def test_openmetrics_that_is_cut_off_is_malformed():
    with pytest.raises(Malformed, match="cut off"):
        Parser().parse(OPENMETRICS[:-30].encode(), openmetrics=True)


@pytest.mark.parametrize("body", [b"", b"\n\n", b"# nothing\n"])
def test_a_page_without_samples_is_a_page(body):
    assert Parser().parse(body).keys == []


def test_of_repeated_samples_the_first_holds_and_the_rest_is_counted():
    page = Parser().parse(b'a{x="1",y="2"} 1\na{y="2",x="1"} 2\nb 3\n')
    assert list(page.values) == [1, 3]
    assert page.repeated == 1


def test_names_in_quotes_and_other_ways_to_write_a_line():
    text = '{"pdu.power",outlet="1"} 5\n  a{ x = "1" , } 6\r\nb{}\t7\t1000\n'
    assert parsed(text) == {
        ("pdu.power", (("outlet", "1"),)): 5, ("a", (("x", "1"),)): 6, ("b", (), 1000 * MILLISECOND): 7,
    }  # fmt: skip


def test_labels_that_look_equal_are_equal():
    page = Parser().parse('a{x="é"} 1\na{x="e\u0301"} 2\n'.encode())
    assert page.repeated == 1


def test_bytes_that_are_no_utf8_cost_their_line():
    page = Parser().parse(b'a{x="\xff"} 1\nb 2\n')
    assert [key.name for key in page.keys] == ["b"]
    assert page.bad == 1


def test_a_line_that_is_longer_than_any_name_needs_costs_itself():
    page = Parser().parse(b'a{x="' + b"x" * 70_000 + b'"} 1\nb{x="' + b"x" * 60_000 + b'"} 2\n')
    assert [key.name for key in page.keys] == ["b"]
    assert page.bad == 1
    assert len(page.complaint) < 200


def test_wanted_names_alone_are_kept():
    parser = Parser(lambda name, family: name == "floor" or family == "http_seconds", ["floor", "http_seconds"])
    for _ in range(2):
        names = [key.name for key in parser.parse(NODE.encode()).keys]
        assert names == [
            "http_seconds_bucket",
            "http_seconds_bucket",
            "http_seconds_sum",
            "http_seconds_count",
            "floor",
        ]


def test_a_type_that_changes_is_read_again():
    parser = Parser()
    for kind in ("gauge", "counter", "gauge"):
        page = parser.parse(f'# TYPE a {kind}\na{{n="{kind}"}} 1\n'.encode())
        assert page.keys[0].type == ("counter" if kind == "counter" else "gauge")


def test_memory_follows_the_page():
    parser = Parser()
    for k in range(200):
        parser.parse("".join(f'a{{i="{k * 200 + i}"}} 1\n' for i in range(200)).encode())
    assert len(parser._meaning) < 12_000
    assert len(parser._keys) < 12_000
