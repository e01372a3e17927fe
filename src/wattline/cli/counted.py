"""A number with its noun, as a sentence has them."""


def counted(number: int, noun: str) -> str:
    """Return `1 meter`, `2 meters`, `22,940 meters`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
