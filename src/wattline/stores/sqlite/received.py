"""Which sequences of which lives were received, as ranges: small for ever, since sequences leave out none."""

from bisect import bisect_right


class Life:
    """One life of one source: its number, its source's number, and the sequences received of it."""

    __slots__ = ("_firsts", "_lasts", "last", "number", "source")

    def __init__(self, number: int, source: int) -> None:
        self.number = number
        self.source = source
        self.last = 0
        """The highest sequence received."""
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __contains__(self, sequence: int) -> bool:
        place = bisect_right(self._firsts, sequence) - 1
        return place >= 0 and sequence <= self._lasts[place]

    def add(self, first: int, last: int | None = None) -> None:
        """Add the sequences from `first` to `last`, both included, joining ranges that touch."""
        last = first if last is None else last
        if self._lasts and first == self._lasts[-1] + 1:  # the usual case: the next one
            self._lasts[-1] = self.last = last
            return
        low = bisect_right(self._firsts, first)
        if low and self._lasts[low - 1] >= first - 1:
            low -= 1
            first = self._firsts[low]
        high = low
        while high < len(self._firsts) and self._firsts[high] <= last + 1:
            last = max(last, self._lasts[high])
            high += 1
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]
        self.last = self._lasts[-1]

    def ranges(self) -> list[tuple[int, int]]:
        """Return (first, last) of each range, ascending."""
        return list(zip(self._firsts, self._lasts, strict=True))
