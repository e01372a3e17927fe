"""NVIDIA's management library, as much of it as a meter needs: libnvidia-ml.so.1 by ctypes.

NVML API Reference: functions "Device Queries", fields "Field Value Enums". Every call may block for as long as the
driver likes (a GPU that falls off its bus takes seconds), so all of them belong off the event loop.
"""

import ctypes
import enum
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from wattline.errors import Misconfigured, Unreachable

LIBRARY: Final = "libnvidia-ml.so.1"
_TEXT: Final = 96
_BLANKS: Final = frozenset({
    0x7FFFFFF0, 0x7FFFFFF1, 0x7FFFFFF2, 0x7FFFFFF3, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFF0, 0x7FFFFFFFFFFFFFF1,
    0x7FFFFFFFFFFFFFF2, 0x7FFFFFFFFFFFFFF3, 0xFFFFFFFFFFFFFFFF, 140737488355328,
})  # fmt: skip
"""What NVIDIA's libraries write where there is no value (DCGM's BLANK, NOT_FOUND, NOT_SUPPORTED, NOT_PERMISSIONED)."""


class Answer(enum.IntEnum):
    """Return codes that mean something to a meter (nvmlReturn_t)."""

    DONE = 0
    NO_DEVICE = 6
    DRIVER_NOT_LOADED = 9
    LOST = 15


class Field(enum.IntEnum):
    """Field values (NVML_FI_DEV_*), in milliwatts."""

    POWER_AVERAGE = 185
    POWER_INSTANT = 186


class Gpu(Struct, frozen=True):
    """One GPU. `handle` is good until the next `open`."""

    index: int
    uuid: str
    name: str
    handle: int
    limit: int | None
    """Most milliwatts that it may draw."""
    averaged: bool
    """Whether its plain power reading is an average over a second: Ampere and later, except GA100."""
    mig: bool


class Reading(Struct, frozen=True):
    """What one GPU says: milliwatts, millijoules since the driver was loaded, degrees, per cent; None: no value."""

    power: int | None
    instant: int | None
    average: int | None
    energy: int | None
    temperature: int | None
    load: int | None


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Value(ctypes.Union):
    _fields_ = (
        ("double", ctypes.c_double), ("uint", ctypes.c_uint), ("ulong", ctypes.c_ulong),
        ("ulonglong", ctypes.c_ulonglong), ("longlong", ctypes.c_longlong), ("int", ctypes.c_int),
        ("ushort", ctypes.c_ushort),
    )  # fmt: skip


_MEMBERS: Final = ("double", "uint", "ulong", "ulonglong", "longlong", "int", "ushort")
"""Member of the union by nvmlValueType_t."""


class _FieldValue(ctypes.Structure):
    _fields_ = (
        ("field", ctypes.c_uint), ("scope", ctypes.c_uint), ("timestamp", ctypes.c_longlong),
        ("latency", ctypes.c_longlong), ("type", ctypes.c_uint), ("answer", ctypes.c_uint), ("value", _Value),
    )  # fmt: skip


class Library:
    """The loaded library. `open` before anything, `close` after; calls block."""

    def __init__(self, path: str = LIBRARY) -> None:
        self._path = path
        self._library: ctypes.CDLL | None = None

    def open(self) -> None:
        """Load and initialise it. Raises Misconfigured (no library) and Unreachable (no driver, no GPU)."""
        if self._library is not None:
            return
        try:
            library = ctypes.CDLL(self._path)
        except OSError as error:
            raise Misconfigured(f"{self._path} cannot be loaded: NVIDIA's driver is not installed ({error})") from error
        try:
            answer = int(library.nvmlInit_v2())
        except AttributeError as error:
            raise Misconfigured(f"{self._path} is no NVML") from error
        if answer != Answer.DONE:
            said = "the driver is not loaded" if answer == Answer.DRIVER_NOT_LOADED else f"it answers {answer}"
            raise Unreachable(f"{self._path}: {said}")
        self._library = library

    def close(self) -> None:
        """Let go of the driver."""
        if self._library is not None:
            self._library.nvmlShutdown()
            self._library = None

    def gpus(self) -> list[Gpu]:
        """Return the GPUs that answer now, by index. Raises Unreachable when the driver has gone."""
        count = ctypes.c_uint()
        if self._call("nvmlDeviceGetCount_v2", ctypes.byref(count)) != Answer.DONE:
            raise Unreachable(f"{self._path}: the driver does not say how many GPUs there are")
        found = (self._gpu(index) for index in range(count.value))
        return [gpu for gpu in found if gpu is not None]

    def read(self, gpu: Gpu) -> Reading | None:
        """Return what a GPU says now; None: it has left its bus."""
        handle = ctypes.c_void_p(gpu.handle)
        power = ctypes.c_uint()
        answer = self._call("nvmlDeviceGetPowerUsage", handle, ctypes.byref(power))
        if answer in (Answer.LOST, Answer.NO_DEVICE):
            return None
        use = _Utilization()
        known = self._call("nvmlDeviceGetUtilizationRates", handle, ctypes.byref(use)) == Answer.DONE
        instant, average = self._fields(handle, (Field.POWER_INSTANT, Field.POWER_AVERAGE))
        return Reading(
            power=_present(power.value) if answer == Answer.DONE else None,
            instant=instant,
            average=average,
            energy=self._number("nvmlDeviceGetTotalEnergyConsumption", handle, kind=ctypes.c_ulonglong),
            temperature=self._number("nvmlDeviceGetTemperature", handle, ctypes.c_uint(0)),
            load=_present(use.gpu) if known and use.gpu <= 100 else None,
        )

    def _gpu(self, index: int) -> Gpu | None:
        handle = ctypes.c_void_p()
        if self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle)) != Answer.DONE:
            return None
        uuid = self._text("nvmlDeviceGetUUID", handle)
        if not uuid:
            return None
        mode, pending = ctypes.c_uint(), ctypes.c_uint()
        mig = self._call("nvmlDeviceGetMigMode", handle, ctypes.byref(mode), ctypes.byref(pending)) == Answer.DONE
        limit = self._number("nvmlDeviceGetEnforcedPowerLimit", handle)
        architecture = self._number("nvmlDeviceGetArchitecture", handle) or 0
        major = ctypes.c_int()
        minor = ctypes.c_int()
        self._call("nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
        return Gpu(
            index=index,
            uuid=uuid,
            name=self._text("nvmlDeviceGetName", handle),
            handle=handle.value or 0,
            limit=limit or None,
            averaged=architecture >= _AMPERE and (major.value, minor.value) != _GA100,
            mig=mig and mode.value == 1,
        )

    def _fields(self, handle: ctypes.c_void_p, wanted: tuple[Field, ...]) -> list[int | None]:
        values = (_FieldValue * len(wanted))()
        for value, field in zip(values, wanted, strict=True):
            value.field = field
        if self._call("nvmlDeviceGetFieldValues", handle, ctypes.c_int(len(wanted)), values) != Answer.DONE:
            return [None] * len(wanted)
        return [
            _present(int(getattr(value.value, _MEMBERS[value.type])))
            if value.answer == Answer.DONE and value.type < len(_MEMBERS)
            else None
            for value in values
        ]

    def _number(self, name: str, *given: Any, kind: Callable[[], Any] = ctypes.c_uint) -> int | None:
        value = kind()
        return _present(int(value.value)) if self._call(name, *given, ctypes.byref(value)) == Answer.DONE else None

    def _text(self, name: str, handle: ctypes.c_void_p) -> str:
        room = ctypes.create_string_buffer(_TEXT)
        return room.value.decode(errors="replace") if self._call(name, handle, room, _TEXT) == Answer.DONE else ""

    def _call(self, name: str, *given: Any) -> int:
        """Call a function; one that an old driver lacks answers as one that is not supported."""
        if self._library is None:
            raise Unreachable(f"{self._path} is not open")
        function = getattr(self._library, name, None)
        return int(function(*given)) if function is not None else _NOT_SUPPORTED


_NOT_SUPPORTED: Final = 3
_AMPERE: Final = 7
"""NVML_DEVICE_ARCH_AMPERE."""
_GA100: Final = (8, 0)
"""Compute capability of A100 and A30, whose reading is not averaged."""


def _present(value: int) -> int | None:
    return None if value in _BLANKS or value < 0 else value
