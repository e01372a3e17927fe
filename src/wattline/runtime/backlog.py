"""What waits in memory for a sink: batches in order, bounded by samples; the oldest make room and are counted."""

from collections import deque
from collections.abc import Iterable, Sequence

from wattline.model import Batch


class Backlog:
    """A queue of batches of at most `limit` samples; a batch that is larger than that alone is taken all the same."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Batch] = deque()
        self.samples = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, batches: Iterable[Batch]) -> Sequence[Batch]:
        """Append batches; returns those that had to make room."""
        for batch in batches:
            self._waiting.append(batch)
            self.samples += batch.size
        return self._made_room() if self.samples > self._limit else ()

    def take(self, most: int) -> list[Batch]:
        """Take the oldest batches, `most` samples and at least one batch."""
        taken: list[Batch] = []
        room = most
        while self._waiting and (not taken or self._waiting[0].size <= room):
            batch = self._waiting.popleft()
            room -= batch.size
            taken.append(batch)
        self.samples -= most - room
        return taken

    def put_back(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        """Put what was taken before all else again; returns those that had to make room."""
        self._waiting.extendleft(reversed(batches))
        self.samples += sum(batch.size for batch in batches)
        return self._made_room()

    def _made_room(self) -> Sequence[Batch]:
        lost: list[Batch] = []
        while self.samples > self._limit and len(self._waiting) > 1:
            lost.append(self._waiting.popleft())
            self.samples -= lost[-1].size
        return lost
