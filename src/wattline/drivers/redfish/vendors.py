"""What vendors do otherwise, as tables: where their own power stands, and what their sensors are called.

README.md says of each row on which device it was seen. A row is data: a new device is a new row and a test.
"""

import re
from typing import Final, NamedTuple


class OwnPower(NamedTuple):
    """Power that a vendor tells below `Oem` of `Power` instead of in `PowerControl`.

    `total` leads to the watts of the chassis; `supplies` to a list with watts at `watts` and a name at `name`, of which
    only those count whose `kind` is that of a power supply.
    """

    total: tuple[str, ...]
    supplies: tuple[str, ...] = ()
    watts: str = ""
    name: str = ""
    kind: tuple[str, str] = ("", "")


OWN_POWER: Final = (
    OwnPower(  # Fujitsu iRMC S6: PowerControl is missing altogether
        total=("Oem", "ts_fujitsu", "ChassisPowerConsumption", "CurrentPowerConsumptionW"),
        supplies=("Oem", "ts_fujitsu", "ChassisPowerSensors"),
        watts="CurrentPowerConsumptionW",
        name="Designation",
        kind=("EntityId", "Power Supply"),
    ),
    OwnPower(total=("PowerConsumedWatts",)),  # HP iLO 4 repeats it at the top, older ones say it only there
)


class SensorName(NamedTuple):
    """What the id of a sensor says: `part` of whom it speaks (a group of the match; empty: the whole), `side` too."""

    pattern: re.Pattern[str]
    part: str = ""
    side: str = ""


def _row(pattern: str, part: str = "", side: str = "") -> SensorName:
    return SensorName(re.compile(pattern, re.IGNORECASE), part, side)


SENSORS: Final = (
    _row(r"total_power_in|chassis_input_power"),  # power shelves: Delta, Lite-On
    _row(r"total_power_out|chassis_output_power", side="output"),
    _row(r"total_power_in_([A-C])", part="phase-{}"),
    _row(r"chassis_(?:input_)?(?:voltage|current)|current_in"),
    _row(r"ChassisVoltageRegulator0Input(?:Power|Energy)"),  # Cray EX: the input of a node or of an enclosure
    _row(r"(?:.+_)?Total_?HSC_?Power_0"),  # NVIDIA HGX, GB200: the hot-swap controllers together
    _row(r"PWR_SYSTEM"),  # NVIDIA DGX
    _row(r"PWR_PSU(\d+)", part="psu-{}"),
    _row(r"SystemBoardPwrConsumption"),  # Dell iDRAC
    _row(r"TotalPower|(?:System|Chassis|Total)_?(?:Input)?_?Power"),
    _row(r"Rectifier(\d+)InputPower", part="psu-{}"),  # Cray chassis
    _row(r"Rectifier(\d+)OutputPower", part="psu-{}", side="output"),
    _row(r"PSU\.Slot\.(\d+)_InputPower", part="psu-{}"),  # Dell
    _row(r"PSU\.Slot\.(\d+)_OutputPower", part="psu-{}", side="output"),
    _row(r"ps(\d+)_(?:input_(?:power|voltage|current)|total_energy_in|powerfactor)", part="psu-{}"),  # Delta
    _row(r"ps(\d+)_output_power", part="psu-{}", side="output"),
    _row(r"p(\d+)_(?:pin|iin)", part="psu-{}"),  # Lite-On
    _row(r"p(\d+)_pout", part="psu-{}", side="output"),
    _row(r"PS(\d+)_?Input(?:Power|Voltage|Current)", part="psu-{}"),
    _row(r"PS(\d+)Energy", part="psu-{}"),
    _row(r"PS(\d+)_?OutputPower", part="psu-{}", side="output"),
)
"""First match holds, of the whole id. Watts and joules that no row names are those of a part of their own."""

UNSOUND: Final = (
    re.compile(r"ps\d+_energy_(?:in|out)", re.IGNORECASE),  # Delta: PMBus accumulators that wrap within minutes
    re.compile(r"ps\d+_standby_output_power", re.IGNORECASE),
)
"""Ids of sensors that are not read at all."""

WORTH_ASKING: Final = re.compile(r"power|pwr|energy|watt|joule", re.IGNORECASE)
"""Ids of sensors that are asked for one by one, where the collection does not hold their readings."""
