"""The pages in Chromium, against the real program: `wattline up` in a process of its own."""

import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect, sync_playwright

from wattline.testing.program import Program

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 30_000
STATIC = Path(__file__).parents[2] / "src/wattline/web/static"
MOST_BYTES = 150_000
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
PAGES = ("/", "/device", "/device?name=sim-rack/pdu-1", "/device?name=nobody", "/meters")

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program("--demo", data=tmp_path_factory.mktemp("pages") / "data") as program:
        program.wait(lambda: program.get("/api/now")["watts"])
        yield program


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Reader:
    """A page in a window of its own, and what its console complained about."""

    def __init__(self, browser: Browser, **options: object) -> None:
        self.page: Page = browser.new_page(**options)
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)

    def _listen(self, message) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def until(self, condition: str) -> None:
        self.page.wait_for_function(f"() => {condition}", timeout=PATIENCE_MS)


@pytest.fixture
def reader(chromium: Browser) -> Iterator[Reader]:
    one = Reader(chromium, viewport={"width": 1280, "height": 900})
    yield one
    one.page.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Reader]:
    one = Reader(chromium, viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    yield one
    one.page.close()


def test_all_pages_together_are_small():
    kinds = {".js", ".css", ".html", ".svg"}
    size = sum(path.stat().st_size for path in STATIC.rglob("*") if path.suffix in kinds)
    assert size < MOST_BYTES


def test_pages_hold_no_inline_script_and_name_no_other_host():
    for path in STATIC.glob("*.html"):
        text = path.read_text()
        assert "<script>" not in text
        assert "style=" not in text
        assert "http://" not in text
        assert "https://" not in text


@needs_chromium
def test_now_moves_every_second(demo, reader):
    reader.page.goto(demo.address)
    reader.until("/\\d/.test(document.querySelector('#watts').textContent)")
    seen = "window.seen = new Set(), new MutationObserver(() => seen.add(document.querySelector('#watts').textContent))"
    reader.page.evaluate(seen + ".observe(document.querySelector('#watts'), {childList: true})")
    reader.until("window.seen.size >= 3")
    reader.until("document.querySelectorAll('#ranking li').length > 5")
    expect(reader.page.locator("#chart canvas")).to_be_visible()
    expect(reader.page.locator("#legend li").first).to_contain_text("W")
    expect(reader.page.locator("#health")).to_contain_text("speaking")
    assert reader.complaints == []


@needs_chromium
def test_site_watts_are_those_of_the_api(demo, reader):
    reader.page.goto(demo.address)
    reader.until("/\\d/.test(document.querySelector('#watts').textContent)")
    shown = float(reader.page.inner_text("#watts"))
    factor = {"W": 1, "kW": 1e3, "MW": 1e6}[reader.page.inner_text("#watts-unit")]
    assert shown * factor == pytest.approx(demo.get("/api/now")["watts"], rel=0.25)


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_console_is_silent_and_the_stream_lives(demo, chromium, path, scheme):
    reader = Reader(chromium, color_scheme=scheme)
    reader.page.goto(demo.address + path)
    reader.until("document.querySelector('.dot.live') !== null")
    assert reader.complaints == []
    reader.page.close()


@needs_chromium
@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_a_phone(demo, phone, path):
    phone.page.goto(demo.address + path)
    phone.until("document.querySelector('.dot.live') !== null")
    phone.until("document.querySelector('main').innerText.trim().length > 20")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360


@needs_chromium
def test_device_shows_series_parts_and_energy(demo, reader):
    reader.page.goto(f"{demo.address}/device?name=sim-rack/pdu-1&period=minute")
    reader.until("document.querySelectorAll('#series label').length >= 3")
    reader.until("document.querySelectorAll('#children li').length >= 3")
    expect(reader.page.locator("#figures")).to_contain_text("Energy")
    expect(reader.page.locator("#figures")).to_contain_text("Coverage")
    reader.page.get_by_role("radio", name="voltage_volts").check()
    expect(reader.page.locator("#series-title")).to_have_text("voltage_volts")
    reader.until("document.querySelector('#chart').getAttribute('aria-label').includes('V')")
    reader.page.reload()
    expect(reader.page.locator("#series-title")).to_have_text("voltage_volts")
    assert "format=csv" in reader.page.get_attribute("#csv", "href")
    assert demo.fetch(reader.page.get_attribute("#csv", "href").removeprefix(demo.address)).startswith(b"time,")
    assert reader.complaints == []


@needs_chromium
def test_keys_step_through_periods(demo, reader):
    reader.page.goto(f"{demo.address}/device?name=sim-rack/pdu-1&period=hour")
    expect(reader.page.get_by_role("button", name="1 h")).to_have_attribute("aria-pressed", "true")
    reader.page.keyboard.press("3")
    expect(reader.page.get_by_role("button", name="Day")).to_have_attribute("aria-pressed", "true")
    today = reader.page.inner_text("#when")
    reader.page.keyboard.press("ArrowLeft")
    expect(reader.page.locator("#when")).not_to_have_text(today)
    reader.page.keyboard.press("ArrowRight")
    expect(reader.page.locator("#when")).to_have_text(today)
    expect(reader.page.locator("#later")).to_be_disabled()
    reader.page.keyboard.press("?")
    expect(reader.page.get_by_role("dialog")).to_be_visible()
    reader.page.keyboard.press("Escape")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()
    assert reader.complaints == []


@needs_chromium
def test_keyboard_reaches_everything(demo, reader):
    reader.page.goto(demo.address)
    reader.until("document.querySelectorAll('#ranking li').length > 5")
    reader.page.keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        reader.page.keyboard.press("Tab")
        name = "document.activeElement.getAttribute('href') ?? document.activeElement.textContent"
        reached.add(reader.page.evaluate(name))
        if reader.page.evaluate("document.activeElement.closest('#ranking') !== null"):
            outline = reader.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            break
    assert {"/", "/device", "/meters", "◐", "?"} <= reached
    reader.page.keyboard.press("Enter")
    reader.page.wait_for_url("**/device?name=*")


@needs_chromium
def test_theme_is_kept(demo, chromium):
    reader = Reader(chromium, color_scheme="light")
    reader.page.goto(demo.address + "/meters")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = reader.page.evaluate(ground)
    reader.page.get_by_role("button", name="Dark or light").click()
    dark = reader.page.evaluate(ground)
    assert dark != light
    reader.page.reload()
    assert reader.page.evaluate(ground) == dark
    reader.page.close()


@needs_chromium
def test_meters_tell_how_to_add_one(demo, reader):
    reader.page.goto(demo.address + "/meters")
    reader.until("document.querySelectorAll('#rows tr').length >= 2")
    expect(reader.page.locator("#rows")).to_contain_text("speaking")
    expect(reader.page.locator("#add")).to_contain_text("wattline up --meter")
    assert reader.complaints == []


class Exporter:
    """An exposition page with a meter's watts, which can be silenced."""

    def __init__(self) -> None:
        self.silent = False
        exporter = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                if exporter.silent:
                    self.send_error(503, "asleep")
                    return
                body = f"# TYPE node_power_watts gauge\nnode_power_watts {200 + time.monotonic() % 20:.1f}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"prometheus://127.0.0.1:{self._server.server_port}/metrics"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    one = Exporter()
    yield one
    one.close()


@needs_chromium
def test_device_hatches_the_time_in_which_the_meter_was_stopped(exporter, reader, tmp_path):
    with Program("--meter", exporter.url, data=tmp_path / "data") as program:
        name = program.wait(lambda: _device_of(program, "node_power_watts"))
        samples = f"/api/samples?metric=node_power_watts&start={time.time() - 5:.0f}"
        program.wait(lambda: len(program.get(samples)) >= 3)
        exporter.silent = True
        outages = "/api/outages"
        program.wait(lambda: [one for one in program.get(outages) if one["end"] is None])
        stopped = time.time()
        program.wait(lambda: time.time() - stopped > 15)  # longer than the gap limit: three periods, at least 10 s
        exporter.silent = False
        program.wait(lambda: program.get(f"/api/samples?metric=node_power_watts&start={stopped + 14:.0f}"))
        reader.page.goto(f"{program.address}/device?name={name}&period=minute")
        reader.until("Number(document.querySelector('#chart .uplot')?.dataset.gaps) === 1")
        expect(reader.page.locator("#gaps li")).to_have_count(1)
        expect(reader.page.locator("#gaps li")).to_contain_text("503")
        assert 0.1 < _hatched_share(reader.page) < 0.8  # some 15 s of the minute, and not all of it
        assert reader.complaints == []


def _device_of(program: Program, metric: str) -> str | None:
    return next((one["device"] for one in program.get("/api/series") if one["metric"] == metric), None)


def _hatched_share(page: Page) -> float:
    """Return the share of columns with paint at the top of the plot: the line runs below it, only hatching is there."""
    return page.evaluate("""() => {
        const canvas = document.querySelector('#chart canvas');
        const left = Math.ceil(canvas.width * 0.1);
        const width = Math.floor(canvas.width * 0.85);
        const pixels = canvas.getContext('2d').getImageData(left, 14, width, 8).data;
        const painted = new Set();
        for (let row = 0; row < 8; row++) {
            const here = [];
            for (let x = 0; x < width; x++) if (pixels[4 * (row * width + x) + 3]) here.push(x);
            if (here.length < width * 0.9) here.forEach((x) => painted.add(x));  // more is a line of the grid
        }
        return painted.size / width;
    }""")


@needs_chromium
def test_pages_say_when_the_program_is_gone_and_come_back(chromium, tmp_path):
    reader = Reader(chromium)
    with Program("--demo", data=tmp_path / "data") as program:
        program.wait(lambda: program.get("/api/now")["watts"])
        reader.page.goto(program.address)
        reader.until("/\\d/.test(document.querySelector('#watts').textContent)")
        program.kill()
        expect(reader.page.locator("#away")).to_be_visible(timeout=PATIENCE_MS)
        expect(reader.page.locator("#away")).to_contain_text("does not answer since")
        assert float(reader.page.evaluate("getComputedStyle(document.querySelector('#chart')).opacity")) < 0.6
        program.start()
        expect(reader.page.locator("#away")).to_be_hidden(timeout=PATIENCE_MS)
        reader.until("getComputedStyle(document.querySelector('#chart')).opacity === '1'")
    reader.page.close()


@needs_chromium
def test_without_a_sample_the_page_waits_and_says_for_what(chromium, tmp_path):
    config = tmp_path / "site.yaml"
    name = "nobody-" + "in-a-hall-of-a-long-name-" * 4
    config.write_text(f"meters:\n  - name: {name}\n    url: prometheus://127.0.0.1:9/metrics\n")
    reader = Reader(chromium, viewport={"width": 360, "height": 780})
    with Program("--config", str(config), data=tmp_path / "data") as program:
        reader.page.goto(program.address)
        expect(reader.page.locator("#empty h2")).to_have_text("No watts yet", timeout=PATIENCE_MS)
        expect(reader.page.locator("#empty")).to_contain_text("nobody")
        assert reader.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert reader.complaints == []
    reader.page.close()


@needs_chromium
def test_without_a_meter_the_page_tells_how_to_add_one(chromium, tmp_path):
    config = tmp_path / "site.yaml"
    config.write_text("meters: []\n")
    reader = Reader(chromium)
    with Program("--config", str(config), data=tmp_path / "data") as program:
        reader.page.goto(program.address)
        expect(reader.page.locator("#empty h2")).to_have_text("No meters yet", timeout=PATIENCE_MS)
        expect(reader.page.locator("#empty")).to_contain_text("wattline up --meter")
        assert reader.complaints == []
    reader.page.close()


@needs_chromium
def test_the_page_of_an_alias_shows_its_feeds_and_what_they_add_up_to(chromium, tmp_path):
    config = tmp_path / "site.yaml"
    feeds = [
        {"driver": "dummy", "name": f"feed-{watts}", "device": f"pdu/outlet-{watts}", "min": watts, "max": watts,
         "every": "200ms", "labels": {"_device_alias": "node-1"}}
        for watts in (100, 200)
    ]  # fmt: skip
    config.write_text(yaml.safe_dump({"meters": feeds}))
    reader = Reader(chromium)
    with Program("--config", str(config), data=tmp_path / "data") as program:
        program.wait(lambda: any(one["watts"] == 300 for one in program.get("/api/now")["devices"]))
        reader.page.goto(f"{program.address}/device?name=node-1&period=minute")
        reader.until("document.querySelector('#watts').textContent.startsWith('300')")
        expect(reader.page.locator("#series")).to_contain_text("pdu/outlet-100")
        expect(reader.page.locator("#series")).to_contain_text("pdu/outlet-200")
        expect(reader.page.locator("#series-title")).to_contain_text("power_watts pdu/outlet-100")
        expect(reader.page.locator("#figures")).to_contain_text("300", timeout=PATIENCE_MS)
        reader.until("document.querySelector('#chart').getAttribute('aria-label').includes('100')")
        assert reader.complaints == []
    reader.page.close()
