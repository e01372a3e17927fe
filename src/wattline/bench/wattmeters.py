"""A wattmeter of 42 ports at 50 frames a second, read in real time and dressed into batches.

There is no peer: the cost of Kwollect's reader is that of its database.
"""

import asyncio
import sys
from contextlib import aclosing
from typing import Final

from wattline.bench.measure import Row, own_cpu
from wattline.drivers.wattmetre.config import WattmetreConfig
from wattline.drivers.wattmetre.driver import Wattmetre
from wattline.plugin import Promoted, nothing_promoted
from wattline.runtime.dress import Dresser
from wattline.runtime.site import MeterConfig

PORTS: Final = 42
_SECONDS: Final = 10
_WRITER: Final = f"""
import time
began = time.time()
for n in range(1_000_000):
    time.sleep(max(0.0, began + n / 50 - time.time()))
    watts = ",".join(f"{{100 * port + n % 10:.1f}}" for port in range({PORTS}))
    print(f"0,0,{{time.time():.6f}},OK,{{watts}}", flush=True)
"""


def rows() -> list[Row]:
    """Measure means of all ports, and every frame of all ports."""
    work = f"read {PORTS} ports at 50 Hz into batches"
    means, mean_samples = asyncio.run(_cost(nothing_promoted))
    frames, frame_samples = asyncio.run(_cost(lambda metrics, devices: True))
    return [
        Row(f"{work}, means", "% of a core", 100 * means, reach="1", note=f"{mean_samples:.0f} samples/s"),
        Row(f"{work}, every frame", "% of a core", 100 * frames, reach="1", note=f"{frame_samples:.0f} samples/s"),
    ]


async def _cost(promoted: Promoted) -> tuple[float, float]:
    """Return CPU seconds a second and samples a second, from the second second on."""
    config = WattmetreConfig(command=f"{sys.executable} -c '{_WRITER}'")
    driver = Wattmetre(config)
    driver.promoted = promoted
    dresser = Dresser(MeterConfig(name="w", driver="wattmetre", options=config), {}, "bench/w")
    count, samples, before = 0, 0, 0.0
    try:
        await driver.open()
        async with aclosing(driver.stream()) as spoken:  # type: ignore[type-var]
            async for frames in spoken:
                batches = [dresser.batch(frame, 0) for frame in frames]
                if count == 0:
                    before = own_cpu()
                else:
                    samples += sum(batch.size for batch in batches if batch is not None)
                count += 1
                if count > _SECONDS:
                    break
        return (own_cpu() - before) / _SECONDS, samples / _SECONDS
    finally:
        await driver.close()
