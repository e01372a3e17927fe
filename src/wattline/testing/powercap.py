"""A powercap tree of ordinary files, to be read where there is no RAPL: registers step and wrap as the kernel's do.

tree = Powercap(tmp_path, packages=2, dram=True)
tree.advance("intel-rapl:0", joules=120.0)
driver = Rapl(RaplConfig(path=str(tree.root)))
"""

import os
from pathlib import Path
from typing import Final

from wattline.wire.powercap import COUNTS, NANO_PER_MICRO

STEP_NANO: Final = 61_035
"""Nanojoules of one step as the kernel counts them where the unit is 2^-14 J."""


class Powercap:
    """A tree with packages (`intel-rapl:0` ...), their parts, perhaps `psys` and the same packages by MMIO again."""

    def __init__(
        self,
        root: Path,
        *,
        packages: int = 1,
        dram: bool = True,
        uncore: bool = False,
        psys: bool = False,
        mmio: bool = False,
        start: int = 0,
        step_nano: int = STEP_NANO,
    ) -> None:
        self.root: Final = root
        self.step_nano: Final = step_nano
        self._counts: dict[str, int] = {}
        parts = ["core", *(["uncore"] if uncore else []), *(["dram"] if dram else [])]
        for i in range(packages):
            self._add(f"intel-rapl:{i}", f"package-{i}", start)
            for j, part in enumerate(parts):
                self._add(f"intel-rapl:{i}:{j}", part, start)
            if mmio:
                self._add(f"intel-rapl-mmio:{i}", f"package-{i}", start)
        if psys:
            self._add(f"intel-rapl:{packages}", "psys", start)

    @property
    def most(self) -> int:
        """What `max_energy_range_uj` says of every zone."""
        return (COUNTS - 1) * self.step_nano // NANO_PER_MICRO

    @property
    def zones(self) -> tuple[str, ...]:
        """Names of the folders."""
        return tuple(self._counts)

    def advance(self, zone: str, joules: float) -> None:
        """Let a zone use energy: its register moves by whole steps and wraps at 2^32 of them."""
        self.set_count(zone, self._counts[zone] + round(joules * 1e9 / self.step_nano))

    def set_count(self, zone: str, count: int) -> None:
        """Set the count of a register, modulo 2^32; one write of constant length, so that no reader sees a half."""
        self._counts[zone] = count % COUNTS
        text = f"{self.microjoules(zone):<15d}\n".encode()
        descriptor = os.open(self._folder(zone) / "energy_uj", os.O_WRONLY | os.O_CREAT)
        try:
            os.pwrite(descriptor, text, 0)
        finally:
            os.close(descriptor)

    def microjoules(self, zone: str) -> int:
        """Return what a zone's `energy_uj` says now."""
        return self._counts[zone] * self.step_nano // NANO_PER_MICRO

    def vanish(self, zone: str) -> None:
        """Take a zone away: who kept it open reads nothing any more."""
        os.truncate(self._folder(zone) / "energy_uj", 0)
        (self._folder(zone) / "energy_uj").unlink()
        (self.root / zone).unlink()
        del self._counts[zone]

    def _add(self, zone: str, name: str, start: int) -> None:
        folder = self._folder(zone)
        folder.mkdir(parents=True)
        (self.root / zone).symlink_to(os.path.relpath(folder, self.root))
        for file, text in (("name", name), ("max_energy_range_uj", self.most), ("enabled", 0)):
            (folder / file).write_text(f"{text}\n")
        if name.startswith("package"):
            for file, text in (("name", "long_term"), ("power_limit_uw", 205_000_000), ("max_power_uw", 205_000_000)):
                (folder / f"constraint_0_{file}").write_text(f"{text}\n")
        self.set_count(zone, start)

    def _folder(self, zone: str) -> Path:
        """Return where the kernel keeps a zone: parts inside their whole, below their control type."""
        control, *numbers = zone.split(":")
        names = [":".join([control, *numbers[: n + 1]]) for n in range(len(numbers))]
        return self.root.joinpath("devices", control, *names)
