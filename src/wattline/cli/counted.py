"""A number with its noun, as a sentence has them."""


def counted(number: int, noun: str) -> str:
    """Return `1 meter`, `2 meters`, `22,940 meters`, `2 addresses`."""
    many = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"
