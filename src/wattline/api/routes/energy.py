"""/api/energy: joules of a window with their bounds, by series and in sum."""

from collections.abc import Sequence
from typing import Any

from litestar import Response

from wattline.api.parameters import Devices, End, Metrics, Start, Window, chooser, is_glob, matching, window
from wattline.api.problems import Problem
from wattline.api.routes.resource import resource, work
from wattline.api.rows import Catalogue
from wattline.api.schema import EnergyAnswer, EnergyFigures, EnergySeries, answer, exact_joules
from wattline.api.stamps import stamp
from wattline.api.view import Seen, View
from wattline.core.integral import Nature, nature
from wattline.ledger import windows
from wattline.ledger.aliases import sums, with_aliases
from wattline.ledger.chosen import choose, roots
from wattline.ledger.today import cost
from wattline.ledger.windows import Energy
from wattline.model import Device
from wattline.plugin import Entry


@resource("/api/energy", "Energy", tags=["history"])
async def energy(
    seen: Seen, device: Devices = None, metric: Metrics = None, start: Start = None, end: End = None
) -> Response[EnergyAnswer]:
    """Give the energy of a window, [start, end), for each series that matches and in sum.

    Without `metric` each device gives the series that is chosen as its energy, and one that is only an alias those of
    the devices that add up to it. The total takes no joule twice: of each
    device one series, and no device that is part of another one in the answer; `counted` says which were taken.
    """
    asked = window(start, end, seen.clock())
    return answer(await work(seen, lambda: _report(seen, device, metric, asked)))


def _report(view: View, device: Sequence[str] | None, metric: Sequence[str] | None, asked: Window) -> EnergyAnswer:
    entries = view.store.entries()
    devices = with_aliases(view.store.devices(), entries)
    _check_known(device, {one.name for one in devices})
    found = matching(entries, device, metric) if metric is not None else _speaking(devices, entries, device)
    found = list(Catalogue([entry for entry in found if nature(entry.series.metric) is not Nature.LEVEL]).entries)
    counted = _counted(devices, found)
    energies = windows.energy(view.store, found, asked.start, asked.end)
    series = [_series(view, entry, one, entry.id in counted) for entry, one in zip(found, energies, strict=True)]
    taken = [one for entry, one in zip(found, energies, strict=True) if entry.id in counted]
    total = EnergyFigures(**_figures(view, windows.total(taken))) if taken else None
    return EnergyAnswer(stamp(asked.start), stamp(asked.end), series, total)


def _speaking(devices: Sequence[Device], entries: Sequence[Entry], wanted: Sequence[str] | None) -> list[Entry]:
    """Return the series that stand for the energy of the devices that match, and of what adds up to them."""
    is_wanted, chosen = chooser(wanted, "device"), choose(devices, entries)
    names = {name for name in chosen if is_wanted(name)}
    for alias, origins in sums(devices, entries, chosen).items():
        if is_wanted(alias):
            names.update(origins)
    return [choice.energy for name, choice in chosen.items() if name in names and choice.energy]


def _check_known(names: Sequence[str] | None, known: set[str]) -> None:
    for name in names or ():
        if name not in known and not is_glob(name):
            raise Problem(f"there is no device {name[:200]!r}", status=404, parameter="device")


def _counted(devices: Sequence[Device], entries: Sequence[Entry]) -> set[int]:
    """Return the ids whose sum takes no joule twice: of each device without a parent there, the choice of `entries`."""
    chosen = choose(devices, entries)
    return {energy.id for name in roots(devices, chosen) if (energy := chosen[name].energy)}


def _series(view: View, entry: Entry, energy: Energy, is_counted: bool) -> EnergySeries:
    series = entry.series
    return EnergySeries(
        device=series.device,
        metric=series.metric.name,
        labels=series.label_values(),
        counted=is_counted,
        **_figures(view, energy),
    )


def _figures(view: View, energy: Energy) -> dict[str, Any]:
    price = view.site.price_per_kwh
    return {
        "joules": exact_joules(energy.joules),
        "kwh": energy.kwh,
        "coverage": energy.coverage,
        "lower": exact_joules(energy.lower),
        "upper": exact_joules(energy.upper),
        "method": list(energy.method),
        "gaps": energy.gaps,
        "resets": energy.resets,
        "assumed": energy.assumed,
        "estimated": bool(energy.estimated),
        "estimate": energy.estimated,
        "cost": None if price is None else float(cost(energy.joules, price)),
        "currency": None if price is None else view.site.currency,
    }
