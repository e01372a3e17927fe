"""The words of Wattline as types: frozen, typed, pure (GLOSSARY.md says each in one line).

The grain of everything is one answer of a meter: many values with one time. A `Layout` names the series of such an
answer in order, once; a `Batch` carries frames of one layout as a matrix, and every stage passes batches on. No Python
object per sample exists on any path that carries volume.

Invariants: times are int64 nanoseconds since the epoch, UTC, in whole microseconds where a driver stamped them; values
are float64 in base units, registers raw (unwrapped on reading); a value that is absent is absent in `present` and its
cell in `values` means nothing; NaN and infinities are values.
"""

import enum
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Self

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.units import IDENTITY, Scale, Unit

Times = NDArray[np.int64]
"""Nanoseconds since the epoch, UTC: int64[n]."""
Values = NDArray[np.float64]
Bits = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_JSON_TAG: Final = "\x00"  # before a label value that is JSON and no text; no text label may hold a NUL


class Kind(enum.StrEnum):
    """What the numbers of a metric mean; it is declared by who reads the meter and never guessed from values."""

    GAUGE = "gauge"
    """A level at an instant: watts, volts."""
    COUNTER = "counter"
    """A running total that may wrap or reset: joules since some beginning."""
    DELTA = "delta"
    """What came since the sample before."""
    STATE = "state"
    """A text, carried as an index into a table of texts."""
    UNKNOWN = "unknown"
    """Nobody said; no energy is computed from it."""


class Point(enum.StrEnum):
    """Where in the chain from the wall to the work a series measures, best first."""

    WALL = "wall"
    BMC = "bmc"
    COMPONENT = "component"
    ESTIMATE = "estimate"


class Metric(Struct, frozen=True, gc=False):
    """A name with one base unit, one kind and one help line."""

    name: str
    unit: Unit = Unit.NONE
    kind: Kind = Kind.UNKNOWN
    help: str = ""


ALIAS: Final = "_device_alias"
"""The label that names the device which draws what is measured: the node on an outlet (Kwollect's word)."""


class Series(Struct, frozen=True, gc=False):
    """One metric of one device with fixed labels: the identity of a history.

    `labels` are (name, value) pairs sorted by name; make them with `Series.of`, which normalises.
    """

    device: str
    metric: Metric
    labels: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, device: str, metric: Metric, labels: Mapping[str, Any] | None = None) -> Self:
        """Normalise texts to NFC, tag label values that are no text, and sort labels by name."""
        pairs = ((_nfc(name), _label(value)) for name, value in (labels or {}).items())
        return cls(_nfc(device), metric, tuple(sorted(pairs)))

    @property
    def key(self) -> bytes:
        """Canonical bytes of (device, metric name, labels): equal on every host and after every restart."""
        return msgspec.json.encode((self.device, self.metric.name, self.labels))

    @property
    def alias(self) -> str:
        """The device that draws what is measured, by its label `_device_alias`; empty: nobody says."""
        value = next((value for name, value in self.labels if name == ALIAS), "")
        return "" if value.startswith(_JSON_TAG) else value

    def label_values(self) -> dict[str, Any]:
        """Return the labels as they were given: texts as texts, other JSON as itself."""
        return {
            name: msgspec.json.decode(value[1:]) if value.startswith(_JSON_TAG) else value
            for name, value in self.labels
        }


class Column(Struct, frozen=True, gc=False):
    """What a layout says of one series beside its identity; a change is a new version from a time, no new series."""

    scale: Scale = IDENTITY
    """From the device's own integer to the base unit: kept so that a register comes back as that integer."""
    range: float | None = None
    """A register's modulus in base units: the value after the largest is 0 again. None: it does not wrap."""
    resolution: float = 0.0
    """Smallest step in base units; 0: unknown or negligible."""
    period: float | None = None
    """Seconds between two samples as scheduled; None: unknown."""
    window: float | None = None
    """Seconds over which the device averages; None: instantaneous or unknown."""
    accuracy: float | None = None
    """Accuracy class as a ratio: 0.01 is class 1 (IEC 62053-21/-22)."""
    rated: float | None = None
    """Most watts that the device can draw."""
    floor: float = 0.0
    """Least watts that the device draws while it is on the meter."""
    point: Point = Point.WALL
    estimate: str = ""
    """Empty for a measured series; else how it is estimated, in a phrase for people."""


class Device(Struct, frozen=True, gc=False):
    """What a value is about: a rack, an outlet, a server, a socket, a process.

    `parents` maps a feed (`""` where there is one) to the device that this one is part of or draws from; what a parent
    measures contains what its children measure. `power` names the metric to be taken as this device's power; empty: the
    rule of the ledger chooses.
    """

    name: str
    type: str = ""
    parents: tuple[tuple[str, str], ...] = ()
    power: str = ""

    @property
    def parent(self) -> str | None:
        """The parent of the first feed, or None."""
        return self.parents[0][1] if self.parents else None


class Layout(Struct, frozen=True, eq=False):
    """The ordered series that one answer gives with one time.

    `family` is the id of the layout from which this one grew (its own where it did not grow): a grown layout keeps the
    series of its predecessor at their places and appends. `devices` describes devices that the series speak of, as far
    as the driver knows them.
    """

    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    id: bytes
    family: bytes
    devices: tuple[Device, ...] = ()

    @classmethod
    def of(
        cls,
        series: Sequence[Series],
        columns: Sequence[Column] | None = None,
        *,
        devices: Sequence[Device] = (),
    ) -> Self:
        """Return a layout that is the root of its family. Raises ValueError when a series stands twice."""
        root = layout_id(tuple(series))
        return cls(tuple(series), _columns(series, columns), root, root, tuple(devices))

    def grown(self, series: Sequence[Series], columns: Sequence[Column], devices: Sequence[Device] = ()) -> "Layout":
        """Return this layout with series appended, in the same family."""
        every = (*self.series, *series)
        return Layout(
            every,
            (*self.columns, *_columns(series, columns)),
            layout_id(every),
            self.family,
            (*self.devices, *devices),
        )

    def __len__(self) -> int:
        return len(self.series)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


class Batch(Struct, frozen=True, eq=False, gc=False):
    """Frames of one layout from one life of one source.

    Shapes: `time` int64[n], `values` float64[n, k], `present` uint8[n, ceil(k / 8)] (bits in little order, see
    `pack_mask`) or None when every value is there. Values of a `state` column are indices into `texts[column]`, a table
    of this batch alone. `(source, run, sequence)` names the batch for ever: sent twice it is the same batch. The
    sequences of a run start at 1 and leave out none.
    """

    layout: Layout
    time: Times
    values: Values
    present: Bits | None = None
    texts: dict[int, tuple[str, ...]] = {}
    source: str = ""
    run: int = 0
    sequence: int = 0

    def __len__(self) -> int:
        return len(self.time)

    @property
    def size(self) -> int:
        """How many samples there are room for: frames times series."""
        return self.values.size

    def mask(self) -> Mask:
        """Return presence as bool[n, k]."""
        return unpack_mask(self.present, len(self.time), self.values.shape[1])


class Loose(Struct, frozen=True, eq=False):
    """Samples with unrelated times, as columns of one length: `index` int64[n] into `series`, `time`, `value`.

    Values of a `state` series are indices into `texts[i]`, where i is its place in `series`.
    """

    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    index: NDArray[np.int64]
    time: Times
    value: Values
    texts: dict[int, tuple[str, ...]] = {}
    source: str = ""
    run: int = 0
    sequence: int = 0


class Cause(enum.StrEnum):
    """Why a hole is there."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    AUTH = "auth"
    MALFORMED = "malformed"
    MISCONFIGURED = "misconfigured"
    OVERRUN = "overrun"
    BUS_LOSS = "bus loss"
    CLOCK_STEP = "clock step"
    POLLER_DOWN = "poller down"
    BUG = "bug"


class Outage(Struct, frozen=True):
    """A hole that is known: `meter` gave nothing from `start` to `end` (ns; None: it lasts) because of `cause`.

    An overrun gives less than it was asked for: the samples within it have missed ticks before them.
    """

    meter: str
    start: int
    end: int | None
    cause: Cause
    detail: str = ""


class Run(Struct, frozen=True):
    """One life of a source: from `start` (ns, also its number) to `end` (ns; None: it lives)."""

    source: str
    start: int
    end: int | None = None


@lru_cache(maxsize=4096)
def layout_id(series: tuple[Series, ...]) -> bytes:
    """First 16 bytes of BLAKE2b over the ordered series keys, each with its length before it."""
    digest = hashlib.blake2b(digest_size=16)
    seen = set()
    for one in series:
        key = one.key
        if key in seen:
            raise ValueError(f"{one.device} {one.metric.name} {dict(one.labels)} stands twice in one layout")
        seen.add(key)
        digest.update(len(key).to_bytes(4, "little"))
        digest.update(key)
    return digest.digest()


def pack_mask(mask: Mask) -> Bits | None:
    """Pack bool[n, k] to the bits of a batch; None when all are present."""
    return None if mask.all() else np.packbits(mask, axis=1, bitorder="little")


def unpack_mask(present: Bits | None, n: int, k: int) -> Mask:
    """Return the bool[n, k] behind the bits of a batch."""
    if present is None:
        return np.ones((n, k), bool)
    return np.unpackbits(present, axis=1, count=k, bitorder="little").view(bool)


def _columns(series: Sequence[Series], columns: Sequence[Column] | None) -> tuple[Column, ...]:
    if columns is None:
        return (Column(),) * len(series)
    if len(columns) != len(series):
        raise ValueError(f"{len(series)} series need as many columns, not {len(columns)}")
    return tuple(columns)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _label(value: Any) -> str:
    if isinstance(value, str):
        return _nfc(value).replace(_JSON_TAG, "")
    return _JSON_TAG + msgspec.json.encode(value, order="sorted").decode()
