"""Kwapi's Dummy: whole watts within bounds, both of which come."""

import pytest

from wattline.drivers.dummy.driver import Dummy, DummyConfig
from wattline.plugin import Kind, Misconfigured, Url
from wattline.testing.driver_suite import DriverSuite, opened


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Dummy

    @pytest.fixture
    def working(self):
        return DummyConfig()


async def numbers(count, **options):
    async with opened(Dummy(DummyConfig(**options))) as (one, _):
        return [tuple((await one.read(n))[0].values) for n in range(count)]


async def test_one_number_is_always_that_number():
    assert await numbers(100, min=80, max=80) == [(80.0, 230.0, 80 / 230)] * 100


async def test_both_ends_come_and_nothing_beyond():
    watts = {row[0] for row in await numbers(200, min=1, max=4, seed=7)}
    assert watts == {1.0, 2.0, 3.0, 4.0}


async def test_a_seed_makes_the_numbers_come_again():
    assert await numbers(20, seed=3) == await numbers(20, seed=3)
    assert await numbers(20, seed=3) != await numbers(20, seed=4)


def test_an_address_and_what_is_wrong_with_one():
    config = DummyConfig.from_url(Url.parse("dummy://bench-1?min=75&max=100"))
    assert (config.host, config.min, config.max) == ("bench-1", 75, 100)
    for text, said in (("?min=9&max=3", "must not be above"), ("?min=abc", "min"), ("?seed=-1", "not negative")):
        with pytest.raises(Misconfigured, match=said):
            DummyConfig.from_url(Url.parse(f"dummy://x{text}"))


async def test_its_watts_are_marked_as_made_up():
    async with opened(Dummy(DummyConfig(host="a", device="b"))) as (_, [layout]):
        assert all(column.estimate for column in layout.columns)
        assert {series.device for series in layout.series} == {"b"}


async def test_another_metric_has_its_own_unit_and_stands_alone():
    config = DummyConfig(host="a", min=3, max=3, metric="network_in", unit="kB", kind=Kind.COUNTER)
    async with opened(Dummy(config)) as (one, [layout]):
        [series] = layout.series
        assert (series.metric.name, series.metric.unit, series.metric.kind) == ("network_in", "By", "counter")
        assert [(await one.read(n))[0].values.tolist() for n in range(3)] == [[3000.0], [6000.0], [9000.0]]
    for wrong in ({"unit": "furlong"}, {"kind": Kind.STATE}, {"metric": ""}):
        with pytest.raises((ValueError, Misconfigured)):
            DummyConfig(**wrong)
