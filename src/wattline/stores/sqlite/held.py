"""The words of the catalogue: layouts that the store has a number for, a state of all it knows, and what is added."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wattline.model import Batch, Column, Device, Layout, Metric, Series
from wattline.stores.sqlite.numbers import Numbers
from wattline.stores.sqlite.received import Life
from wattline.stores.sqlite.staging import HEAD

Integers = NDArray[np.int64]


class Known:
    """A layout that the store has a number for: int64[k] series `ids` and int64[k] `places` of them in the family."""

    __slots__ = ("family", "frame", "ids", "in_order", "k", "number", "places", "states")

    def __init__(self, number: int, family: int, ids: Integers, places: Integers) -> None:
        self.number = number
        self.family = family
        self.k = len(ids)
        self.ids = ids
        self.in_order = bool((places == np.arange(self.k)).all())
        """Whether its columns are the first ones of its family."""
        self.places = _straight(self.k) if self.in_order else places
        self.states: tuple[int, ...] = ()
        """Places of its `state` series, whose values are numbers of texts."""
        self.frame: tuple[int, int] | None = (1, self.k)
        """The shape of values that go to the file as they are; None where texts must be numbered anew."""

    def say_states(self, states: tuple[int, ...]) -> None:
        """Say which places are of `state` series."""
        self.states = states
        self.frame = None if states else (1, self.k)


class Met:
    """A layout object met before, whose columns are those that hold, and the life that spoke of it last.

    `head` is the ENTRY of a frame of the two, all but its sequence.
    """

    __slots__ = ("frame", "head", "known", "layout", "life", "run", "source")

    def __init__(self, layout: Layout, known: Known) -> None:
        self.layout = layout
        self.known = known
        self.frame = known.frame
        self.source = ""
        self.run = -1
        self.life = Life(0, 0)
        self.head = b""

    def spoken_by(self, batch: Batch, life: Life) -> None:
        """Remember whose batch it was."""
        self.source, self.run, self.life = batch.source, batch.run, life
        self.frame = self.known.frame
        self.head = HEAD.pack(self.known.number, life.number, 0, 1, self.known.k, 0)


class Held:
    """One state of the catalogue, or what a plan adds to one: the same words for both."""

    def __init__(self) -> None:
        self.metrics: dict[str, tuple[Metric, str]] = {}
        self.roots: dict[bytes, int] = {}
        self.members: dict[int, Integers] = {}
        self.layouts: dict[bytes, Known] = {}
        self.devices: dict[str, Device] = {}
        self.texts: dict[int, dict[str, int]] = {}
        self.sources: dict[str, int] = {}
        self.lives: dict[tuple[str, int], Life] = {}


class Added(Held):
    """What is added to a state whose first new series has the number `first`."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first
        self.numbers = Numbers(first)
        self.series: list[Series] = []
        """New ones, in the order of their numbers."""
        self.columns: list[Column] = []
        """Theirs."""
        self.changed: dict[int, Column] = {}
        """Columns that are others now, by the number of the series."""
        self.seen: dict[int, Met] = {}

    def __bool__(self) -> bool:
        return bool(self.layouts or self.changed or self.devices or self.texts or self.lives or self.metrics)


@lru_cache(maxsize=1024)
def _straight(k: int) -> Integers:
    """Return the places of a layout that is its family: one array for a thousand of them."""
    return np.arange(k, dtype=np.int64)
