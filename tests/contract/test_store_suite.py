"""The suite of stores finds a store that breaks a promise."""

import numpy as np
import pytest
from msgspec.structs import replace

from wattline.testing.memory import UNNAMED, MemoryStore
from wattline.testing.store_suite import StoreSuite, opened


class Doubling(MemoryStore):
    """Takes a repeat for something new."""

    def _take(self, batch):
        super()._take(replace(batch, sequence=UNNAMED))


class Absent(MemoryStore):
    """Takes what is absent for NaN."""

    def _take(self, batch):
        super()._take(replace(batch, present=None))


class Rounding(MemoryStore):
    """Keeps values in single precision."""

    def _take(self, batch):
        with np.errstate(all="ignore"):
            super()._take(replace(batch, values=batch.values.astype(np.float32).astype(np.float64)))


class Inclusive(MemoryStore):
    """Gives the end of a window as well."""

    def samples(self, ids, start, end, *, around=False):
        return super().samples(ids, start, end + 1, around=around)


class Alone(MemoryStore):
    """Never looks around."""

    def samples(self, ids, start, end, *, around=False):
        return super().samples(ids, start, end)


class Backward(MemoryStore):
    """Gives the newest slice first."""

    def samples(self, ids, start, end, *, around=False):
        return reversed(list(super().samples(ids, start, end, around=around)))


class OneLife(MemoryStore):
    """Knows sources, and not their lives."""

    def _take(self, batch):
        super()._take(replace(batch, run=0, sequence=UNNAMED))


class Piling(MemoryStore):
    """Keeps the outage that lasted beside the one that ended."""

    async def note(self, outages=(), runs=()):
        await super().note([replace(o, meter=f"{o.meter} {o.end}") for o in outages], runs)


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Doubling, StoreSuite.test_a_batch_sent_again_has_no_effect),
        (Absent, StoreSuite.test_an_absent_value_and_nan_are_two_things),
        (Absent, StoreSuite.test_a_sparse_wide_layout_keeps_its_presence),
        (Rounding, StoreSuite.test_odd_values_come_back_bit_for_bit),
        (Inclusive, StoreSuite.test_windows_are_half_open),
        (Alone, StoreSuite.test_around_gives_one_neighbour_on_each_side),
        (Alone, StoreSuite.test_around_is_said_of_each_series),
        (Backward, StoreSuite.test_slices_of_many_series_ascend),
        (OneLife, StoreSuite.test_two_lives_keep_their_samples_of_one_instant),
        (Piling, StoreSuite.test_an_outage_that_ends_replaces_the_open_one),
    ],
)
def test_a_broken_promise_is_found(kind, promise):
    with opened(MemoryStore()) as sound:
        promise(StoreSuite(), sound)
    with opened(kind()) as broken, pytest.raises(AssertionError):
        promise(StoreSuite(), broken)
