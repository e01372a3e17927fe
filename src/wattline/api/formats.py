"""Which form an answer takes: the `format` parameter, else the `Accept` header (RFC 9110 section 12.5.1)."""

import enum
from collections.abc import Iterator
from typing import Final

from wattline.api.problems import Problem


class Format(enum.StrEnum):
    """The forms of a bulk answer."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    ARROW = "arrow"

    @property
    def media_type(self) -> str:
        """The media type of an answer in this form."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES: Final = {
    Format.JSON: "application/json",
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv; header=present",
    Format.ARROW: "application/vnd.apache.arrow.stream",
}
_ACCEPTED: Final = {
    "application/json": Format.JSON,
    "application/x-ndjson": Format.NDJSON,
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
    "text/csv": Format.CSV,
    "application/vnd.apache.arrow.stream": Format.ARROW,
}


def choose(name: str | None, accept: str | None) -> Format:
    """Return the form asked for, JSON by default. Raises Problem: 400 unknown name, 406 nothing acceptable."""
    if name is not None:
        try:
            return Format(name.lower())
        except ValueError as error:
            known = ", ".join(Format)
            raise Problem(f"there is no format {name!r}; there are {known}", parameter="format") from error
    best, found = 0.0, None
    weights = dict(_weights(accept or "*/*"))
    for media_type, form in _ACCEPTED.items():
        weight = _weight(media_type, weights)
        if weight > best:
            best, found = weight, form
    if found is None:
        known = ", ".join(_MEDIA_TYPES[form].partition(";")[0] for form in Format)
        raise Problem(f"nothing that is accepted can be had; there are {known}", status=406, parameter="Accept")
    return found


def _weight(media_type: str, weights: dict[str, float]) -> float:
    """Return the weight of the most specific range that a media type matches."""
    kind = media_type.partition("/")[0]
    return weights.get(media_type, weights.get(f"{kind}/*", weights.get("*/*", 0.0)))


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *options = (word.strip() for word in part.split(";"))
        yield name.lower(), next((_quality(word[2:]) for word in options if word.lower().startswith("q=")), 1.0)


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
