"""The drain of a sink that may be away: what it does not take goes to a spool on disk, and to it later, in order."""

import asyncio
from typing import Any

from wattline.runtime.drain import MOST, Drain, log
from wattline.runtime.failure import failure
from wattline.runtime.spool import Spool


class SpooledDrain(Drain):
    """A drain with a spool behind its queue.

        queue ──▶ sink                     while the sink takes all and the spool is empty
        queue ──▶ spool ──▶ sink           else; so nothing overtakes what waits longer

    What is in the spool is safe, so an end does not wait for it.

    The sink is opened at the first write, and again after every failure.
    """

    def __init__(self, *given: Any, spool: Spool, **options: Any) -> None:
        super().__init__(*given, **options)
        self.spool = spool
        self._open = False
        self._dropped = 0
        if spool.samples:
            self._woken.set()

    async def run(self) -> None:
        """See `Drain.run`; what the sink has not taken at the end is in the spool."""
        try:
            await super().run()
        finally:
            await self._put_by()
            await self._shut()
            self.spool.close()

    async def _emptied(self) -> bool:
        if not self.spool.samples and await self._opened():
            if await super()._emptied():
                return True
            await self._shut()
        await self._put_by()
        return await self._delivered()

    async def _delivered(self) -> bool:
        """Give the sink what the spool holds; False: it fails."""
        while batches := await asyncio.to_thread(self.spool.peek, MOST):
            if not await self._opened():
                return False
            wanted = self._wanted(batches)
            try:
                refused = await self._write(wanted)
            except Exception as error:  # noqa: BLE001 - a stranger's sink; `_failed` says what it means
                self._failed(error)
                await self._shut()
                return False
            await asyncio.to_thread(self.spool.forget, batches)
            self._wrote([batch for batch in wanted if id(batch) not in refused])
        return True

    async def _opened(self) -> bool:
        if not self._open:
            try:
                async with self._clock.timeout(10):
                    await self.sink.open()
            except Exception as error:  # noqa: BLE001 - a stranger's sink; `_failed` says what it means
                self._failed(error)
                return False
            self._open = True
        return True

    async def _shut(self) -> None:
        if self._open:
            self._open = False
            try:
                async with self._clock.timeout(1):
                    await self.sink.close()
            except Exception as error:  # noqa: BLE001 - nothing acknowledged depends on closing
                log.debug("%s did not close: %s", self.name, failure(error, self._secrets).text)

    async def _put_by(self) -> None:
        """Move the queue to the spool. What the disk does not take stays in the queue."""
        batches = self.backlog.take(self.backlog.samples)
        if batches:
            try:
                await asyncio.to_thread(self.spool.append, batches)
            except OSError as error:
                self._failed(error)
                self._drop(self.backlog.put_back(batches))
        if lost := self.spool.dropped - self._dropped:
            self._measures.dropped.add(lost, self.name)
            self._dropped = self.spool.dropped
