"""Series whose samples bring their own time, grouped by who shares one.

What has one time in the first page where it stands is taken for one answer of one thing behind the page (a container, a
device behind a gateway), and stays one layout. A sample that stands on the page again with its old time is told once;
a series may stand there with several times.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from wattline.drivers.prometheus.meaning import Meaning
from wattline.plugin import Frame, Roster
from wattline.wire.exposition import Key, Stamped

_SPARE: Final = 10_000


class Cohorts:
    """Rosters of the series that share their times."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._rosters: list[Roster[Key]] = []
        self._cohort: dict[Key, int] = {}
        self._told: dict[Key, set[int]] = {}

    def frames(self, samples: Sequence[Stamped]) -> list[Frame]:
        """Return a frame for each time of each cohort, the new ones alone, ascending by time."""
        self._forget(samples)
        fresh = [sample for sample in samples if sample.time not in self._told.get(sample.key, ())]
        self._admit(fresh)
        groups: dict[tuple[int, int], list[Stamped]] = {}
        for sample in fresh:
            groups.setdefault((sample.time, self._cohort[sample.key]), []).append(sample)
        frames = []
        for (time, cohort), group in sorted(groups.items(), key=lambda item: item[0]):
            keys = [sample.key for sample in group]
            values = np.array([self._meaning.scale(sample.key).base(sample.value) for sample in group])
            layout, row, present = self._rosters[cohort].frame(time, keys, values)
            frames.append(Frame(layout, row, time, None if present.all() else present))
        told: dict[Key, set[int]] = {}
        for sample in samples:
            told.setdefault(sample.key, set()).add(sample.time)
        self._told |= told
        return frames

    def _forget(self, samples: Sequence[Stamped]) -> None:
        """Start again when most of what is remembered has left the page."""
        if len(self._cohort) > 4 * len(samples) + _SPARE:
            self._rosters, self._cohort, self._told = [], {}, {}

    def _admit(self, samples: Sequence[Stamped]) -> None:
        at: dict[int, int] = {}
        for sample in samples:
            if (cohort := self._cohort.get(sample.key)) is not None:
                at.setdefault(sample.time, cohort)
        for sample in samples:
            if sample.key in self._cohort:
                continue
            if sample.time not in at:
                at[sample.time] = len(self._rosters)
                self._rosters.append(Roster(self._meaning.describe, self._meaning.devices))
            self._cohort[sample.key] = at[sample.time]
