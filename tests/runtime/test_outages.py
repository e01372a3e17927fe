"""Holes that are told once, however many ticks are missed in them."""

from wattline.model import Cause
from wattline.runtime.outages import Holes

SECOND = 1_000_000_000


def told(outages):
    return [(one.start // SECOND, one.end and one.end // SECOND, one.detail) for one in outages]


def test_ticks_missed_before_every_sample_are_one_hole():
    holes = Holes("pdu", SECOND, 0)
    assert holes.spoke(1 * SECOND) == []
    first = holes.spoke(3 * SECOND, missed=1)
    assert told(first) == [(1, 3, "1 tick missed")]
    assert told(holes.spoke(6 * SECOND, missed=2)) == [(1, None, "ticks are missed before every sample")]
    assert holes.spoke(9 * SECOND, missed=2) == []
    assert told(holes.spoke(10 * SECOND)) == [(1, 9, "5 ticks missed")]
    assert told(holes.spoke(13 * SECOND, missed=2)) == [(10, 13, "2 ticks missed")]
    assert first[0].cause is Cause.OVERRUN


def test_an_overrun_ends_where_the_meter_fails_or_is_read_no_more():
    for end in (lambda holes: holes.failed(Cause.TIMEOUT, "late"), lambda holes: holes.ended(9 * SECOND)):
        holes = Holes("pdu", SECOND, 0)
        for time, missed in ((1, 0), (3, 1), (5, 1)):
            holes.spoke(time * SECOND, missed=missed)
        assert told(end(holes))[0] == (1, 5, "2 ticks missed")
