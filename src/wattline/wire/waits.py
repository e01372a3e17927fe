"""Waits of one length share one timer, for they end in the order in which they began.

A thousand meters that wait five seconds for each answer, and get it, would set and cancel a thousand timers.
Here a wait is an entry in a queue, and the loop's timer is set for the oldest one alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from weakref import WeakKeyDictionary


class Wait:
    """One wait: calls back when it is over, unless it is cancelled before."""

    __slots__ = ("_callback", "due")

    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self._callback: Callable[[], object] | None = callback

    @property
    def lasts(self) -> bool:
        """Whether it is to call back yet."""
        return self._callback is not None

    def cancel(self) -> None:
        """See that it calls back no more."""
        self._callback = None

    def end(self) -> None:
        """Call back."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Waits:
    """The waits of one length (s) in one event loop."""

    __slots__ = ("_is_set", "_queue", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._queue: deque[Wait] = deque()
        self._is_set = False

    def begin(self, callback: Callable[[], object]) -> Wait:
        """Call back once, after the length of these waits."""
        loop, queue = asyncio.get_running_loop(), self._queue
        while queue and not queue[0].lasts:
            queue.popleft()
        wait = Wait(loop.time() + self._seconds, callback)
        queue.append(wait)
        if not self._is_set:
            self._is_set = True
            loop.call_at(wait.due, self._ring)
        return wait

    def _ring(self) -> None:
        loop, queue = asyncio.get_running_loop(), self._queue
        now = loop.time()
        while queue and (queue[0].due <= now or not queue[0].lasts):
            loop.call_soon(queue.popleft().end)  # after what has arrived meanwhile
        self._is_set = bool(queue)
        if queue:
            loop.call_at(queue[0].due, self._ring)


class Limit:
    """What `asyncio.timeout` is, by a shared timer: raises TimeoutError from a block that lasts too long."""

    __slots__ = ("_before", "_over", "_task", "_wait", "_waits")

    def __init__(self, of: Waits) -> None:
        self._waits = of
        self._over = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._before = task, task.cancelling()
        self._wait = self._waits.begin(self._end)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait.cancel()
        # A cancellation that came from outside as well stays one.
        if self._over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        self._over = True
        self._task.cancel()


_waits: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Waits]] = WeakKeyDictionary()


def waits(seconds: float) -> Waits:
    """Return the waits of a length in the running loop."""
    of_loop = _waits.setdefault(asyncio.get_running_loop(), {})
    found = of_loop.get(seconds)
    if found is None:
        found = of_loop[seconds] = Waits(seconds)
    return found
