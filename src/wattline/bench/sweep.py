"""A sweep over the CPU times of all processes: kept descriptors against psutil."""

import psutil

from wattline.bench.measure import Row, interleaved, own_cpu
from wattline.wire.procfs import Proc

_SWEEPS = 20


def rows() -> list[Row]:
    """Measure both on the processes that run here now."""
    proc = Proc()
    count = max(sum(len(part) for part in proc.sweep()), len(psutil.pids()))

    def ours() -> float:
        began = own_cpu()
        for _ in range(_SWEEPS):
            for _ in proc.sweep():
                pass
        return (own_cpu() - began) / _SWEEPS / count

    def theirs() -> float:
        began = own_cpu()
        for _ in range(_SWEEPS):
            for process in psutil.process_iter(["cpu_times"]):
                process.info["cpu_times"]
        return (own_cpu() - began) / _SWEEPS / count

    cost = interleaved({"ours": ours, "theirs": theirs})
    proc.close()
    work, note = "read the CPU time of every process", f"{count} processes"
    return [Row(work, "us a process", cost["ours"] * 1e6, "psutil", cost["theirs"] * 1e6, "1/3", note)]
