"""What a wattmeter's ports are called, who draws from them, and what is stored of them.

wattmetre                    the wattmeter
├── wattmetre-port0          a port; the node that draws from it is its alias
│   └── node-1
└── wattmetre-port1          a port with several nodes (a chassis)
    ├── wattmetre-port1/node-2      its equal share, where shares are asked for
    └── wattmetre-port1/node-3
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from wattline.drivers.wattmetre.config import WattmetreConfig
from wattline.drivers.wattmetre.rows import PHASES, Reader
from wattline.plugin import ALIAS, Column, Device, Kind, Layout, Metric, Misconfigured, Promoted, Series, Unit

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power of a port")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current of a port")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage of a phase")
REFUSED: Final = Metric("refused_frames_total", Unit.NONE, Kind.COUNTER, "Lines that were not OK or no frames")
LOST: Final = Metric("lost_seconds_total", Unit.SECOND, Kind.COUNTER, "Whole seconds of which no frame came")
KWOLLECT: Final = "wattmetre_power_watt"
"""What Kwollect calls power: a promotion may name it so, whatever it is stored as."""
_LARGEST: Final = 1 << 20
"""Bytes of a mapping file."""


class Told(NamedTuple):
    """A series that is told: which value of a row it is, divided by how many, and by which names it is promoted."""

    series: Series
    place: int
    divisor: int
    metrics: tuple[str, ...]
    devices: tuple[str, ...]


class Choice(NamedTuple):
    """Series of one rate: their layout, their places in a row, and what the values there are divided by."""

    layout: Layout
    places: NDArray[np.intp]
    divisors: NDArray[np.float64]


class Ports:
    """The series of a wattmeter with so many ports, and their layouts at each rate.

    `nodes` maps a port's name to those that draw from it; `reader` says how often frames come and what is in them.
    """

    def __init__(self, config: WattmetreConfig, ports: int, nodes: Mapping[str, Sequence[str]], reader: Reader) -> None:
        self.count = ports
        self._config, self._nodes, self._period = config, nodes, reader.period
        self._told = [told for port in range(ports) for told in self._power(port)]
        if reader.electrical:
            self._told += [self._plain(self._name(port), CURRENT, ports + port) for port in range(ports)]
            self._told += [
                self._plain(config.device, VOLTAGE, 2 * ports + phase, {"phase": str(phase + 1)})
                for phase in range(PHASES)
            ]
        self._choices: dict[tuple[bool, ...], tuple[Choice, Choice]] = {}

    def wanted(self, promoted: Promoted) -> tuple[bool, ...]:
        """Say of each series whether somebody wants it at full rate now."""
        return tuple(promoted(told.metrics, told.devices) for told in self._told)

    def choices(self, wanted: tuple[bool, ...]) -> tuple[Choice, Choice]:
        """Return what is told once a second, with the wattmeter's own counts behind it, and what at full rate."""
        if wanted not in self._choices:
            if len(self._choices) > 64:
                self._choices.clear()
            slow = [told for told, full in zip(self._told, wanted, strict=True) if not full]
            fast = [told for told, full in zip(self._told, wanted, strict=True) if full]
            own = [Series.of(self._config.device, metric) for metric in (REFUSED, LOST)]
            self._choices[wanted] = (
                self._choice(slow, Column(period=1.0, window=1.0), own),
                self._choice(fast, Column(period=self._period)),
            )
        return self._choices[wanted]

    def _choice(self, told: Sequence[Told], column: Column, own: Sequence[Series] = ()) -> Choice:
        series = [one.series for one in told] + list(own)
        columns = [self._column(one, column) for one in told] + [Column(period=1.0) for _ in own]
        layout = Layout.of(series, columns, devices=self._devices())
        return Choice(
            layout,
            np.array([one.place for one in told], np.intp),
            np.array([one.divisor for one in told], np.float64),
        )

    def _column(self, told: Told, column: Column) -> Column:
        estimate = f"equal share of {told.divisor} nodes on one port" if told.divisor > 1 else ""
        return Column(period=column.period, window=column.window, estimate=estimate)

    def _power(self, port: int) -> list[Told]:
        name = self._name(port)
        nodes = self._nodes.get(name, ())
        if len(nodes) < 2 or self._config.shared == "group":
            return [self._watts(name, port, 1, nodes)]
        shares = [self._watts(f"{name}/{node}", port, len(nodes), [node]) for node in nodes]
        return [self._watts(name, port, 1, ()), *shares]

    def _watts(self, name: str, place: int, divisor: int, nodes: Sequence[str]) -> Told:
        metric = Metric(self._config.metric, POWER.unit, POWER.kind, POWER.help)
        labels = {ALIAS: "+".join(nodes)} if nodes else {}
        names = (self._config.metric, POWER.name, KWOLLECT)
        return Told(Series.of(name, metric, labels), place, divisor, names, (name, *nodes))

    def _plain(self, name: str, metric: Metric, place: int, labels: Mapping[str, str] | None = None) -> Told:
        return Told(Series.of(name, metric, labels), place, 1, (metric.name,), (name, *self._nodes.get(name, ())))

    def _name(self, port: int) -> str:
        return f"{self._config.device}-port{port}"

    def _devices(self) -> list[Device]:
        """Return the wattmeter, its ports, and who draws from them: a node on several ports has as many feeds."""
        above = self._config.device
        devices = [Device(above, "wattmeter")]
        feeds: dict[str, list[str]] = {}
        for name in map(self._name, range(self.count)):
            devices.append(Device(name, "outlet", (("", above),)))
            nodes = self._nodes.get(name, ())
            is_shared = len(nodes) > 1 and self._config.shared == "share"
            for node in nodes:
                if is_shared:
                    devices.append(Device(f"{name}/{node}", "share", (("", name),)))
                feeds.setdefault(node, []).append(f"{name}/{node}" if is_shared else name)
        for node, ports in feeds.items():
            named = [(str(i), port) for i, port in enumerate(ports, start=1)] if len(ports) > 1 else [("", ports[0])]
            devices.append(Device(node, "server", tuple(named)))
        return devices


def read_mapping(path: str) -> dict[str, tuple[str, ...]]:
    """Read a file of `node: [wattmetre-port3, ...]` lines as the nodes of each port; an empty path gives none.

    Raises Misconfigured, naming the file and the node, when it cannot be read or says something else.
    """
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # the latter: no path holds a NUL
        raise Misconfigured(f"mapping: {path} cannot be read: {getattr(error, 'strerror', error)}") from error
    if len(text) > _LARGEST:
        raise Misconfigured(f"mapping: {path} is larger than {_LARGEST >> 20} MiB")
    try:
        given: Any = yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Misconfigured(f"mapping: {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict):
        raise Misconfigured(f"mapping: {path} has no lines of the form `node: [wattmetre-port3]`")
    nodes: dict[str, list[str]] = {}
    for node, ports in given.items():
        listed = [ports] if isinstance(ports, str) else ports
        if not isinstance(listed, list) or not all(isinstance(port, str) for port in listed):
            raise Misconfigured(f"mapping: {path}: {node} needs a list of ports, such as [wattmetre-port3]")
        for port in dict.fromkeys(listed):
            nodes.setdefault(port, []).append(str(node))
    return {port: tuple(names) for port, names in nodes.items()}
