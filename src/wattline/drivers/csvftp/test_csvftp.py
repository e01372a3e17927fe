"""Files of loggers: what rows mean, when a file is read, told once, and deleted only when it is safe."""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.drivers.csvftp.driver import CsvFtp, CsvFtpConfig
from wattline.drivers.csvftp.rows import METRICS, moment, parse
from wattline.drivers.csvftp.shelf import Folder
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.plugin import Kind, Secret, Url
from wattline.testing.driver_suite import NOW, DriverSuite, opened
from wattline.testing.ftp_server import WELCOME, FtpServer
from wattline.wire.ftp import Unreadable

SECOND = 1_000_000_000
HEADER = '"Timestamp","TZ","power (W)","energy (kWh)","inlet (°C)","door"\n'
ROW = "2017/07/17 09:04:00.000,+0200,100.5,1.25,21,1\n"
FILE = HEADER + ROW + "2017-07-17 09:04:10.250,+0200,n/a,1.26,21.5,0\n2017/07/17 09:04:20,+0200,0,1.27,-3,1\n"


class Growing(CsvFtp):
    """Finds a new row in its folder at each reading."""

    async def read(self, now):
        path = Path(self.config.root_dir or "/nowhere") / "a.csv"
        if path.exists():
            rows = len(path.read_text().splitlines())
            put(
                path,
                path.read_text() + ROW.replace("09:04", f"{10 + rows // 60}:{rows % 60:02d}"),
                NOW // SECOND + rows,
            )
        return await super().read(now)


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Growing

    @pytest.fixture
    def working(self, tmp_path):
        (tmp_path / "a.csv").write_text(HEADER)
        return CsvFtpConfig(root_dir=str(tmp_path), settle=0)


# --- rows ---


@pytest.mark.parametrize(
    ("zone", "seconds"),
    [
        ("+0200", 1500275040),
        ("+02:00", 1500275040),
        ("Europe/Paris", 1500275040),
        ("Z", 1500282240),
        ("UTC", 1500282240),
        ("+05:30", 1500262440),
        ("+0530", 1500262440),
        ("+0900", 1500249840),
        ("-0500", 1500300240),
        ("junk", None),
        ("", None),
        ("+2500", None),
        ("Area/City", None),
        ("../etc", None),
    ],
)
def test_golden_times(zone, seconds):
    assert moment("2017/07/17 09:04:00.000", zone) == (None if seconds is None else seconds * SECOND)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2017-07-17 09:04:00.25", 250_000_000),
        ("2017/07/17 09:04:00", 0),
        ("2017/7/17 9:04:00.1234567", 123_456_000),
        ("2017/13/17 09:04:00", None),
        ("0000/01/01 00:00:00", None),
        ("9999/12/31 23:59:59", (253_402_300_799 - 1_500_282_240) * SECOND),
        ("17/07/2017 09:04:00", None),
        ("", None),
    ],
)
def test_times(text, nanoseconds):
    assert moment(text, "UTC") == (None if nanoseconds is None else 1_500_282_240 * SECOND + nanoseconds)


def test_columns_have_the_unit_of_their_title():
    rows = parse(FILE.encode(), encoding="utf8", device="d")
    assert [(one.metric.name, dict(one.labels)) for one in rows.series] == [
        ("power_watts", {"sensor": "power"}),
        ("energy_joules", {"sensor": "energy"}),
        ("temperature_celsius", {"sensor": "inlet"}),
        ("csv_value", {"sensor": "door"}),
    ]
    assert rows.series[3].metric.kind is Kind.UNKNOWN
    assert rows.time.tolist() == [1500275040 * SECOND, 1500275050_250_000_000, 1500275060 * SECOND]
    assert rows.values[0].tolist() == [100.5, 4_500_000.0, 21.0, 1.0]
    assert rows.present.tolist() == [[True] * 4, [False, True, True, True], [True] * 4]
    assert rows.bad == 0


def test_bad_rows_are_left_out_and_counted():
    text = FILE + "junk\n2017/07/17 09:05:00,junk,1,1,1,1\n\n2017/07/17 09:05:00,Z\n"
    rows = parse(text.encode(), encoding="utf8", device="d")
    assert (rows.bad, rows.complaint) == (2, "junk")
    assert len(rows.time) == 4
    assert not rows.present[3].any(), "a row without cells is a time without values"


def test_the_option_wins_over_the_column_and_equal_times_are_told_once():
    text = HEADER + "2017/07/17 09:04:01,junk,2\n2017/07/17 09:04:00,-0500,1\n2017/07/17 09:04:01,,3\n"
    rows = parse(text.encode(), encoding="utf8", device="d", zone="Europe/Paris")
    assert rows.time.tolist() == [1500275040 * SECOND, 1500275041 * SECOND]
    assert rows.values[:, 0].tolist() == [1.0, 3.0]


@pytest.mark.parametrize("content", [b"", b"a,b,c\n", b"\xff\xfe", b'"Timestamp","TZ"\n', b"\n\n"])
def test_what_is_no_such_file(content):
    with pytest.raises(Malformed):
        parse(content, encoding="utf8", device="d")


@given(st.binary(max_size=300), st.text('0123456789/-:., "\n\r\0+ZWe()', max_size=120), st.integers(0, 50))
def test_any_bytes_are_rows_or_malformed(raw, text, start):
    for content in (raw, HEADER.encode() + raw, (HEADER + text).encode()):
        try:
            rows = parse(content, encoding="utf8", device="d", start=start)
        except Malformed:
            continue
        assert rows.values.shape == rows.present.shape == (len(rows.time), len(rows.series))
        assert (np.diff(rows.time) > 0).all()
        assert not (rows.time % 1000).any()
        assert {series.metric for series in rows.series} <= set(METRICS.values())


# --- files ---


@pytest.fixture(params=["folder", "ftp", "ftp without MLSD"])
def config(request, tmp_path):
    if request.param == "folder":
        yield lambda **options: CsvFtpConfig(root_dir=str(tmp_path), **options)
        return
    with FtpServer(tmp_path, lacks=("MLSD",) if "without" in request.param else ()) as server:
        yield lambda **options: CsvFtpConfig(
            host="127.0.0.1", port=server.port, user="logger", password=Secret(WELCOME), **options
        )


def put(path, text, changed=1_500_000_000):
    path.write_text(text)
    os.utime(path, (changed, changed))


def powers(frames):
    return [frame.values[:, 0][~np.isnan(frame.values[:, 0])].tolist() for frame in frames]


async def test_a_file_is_told_once_and_read_on_where_it_grew(config, tmp_path):
    put(tmp_path / "a.csv", HEADER + ROW)
    (tmp_path / "folder").mkdir()
    async with opened(CsvFtp(config(settle=0))) as (one, _):
        assert powers(await one.read(NOW)) == [[100.5]]
        assert await one.read(NOW) == []
        more = "2017/07/17 09:05:00,+0200,7,,,\n"
        put(tmp_path / "a.csv", HEADER + ROW + more, 1_500_000_100)
        assert powers(await one.read(NOW)) == [[7.0]]
        put(tmp_path / "a.csv", HEADER + more, 1_500_000_200)
        assert powers(await one.read(NOW)) == [[7.0]], "another file of this name is read whole"
    async with opened(one):
        assert await one.read(NOW) == [], "a connection that was opened again tells nothing twice"


async def test_a_file_that_may_still_be_written_is_waited_for(config, tmp_path):
    put(tmp_path / "a.csv", HEADER)
    async with opened(CsvFtp(config(settle=30))) as (one, _):
        assert await one.read(NOW) == []
        assert await one.read(NOW + 20 * SECOND) == []
        put(tmp_path / "a.csv", HEADER + ROW, 1_500_000_100)
        assert await one.read(NOW + 40 * SECOND) == [], "it changed: the wait begins anew"
        assert await one.read(NOW + 60 * SECOND) == []
        assert powers(await one.read(NOW + 70 * SECOND)) == [[100.5]]


async def test_as_many_files_as_wanted_the_oldest_first_and_newer_ones_are_reached(config, tmp_path):
    for n, name in enumerate(("z.csv", "y.csv", "x.csv")):
        put(tmp_path / name, HEADER + ROW.replace("100.5", str(n)), 1_500_000_000 + n)
    put(tmp_path / "x.txt", HEADER + ROW)
    async with opened(CsvFtp(config(settle=0, max_files=2, file_filter="*.csv"))) as (one, _):
        assert powers(await one.read(NOW)) == [[0.0], [1.0]]
        assert powers(await one.read(NOW)) == [[2.0]]
        assert await one.read(NOW) == []


async def test_a_file_is_deleted_only_when_its_rows_are_safe(config, tmp_path):
    put(tmp_path / "a.csv", HEADER + ROW)
    put(tmp_path / "empty.csv", HEADER)
    put(tmp_path / "notes.csv", "what is no table stays\n")
    async with opened(CsvFtp(config(settle=0, purge=True))) as (one, _):
        frames = await one.read(NOW)
        for _ in range(3):
            await one.read(NOW)
        assert sorted(os.listdir(tmp_path)) == ["a.csv", "notes.csv"], "not before the store has it"
        await one.stored(frames)
        await one.read(NOW)
        assert os.listdir(tmp_path) == ["notes.csv"]


async def test_a_file_that_changed_after_it_was_read_is_not_deleted(config, tmp_path):
    put(tmp_path / "a.csv", HEADER + ROW)
    async with opened(CsvFtp(config(settle=60, purge=True))) as (one, _):
        await one.read(NOW)
        frames = await one.read(NOW + 60 * SECOND)
        put(tmp_path / "a.csv", HEADER + ROW + ROW.replace("09:04", "10:04"), 1_500_000_100)
        await one.stored(frames)
        await one.read(NOW + 61 * SECOND)
        assert os.listdir(tmp_path) == ["a.csv"]


async def test_what_is_safe_is_remembered_over_a_restart(config, tmp_path_factory, tmp_path):
    book = tmp_path_factory.mktemp("state") / "read.json"
    put(tmp_path / "a.csv", HEADER + ROW)
    async with opened(CsvFtp(config(settle=0, remember=str(book)))) as (one, _):
        frames = await one.read(NOW)
    async with opened(CsvFtp(config(settle=0, remember=str(book)))) as (one, _):
        frames = await one.read(NOW)
        assert powers(frames) == [[100.5]], "nobody said that it was safe"
        await one.stored(frames)
    async with opened(CsvFtp(config(settle=0, remember=str(book)))) as (one, _):
        assert await one.read(NOW) == []
    book.write_text("[[[")
    with pytest.raises(Misconfigured, match="not written by this driver"):
        await CsvFtp(config(remember=str(book))).open()


async def test_a_file_that_is_too_large_or_unreadable_is_left_out(config, tmp_path, caplog):
    put(tmp_path / "a.csv", HEADER + ROW * 1000)
    put(tmp_path / "b.csv", HEADER + ROW)
    (tmp_path / "c.csv").write_bytes(b"\xff" * 100)
    async with opened(CsvFtp(config(settle=0, limit_mib=0.001))) as (one, _):
        assert powers(await one.read(NOW)) == [[100.5]]
        assert await one.read(NOW) == []
    assert {record.args[1] for record in caplog.records} == {"a.csv", "c.csv"}


async def test_a_file_that_may_not_be_read_and_a_link_in_a_circle_cost_themselves(tmp_path, caplog, monkeypatch):
    put(tmp_path / "a.csv", HEADER + ROW)
    put(tmp_path / "b.csv", HEADER + ROW)
    (tmp_path / "c.csv").symlink_to(tmp_path / "c.csv")
    read = Folder._fetch

    def forbidden(self, name, limit):
        if name == "a.csv":
            raise Unreadable("a.csv: Permission denied")
        return read(self, name, limit)

    monkeypatch.setattr(Folder, "_fetch", forbidden)
    async with opened(CsvFtp(CsvFtpConfig(root_dir=str(tmp_path), settle=0))) as (one, _):
        assert powers(await one.read(NOW)) == [[100.5]]
        assert await one.read(NOW) == []
    assert [record.args[1] for record in caplog.records] == ["a.csv"]
    with pytest.raises(Unreadable, match="more than 10 bytes"):
        read(Folder(tmp_path), "b.csv", 10)


# --- servers that go wrong ---


async def test_a_wrong_password_is_denied(tmp_path):
    with FtpServer(tmp_path) as server:
        one = CsvFtp(CsvFtpConfig(host="127.0.0.1", port=server.port, user="logger", password=Secret("wrong one")))
        with pytest.raises(Denied) as refused:
            await one.open()
        await one.close()
    assert "wrong one" not in str(refused.value)


async def test_a_folder_that_is_not_there(config, tmp_path):
    with FtpServer(tmp_path) as server:
        one = CsvFtp(
            CsvFtpConfig(host="127.0.0.1", port=server.port, user="logger", password=Secret(WELCOME), root_dir="no")
        )
        with pytest.raises(Misconfigured, match="no folder 'no'"):
            await one.open()
        await one.close()
    with pytest.raises(Misconfigured, match="No such file"):
        await CsvFtp(CsvFtpConfig(root_dir=str(tmp_path / "no"))).open()


SCRIPTS = [
    b"",
    b"220 hi\r\n",
    b"220 hi\r\n230 in\r\n200 ok\r\n229 (|||1|)\r\n",
    b"220 hi\r\n230 in\r\n200 ok\r\n229 (|||99999|)\r\n",
    b"220 hi\r\n230 in\r\n200 ok\r\n227 (1,2,3,4,0,0)\r\n" * 2,
    b"220-" + b"x" * 20_000,
    b"220-a\r\n" * 200,
    b"SSH-2.0-OpenSSH\r\n" * 3,
    b"\xff\x00\r\n",
    b"421 busy\r\n",
    b"220 hi\r\n331 ok\r\n530 too many clients, maximum is 3\r\n",
]


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
async def test_what_is_no_ftp_is_an_error_that_was_meant(script):
    async def answer(_, writer):
        writer.write(script)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((Malformed, Unreachable)):
            async with opened(CsvFtp(CsvFtpConfig(host="127.0.0.1", port=port, wait=2))) as (one, _):
                await one.read(NOW)


async def test_a_silent_server_is_unreachable_in_time():
    async def answer(_, writer):
        await ended.wait()
        writer.close()

    ended = asyncio.Event()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        one = CsvFtp(CsvFtpConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1], wait=0.05))
        with pytest.raises(Unreachable, match=r"0\.05 s"):
            await one.open()
        await one.close()
        ended.set()


# --- options ---


def test_addresses():
    config = CsvFtpConfig.from_url(Url.parse("csvftp://me:secret@logger-1:2121/data/today?purge=true&tz=-0500"))
    assert (config.host, config.port, config.user, config.root_dir) == ("logger-1", 2121, "me", "data/today")
    assert config.purge
    assert "secret" not in repr(config)
    assert CsvFtpConfig.from_url(Url.parse("csvftp:///var/log/meter")).root_dir == "/var/log/meter"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give a `host`"),
        ({"host": "h", "tz": "Mars"}, "`tz`: 'Mars' is none"),
        ({"host": "h", "encoding": "utf16"}, "`encoding`"),
        ({"host": "h", "encoding": "no such"}, "`encoding`"),
        ({"host": "h", "settle": -1}, "`settle` lies between"),
    ],
)
def test_wrong_options(options, said):
    with pytest.raises(Misconfigured, match=said):
        CsvFtpConfig.of("test", options)
