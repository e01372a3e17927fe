"""OpenIPMI's BMC simulator `ipmi_sim` as a fixture: a controller of another make than our own fake one.

with IpmiSim([full_record(1, "Pwr Consumption", m=2)], {1: 100}) as bmc:
    Url.parse(f"ipmi://meter:secret@127.0.0.1:{bmc.port}/1")     # reads 200 W
    bmc.set(1, 110)

It knows suite 3 alone, neither Kg nor DCMI nor bridging (2.0.33), which `wattline.testing.bmc` does.
"""

import socket
from collections.abc import Mapping, Sequence
from typing import Final

from wattline.testing.agents import Server
from wattline.wire.ipmi import envelope, message
from wattline.wire.ipmi.message import APP, Request

_PROBE: Final = envelope.without_session(message.ask(Request(APP, 0x38, b"\x8e\x04"), 1))
_POLL: Final = 100
"""Milliseconds between two looks at the file of a sensor."""
_LEVELS: Final = ("callback", "user", "operator", "admin")
_STATES: Final = " ".join(["0" * 15] * 4)


class IpmiSim(Server):
    """One BMC with `records` of sensors and a byte as the reading of each, by its number."""

    program = "ipmi_sim"

    def __init__(
        self,
        records: Sequence[bytes],
        readings: Mapping[int, int],
        *,
        manufacturer: int = 674,
        user: str = "meter",
        password: str = "secret",  # noqa: S107 - of a simulator
    ) -> None:
        super().__init__()
        self._records, self._readings = records, dict(readings)
        self._manufacturer, self._user, self._password = manufacturer, user, password
        self._lives = 0

    def set(self, number: int, raw: int) -> None:
        """Let a sensor read another byte, a tenth of a second from now."""
        self._readings[number] = raw
        path = self.folder / f"sensor-{number}"
        path.with_suffix(".new").write_text(f"{raw}\n")
        path.with_suffix(".new").replace(path)

    def _arguments(self) -> list[str]:
        self._lives += 1
        state = self.folder / f"state-{self._lives}"  # one that was used before would double the sensors
        state.mkdir()
        for number, raw in self._readings.items():
            self.set(number, raw)
        lan, commands = self.folder / "lan.conf", self.folder / "bmc.emu"
        lan.write_text("\n".join(self._network()) + "\n")
        commands.write_text("\n".join(self._commands()) + "\n")
        return ["-c", str(lan), "-f", str(commands), "-s", str(state), "-n"]

    def _network(self) -> list[str]:
        return [
            'name "wattline"',
            "set_working_mc 0x20",
            "startlan 1",
            f"addr 127.0.0.1 {self.port}",
            "priv_limit admin",
            *(f"allowed_auths_{level} none md2 md5 straight" for level in _LEVELS),
            "guid a123456789abcdefa123456789abcdef",  # without one there are no RMCP+ sessions
            "endlan",
            f'user 2 true "{self._user}" "{self._password}" admin 40 none md2 md5 straight',
        ]

    def _commands(self) -> list[str]:
        lines = [
            "mc_setbmc 0x20",
            f"mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f {self._manufacturer:#x} 0x1000",
            "sel_enable 0x20 1000 0x0a",
        ]
        for number, raw in self._readings.items():
            file = self.folder / f"sensor-{number}"
            lines += [
                f'sensor_add 0x20 0 {number} 0x0b 0x01 poll {_POLL} file "{file}"',
                f"sensor_set_value 0x20 0 {number} {raw} 0",
                f"sensor_set_threshold 0x20 0 {number} readable 000000 0 0 0 0 0 0",
                f"sensor_set_event_support 0x20 0 {number} enable scanning per-state {_STATES}",
            ]
        lines += [f"main_sdr_add 0x20 {' '.join(f'{byte:#04x}' for byte in record)}" for record in self._records]
        return [*lines, "mc_enable 0x20"]

    def _free_port(self) -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            return int(one.getsockname()[1])

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.2)
            one.connect(("127.0.0.1", self.port))
            try:
                one.send(_PROBE)
                return len(one.recv(65_535)) > 20
            except OSError:
                return False
