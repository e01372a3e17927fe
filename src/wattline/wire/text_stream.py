"""Lines of text that somebody else writes: standard input, a FIFO, a file, or a program that is started for it.

What has come is looked for a few times a second and taken in one go: a writer of a hundred lines a second does not wake
the reader a hundred times. A descriptor is asked (poll(2)) before it is read, so that it need not be made non-blocking:
that would change it for everybody who shares it, the shell among them.
"""

import asyncio
import os
import select
import stat
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from wattline.errors import Gone, Malformed, Misconfigured, Unreachable

BEAT: Final = 0.25
"""Seconds between two looks."""
BLOCK: Final = 65_536
"""Bytes of one reading: what a pipe holds."""
LONGEST: Final = 65_536
"""Bytes that a line may have."""
_FAREWELL: Final = 0.5
"""Seconds that a program has to end when it is asked to."""
_STANDARD_INPUT: Final = 0


class TextStream:
    """One writer's lines. `path` is `-` for standard input; with `command` a program is started instead.

    `wait` is how many seconds it may be silent. The end of standard input or of a file is Gone; a FIFO whose writer has
    left, and a program that has ended, are Unreachable: both may come back.
    """

    def __init__(self, path: str, command: Sequence[str] = (), *, wait: float = 10.0) -> None:
        self.name = command[0] if command else "standard input" if path == "-" else path
        self._path, self._command, self._wait = path, tuple(command), wait
        self._descriptor: int | None = None
        self._program: Process | None = None
        self._returns = False
        self._rest = b""
        self._more = True

    async def open(self) -> None:
        """Open or start it. Raises Unreachable (it is not there yet) and Misconfigured (no right, no such program)."""
        await self.close()
        self._rest, self._more = b"", True
        if self._command:
            self._returns = True
            await self._start()
        elif self._path == "-":
            self._descriptor = os.dup(_STANDARD_INPUT)
        else:
            self._open_path()

    async def close(self) -> None:
        """Let go of it, and end the program that was started."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        program, self._program = self._program, None
        if program is None:
            return
        with suppress(ProcessLookupError):
            program.terminate()
        try:
            async with asyncio.timeout(_FAREWELL):
                await program.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                program.kill()
            await program.wait()

    async def lines(self) -> list[bytes]:
        """Return the whole lines that have come since, at least one, without their ends.

        Raises Gone or Unreachable at the end, when every line was returned, and Malformed when a line is too long.
        """
        try:
            async with asyncio.timeout(self._wait):
                while True:
                    await asyncio.sleep(0 if self._more else BEAT)
                    if came := self._take():
                        return came
        except TimeoutError as error:
            raise Unreachable(f"{self.name} said nothing for {self._wait:g} s") from error

    def _take(self) -> list[bytes]:
        if self._descriptor is None:
            raise Unreachable(f"{self.name} is not open")
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(0):
            self._more = False
            return []
        try:
            came = os.read(self._descriptor, BLOCK)
        except OSError as error:
            raise Unreachable(f"{self.name} cannot be read: {error.strerror}") from error
        self._more = len(came) == BLOCK
        if not came:
            return self._end()
        *whole, self._rest = (self._rest + came).split(b"\n")
        if len(self._rest) > LONGEST:
            self._rest = b""
            raise Malformed(f"{self.name}: no end of a line within {LONGEST} bytes")
        return whole

    def _end(self) -> list[bytes]:
        """Return the last line, which nobody ended; when there is none, say that this is the end."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return [rest]
        if self._returns:
            raise Unreachable(f"{self.name}: nobody writes to it any more")
        raise Gone(f"{self.name} has ended")

    def _open_path(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            self._returns = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        except PermissionError as error:
            raise Misconfigured(f"{self._path} may not be read by this user") from error
        except OSError as error:
            raise Unreachable(f"{self._path} cannot be opened: {error.strerror}") from error

    async def _start(self) -> None:
        reading, writing = os.pipe()
        self._descriptor = reading
        try:
            self._program = await asyncio.create_subprocess_exec(*self._command, stdin=DEVNULL, stdout=writing)
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{self.name} cannot be started: {getattr(error, 'strerror', error)}") from error
        finally:
            os.close(writing)
