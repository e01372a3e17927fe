"""Figures of a store for people."""

from typing import Any

from wattline.stores.sqlite.vault import Vault

_CONTESTED = """select count(*) from (select 1 from chunk group by family, start having min(source) < max(source))"""
"""Hours of which two sources told the same series: the one that covers more is believed (core/rollup)."""


def figures(vault: Vault) -> dict[str, int | float | str]:
    """Return counts, times and bytes; `oldest` and `newest` (ns) are missing while there is no sample."""
    with vault.reader.snapshot() as connection:

        def one(query: str) -> Any:
            return connection.execute(query).fetchone()

        staged, raw, first, last = one(
            "select coalesce(sum(samples),0), coalesce(sum(length(body)),0), min(first), max(last) from staged"
        )
        chunks, samples, body = one(
            "select count(*), coalesce(sum(samples),0), coalesce(sum(length(body)),0) from chunk"
        )
        oldest, newest = one("select min(first), max(last) from chunk")
        rollups = one("select coalesce(sum(length(body)),0) from rollup")[0]
        page, pages, free = (one(f"pragma {name}")[0] for name in ("page_size", "page_count", "freelist_count"))
        found: dict[str, int | float | str] = {
            "samples": samples + staged,
            "bytes": (pages - free) * page,
            "bytes_chunks": body,
            "bytes_staged": raw,
            "bytes_rollups": rollups,
            "bytes_free": free * page,
            "chunks": chunks,
            "dirty_hours": one("select count(*) from dirty")[0],
            "contested_hours": one(_CONTESTED)[0],
            "late": one("select value from meta where name='late'")[0],
            "outages": one("select count(*) from outage")[0],
        }
    found |= {
        "series": len(vault.catalogue.series),
        "layouts": len(vault.catalogue.layouts),
        "devices": len(vault.catalogue.devices),
    }
    times = (
        [time for time in (oldest, first) if time is not None],
        [time for time in (newest, last) if time is not None],
    )
    if times[0]:
        found |= {"oldest": min(times[0]), "newest": max(times[1])}
    return found
