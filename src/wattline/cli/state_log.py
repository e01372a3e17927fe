"""The state of every meter as lines of the log: what SIGUSR1 asks for."""

import logging
from datetime import UTC, datetime

from wattline.runtime.health import Health, Silent, Speaking
from wattline.units import NANOSECONDS

log = logging.getLogger("wattline.state")


def tell(health: Health) -> None:
    """Write the state of every meter to the log, whatever its level is."""
    before = log.level
    log.setLevel(logging.INFO)
    for meter in health.meters():
        last = "never" if meter.last is None else f"{datetime.fromtimestamp(meter.last / NANOSECONDS, UTC):%FT%TZ}"
        match meter.state:
            case Speaking():
                state = "speaking"
            case Silent(error=error):
                state = f"silent ({error})"
            case _:
                state = "waiting"
        often = "" if meter.period is None else f", every {meter.period:g} s"
        log.info("%s %s: %s; last value %s, %d polls, %d failed, %d missed%s", meter.name, meter.address,
                 state, last, meter.polls, meter.failed, meter.missed, often)  # fmt: skip
    log.setLevel(before)
