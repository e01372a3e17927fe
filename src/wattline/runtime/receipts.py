"""Which answers of a meter the store has: for drivers that delete their source when it is safe.

An answer becomes batches, and the store's drain tells of each batch after its commit, in the order in which they were
given. An answer is safe when all of its batches are; one that is passed over was lost or refused, and is forgotten.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from wattline.model import Batch
from wattline.plugin import Frame

MOST: Final = 256
"""Answers that wait for the store; beyond that the oldest is forgotten, as if it were lost."""

Answer = Sequence[Frame]


class Receipts:
    """The answers of one meter that wait, and those that are safe and of which the driver does not know yet."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Answer, set[tuple[int, int]]]] = deque(maxlen=MOST)
        self._safe: deque[Answer] = deque(maxlen=MOST)

    def expect(self, answer: Answer, batches: Sequence[Batch]) -> None:
        """Wait for the batches that an answer became."""
        self._waiting.append((answer, {(batch.run, batch.sequence) for batch in batches}))

    def acknowledge(self, batch: Batch) -> None:
        """Take the store's word for one batch."""
        name = (batch.run, batch.sequence)
        for place, (answer, missing) in enumerate(self._waiting):
            if name in missing:
                missing.remove(name)
                if not missing:
                    self._safe.append(answer)
                for _ in range(place if missing else place + 1):
                    self._waiting.popleft()
                return

    def take(self) -> list[Answer]:
        """Return what has become safe since the last call."""
        answers = list(self._safe)
        self._safe.clear()
        return answers
