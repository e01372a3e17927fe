"""Prometheus meters: addresses, what names mean, times and devices of samples, and servers that go wrong."""

import asyncio
import base64
import gzip
import logging
import re
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from aiohttp import web

from wattline.core.address import Secret, Url
from wattline.drivers.prometheus.config import PrometheusConfig
from wattline.drivers.prometheus.driver import Prometheus
from wattline.drivers.prometheus.meaning import kind_of, unit_of
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.model import Kind
from wattline.plugin import decode_secret
from wattline.testing.recordings import pages
from wattline.units import Unit
from wattline.wire.exposition import Parser

HERE = Path(__file__).parent
PAGE = (HERE / "testdata" / "rack.prom").read_text()
SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
OPENMETRICS = {"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}


@asynccontextmanager
async def serving(answer):
    """Serve what `answer` (a text, or a function of the request) says, at every path; yields the port."""

    async def respond(request):
        said = answer(request) if callable(answer) else answer
        said = await said if asyncio.iscoroutine(said) else said
        return web.Response(text=said) if isinstance(said, str) else said

    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(port, **options):
    given = {"host": "127.0.0.1", "port": port, "device": "node-1", **options}
    driver = Prometheus(msgspec.convert(given, PrometheusConfig, dec_hook=decode_secret))
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


def found(frames):
    """Return (device, metric, labels...) -> value of what is there."""
    values = {}
    for frame in frames:
        there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
        for i, series in enumerate(frame.layout.series):
            if there[i]:
                values[series.device, series.metric.name, *(f"{k}={v}" for k, v in series.labels)] = frame.values[i]
    return values


async def failure(answer, **options):
    """Return the error of one read."""
    async with serving(answer) as port, opened(port, **options) as driver:
        with pytest.raises((Malformed, Misconfigured, Unreachable)) as error:
            await driver.read(NOW)
    return type(error.value), str(error.value)


@pytest.mark.parametrize(
    ("path", "page", "names"),
    [
        ("", "/metrics", ()),
        ("/", "/metrics", ()),
        ("/metrics", "/metrics", ()),
        ("/metrics/", "/metrics", ()),
        ("/metrics/a,b_*", "/metrics", ("a", "b_*")),
        ("/a-b", "/metrics", ("a", "b")),
        ("/a,b", "/metrics", ("a", "b")),
        ("/custom/page/", "/custom/page", ()),
        ("/snmp/*", "/snmp", ("*",)),
    ],
)
def test_paths_say_page_and_names(path, page, names):
    config = PrometheusConfig.from_url(Url.parse(f"prometheus://host:9100{path}"))
    assert (config.page, config.names) == (page, names)


def test_an_address_in_full():
    url = "prometheus://me:secret@[::1]:9116/snmp/x?tls=true&param.target=pdu%201&device=pdu-1&limit_mib=1"
    config = PrometheusConfig.from_url(Url.parse(url))
    assert config.address == "https://[::1]:9116/snmp?target=pdu+1"
    assert config.headers()["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prometheus://h/?tsl=true", "tsl"),
        ("prometheus://h:9100/?wait=soon", "wait"),
        ("prometheus://h/?device_name=gpu", "needs {value}"),
        ("prometheus://h/?device_name={value}{x}", "alone"),
        ("prometheus://u:p@h/?token=t", "not both"),
        ("prometheus:///metrics", "`host` is a name"),
        ("prometheus://a%20b/metrics", "`host` is a name"),
        ("prometheus://h/?wait=nan", "`wait` lies between 0.001 and 3600"),
        ("prometheus://h/?limit_mib=-1", "`limit_mib` lies between"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(text, said):
    with pytest.raises(Misconfigured, match=said):
        PrometheusConfig.from_url(Url.parse(text))


def test_the_sample_is_valid_and_shows_every_option():
    text = (HERE / "sample.yaml").read_text()
    given = yaml.safe_load(text)
    assert given.pop("driver") == "prometheus"
    msgspec.convert(given, PrometheusConfig, dec_hook=decode_secret)
    shown = {line.lstrip("# ").partition(":")[0] for line in text.splitlines() if not line.startswith("##")}
    assert set(PrometheusConfig.__struct_fields__) <= shown


@pytest.mark.parametrize(
    ("declared", "name", "kind", "unit"),
    [
        ("# TYPE a_joules_total counter", "a_joules_total", Kind.COUNTER, Unit.JOULE),
        ("# TYPE a_joules counter\n# UNIT a_joules joules", "a_joules_total", Kind.COUNTER, Unit.JOULE),
        ("# TYPE a_joules counter", "a_joules_created", Kind.GAUGE, Unit.SECOND),
        ("# TYPE a gauge\n# UNIT a watts", "a", Kind.GAUGE, Unit.WATT),
        ("# TYPE a_joules gauge", "a_joules", Kind.GAUGE, Unit.JOULE),
        ("# TYPE a_seconds histogram", "a_seconds_bucket", Kind.COUNTER, Unit.NONE),
        ("# TYPE a_seconds histogram", "a_seconds_sum", Kind.COUNTER, Unit.SECOND),
        ("# TYPE a_watts summary", "a_watts", Kind.GAUGE, Unit.WATT),
        ("# TYPE a gaugehistogram", "a_gcount", Kind.GAUGE, Unit.NONE),
        ("# TYPE a info", "a_info", Kind.GAUGE, Unit.NONE),
        ("# TYPE a_watts untyped", "a_watts", Kind.GAUGE, Unit.WATT),
        ("", "a_joules_total", Kind.COUNTER, Unit.JOULE),
        ("", "a_joules", Kind.UNKNOWN, Unit.JOULE),
        ("", "a_bytes", Kind.UNKNOWN, Unit.BYTE),
        ("", "a_volt_amperes", Kind.GAUGE, Unit.VOLT_AMPERE),
        ("", "a_amperes", Kind.GAUGE, Unit.AMPERE),
        ("", "a_bytes_per_seconds", Kind.UNKNOWN, Unit.NONE),
        ("", "a_count", Kind.UNKNOWN, Unit.NONE),
    ],
)
def test_kind_and_unit(declared, name, kind, unit):
    openmetrics = "UNIT" in declared or "_created" in name or "info" in name
    [key] = Parser().parse(f"{declared}\n{name} 1\n# EOF\n".encode(), openmetrics=openmetrics).keys
    assert (kind_of(key), unit_of(key)) == (kind, unit)


async def test_a_page_in_full():
    async with serving(PAGE) as port, opened(port, device_label="outlet") as driver:
        [frame] = await driver.read(NOW)
    values = found([frame])
    assert len(values) == 12
    assert values["node-1/outlet-1", "rack_energy_joules_total", "outlet=1"] == 7.2e6
    assert values["node-1/outlet-1", "rack_power_watts", 'note=a "quoted" name\\', "outlet=1"] == 230.5
    assert np.isnan(values["node-1/outlet-2", "rack_power_watts", "outlet=2"])
    assert values["node-1", "rack_poll_seconds_bucket", "le=+Inf"] == 5
    assert frame.time is None
    assert {device.name: device.parent for device in frame.layout.devices} == {
        "node-1": None,
        "node-1/outlet-1": "node-1",
        "node-1/outlet-2": "node-1",
    }


async def test_wanted_names_declared_units_and_other_names_for_devices():
    options = {"names": ["gpu_*"], "units": {"gpu_power_usage": "mW"}, "kinds": {"gpu_power_usage": "gauge"}}
    async with serving(PAGE) as port, opened(port, device_label="gpu", device_name="gpu{value}", **options) as driver:
        for _ in range(2):
            [frame] = await driver.read(NOW)
            assert found([frame]) == {
                ("gpu0", "gpu_power_usage", "gpu=0"): 71.5,
                ("gpu1", "gpu_power_usage", "gpu=1"): 68.25,
            }
    assert {(series.metric.unit, series.metric.kind) for series in frame.layout.series} == {(Unit.WATT, Kind.GAUGE)}
    assert frame.layout.columns[0].scale.den == 1000


async def test_blanks_are_absent_with_a_time_and_without():
    page = "a 140737488355328.0\nb 9223372036854775792\nc 3\nd 9223372036854776000 1700000000000\n"
    async with serving(page) as port:
        async with opened(port, absent=[140737488355328, 2**63]) as driver:
            assert found(await driver.read(NOW)) == {("node-1", "c"): 3}
        async with opened(port) as driver:
            assert len(found(await driver.read(NOW))) == 4


def test_a_recorded_page_is_read_with_the_units_that_dcgm_leaves_open(tmp_path):
    path = tmp_path / "dcgm.prom"
    path.write_text(
        'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0"} 5000\nDCGM_FI_DEV_GPU_UTIL{gpu="0"} 140737488355328\n'
    )
    assert pages.matches(path)
    [reading] = pages.readings(path)
    assert (reading.unit, reading.value) == ("J", 5)
    path.write_text("no page at all")
    assert not pages.matches(path)


async def test_series_come_and_go():
    pages = iter(["a 1\nb 2\n", "b 3\nc 4\n", "c 5\na 6\nb 7\n"])
    async with serving(lambda _: next(pages)) as port, opened(port) as driver:
        first, second, third = [(await driver.read(NOW + k * SECOND))[0] for k in range(3)]
    assert first.layout.family == third.layout.family
    assert found([second]) == {("node-1", "b"): 3, ("node-1", "c"): 4}
    assert [series.metric.name for series in third.layout.series] == ["a", "b", "c"]
    assert list(third.values) == [6, 7, 5]


async def test_samples_keep_their_own_time_and_are_told_once():
    stamps = iter([(NOW, NOW), (NOW, NOW), (NOW + SECOND, NOW)])

    def page(_):
        first, second = (stamp // 1_000_000 for stamp in next(stamps))
        return f'a_watts{{n="1"}} 1 {first}\nb_watts{{n="1"}} 2 {first}\na_watts{{n="2"}} 3 {second}\nfree 4\n'

    async with serving(page) as port, opened(port) as driver:
        free, stamped = await driver.read(NOW)
        assert free.time is None
        assert stamped.time == NOW
        assert len(stamped.layout) == 3
        [only] = await driver.read(NOW)
        assert found([only]) == {("node-1", "free"): 4}
        _, moved = await driver.read(NOW)
        assert moved.time == NOW + SECOND
        assert found([moved]) == {("node-1", "a_watts", "n=1"): 1, ("node-1", "b_watts", "n=1"): 2}


async def test_what_has_different_times_is_of_different_layouts():
    page = 'a{n="1"} 1 1700000000000\nb{n="1"} 2 1700000000000\na{n="2"} 3 1699999999000\n'
    async with serving(page) as port, opened(port) as driver:
        older, newer = await driver.read(NOW)
    assert (older.time, newer.time) == (NOW - SECOND, NOW)
    assert (len(older.layout), len(newer.layout)) == (1, 2)


@pytest.mark.parametrize("options", [{"own_time": False}, {}])
async def test_times_that_are_not_trusted_are_ours(options):
    ahead = (NOW + 3600 * SECOND) // 1_000_000
    async with serving(f"a 1 {ahead}\nb 2\n") as port, opened(port, **options) as driver:
        [frame] = await driver.read(NOW)
    assert frame.time is None
    assert found([frame]) == {("node-1", "a"): 1, ("node-1", "b"): 2}


async def test_openmetrics_is_asked_for_and_read_with_its_units_and_seconds():
    def page(request):
        assert request.headers["Accept"].startswith("application/openmetrics-text")
        body = "# TYPE p gauge\n# UNIT p watts\np 5 1700000000.123456\n# EOF\n"
        return web.Response(body=gzip.compress(body.encode()), headers={**OPENMETRICS, "Content-Encoding": "gzip"})

    async with serving(page) as port, opened(port) as driver:
        [frame] = await driver.read(NOW + SECOND)
    assert frame.time == NOW + 123_456_000
    assert frame.layout.series[0].metric.unit is Unit.WATT


async def test_credentials_are_sent_and_a_refusal_is_denied():
    def page(request):
        if request.headers.get("Authorization") != "Bearer open-sesame":
            return web.Response(status=401)
        return PAGE

    async with serving(page) as port:
        async with opened(port, token="open-sesame") as driver:
            assert await driver.read(NOW)
        async with opened(port, token="wrong-secret") as driver:
            with pytest.raises(Denied, match="401 Unauthorized: it wants a user and a password") as error:
                await driver.read(NOW)
    assert "wrong-secret" not in str(error.value)


async def test_bad_lines_are_told_when_they_appear_and_when_they_go(caplog):
    caplog.set_level(logging.INFO)
    pages = iter(["a 1\nb x\n", "a 1\nb x\n", "a 1\n"])
    async with serving(lambda _: next(pages)) as port, opened(port) as driver:
        for _ in range(3):
            assert found(await driver.read(NOW)) == {("node-1", "a"): 1}
    told = [record.message for record in caplog.records if record.name.startswith("wattline")]
    assert [text.partition(": ")[2] for text in told] == [
        "1 lines are no samples, the first is 'b x'",
        "every line is a sample again",
    ]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (lambda _: web.Response(status=404), Malformed, "answers 404 Not Found instead of a page"),
        (lambda _: web.Response(status=503), Malformed, "answers 503 Service Unavailable"),
        (lambda _: web.Response(status=302, headers={"Location": "/new"}), Malformed, "the page is at /new; name that"),
        ("<!DOCTYPE html><html>log in</html>", Malformed, "this is HTML"),
        ('{"power": 7}', Malformed, "no line is a sample"),
        (lambda _: web.Response(text="a 1\n", headers=OPENMETRICS), Malformed, "cut off"),
        (lambda _: web.Response(body=b"\x1f\x8bnot gzip", headers={"Content-Encoding": "gzip"}), Malformed, "gzip"),
        (lambda _: web.Response(body=gzip.compress(b"a 1\n" * 99)[:-9], headers={"Content-Encoding": "gzip"}),
         Malformed, "cut off"),
        (lambda _: web.Response(body=b"x", headers={"Content-Encoding": "br"}), Malformed, "packs its page as br"),
        (lambda _: asyncio.sleep(3600), Unreachable, r"no whole page from .* within 0\.3 s"),
    ],
)  # fmt: skip
async def test_a_server_that_goes_wrong(answer, kind, said):
    error, text = await failure(answer, wait=0.3)
    assert error is kind, text
    assert re.search(said, text)


async def test_what_is_no_http_is_told_in_one_line():
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\x01" * 20_000)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, opened(server.sockets[0].getsockname()[1]) as driver:
        with pytest.raises(Malformed, match="answers what is no HTTP") as caught:
            await driver.read(NOW)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


async def test_a_page_without_any_of_the_names_says_so():
    error, text = await failure(PAGE, names=["nope", "no_*"])
    assert error is Malformed
    assert text.endswith("/metrics has none of nope, no_*")


@pytest.mark.parametrize("packed", [False, True])
async def test_a_page_of_100_mb_is_refused_without_being_read(packed):
    sent = 0

    async def page(request):
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"} if packed else {})
        await response.prepare(request)
        piece = b"a 1\n" * 2**18
        packer = gzip.compress(piece * 100) if packed else piece
        for _ in range(100):
            await response.write(packer)
            sent += len(piece)
        return response

    error, text = await failure(page, limit_mib=2)
    assert error is Malformed
    assert text.endswith("is larger than 2 MiB")
    assert sent < 100 * 2**20


async def test_a_token_with_the_end_of_a_line_is_one_clear_error():
    error, text = await failure(lambda _: web.Response(text=PAGE), token=Secret("abc\r\nX: y"))
    assert error is Misconfigured
    assert "a user or a token holds a control character" in text
    assert "abc" not in text


async def test_a_page_of_more_series_than_anybody_means_is_dropped_whole():
    page = "".join(f'node_power_watts{{core="{i}"}} 1\n' for i in range(101))
    error, text = await failure(lambda _: web.Response(text=page), most_series=100)
    assert error is Malformed
    assert "has 101 series, more than `most_series`" in text


async def test_a_declared_length_beyond_the_limit_is_refused_at_once():
    error, text = await failure(lambda _: web.Response(body=b"a 1\n" * 2**19), limit_mib=1)
    assert error is Malformed
    assert text.endswith("is larger than 1 MiB")


async def test_a_dead_server_is_unreachable_and_comes_back():
    async with serving(PAGE) as port, opened(port) as driver:
        assert await driver.read(NOW)
    async with opened(port) as driver:
        with pytest.raises(Unreachable, match=rf"http://127\.0\.0\.1:{port}/metrics cannot be reached"):
            await driver.read(NOW)


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na 1\n", b""]
)
async def test_a_server_that_speaks_otherwise_or_closes(said):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(port) as driver:
        with pytest.raises((Malformed, Unreachable), match=r"what is no HTTP|closed the connection before"):
            await driver.read(NOW)
