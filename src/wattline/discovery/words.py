"""What devices say, made fit for a line of text, and hosts as addresses write them."""

from typing import Final

_LONGEST: Final = 60


def phrase(said: object, longest: int = _LONGEST) -> str:
    """Return a text as one line of printable characters, cut where it is too long; empty for what is no text."""
    if not isinstance(said, str):
        return ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in said[: 4 * longest]).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def in_url(host: str, port: int, usual: int) -> str:
    """Return a host as it stands in an address, with its port where it is not the usual one."""
    name = f"[{host}]" if ":" in host else host
    return name if port == usual else f"{name}:{port}"
