"""A stand-in for libnvidia-ml.so.1, compiled where a C compiler is: GPUs are what a file says.

fake = FakeNvml(tmp_path)
fake.show(FakeGpu("GPU-aaaa", power=312_500))
driver = Nvml(NvmlConfig(library=str(fake.library)))
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple

SOURCE: Final = Path(__file__).parent / "nvml.c"


class FakeGpu(Struct, frozen=True):
    """A GPU: milliwatts, millijoules, degrees, per cent. None: not supported; -1 as `power`: it has left its bus."""

    uuid: str
    name: str = "Imaginary H1"
    power: int | None = 100_000
    instant: int | None = None
    average: int | None = None
    energy: int | None = 1_000_000
    temperature: int | None = 40
    load: int | None = 50
    limit: int | None = 300_000
    architecture: int | None = 9
    major: int | None = 9
    minor: int | None = 0
    mig: int | None = 0


class FakeNvml:
    """The library in a folder of its own. `library` is its path; without `show` the driver is not loaded."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "libnvidia-ml.so.1"
        self._state = folder / "gpus"
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("there is no C compiler (cc)")
        flags = ["-shared", "-fPIC", "-O1", f'-DSTATE="{self._state}"', "-o", str(self.library), str(SOURCE)]
        subprocess.run([compiler, *flags], check=True, capture_output=True, timeout=60)  # noqa: S603

    def show(self, *gpus: FakeGpu) -> None:
        """Have these GPUs from now on."""
        rows = ("\t".join("-" if part is None else str(part) for part in astuple(gpu)) for gpu in gpus)
        new = self._state.with_suffix(".new")
        new.write_text("".join(f"{row}\n" for row in rows))
        new.replace(self._state)

    def unload(self) -> None:
        """Have no driver."""
        self._state.unlink(missing_ok=True)
