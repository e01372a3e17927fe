"""The ground truth of a simulated rack: every value as a pure function of (series, time).

Nobody need have seen a run to know what it must have stored: `truth` recomputes any value, `Rack.microjoules` the exact
energy of any window. Power is constant within a second; registers are its exact integral rounded down to 0.1 J, modulo
their range. PDU k feeds outlets, an outlet feeds one server, and what a PDU measures is what its outlets measure and
6 W of its own.
"""

import re
from typing import Annotated, Final

import numpy as np
from msgspec import Meta

from wattline.drivers.sim.week import FLOOR, FULL, HOUR, IDLE, SPAN, Ints, Week, split, week
from wattline.plugin import DriverConfig, Kind, Mask, Metric, Misconfigured, Times, Unit, Values

SECOND: Final = 1_000_000_000
TENTHS: Final = 10
"""Units of power and energy in here are tenths of a watt and of a joule."""
OWN: Final = 60
"""Tenths of a watt that a PDU draws itself."""
RANGE: Final = 2**32
"""Counts of 0.1 J after which a register is 0 again, unless `wrap` says otherwise."""
SILENCE_EVERY: Final = 600 * SECOND
BMC_WINDOW: Final = 3
"""Seconds over which a BMC averages."""
WARMING: Final = 300
"""Seconds over which the air behind a server follows its power."""
_PART: Final = re.compile(r"server-0*([1-9]\d*)|pdu-([1-9]\d*)(?:/outlet-([1-9]\d*))?")

POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power")
ENERGY = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register")
CURRENT = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current, root mean square")
VOLTAGE = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage, root mean square")
CPU = Metric("cpu_ratio", Unit.RATIO, Kind.GAUGE, "Share of the processors that is busy, 0 to 1")
TEMPERATURE = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Air temperature")
JOB = Metric("job", Unit.NONE, Kind.STATE, "Name of the job that runs on the server")
METRICS: Final = (POWER, ENERGY, CURRENT, VOLTAGE, CPU, TEMPERATURE, JOB)
RATED: Final = FULL / TENTHS
LEAST: Final = FLOOR / TENTHS
"""Most and least watts of a server."""


class SimConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a simulated rack; two racks with equal options say the same at the same time."""

    host: str = "rack"
    servers: Annotated[int, Meta(ge=1, le=1000)] = 16
    pdus: Annotated[int, Meta(ge=1, le=100)] = 2
    seed: Annotated[int, Meta(ge=0)] = 0
    frames: Annotated[int, Meta(ge=1, le=100_000)] = 1
    wrap: Annotated[float, Meta(ge=0, le=1e15)] = 0.0
    gaps: Annotated[float, Meta(ge=0, le=600)] = 0.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Rack:
    """A rack of `servers` behind `pdus`, with its names and its truth. Immutable; makes its week once (30 ms)."""

    def __init__(self, config: SimConfig) -> None:
        if config.pdus > config.servers:
            raise Misconfigured(f"sim://{config.host}: {config.pdus} PDUs have only {config.servers} servers to feed")
        self.name: Final = config.device or f"sim-{config.host or 'rack'}"
        self.servers: Final = config.servers
        self.pdus: Final = config.pdus
        self.per_pdu: Final = -(-config.servers // config.pdus)
        self.range: Final = round(config.wrap * TENTHS) or RANGE
        self._silence = round(config.gaps * SECOND)
        self._seed = config.seed
        self._week: Week = week(config.servers, config.seed)
        self._digits = max(2, len(str(config.servers)))

    # --- names ---

    def server(self, i: int) -> str:
        """Name server i (from 0)."""
        return f"{self.name}/server-{i + 1:0{self._digits}}"

    def pdu(self, k: int) -> str:
        """Name PDU k (from 0)."""
        return f"{self.name}/pdu-{k + 1}"

    def outlet(self, i: int) -> str:
        """Name the outlet that feeds server i."""
        return f"{self.pdu(i // self.per_pdu)}/outlet-{i % self.per_pdu + 1}"

    def fed_by(self, k: int) -> range:
        """Return the servers behind PDU k."""
        return range(k * self.per_pdu, min((k + 1) * self.per_pdu, self.servers))

    def behind(self, device: str) -> tuple[str, range]:
        """Return the type of a device of this rack, and the servers behind it. Raises Misconfigured: it is none."""
        if device == self.name:
            return "rack", range(self.servers)
        part = _PART.fullmatch(device.removeprefix(f"{self.name}/"))
        found = ("", range(0))
        if part and part[1]:
            found = "server", range(self.servers)[int(part[1]) - 1 :][:1]
        elif part and part[3]:
            found = "outlet", self.fed_by(int(part[2]) - 1)[int(part[3]) - 1 :][:1]
        elif part:
            found = "pdu", self.fed_by(int(part[2]) - 1)
        if not found[1]:
            raise Misconfigured(f"{device} is no device of {self.name}")
        return found

    # --- truth ---

    def tenths_of_watts(self, time: Times) -> Ints:
        """Return what every server draws at `time` (ns, int64[n]), in 0.1 W: int64[n, servers]."""
        return self._week.power(time // SECOND)

    def tenths_of_joules(self, time: Times, *, own: int = 0, behind: range | None = None) -> Ints:
        """Return the exact energy since the epoch, rounded down to 0.1 J.

        Of every server apart, int64[n, servers]; or, in sum, of servers `behind` and `own` tenths of a watt: [n].
        """
        second, ns = np.divmod(time, SECOND)
        whole, power = self._week.joules(second), self._week.power(second)
        if behind is None:
            return whole + power * ns[:, None] // SECOND
        part = slice(behind.start, behind.stop)
        every = whole[:, part].sum(axis=1) + own * second
        return np.asarray(every + (power[:, part].sum(axis=1) + own) * ns // SECOND, np.int64)

    def microjoules(self, device: str, start: int, end: int) -> int:
        """Return the exact energy of a rack, PDU, outlet or server in [start, end) ns, rounded to a microjoule."""
        kind, behind = self.behind(device)
        own = {"rack": OWN * self.pdus, "pdu": OWN}.get(kind, 0)
        part = slice(behind.start, behind.stop)

        def nano(t: int) -> int:
            second, ns = divmod(t, SECOND)
            at = np.array([second], np.int64)
            whole = int(self._week.joules(at)[0, part].sum()) + own * second
            return whole * SECOND + (int(self._week.power(at)[0, part].sum()) + own) * ns

        return (nano(end) - nano(start) + 5_000) // 10_000  # 0.1 W x 1 ns = 1e-4 uJ

    def silent(self, device: str, time: Times) -> Mask:
        """Say when a device gives nothing: `gaps` seconds in every ten minutes, each device at its own phase."""
        phase = _mix(device, self._seed) % SILENCE_EVERY
        return np.asarray((time - phase) % SILENCE_EVERY < self._silence)

    def jobs(self, time: Times) -> Ints:
        """Return the number of every server's job, an index into `job_names`: int64[n, servers]."""
        _, minute, _ = split(time // SECOND)
        return self._week.job[:, minute].T

    @property
    def job_names(self) -> tuple[str, ...]:
        """Names of jobs; the first stands for none."""
        return self._week.jobs

    def server_values(self, time: Times) -> dict[str, Values]:
        """Return what the BMCs say, by metric name: float64[n, servers]. `job` is an index into `job_names`."""
        second = time // SECOND
        mean = (self._week.joules(second) - self._week.joules(second - BMC_WINDOW)) / BMC_WINDOW
        noise = ((_mixed(second)[:, None] + np.arange(self.servers) * 7919) % 201 - 100) / 10_000  # +-1 %
        warm = (self._week.joules(second) - self._week.joules(second - WARMING)) / WARMING
        inlet = 21 + 2 * np.sin((second / HOUR - 9) / 24 * 2 * np.pi)
        return {
            POWER.name: np.rint(mean * (1 + noise) / TENTHS),
            CPU.name: np.rint(np.clip((self._week.power(second) - IDLE) / SPAN, 0, 1) * 1000) / 1000,
            TEMPERATURE.name: np.rint((inlet[:, None] + warm / TENTHS / 18) * 10) / 10,
            JOB.name: self.jobs(time).astype(np.float64),
        }

    def outlet_values(self, time: Times) -> dict[str, Values]:
        """Return what the outlets say, by metric name: float64[n, servers]."""
        power = self.tenths_of_watts(time)
        register = self.tenths_of_joules(time) % self.range
        return {
            POWER.name: power / TENTHS,
            ENERGY.name: register / TENTHS,
            CURRENT.name: np.rint(power / TENTHS / 230 / 0.95 * 100) / 100,
        }

    def pdu_values(self, k: int, time: Times) -> dict[str, Values]:
        """Return what PDU k says of itself, by metric name: float64[n]."""
        behind = self.fed_by(k)
        power = self.tenths_of_watts(time)[:, behind.start : behind.stop].sum(axis=1) + OWN
        register = self.tenths_of_joules(time, own=OWN, behind=behind) % self.range
        voltage = 2300 + (_mixed(time // SECOND) + k * 7919) % 41 - 20
        return {
            POWER.name: power / TENTHS,
            ENERGY.name: register / TENTHS,
            CURRENT.name: np.rint(power / voltage / 0.95 * 100) / 100,
            VOLTAGE.name: voltage / TENTHS,
        }

    def rack_values(self, time: Times) -> dict[str, Values]:
        """Return what the sensors at the rack's door say, by metric name: float64[n]."""
        behind = self.server_values(time)[TEMPERATURE.name]
        return {TEMPERATURE.name: np.rint(behind.mean(axis=1) * 10) / 10}

    def values(self, device: str, metric: str, time: Times) -> Values:
        """Return the truth of one series at `time` (ns, int64[n]): float64[n]; NaN where the device is silent."""
        kind, behind = self.behind(device)
        if kind == "pdu":
            given = self.pdu_values(behind.start // self.per_pdu, time)
        elif kind == "rack":
            given = self.rack_values(time)
        else:
            table = self.outlet_values(time) if kind == "outlet" else self.server_values(time)
            given = {name: column[:, behind.start] for name, column in table.items()}
        if metric not in given:
            raise Misconfigured(f"{device} has no {metric}; it has {', '.join(given)}")
        return np.where(self.silent(device, time), np.nan, given[metric])


def truth(device: str, metric: str, time: Times, options: SimConfig) -> Values:
    """Recompute what `sim` gives for one series at `time` (ns, int64[n]): float64[n], NaN where it is silent.

    The `job` of a server is an index into `Rack(options).job_names`. Raises Misconfigured: there is no such series.
    """
    return Rack(options).values(device, metric, np.asarray(time, np.int64))


def _mix(text: str, seed: int) -> int:
    """Spread a text over the integers, alike on every host (FNV-1a, 64 bits)."""
    state = 0xCBF29CE484222325 ^ seed
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def _mixed(number: Ints) -> Ints:
    """Spread integers over 0 .. 2**31, alike on every host."""
    mixed = number * 2654435761 % 2**32
    return np.asarray((mixed ^ (mixed >> 15)) % 2**31, np.int64)
