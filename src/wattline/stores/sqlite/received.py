"""Which sequences of which lives were received, as ranges: small for ever, since sequences leave out none."""

from bisect import bisect_right


class Life:
    """One life of one source: its number, its source's number, and the sequences received of it."""

    __slots__ = ("_firsts", "_lasts", "last", "number", "source")

    def __init__(self, number: int, source: int) -> None:
        self.number = number
        self.source = source
        self.last = 0
        """The highest sequence received: the end of the last range."""
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        """The ends of all ranges but the last one."""

    def __contains__(self, sequence: int) -> bool:
        place = bisect_right(self._firsts, sequence) - 1
        return place >= 0 and sequence <= (self._lasts[place] if place < len(self._lasts) else self.last)

    def add(self, first: int, last: int | None = None) -> None:
        """Add the sequences from `first` to `last`, both included, joining ranges that touch."""
        last = first if last is None else last
        if first == self.last + 1 and self._firsts:  # the usual case: the next one
            self.last = last
            return
        lasts = [*self._lasts, self.last] if self._firsts else []
        low = bisect_right(self._firsts, first)
        if low and lasts[low - 1] >= first - 1:
            low -= 1
            first = self._firsts[low]
        high = low
        while high < len(self._firsts) and self._firsts[high] <= last + 1:
            last = max(last, lasts[high])
            high += 1
        self._firsts[low:high] = [first]
        lasts[low:high] = [last]
        self.last = lasts.pop()
        self._lasts = lasts

    def ranges(self) -> list[tuple[int, int]]:
        """Return (first, last) of each range, ascending."""
        return list(zip(self._firsts, [*self._lasts, self.last], strict=False))
