"""Which registers are asked for together: as few requests as possible, and a bad register costs only itself."""

from collections.abc import Iterable

from msgspec import Struct

from wattline.drivers.modbus.config import Place
from wattline.wire.modbus import Space


class Span(Struct, frozen=True, eq=False):
    """Registers that one request brings, in the order of their addresses."""

    places: tuple[Place, ...]

    @property
    def unit(self) -> int:
        """The unit that is asked."""
        return self.places[0].unit

    @property
    def space(self) -> Space:
        """Where its registers lie."""
        return self.places[0].space

    @property
    def start(self) -> int:
        """The first address."""
        return self.places[0].address

    @property
    def count(self) -> int:
        """How many registers are asked for, gaps among them."""
        return max(place.end for place in self.places) - self.start

    def halves(self) -> tuple["Span", "Span"]:
        """Split it where it is asked for in two, which needs two places."""
        middle = len(self.places) // 2
        return Span(self.places[:middle]), Span(self.places[middle:])


def spans(places: Iterable[Place], most: int, gap: int) -> list[Span]:
    """Join what lies together: at most `most` registers in a request, at most `gap` between two that nobody wants."""
    found: list[list[Place]] = []
    end = 0
    for place in sorted(places, key=lambda place: (place.unit, place.space, place.address, place.end)):
        last = found[-1][0] if found else None
        near = last is not None and (last.unit, last.space) == (place.unit, place.space)
        if last is not None and near and place.address - end <= gap and max(end, place.end) - last.address <= most:
            found[-1].append(place)
            end = max(end, place.end)
        else:
            found.append([place])
            end = place.end
    return [Span(tuple(one)) for one in found]
