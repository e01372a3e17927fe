"""From figures to a grade: what is found of a meter, how much it costs, and what would mend it, in plain words.

    A  every joule is counted, also over gaps        D  figures may be wrong, or mostly missing
    B  good while it is read without a gap           E  no measurement: an estimate, or nothing that gives energy
    C  fit for trends, not for bills                 -  it did not answer

A meter has the grade of its worst finding; docs/howto/know-your-meters.md lists them.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from wattline.core import quality
from wattline.core.integral import WINDOW_TOLERANCE, Nature
from wattline.doctor.figures import Figures, Source, figures
from wattline.doctor.observed import Observed

NONE: Final = "-"
BEST: Final = "A"
_HOUR, _DAY = 3600.0, 86_400.0
_OFTEN: Final = 1.5
"""A period beyond so many refreshes of the device, or the other way round, is told."""
_WHOLE, _MOSTLY = 0.995, 0.9
"""Shares of answers that a series is in: always, and often enough for energy."""


class Finding(Struct, frozen=True):
    """Something that is so: what, what mends it (empty: nothing need be done), the best `grade` that it allows, and of
    how many devices of the meter it is told.
    """

    kind: str
    grade: str
    said: str
    mend: str = ""
    devices: int = 1


class Verdict(Struct, frozen=True, eq=False):
    """A meter's grade with its reasons, gravest first, and the figures behind them."""

    seen: Observed
    figures: Figures
    grade: str
    findings: tuple[Finding, ...]


def verdict(seen: Observed) -> Verdict:
    """Return the verdict on a meter."""
    told = figures(seen)
    if not any(len(track.time) for track in seen.tracks):
        reason = seen.failure or "it gave no value"
        gone = Finding("dead", NONE, f"no answer: {reason}", "see to this first")
        return Verdict(seen, told, NONE, (gone,))
    found: dict[str, Finding] = {}
    for one in _all(seen, told):
        known = found.get(one.kind)
        worse = one if known is None or one.grade > known.grade else known
        count = one.devices + (known.devices if known else 0)
        found[one.kind] = Finding(worse.kind, worse.grade, worse.said, worse.mend, count)
    findings = sorted(found.values(), key=lambda one: one.grade, reverse=True)
    return Verdict(seen, told, max((one.grade for one in findings), default=BEST), tuple(findings))


def _all(seen: Observed, told: Figures) -> Iterator[Finding]:
    yield from _answers(seen, told)
    yield from _clock(told)
    yield from _absent(seen)
    if not told.sources:
        yield Finding(
            "nothing", "E", "no power and no energy among what it says", "name its power: a unit, another page or OID"
        )
    for source in told.sources:
        for rule in _RULES:
            yield from rule(seen, source)


def _answers(seen: Observed, told: Figures) -> Iterator[Finding]:
    share = seen.failed / max(seen.asked, seen.failed, 1)
    if seen.failed:
        grade = "D" if share > 0.2 else "C" if share > 0.05 else "B"
        said = f"{share:.0%} of the questions failed, the last with: {seen.failure}"
        yield Finding("failures", grade, said, "ask less often or give it more time (`every`, `timeout`)")
    if told.latency and seen.every and told.latency[1] > seen.every / 2:
        slow = told.latency[1] > seen.every
        said = f"answers take up to {seconds(told.latency[1])}, and it is polled every {seconds(seen.every)}"
        mend = f"`every: {seconds(_round_up(2 * told.latency[1]))}`"
        yield Finding("latency", "D" if slow else "C", said, mend)


def _clock(told: Figures) -> Iterator[Finding]:
    if told.offset is not None and abs(told.offset) > 0.1:
        side = "ahead of" if told.offset > 0 else "behind"
        said = f"its clock is {seconds(abs(told.offset))} {side} ours"
        yield Finding("clock", "C" if abs(told.offset) > 1 else "B", said, "let it take its time from NTP")


def _absent(seen: Observed) -> Iterator[Finding]:
    for track in seen.tracks:
        if track.share >= _WHOLE:
            continue
        name, is_there = f"{track.series.metric.name} of {track.series.device}", bool(len(track.time))
        costs = is_there and track.nature in (Nature.POWER, Nature.REGISTER)
        said = f"{name} is missing {1 - track.share:.0%} of the time" if is_there else f"{name} is never there"
        yield Finding("absent", BEST if not costs else "B" if track.share >= _MOSTLY else "C", said)


def _estimated(_: Observed, source: Source) -> Iterator[Finding]:
    if source.estimate:
        yield Finding(
            "estimate", "E", f"{source.device} is estimated: {source.estimate}", "measure it: a PDU, its BMC, RAPL"
        )


def _no_register(_: Observed, source: Source) -> Iterator[Finding]:
    if source.register is None and not source.estimate:
        yield Finding("no register", "B", "no register: gaps cost energy", "read its energy too, if it has a register")


def _refresh(seen: Observed, source: Source) -> Iterator[Finding]:
    one = source.refresh or source.register_refresh
    if one is None or seen.every is None or source.estimate:
        return
    if not one.at_most and seen.every * _OFTEN < one.period:
        grade = BEST if source.register or one.period <= 10 else "C" if one.period <= 60 else "D"
        said = f"polls every {seconds(seen.every)} but the device refreshes every {seconds(one.period)}"
        yield Finding("refresh", grade, said, f"`every: {seconds(_near(one.period))}` loses nothing")
    elif seen.every > 2 * one.period and source.register is None:
        than = "at least every" if one.at_most else "every"
        said = f"polls every {seconds(seen.every)} but the device refreshes {than} {seconds(one.period)}"
        yield Finding("refresh", "B", said, f"`every: {seconds(_near(one.period))}` sees what lies between")


def _resolution(_: Observed, source: Source) -> Iterator[Finding]:
    step, watts = source.resolution, source.watts
    if not step or not watts or step / watts <= 0.01 or source.estimate:
        return
    share = step / watts
    said = f"power has a resolution of {step:g} W, {share:.0%} of what is drawn"
    if source.register is not None:
        yield Finding("resolution", BEST, said, "use the register, as the ledger does")
    else:
        yield Finding("resolution", "D" if share > 0.2 else "C" if share > 0.05 else "B", said, "look for its register")


def _register(_: Observed, source: Source) -> Iterator[Finding]:
    if source.register is None or source.power is None:
        return
    if source.agreement is None:
        said = f"whether the register of {source.device} agrees with its power does not show yet"
        yield Finding("agreement", BEST, said, "watch longer (`--seconds`), or look into the store (`--data`)")
    elif not source.agreement.agrees:
        said = f"the register of {source.device} counts {source.agreement.ratio:.3g} times what its power says"
        yield Finding("agreement", "D", said, "check the unit and the scale of both")


def _wraps(seen: Observed, source: Source) -> Iterator[Finding]:
    register = source.register
    if register is None or not source.watts or not len(register.values):
        return
    whole = quality.wrap_period(register.column, source.watts)
    left = quality.until_wrap(register.column, float(register.values[-1]), source.watts)
    if whole is None or left is None or whole > 30 * _DAY:
        return
    said = f"the register wraps every {seconds(whole)} at {source.watts:,.4g} W, next in {seconds(left)}"
    if seen.every and whole < 2 * seen.every:
        mend = f"`every: {seconds(whole / 3)}` at least, or wraps are not seen"
        yield Finding("wrap", "D", said, mend)
    else:
        grade = "C" if whole < _HOUR else "B" if whole < _DAY else BEST
        yield Finding("wrap", grade, said, f"no gap may be longer than {seconds(whole)}; a wider register is better")


def _window(seen: Observed, source: Source) -> Iterator[Finding]:
    window = source.power.column.window if source.power else None
    if not window and source.averaged:
        said = f"power is an average over about {seconds(_near(source.averaged))}, by its register"
        yield Finding("window", BEST, f"{said}: shorter peaks do not show")
    if not window or source.register is not None or not seen.every:
        return
    if abs(seen.every - window) > WINDOW_TOLERANCE * window:
        said = f"power is an average over {seconds(window)}, polled every {seconds(seen.every)}"
        yield Finding("window", BEST, said, f"`every: {seconds(window)}` makes its energy exact")


_RULES: Final[tuple[Callable[[Observed, Source], Iterator[Finding]], ...]] = (
    _estimated, _no_register, _refresh, _resolution, _register, _wraps, _window,
)  # fmt: skip


def seconds(count: float) -> str:
    """Return a time for people, as configurations spell it where it is short."""
    for limit, unit, name in ((1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (2 * _HOUR, 60.0, "min"), (2 * _DAY, _HOUR, "h")):
        if count < limit:
            return f"{count / unit:.3g}{name}"
    return f"{count / _DAY:,.3g}d" if count < 1000 * _DAY else f"{count / (365.25 * _DAY):,.3g}y"


def _near(period: float) -> float:
    """Return a period that people would write: whole seconds from 2 s, else tenths."""
    return float(round(period)) if period >= 2 else max(round(period, 1), 0.1)


def _round_up(period: float) -> float:
    return float(int(period) + 1)
