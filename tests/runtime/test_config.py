"""A configuration is read whole, and refused with all its faults at once."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import yaml

from wattline.plugin import Config, Misconfigured, Secret
from wattline.runtime.config import Faulty, examine, load, meter_from_url, parse, store_config
from wattline.runtime.registry import Registry
from wattline.runtime.shape import Duration, Size, resolve
from wattline.runtime.site import secrets
from wattline.testing.memory import MemoryStore
from wattline.units import Scale

ROOT = Path(__file__).parents[2]


def faults(text, registry):
    return [str(fault) for fault in examine(text, registry).faults]


def test_an_empty_text_is_a_site_with_every_default(registry):
    site = parse("", registry)
    assert site.meters == ()
    assert site.address == ("127.0.0.1", 8780)
    assert site.host
    assert site.data.name == "wattline"


def test_every_key_is_read(registry):
    site = parse(
        """
        host: rack-room
        listen: "[::1]:0"
        data: /var/lib/w
        timezone: Europe/Paris
        price_per_kwh: 0.2516
        currency: CHF
        commit_every: 500ms
        queue: 1000
        every: 5s
        log: debug
        clients: {live: 3, queue: 4}
        retention: {raw: forever, 1min: forever}
        devices:
          - {name: node-1, parent: rack-1, type: server, rated: 750, floor: 20, power: power_watts, point: bmc}
          - {name: rack-1, type: rack}
        sinks:
          - {driver: box, label: x, spool: 10MiB}
        store: {driver: memory}
        meters:
          - script://h
        """,
        registry,
    )
    assert (site.host, site.address, site.data) == ("rack-room", ("::1", 0), Path("/var/lib/w"))
    assert site.price_per_kwh == Decimal("0.2516")
    assert site.commit_every == 0.5
    assert site.devices[0].parents == (("", "rack-1"),)
    assert (site.sinks[0].name, site.sinks[0].options.label, site.sinks[0].spool) == ("box", "x", 10 * 2**20)
    assert site.meters[0].every == 5
    assert store_config(site, registry).driver == "memory"


def test_all_faults_come_at_once_with_place_line_and_hint(registry):
    text = """\
listen: nowhere
timezone: Mars/Olympus
prise_per_kwh: 0.2
commit_every: soon
log: loud
meters:
  - driver: script
    name: a
    updte_every: 1s
    port: "161"
  - url: script://h
    trys: 3
  - driver: scrpt
  - name: nothing
  - url: script://h
    every: 0
    timeout: [1]
  - driver: script
    name: a
devices:
  - {name: x, parent: y}
  - {name: y, parent: x}
  - {nam: z}
sinks:
  - {driver: bix}
store: sqlite
"""
    found = faults(text, registry)
    expected = [
        "listen: 'nowhere' is no address to listen on, such as 127.0.0.1:8780 (port 0: any) (line 1)",
        "timezone: there is no time zone 'Mars/Olympus'; write it as Europe/Paris (line 2)",
        "prise_per_kwh: unknown key, did you mean price_per_kwh? (line 3)",
        "commit_every: 'soon' is no duration such as 500ms, 1s, 5min, 2h, 90d (line 4)",
        "log: invalid enum value 'loud' (there are: debug, error, info, warning) (line 5)",
        "meters[0].updte_every: unknown key, did you mean update_every? (line 9)",
        "meters[0].port: expected a whole number, got a text (line 10)",
        "meters[1].trys: unknown key, did you mean tries? (line 12)",
        "meters[2].driver: there is no driver 'scrpt', did you mean script? (line 13)",
        "meters[3]: a meter needs `url` or `driver`, and not both (line 14)",
        "meters[4].every: a period lies between 10 ms and a year (line 16)",
        "meters[4].timeout: expected a duration such as 500ms, 1s, 5min (line 17)",
    ]
    for one in expected:
        assert one in found
    rest = "\n".join(found)
    assert "devices[2].nam: unknown key, did you mean name? (line 23)" in rest
    assert "sinks[0].driver: there is no sink 'bix', did you mean box? (line 25)" in rest
    assert "store: expected a mapping with `driver`" in rest


def test_names_stand_once_and_nothing_is_part_of_itself(registry):
    text = """\
meters:
  - {driver: script, name: a}
  - {url: "script://b", name: a}
devices:
  - {name: x, parent: y}
  - {name: y, parent: {a: z, b: x}}
  - {name: x}
sinks:
  - {driver: box}
  - {driver: box}
"""
    found = faults(text, registry)
    assert "meters[1].name: 'a' names two meters (line 3)" in found
    assert "devices[1].parent: 'y' is part of itself (line 6)" in found
    assert "devices[2].name: 'x' names two devices (line 7)" in found
    assert "sinks[1].name: 'box' names two sinks (line 10)" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen: a\nlisten: b", "stands twice, first on line 1 (line 2)"),
        ("meters: [", "this is no YAML"),
        ("- 1", "expected a mapping"),
        ("meters: &a [*a]", "an anchor contains itself"),
        ("meters: {}", "expected a list of meters"),
        ("meters: [5]", "expected a mapping with `url` or `driver`"),
        ("host: !!python/object:os.system x", "could not determine a constructor"),
        ("queue: 5", "queue: is at least 1000 (line 1)"),
        ("price_per_kwh: -1", "price_per_kwh: is at least 0"),
        ("currency: 5", "(put it in quotes)"),
        ("metrics_dir: /nowhere/at/all", "is no folder"),
        (f"metrics_dir: {'x' * 5000}", "is no folder"),
        ("price_per_kwh: .nan", "price_per_kwh: is a finite number (line 1)"),
        ("commit_every: forever", "commit_every: is a finite number (line 1)"),
        ("queue: !!int ''", "queue: is no int of YAML (line 1)"),
        ("data: !!timestamp soon", "data: is no timestamp of YAML (line 1)"),
        ("data: !!bool perhaps", "data: is no bool of YAML (line 1)"),
        ("host: a\ndata: \x01", "this is no YAML: the character U+0001 (line 2)"),
        ("clients: {queue: 0}", "clients.queue: `live` and `queue` lie between"),
        ("meters: [{driver: script, timeout: forever}]", "meters[0].timeout: a poll lasts longer than 0 s"),
        ("meters: [{driver: script, timeout: 0}]", "meters[0].timeout: a poll lasts longer than 0 s"),
        ("meters: [{driver: script, every: 100y}]", "meters[0].every: a period lies between 10 ms and a year"),
        (f"meters: [{{driver: script, update_every: 1{'0' * 400}}}]", "meters[0].update_every: a period lies between"),
        ('meters: [{driver: script, name: "a\\nb"}]', "meters[0].name: a name holds no control characters"),
        ("meters: [{driver: script, scale_factor: 1.0e+300}]", "meters[0].scale_factor: 1e+300 is no number"),
        ("meters: [{driver: script, scale_factor: 1e999999999}]", "is no number to multiply with"),
        ('meters: [{driver: script, host: "a\\0b"}]', "meters[0].host: holds the character U+0000 (line 1)"),
        ("meters: ['script://a/b%00c']", "is no address: it holds the character U+0000"),
        ("host: [a]", "host: expected a text, got a list (line 1)"),
        ("? [host]\n: a", "a key is a list or a mapping"),
        ("meters: 5", "expected a list of meters"),
        ("sinks: [null]", "expected a mapping with `driver`"),
        ("sinks: [{driver: box, name: ..}]", "'..' names no folder for the spool"),
        (f"sinks: [{{driver: box, spool: {'9' * 400}}}]", "is no size such as"),
        (f"every: 1{'0' * 400}", "is no duration such as"),
        ("[" * 5000, "nest"),
        ("a: &a\n  <<: *a\n  b: 1", "a: unknown key"),
    ],
)
def test_a_text_that_is_wrong_has_one_clear_fault(registry, text, said):
    found = faults(text, registry)
    assert len(found) >= 1
    assert any(said in one for one in found), found


def _bomb(links):
    lines = ["a: &a {k: 1}"]
    for i in range(1, 9):
        before, name = chr(96 + i), chr(97 + i)
        lines.append(f"{name}: &{name} {links.format(', '.join([f'*{before}'] * 10))}")
    return "\n".join(lines)


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory(registry):
    found = faults(_bomb("[{}]"), registry)
    assert any("says more than 500000 values" in one for one in found), found


def test_merges_of_merges_do_not_fill_the_memory(registry):
    found = faults(_bomb("{{<<: [{}]}}"), registry)
    # PyYAML up to 6.0.3 copies whatever is merged; later ones keep one value of each key, so that nothing grows.
    copied = any("says more than 500000 values" in one for one in found)
    assert copied or found == [f"{chr(97 + i)}: unknown key (line {i + 1})" for i in range(9)]


def test_thousands_of_meters_of_one_name_are_told_apart_at_once(registry):
    site = parse("meters:\n" + "- script://h\n" * 3000 + "- {url: 'script://h', name: mine}\n", registry)
    assert [one.name for one in site.meters[-2:]] == ["script-h-3000", "mine"]


def test_a_merge_key_overrides_without_being_a_repeat(registry):
    site = parse(
        """
        meters:
          - &pdu {driver: script, name: a, port: 5}
          - {<<: *pdu, name: b, host: other}
        """,
        registry,
    )
    assert [(one.name, one.options.port, one.options.host) for one in site.meters] == [("a", 5, "h"), ("b", 5, "other")]


def test_a_file_that_cannot_be_read_is_one_fault(registry, tmp_path):
    with pytest.raises(Faulty, match="cannot be read: No such file"):
        load(tmp_path / "no.yaml", registry)
    (tmp_path / "latin.yaml").write_bytes(b"host: \xe9")
    with pytest.raises(Faulty, match="no UTF-8 text: byte 6"):
        load(tmp_path / "latin.yaml", registry)


def test_a_retention_reaches_the_store_that_has_one_and_is_refused_by_others(registry, script, box):
    class ForgetfulConfig(Config, frozen=True, kw_only=True):
        retention: dict[str, float | None] = msgspec.field(default_factory=dict)

    class Forgetful(MemoryStore):
        Config = ForgetfulConfig

    stores = Registry.of({"script": script}, {"box": box}, {"forgetful": Forgetful, "memory": MemoryStore})
    text = "retention: {raw: 90d, 10s: 1y}\nstore: {driver: "
    site = parse(text + "forgetful}", stores)
    assert site.store.options.retention == {
        "raw": 90 * 86400.0, "10s": 31_557_600.0, "1min": None, "15min": None, "1d": None
    }  # fmt: skip
    assert faults(text + "memory}", stores) == ["retention: the store memory keeps everything for ever (line 1)"]


# --- meters ---


def test_a_meter_may_be_written_as_kwollect_does(registry):
    [one] = parse(
        """
        meters:
          - name: wattmetre_power_watt
            device_id: taurus-1
            url: script://secret@wattmetre-1:5
            update_every: 1000
            scale_factor: 0.1
            labels: {_device_alias: taurus-1.lyon}
            optional: true
        """,
        registry,
    ).meters
    assert (one.name, one.metric, one.options.device) == (
        "taurus-1/wattmetre_power_watt", "wattmetre_power_watt", "taurus-1"
    )  # fmt: skip
    assert (one.every, one.scale, one.optional) == (1.0, Scale(1, 10), True)
    assert one.labels == {"_device_alias": "taurus-1.lyon"}
    assert one.address == "script://***@wattmetre-1:5"
    assert one.options.user == Secret("secret")


def test_a_folder_of_kwollects_descriptions_works_unchanged(registry, tmp_path):
    folder = tmp_path / "metrics.d"
    folder.mkdir()
    (folder / "one.yml").write_text("name: a\ndevice_id: d\nurl: script://h/\n".replace("h/", "h"))
    (folder / "two").write_text("- {name: b, device_id: d, url: 'script://h', update_every: 500}\n- {name: c}\n")
    (folder / "none").write_text("")
    (folder / ".hidden").write_text("garbage: [")
    (tmp_path / "site.yaml").write_text("metrics_dir: metrics.d\n")
    examined = examine(tmp_path / "site.yaml", registry)
    assert [(one.name, one.every) for one in examined.site.meters] == [("d/a", 10.0), ("d/b", 0.5)]
    [fault] = examined.faults
    assert str(fault) == f"[1]: a meter needs `url` or `driver`, and not both ({folder / 'two'}, line 2)"


@pytest.mark.parametrize(
    ("written", "every", "timeout"),
    [
        ("{}", 1.0, 1.0),
        ("{every: 5s}", 5.0, 5.0),
        ("{every: 0.1}", 0.1, 1.0),
        ("{every: 1 min}", 60.0, 5.0),
        ("{update_every: 250}", 0.25, 1.0),
        ("{update_every: 2s, timeout: 300ms}", 2.0, 0.3),
    ],
)
def test_periods_and_timeouts(registry, written, every, timeout):
    given = yaml.safe_load(written) | {"url": "script://h"}
    [one] = parse(yaml.safe_dump({"meters": [given]}), registry).meters
    assert (one.every, one.timeout) == (every, timeout)


def test_an_address_is_a_meter_and_may_say_how_often(registry):
    one = meter_from_url("script://bob:hunter22@h:7?tries=3&every=2s&name=n", registry)
    assert (one.name, one.driver, one.every, one.options.tries, one.options.port) == ("n", "script", 2.0, 3, 7)
    assert meter_from_url("script://h", registry, every=9).every == 9
    assert meter_from_url("script://h", registry).name == "script-h"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "is no address"),
        ("scrpt://h", "there is no driver 'scrpt', did you mean script"),
        ("script://bob:hunter22@h:99999", "between 1 and 65535|out of range|is no address"),
        ("script://bob:hunter22@h?tris=3", "did you mean tries"),
        ("script://bob:hunter22@h?tries=many", "tries"),
        ("script://bob:hunter22@h?every=never", "is no duration"),
        ("script://bob:hunter22@h/path", "unknown field `path`"),
    ],
)
def test_a_wrong_address_says_what_is_wrong_and_shows_no_secret(registry, address, said):
    with pytest.raises(Misconfigured, match=said) as caught:
        meter_from_url(address, registry)
    assert "hunter22" not in str(caught.value)
    assert "\n" not in str(caught.value)


# --- secrets ---


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(registry, monkeypatch, tmp_path):
    monkeypatch.setenv("PDU_PASSWORD", "hunter22")
    (tmp_path / "secret").write_bytes(b"hunter33\r\n")
    site = parse(
        f"""
        meters:
          - {{driver: script, name: a, password: "env:PDU_PASSWORD"}}
          - {{driver: script, name: b, password: "file:{tmp_path}/secret"}}
          - {{driver: script, name: c, password: plain44}}
          - {{name: d, url: "script://env:PDU_PASSWORD@h"}}
          - {{name: e, url: "script://u:env%3APDU_PASSWORD@h"}}
          - {{name: f, url: "script://h", password: "env:PDU_PASSWORD"}}
        """,
        registry,
    )
    got = [secrets(one.options) - {"u"} for one in site.meters]
    assert got == [{"hunter22"}, {"hunter33"}, {"plain44"}, {"hunter22"}, {"hunter22"}, {"hunter22"}]
    assert not any(secret in repr(site) for secret in ("hunter22", "hunter33", "plain44"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("env:NOT_THERE", "there is no environment variable NOT_THERE"),
        ("file:/not/there", "cannot be read: FileNotFoundError"),
        ("file:/dev/zero", "is larger than 64 KiB"),
        ("changeme", "documented default"),
        ("5", "put it in quotes"),
    ],
)
def test_a_secret_that_cannot_be_had_or_that_everybody_knows_is_refused(registry, written, said):
    [fault] = faults(f"meters: [{{driver: script, name: a, password: {written}}}]", registry)
    assert fault.startswith("meters[0].password: ")
    assert said in fault


def test_a_literal_that_only_begins_like_a_name_is_itself():
    assert resolve("environment") == Secret("environment")


# --- texts ---


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("1.5 s", 1.5), (3, 3.0), ("2", 2.0), ("1h", 3600), ("forever", float("inf"))]
)
def test_durations(text, seconds):
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "1 parsec", "-1s", True, None, [1]])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


def test_sizes():
    assert Size.parse("64MiB") == 64 * 2**20
    with pytest.raises(ValueError, match="no size"):
        Size.parse("many")


# --- documents ---


def test_the_example_is_a_configuration_without_faults(monkeypatch, tmp_path):
    monkeypatch.setenv("SNMP_PASSWORD", "a-password")
    monkeypatch.setenv("SNMP_PRIVACY", "another-password")
    site = load(ROOT / "examples/site.yaml", Registry.installed(), overrides={"data": str(tmp_path)})
    assert {one.driver for one in site.meters} == {"snmp", "prometheus", "rapl", "host", "sim"}
    assert store_config(site, Registry.installed()).options.path == str(tmp_path / "wattline.sqlite")


def test_every_key_is_in_the_reference_and_in_the_example():
    from wattline.runtime import config, meters, site

    reference = (ROOT / "docs/reference/configuration.md").read_text()
    example = (ROOT / "examples/site.yaml").read_text()
    structs = (config.Keys, meters.Keys, site.DeviceConfig, site.Retention, site.Clients)
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            assert f"`{field.encode_name}`" in reference, f"{field.encode_name} is not in configuration.md"
    for field in msgspec.structs.fields(config.Keys):
        assert f"{field.encode_name}:" in example, f"{field.encode_name} is not in examples/site.yaml"
