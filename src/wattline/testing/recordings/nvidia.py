"""What `nvidia-smi -q -x` wrote, shown by the stand-in for NVIDIA's library and read by the driver `nvml`."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from wattline.drivers.nvml.driver import Nvml, NvmlConfig
from wattline.testing.driver_suite import opened
from wattline.testing.nvml import FakeGpu, FakeNvml
from wattline.testing.recordings.reading import Reading, readings_of

_NOW: Final = 1_700_000_000_000_000_000
_ARCHITECTURES: Final = ("", "", "Kepler", "Maxwell", "Pascal", "Volta", "Turing", "Ampere", "Ada Lovelace", "Hopper",
                         "Blackwell")  # fmt: skip
"""NVML's numbers of architectures by nvidia-smi's words for them."""


def matches(path: Path) -> bool:
    """Say whether a file is a log of nvidia-smi."""
    return path.suffix == ".xml" and b"<nvidia_smi_log" in path.read_bytes()[:1000]


def readings(path: Path) -> list[Reading]:
    """Return what the driver reads from GPUs as they were when the log was written."""
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - recordings of ours
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeNvml(Path(folder))
        fake.show(*(_gpu(one, i) for i, one in enumerate(root.iter("gpu"))))
        return asyncio.run(_read(NvmlConfig(library=str(fake.library), device="host")))


async def _read(config: NvmlConfig) -> list[Reading]:
    async with opened(Nvml(config)) as (driver, _):
        assert isinstance(driver, Nvml)
        return readings_of(await driver.read(_NOW))


def _gpu(gpu: ET.Element, index: int) -> FakeGpu:
    power = "gpu_power_readings" if gpu.find("gpu_power_readings") is not None else "power_readings"
    architecture = _text(gpu, "product_architecture")
    return FakeGpu(
        uuid=_text(gpu, "uuid") or f"GPU-{index}",
        name=_text(gpu, "product_name"),
        power=_count(gpu, f"{power}/power_draw", 1000) or _count(gpu, f"{power}/average_power_draw", 1000),
        instant=_count(gpu, f"{power}/instant_power_draw", 1000),
        average=_count(gpu, f"{power}/average_power_draw", 1000),
        energy=None,
        temperature=_count(gpu, "temperature/gpu_temp"),
        load=_count(gpu, "utilization/gpu_util"),
        limit=_count(gpu, f"{power}/current_power_limit", 1000) or _count(gpu, f"{power}/power_limit", 1000),
        architecture=_ARCHITECTURES.index(architecture) if architecture in _ARCHITECTURES[2:] else None,
        mig={"Enabled": 1, "Disabled": 0}.get(_text(gpu, "mig_mode/current_mig")),
    )


def _text(gpu: ET.Element, path: str) -> str:
    return (gpu.findtext(path) or "").strip()


def _count(gpu: ET.Element, path: str, factor: int = 1) -> int | None:
    """Return a number before its unit; None: `N/A` and its like."""
    number = _text(gpu, path).partition(" ")[0]
    try:
        return round(float(number) * factor)
    except ValueError:
        return None
