"""The local day and the price of energy."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from wattline.ledger.windows import MICROJOULES_PER_KWH
from wattline.units import NANOSECONDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENT = Decimal("0.01")


def day_start(now: int, zone: str) -> int:
    """Return the beginning (ns) of the local day that `now` (ns) lies in. Raises ZoneInfoNotFoundError."""
    return day(now, zone)[0]


def day(now: int, zone: str) -> tuple[int, int]:
    """Return the local day that `now` lies in, [start, end) in ns: 23, 24 or 25 hours."""
    local = ZoneInfo(zone)
    today = (_EPOCH + timedelta(seconds=now // NANOSECONDS)).astimezone(local).date()
    return _midnight(today, local), _midnight(today + timedelta(days=1), local)


def _midnight(of: date, zone: ZoneInfo) -> int:
    """Return the first instant of a date, which is not 00:00 where the clock is advanced at midnight.

    Where midnight comes twice the first one counts (PEP 495, fold 0). Where it is skipped, fold 0 is read with the
    offset from before the gap, which gives the very instant of the step.
    """
    first = datetime.combine(of, time(), zone).astimezone(UTC)
    return (first - _EPOCH) // timedelta(seconds=1) * NANOSECONDS


def cost(joules: int, price_per_kwh: Decimal | str | float) -> Decimal:
    """Return the price of microjoules to 28 digits; a float price is read as the decimal that it prints as."""
    price = price_per_kwh if isinstance(price_per_kwh, Decimal) else Decimal(str(price_per_kwh))
    return Decimal(joules) * price / MICROJOULES_PER_KWH


def cents(amount: Decimal) -> Decimal:
    """Round an amount to hundredths, half to even, as a bill does at its end and nowhere before."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_EVEN)
