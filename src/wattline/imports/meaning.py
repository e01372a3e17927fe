"""What the names and units of older systems say of a number, as far as they can be believed.

Kwollect knows no unit: the tail of a name is one ("The unit is the tail of the metric name"). Only tails that are base
units count, because a conversion would change the numbers that its clients know: kilowatt hours stay what they are, and
no energy is made of them. What is not listed is unknown, and unknown is honest.
"""

from typing import Final

from wattline.errors import Misconfigured
from wattline.units import Unit, parse_unit

_TAILS: Final = {
    "watt": "W", "watts": "W", "volt": "V", "volts": "V", "amp": "A", "ampere": "A", "amperes": "A", "hertz": "Hz",
    "celsius": "Cel", "va": "VA", "joule": "J", "joules": "J", "byte": "By", "bytes": "By",
    "second": "s", "seconds": "s",
}  # fmt: skip
_LEVELS: Final = ("W", "V", "A", "Hz", "Cel", "VA")
"""Units of levels: of these there is no running total."""
_TOTAL: Final = "total"
_SAID: Final = {
    "watt": "W", "watts": "W", "volt": "V", "volts": "V", "ampere": "A", "amps": "A", "amperes": "A", "celsius": "Cel",
    "°c": "Cel", "deg. c": "Cel", "c": "Cel", "hertz": "Hz", "mhz": "MHz", "khz": "kHz", "ghz": "GHz", "wh": "Wh",
    "kwh": "kWh", "kw": "kW", "percent": "%", "bytes": "By", "b": "By", "joule": "J", "joules": "J", "rpm": "rpm",
}  # fmt: skip
"""Other ways to write units, in small letters."""


def of_name(name: str) -> dict[str, str]:
    """Return `unit` and `kind` that the tail of a Kwollect name says, or nothing.

    `..._watt` is a gauge in watts; `..._bytes_total` a counter of bytes, `..._packets_total` one without a unit.
    """
    words = name.lower().split("_")
    if words[-1] == _TOTAL and len(words) > 1:
        tails = [_TAILS[word] for word in words[:-1] if word in _TAILS and _TAILS[word] not in _LEVELS]
        return {"unit": tails[-1], "kind": "counter"} if tails else {"kind": "counter"}
    unit = _TAILS.get(words[-1], "") if len(words) > 1 else ""
    return {"unit": unit, "kind": "gauge"} if unit in _LEVELS else {}


def of_unit(said: str) -> str | None:
    """Return a unit as we write it; None: it is not known here."""
    for text in (said.strip(), _SAID.get(said.strip().lower(), "")):
        try:
            if text and parse_unit(text)[0] is not Unit.NONE:
                return text
        except Misconfigured:
            continue
    return None
