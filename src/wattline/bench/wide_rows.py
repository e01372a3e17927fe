"""The peer of the store: PostgreSQL with one wide row a sample, the shape that Kwollect uses.

`timestamptz, text, text, float8, jsonb` with a btree on (device, metric, time), loaded by COPY as text.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import psycopg

from wattline.model import Times, Values

_TABLE: Final = """
create table metrics (timestamp timestamptz not null, device_id text not null, metric_id text not null,
                      value float8 not null, labels jsonb);
create index on metrics (device_id, metric_id, timestamp desc);
"""
_ENERGY: Final = """
select device_id, metric_id, sum((value + next) / 2 * extract(epoch from later - timestamp))
from (select device_id, metric_id, timestamp, value,
             lead(value) over one as next, lead(timestamp) over one as later
      from metrics where metric_id = any(%s) and timestamp >= %s and timestamp < %s
      window one as (partition by device_id, metric_id order by timestamp)) pairs
group by device_id, metric_id
"""


class WideRows:
    """One connection to a database that holds the table."""

    def __init__(self, address: str) -> None:
        self._connection = psycopg.connect(address, autocommit=True)
        self._connection.execute(_TABLE)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def append(self, devices: Sequence[str], metrics: Sequence[str], time: Times, values: Values) -> None:
        """Store one frame of each device in one commit: `time` int64[d] (ns), `values` float64[d, k]."""
        stamps = np.char.add(np.datetime_as_string((time // 1000).view("M8[us]")), "Z").tolist()
        tail = '\t{"_device_alias": "rack-7-pdu", "unit": "W"}\n'
        rows = [
            f"{stamp}\t{device}\t{metric}\t{value!r}{tail}"
            for stamp, device, frame in zip(stamps, devices, values.tolist(), strict=True)
            for metric, value in zip(metrics, frame, strict=True)
        ]
        with self._connection.cursor() as cursor, cursor.copy("copy metrics from stdin") as copy:
            copy.write("".join(rows))

    def rows(self, devices: Sequence[str], metrics: Sequence[str], start: int, end: int) -> int:
        """Fetch the samples of a window (ns) as rows and return how many there are."""
        found = self._connection.execute(
            "select timestamp, device_id, metric_id, value from metrics where device_id = any(%s)"
            " and metric_id = any(%s) and timestamp >= %s and timestamp < %s order by timestamp, device_id, metric_id",
            (list(devices), list(metrics), _stamp(start), _stamp(end)),
        )
        return len(found.fetchall())

    def energy(self, metrics: Sequence[str], start: int, end: int) -> dict[tuple[str, str], float]:
        """Return joules by (device, metric) over a window (ns), by the trapezoid rule in SQL."""
        found = self._connection.execute(_ENERGY, (list(metrics), _stamp(start), _stamp(end)))
        return {(device, metric): float(joules) for device, metric, joules in found}

    def bytes(self) -> int:
        """Return what table and index take on disk."""
        row = self._connection.execute("select pg_total_relation_size('metrics')").fetchone()
        assert row is not None
        return int(row[0])


def _stamp(time: int) -> str:
    return f"{np.datetime64(time // 1000, 'us')}Z"
