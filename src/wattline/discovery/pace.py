"""How fast is asked: so many questions a second over all hosts, evenly, without bursts."""

import asyncio


class Pace:
    """Gives turns, `rate` a second at most. It has many askers and one event loop."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0
        self.turns = 0
        """How many questions were allowed so far."""

    async def turn(self) -> None:
        """Return when one more question may be asked. Turns that nobody took are not saved up."""
        loop = asyncio.get_running_loop()
        at = max(self._next, loop.time())
        self._next = at + self._gap
        await asyncio.sleep(at - loop.time())
        self.turns += 1
