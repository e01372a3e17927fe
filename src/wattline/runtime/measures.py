"""Wattline's own figures: counted where things happen, shown at `/metrics` (Prometheus exposition).

Each engine has a registry of its own, so two engines in one process do not mix. Counting is one addition to an int of
the event loop's thread; families are made when the page is asked for. What a figure counts stands in its help text.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_EDGES: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the buckets of commit times, seconds."""


class Tally:
    """A count that only grows, apart by the value of one label (`""` where there is none)."""

    __slots__ = ("counts", "label", "name", "text")

    def __init__(self, name: str, text: str, label: str = "") -> None:
        self.name = name
        self.text = text
        self.label = label
        self.counts: dict[str, int] = {} if label else {"": 0}

    def add(self, count: int = 1, value: str = "") -> None:
        """Count `count` more under a value of the label."""
        self.counts[value] = self.counts.get(value, 0) + count

    def family(self) -> Metric:
        """Return what the page shows."""
        family = CounterMetricFamily(f"wattline_{self.name}", self.text, labels=[self.label] if self.label else None)
        for value, count in self.counts.items():
            family.add_metric([value] if self.label else [], count)
        return family


class Seconds:
    """How long something took, in buckets, apart by sink."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, seconds: float, sink: str) -> None:
        """Count one that took `seconds`."""
        self._buckets.setdefault(sink, [0] * (len(_EDGES) + 1))[bisect_left(_EDGES, seconds)] += 1
        self._sums[sink] = self._sums.get(sink, 0.0) + seconds

    def family(self) -> Metric:
        """Return what the page shows."""
        family = HistogramMetricFamily(f"wattline_{self._name}", self._text, labels=["sink"])
        for sink, counts in self._buckets.items():
            edges = [*(str(edge) for edge in _EDGES), "+Inf"]
            rising = [(edge, sum(counts[: i + 1])) for i, edge in enumerate(edges)]
            family.add_metric([sink], rising, self._sums[sink])
        return family


class Level:
    """A figure that somebody else keeps, asked for when the page is made; by label value, or under `""` alone."""

    def __init__(self, name: str, text: str, label: str, sources: Callable[[], Mapping[str, float]]) -> None:
        self._name = name
        self._text = text
        self._label = label
        self._sources = sources

    def family(self) -> Metric:
        """Return what the page shows."""
        labels = [self._label] if self._label else None
        kind = CounterMetricFamily if self._name.endswith("_total") else GaugeMetricFamily
        family = kind(f"wattline_{self._name}", self._text, labels=labels)
        for value, figure in self._sources().items():
            family.add_metric([value] if self._label else [], figure)
        return family


class Measures(Collector):
    """The figures of one engine."""

    def __init__(self) -> None:
        self.polls = Tally("polls", "Polls of meters that were answered.")
        self.failures = Tally("poll_failures", "Polls that gave no answer, or one without meaning.", "cause")
        self.missed = Tally("missed_ticks", "Ticks at which a meter was not asked, because it was still busy.")
        self.bugs = Tally("bugs", "Errors that nobody expected; each is in the log with its traceback.")
        self.samples = Tally("samples", "Samples taken from meters.")
        self.late = Tally("late_frames", "Frames older than one that their meter had given before.")
        self.committed = Tally("committed_samples", "Samples that a sink has acknowledged.", "sink")
        self.refused = Tally("refused_samples", "Samples that a sink refused, because they contradict.", "sink")
        self.dropped = Tally("dropped_samples", "Samples lost because a full queue or spool made room.", "sink")
        self.write_failures = Tally("write_failures", "Writes that failed and are tried again.", "sink")
        self.commit_seconds = Seconds("commit_seconds", "Time that a sink took to acknowledge a write.")
        self._families = [one for one in vars(self).values() if isinstance(one, Tally | Seconds)]
        self._levels: list[Level] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def ask(self, name: str, text: str, source: Callable[[], float]) -> None:
        """Show what `source` returns as `wattline_<name>`: a counter if the name ends in `_total`, else a gauge."""
        self._levels.append(Level(name, text, "", lambda: {"": source()}))

    def ask_each(self, name: str, text: str, label: str, sources: Callable[[], Mapping[str, float]]) -> None:
        """Show one figure for each value of a label."""
        self._levels.append(Level(name, text, label, sources))

    def collect(self) -> Iterable[Metric]:
        """Return all families; what `prometheus_client` asks for."""
        return [one.family() for one in (*self._families, *self._levels)]

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not ask for figures."""
        return ()

    def page(self) -> bytes:
        """Return all figures as exposition text."""
        return generate_latest(self._registry)

    def counters(self) -> Mapping[str, float]:
        """Return all figures but histograms by name; one with a label as `name{label="value"}`."""
        return {
            f'{sample.name}{{{next(iter(sample.labels.items()))[0]}="{next(iter(sample.labels.values()))}"}}'
            if sample.labels
            else sample.name: sample.value
            for family in self.collect()
            if family.type != "histogram"
            for sample in family.samples
        }
