"""What is said of the meters at the start: all of few, and of many only what needs a look."""

from wattline.cli.announcement import meter_lines
from wattline.model import Cause
from wattline.runtime.health import MeterHealth, Silent, Speaking, State, Waiting

_NOBODY: frozenset[str] = frozenset()


def _meter(name: str, state: State, driver: str = "snmp", devices: tuple[str, ...] = ()) -> MeterHealth:
    address = f"{driver}://{name}"
    return MeterHealth(name=name, driver=driver, address=address, period=1.0, state=state, devices=devices)


def test_few_meters_are_told_one_by_one() -> None:
    meters = [
        _meter("a", Speaking(0), devices=("a", "a/outlet-1")),
        _meter("b", Waiting(0)),
        _meter("c", Waiting(0)),
        _meter("d", Silent(0, Cause.TIMEOUT, "refused [ssl] greeting")),
    ]
    assert meter_lines(meters, frozenset({"c"})) == [
        "  [green]speaking[/green] a [dim]snmp://a[/dim]: 2 devices every 1 s",
        "  [yellow]waiting [/yellow] b [dim]snmp://b[/dim]: no answer yet",
        "  [dim]optional[/dim] c [dim]snmp://c[/dim]: read while promoted",
        r"  [red]silent  [/red] d [dim]snmp://d[/dim]: refused \[ssl] greeting",
    ]


def test_of_many_meters_those_that_speak_are_counted_and_the_others_named() -> None:
    speaking = [_meter(f"pdu-{n}", Speaking(0), devices=(f"pdu-{n}",)) for n in range(990)]
    speaking += [_meter(f"bmc-{n}", Speaking(0), "ipmi", (f"bmc-{n}",)) for n in range(8)]
    dead = _meter("dead", Silent(0, Cause.TIMEOUT, "no answer"))
    assert meter_lines([*speaking, dead], _NOBODY) == [
        "  [green]speaking[/green] 998 meters (990 snmp, 8 ipmi): 998 devices",
        "  [red]silent  [/red] dead [dim]snmp://dead[/dim]: no answer",
    ]


def test_where_all_of_many_are_silent_the_screen_still_shows_the_rest() -> None:
    dead = [_meter(f"dead-{n}", Silent(0, Cause.TIMEOUT, "no answer")) for n in range(500)]
    lines = meter_lines(dead, _NOBODY)
    assert len(lines) == 21
    assert lines[-1] == "  and 480 more without an answer: see the page Meters"
