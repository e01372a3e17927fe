"""Exposition pages: our parser against that of prometheus_client, on a page like a node exporter's."""

from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from wattline.bench.measure import Row, interleaved, own_cpu
from wattline.wire.exposition import Parser

_ROUNDS: Final = 20


def page(cpus: int = 64, step: int = 0) -> str:
    """Return a page of about 1,100 lines: counters by CPU and mode, plain gauges, escaped labels, comments.

    The counters count on with each `step`.
    """
    modes = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
    lines = [
        "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.",
        "# TYPE node_cpu_seconds_total counter",
    ]
    lines += [
        f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}"}} {cpu * 1234.5 + i / 7 + step:.2f}'
        for cpu in range(cpus)
        for i, mode in enumerate(modes)
    ]
    for i in range(180):
        name = f"node_memory_part_{i}_bytes"
        lines += [f"# HELP {name} Memory information field {i}.", f"# TYPE {name} gauge", f"{name} {i * 4096e3:g}"]
    lines += ["# TYPE node_filesystem_avail_bytes gauge"]
    lines += [
        f'node_filesystem_avail_bytes{{device="/dev/sd{i}",mountpoint="/a \\"b\\" {i}"}} {i}e9' for i in range(40)
    ]
    return "\n".join(lines) + "\n"


def rows() -> list[Row]:
    """Measure both parsers on the same page, scrape after scrape."""
    text = page()
    body, count = text.encode(), text.count("\n")
    parser = Parser()
    parser.parse(body)

    def ours() -> float:
        began = own_cpu()
        for _ in range(_ROUNDS):
            parser.parse(body)
        return (own_cpu() - began) / _ROUNDS / count

    def theirs() -> float:
        began = own_cpu()
        for _ in text_string_to_metric_families(text):
            pass
        return (own_cpu() - began) / count

    cost = interleaved({"ours": ours, "theirs": theirs})
    return [
        Row(
            "parse an exposition page",
            "us a line",
            cost["ours"] * 1e6,
            "prometheus_client",
            cost["theirs"] * 1e6,
            "1/20",
        )
    ]
