"""Which series speak for a device, and which devices add up to the site."""

from wattline.ledger.chosen import choose, roots
from wattline.model import Column, Device, Kind, Metric, Point, Series
from wattline.plugin import Entry
from wattline.units import Unit

WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE)
JOULES = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
VOLTS = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE)


def entries(*rows):
    """Make entries of (device, metric, column)."""
    return [Entry(i, Series.of(device, metric), column) for i, (device, metric, column) in enumerate(rows, 1)]


def names(choice):
    return tuple(entry and entry.series.metric.name for entry in (choice.power, choice.energy))


def test_a_gauge_gives_the_watts_and_a_register_the_energy():
    chosen = choose([], entries(("a", WATTS, Column()), ("a", JOULES, Column(resolution=1.0)), ("a", VOLTS, Column())))
    assert names(chosen["a"]) == ("power_watts", "energy_joules")


def test_the_wall_goes_before_the_bmc_before_the_component_before_an_estimate():
    points = [Point.ESTIMATE, Point.COMPONENT, Point.BMC, Point.WALL]
    rows = [("a", Metric(f"{point}_watts", Unit.WATT, Kind.GAUGE), Column(point=point)) for point in points]
    for n in range(1, 5):
        best = choose([], entries(*rows[:n]))["a"].power
        assert best.column.point is points[n - 1]


def test_an_estimate_is_one_whatever_its_point_says():
    rows = [("a", WATTS, Column(estimate="from CPU time")), ("a", JOULES, Column(point=Point.COMPONENT))]
    choice = choose([], entries(*rows))["a"]
    assert names(choice) == ("energy_joules", "energy_joules")
    assert choice.estimated == ""
    assert choose([], entries(rows[0]))["a"].estimated == "from CPU time"


def test_watts_come_from_the_rate_of_a_register_where_the_best_point_has_no_gauge():
    rows = [("a", JOULES, Column(point=Point.WALL)), ("a", WATTS, Column(point=Point.BMC))]
    assert names(choose([], entries(*rows))["a"]) == ("energy_joules", "energy_joules")


def test_a_register_that_steps_by_a_tenth_of_a_kilowatt_hour_leaves_energy_to_the_watts():
    rows = [("a", JOULES, Column(resolution=360_000.0)), ("a", WATTS, Column())]
    assert names(choose([], entries(*rows))["a"]) == ("power_watts", "power_watts")
    assert names(choose([], entries(rows[0]))["a"]) == ("energy_joules", "energy_joules")
    fine = [("a", JOULES, Column(resolution=3600.0)), ("a", WATTS, Column())]
    assert names(choose([], entries(*fine))["a"]) == ("power_watts", "energy_joules")


def test_a_device_may_name_its_metric():
    other = Metric("input_watts", Unit.WATT, Kind.GAUGE)
    rows = entries(("a", WATTS, Column()), ("a", other, Column(point=Point.BMC)), ("b", WATTS, Column()))
    devices = [Device("a", power="input_watts"), Device("b", power="missing_watts")]
    chosen = choose(devices, rows)
    assert names(chosen["a"]) == ("input_watts", "input_watts")
    assert names(chosen["b"]) == ("power_watts", "power_watts")


def test_a_device_without_energy_has_no_choice():
    unknown = Metric("watts", Unit.WATT, Kind.UNKNOWN)
    assert choose([Device("a")], entries(("a", VOLTS, Column()), ("b", unknown, Column()))) == {}


def test_a_site_counts_nothing_twice():
    """The rack has no meter, its PDU has, and so have outlets and servers below."""
    devices = [
        Device("pdu", parents=(("", "rack"),)),
        Device("outlet", parents=(("", "pdu"),)),
        Device("server", parents=(("", "outlet"),)),
        Device("lone", parents=(("", "rack"),)),
    ]
    chosen = choose(devices, entries(*((name, WATTS, Column()) for name in ("pdu", "server", "lone"))))
    assert roots(devices, chosen) == ("lone", "pdu")


def test_an_unmetered_device_between_hides_nothing():
    devices = [Device("server", parents=(("", "outlet"),)), Device("outlet", parents=(("", "pdu"),)), Device("pdu")]
    chosen = choose(devices, entries(("pdu", WATTS, Column()), ("server", WATTS, Column())))
    assert roots(devices, chosen) == ("pdu",)


def test_a_second_feed_with_a_meter_counts_as_a_parent():
    devices = [Device("server", parents=(("A", "pdu-a"), ("B", "pdu-b")))]
    chosen = choose(devices, entries(("pdu-b", WATTS, Column()), ("server", WATTS, Column())))
    assert roots(devices, chosen) == ("pdu-b",)


def test_a_circle_of_parents_ends_and_counts_once():
    devices = [
        Device("a", parents=(("", "b"),)), Device("b", parents=(("", "c"),)), Device("c", parents=(("", "a"),)),
        Device("under", parents=(("", "c"),)), Device("self", parents=(("", "self"),)),
    ]  # fmt: skip
    chosen = choose(devices, entries(*((name, WATTS, Column()) for name in ("b", "c", "under", "self"))))
    assert roots(devices, chosen) == ("b", "self")


def test_ten_thousand_devices_have_one_root():
    devices = [Device(f"d{i}", parents=(("", f"d{i // 10}"),) if i else ()) for i in range(10_000)]
    chosen = choose(devices, entries(*((device.name, WATTS, Column()) for device in devices)))
    assert roots(devices, chosen) == ("d0",)
