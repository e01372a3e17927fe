"""The contract of a plugin: all that a driver, a sink or a store may know of Wattline.

A driver says *what* is measured and *how* it is read. The runtime owns the rest: when (ticks, timeout), how often again
(back-off), who speaks (source, run, sequence), what then (transforms, sinks) and how it is going (health). It never
calls two methods of one driver at once, so a driver needs no lock; `now` is given, so it needs no clock.

A plugin is a class found by an entry point `wattline.drivers`, `wattline.sinks` or `wattline.stores`; ours are
registered as a stranger's would be. The errors that a plugin raises are decisions: see `wattline.errors`.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, dataclass_transform

import msgspec
from msgspec import Struct

from wattline.core.address import Secret, Url, hide_password, secret_options, sounds_secret
from wattline.core.cells import Cells
from wattline.core.roster import Roster
from wattline.core.tally import Tally, tally
from wattline.errors import Denied, Gone, Malformed, Misconfigured, Refused, Unreachable
from wattline.model import (
    ALIAS,
    Batch,
    Column,
    Device,
    Kind,
    Layout,
    Mask,
    Metric,
    Outage,
    Point,
    Run,
    Series,
    Times,
    Values,
)
from wattline.units import Scale, Unit, parse_unit

__all__ = [
    "ALIAS",
    "Batch", "Block", "Cells", "Column", "Config", "Denied", "Device", "Driver", "Entry", "Frame", "Gone", "Kind",
    "Layout", "Malformed", "Mask", "Metric", "Misconfigured", "Outage", "Point", "Polled", "Promoted", "Refused",
    "Roster", "Run", "Scale", "Secret", "Series", "Sink", "Store", "Streamed", "Tally", "Times", "Transform", "Unit",
    "Unreachable", "Url", "Values", "parse_unit",
]  # fmt: skip


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every plugin's options: frozen, keyword-only, strict about unknown keys.

    Field types are what msgspec decodes, and `Secret` for what nobody may see.
    """

    def __repr__(self) -> str:
        """Return the options without secrets, those among parameters included."""
        shown = {name: _shown(getattr(self, name)) for name in self.__struct_fields__}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read an address as options: host, port, user, password, path and fragment go to the fields of that name, and
        what stands after `?` to any field. Raises Misconfigured when a part finds no field.
        """
        parts = {name: getattr(url, name) for name in ("host", "port", "user", "password", "path", "fragment")}
        given: dict[str, Any] = {name: value for name, value in parts.items() if value}
        given.update(url.options)
        return cls.of(f"{url.scheme}://{url.host}", given)

    @classmethod
    def of(cls, where: str, given: Mapping[str, Any]) -> Self:
        """Make options of what an address said, texts where need be read as numbers. Raises Misconfigured, which begins
        with `where` and names the nearest option for one that there is not.
        """
        try:
            return msgspec.convert(given, cls, strict=False, dec_hook=decode_secret)
        except msgspec.ValidationError as error:
            raise Misconfigured(f"{where}: {error}") from error


class DriverConfig(Config, frozen=True, kw_only=True):
    """Options that every driver has."""

    device: str = ""
    """Name of the device that the values are about; empty: the driver's own choice, mostly the host."""


class Frame(NamedTuple):
    """One answer, or several of one layout.

    `values` float64[k] with one `time`, or [n, k] with int64[n]; time None: the runtime stamps the midpoint of request
    and reply. `present` bool of the shape of `values`, or None when all are there. `texts` is as in `Batch`.
    """

    layout: Layout
    values: Values
    time: int | Times | None = None
    present: Mask | None = None
    texts: Mapping[int, tuple[str, ...]] = {}


Promoted = Callable[[Iterable[str], Iterable[str]], bool]
"""Says whether somebody wants a metric of a device at full detail now: asked with the names that the metric goes by,
and those that the device does (its own, its aliases). Cheap; the answer changes while a meter is read."""

C = TypeVar("C", bound=Config)


class Driver(ABC, Generic[C]):
    """Reads one kind of meter. `summary` is a phrase for lists; `metrics` all that it may give (empty: an open set)."""

    Config: ClassVar[type[DriverConfig]]
    summary: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]] = ()
    example: ClassVar[str]
    """An address that would work in the right place, for help and error texts."""

    def __init__(self, config: C) -> None:
        self.config = config
        self.promoted: Promoted = nothing_promoted
        """Set by the runtime before `open`, for drivers that can tell more of what somebody wants to know."""
        self.recognised = ""
        """Set by `open`, where the driver finds out what it speaks to: a profile, a model; for people."""

    @abstractmethod
    async def open(self) -> Sequence[Layout]:
        """Connect and return the layouts known so far. Called again after every Unreachable."""

    async def stored(self, frames: Sequence[Frame]) -> None:  # most meters keep nothing that could be deleted now
        """Take note that the frames of one answer, as they were returned, are safe in the store.

        Called once for each such answer while the meter is open, at the latest before it is closed in order. Not
        called for an answer of which anything was lost or refused.
        """

    async def close(self) -> None:  # closing nothing is a fine way to close
        """Let go of what `open` took; called once after each `open`, also after one that failed."""


class Polled(Driver[C]):
    """A meter that answers when it is asked."""

    @abstractmethod
    async def read(self, now: int) -> Sequence[Frame]:
        """Ask once and return the frames of the answer; `now` is the tick (ns), register values are raw."""


class Streamed(Driver[C]):
    """A meter that speaks on its own."""

    patience: float = 0.0
    """Seconds that it may well be silent; beyond them, and the meter's timeout, the runtime takes it for dead."""

    @abstractmethod
    def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield frames as they come; ending means that the meter has closed."""


Transform = Callable[[Batch], Batch]
"""A pure function from batch to batch, named by a verb: scale, label, attribute."""


class Sink(ABC, Generic[C]):
    """Takes batches away, and says when they are safe. Called by one task at a time."""

    Config: ClassVar[type[Config]]
    summary: ClassVar[str]

    def __init__(self, config: C) -> None:
        self.config = config

    async def open(self) -> None:  # many sinks have nothing to open
        """Connect; called again after every Unreachable."""

    @abstractmethod
    async def write(self, batches: Sequence[Batch]) -> None:
        """Take batches; to return is to acknowledge that every one is safe, whatever happens then.

        Raises Unreachable: keep them all and try again. A batch that was taken before, by (source, run, sequence), is
        taken again without effect.
        """

    async def close(self) -> None:
        """Let go of what `open` took; nothing acknowledged may depend on this being called."""


class Entry(Struct, frozen=True):
    """A series that a store holds, with its number there and the newest version of its column."""

    id: int
    series: Series
    column: Column


class Block(Struct, frozen=True, eq=False):
    """Samples of some series with common times: `time` int64[n] ascending, `values` float64[n, k], `present` bool[n, k]
    or None; `ids` names the k series. `run` int64[n] numbers the run of each frame, None: all are of one.
    """

    ids: tuple[int, ...]
    time: Times
    values: Values
    present: Mask | None = None
    run: Times | None = None


class Store(Sink[C]):
    """A sink that also answers queries.

    `write` acknowledges after a durable commit. The methods below block: call them off the event loop; they may be
    called from several threads at once, and see every acknowledged batch. Windows are half open, [start, end) in ns.
    """

    @abstractmethod
    def entries(self) -> Sequence[Entry]:
        """Return all series ever stored, ascending by id."""

    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """Return every device that a layout described or a series names, by name."""

    @abstractmethod
    def samples(self, ids: Sequence[int], start: int, end: int, *, around: bool = False) -> Iterator[Sequence[Block]]:
        """Yield the samples of a window in slices of time, ascending: no sample of a slice is older than one of the
        slice before. With `around`, each series also gives its last sample before the window and its first after it.

        Repeats are merged (highest commit wins, value by value), counters are raw, texts are indices into `texts`.
        """

    @abstractmethod
    def cells(self, ids: Sequence[int], start: int, end: int, span: int) -> Iterator[Mapping[int, Cells]]:
        """Yield roll-ups by series id, in slices of time, ascending.

        `span` (ns) is a multiple of 10 s; start and end are multiples of it. A dirty hour, or one that has not closed,
        is computed from its samples; all else comes from what is kept (10 s, 1 min, 15 min, 1 UTC day).
        """

    def tallies(self, ids: Sequence[int], start: int, end: int, span: int) -> Iterator[Tally]:
        """Yield what roll-ups say of energy: as `cells`, but in cells of `span` or of shorter ones that add up to it.

        The cells of one series ascend from table to table. A store that can leave out the other columns does better.
        """
        return (tally(some) for some in self.cells(ids, start, end, span) if some)

    @abstractmethod
    def texts(self, series: int) -> Sequence[str]:
        """Return the text table of a `state` series."""

    @abstractmethod
    def last(self, since: int) -> Mapping[int, tuple[int, float]]:
        """Return the newest (time, value) of every series that has one at or after `since`."""

    @abstractmethod
    async def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """Keep outages and runs; one with the start of a kept one replaces it (it has an end now)."""

    @abstractmethod
    def outages(self, start: int, end: int) -> Sequence[Outage]:
        """Return the outages that touch a window, by start."""

    @abstractmethod
    def statistics(self) -> Mapping[str, int | float | str]:
        """Return figures for people: samples, bytes, series, layouts, oldest and newest time, by name."""


def nothing_promoted(metrics: Iterable[str], devices: Iterable[str]) -> bool:
    """Say that nobody wants more: what a driver is told where there is no runtime."""
    del metrics, devices
    return False


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: "***" if sounds_secret(str(name)) else one for name, one in value.items()}
    return hide_password(value) if isinstance(value, str) and any(secret_options(value)) else value


def decode_secret(kind: type, value: Any) -> Any:
    """Decode hook for msgspec: a text becomes a `Secret` where the field wants one."""
    if kind is Secret:
        return value if isinstance(value, Secret) else Secret(str(value))
    raise NotImplementedError(kind)
