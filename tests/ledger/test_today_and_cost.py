"""The local day and the price of energy."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from wattline.ledger.today import cents, cost, day, day_start

HOUR = 3600 * 1_000_000_000


def ns(zone, *when):
    return int(datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("zone", "when", "hours"),
    [
        ("UTC", (2026, 11, 20), 24),
        ("Europe/Paris", (2026, 11, 20), 24),
        ("Europe/Paris", (2026, 3, 29), 23),
        ("Europe/Paris", (2026, 10, 25), 25),
        ("Asia/Kathmandu", (2026, 5, 1), 24),
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("America/Sao_Paulo", (2018, 11, 4), 23),  # the clock went from 00:00 to 01:00
        ("America/Havana", (2026, 11, 1), 25),
    ],
)
def test_a_local_day_has_the_hours_that_it_has(zone, when, hours):
    noon = ns(zone, *when, 12)
    start, end = day(noon, zone)
    assert (end - start) / HOUR == hours
    assert start <= noon < end
    # Each of its instants finds the same day, and its neighbours touch it.
    assert day(start, zone) == day(end - 1, zone) == (start, end)
    assert day(start - 1, zone)[1] == start
    assert day_start(noon, zone) == start
    assert datetime.fromtimestamp(start / 1e9, ZoneInfo(zone)).date() == date(*when)


def test_an_unknown_zone_is_an_error():
    with pytest.raises(ZoneInfoNotFoundError):
        day_start(0, "Europe/Atlantis")


def test_cost_is_exact_and_rounded_once_at_the_end():
    assert cost(3_600_000_000_000, "0.25") == Decimal("0.25")
    assert cost(3 * 3_600_000_000_000, 0.1) == Decimal("0.3")  # 3 x 0.1 is 0.30000000000000004 in floats
    assert cost(0, Decimal("0.3")) == 0
    assert cents(cost(3_600_000_000_000, "0.125")) == Decimal("0.12")
    assert cents(Decimal("0.135")) == Decimal("0.14")
