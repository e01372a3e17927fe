"""Prometheus text exposition 0.0.4 and OpenMetrics 1.0, for pages that repeat their names from scrape to scrape.

What stands before the value of a line is the same at every scrape, so its meaning is looked up by that text:
`rpartition` and one dictionary access for a line. Only what was never seen before goes through the grammar.

    known prefix, number                        fast: the whole of an ordinary page
    known prefix, number, time or exemplar      two steps more
    anything else                               the grammar, once for each prefix

The fast way is safe because a prefix is remembered only when the grammar found it to be a complete name with its
labels: what follows such a prefix and one blank can be nothing but a value.

A line that means nothing, or has more than 64 Ki characters, costs that line: it is counted and the first is quoted. A
page is Malformed when no line of it is a sample and one is bad, when more than 10,000 lines are bad, when it is HTML,
or when it is OpenMetrics and cut off (no `# EOF`).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.errors import Malformed

_STRING: Final = r'"(?:[^"\\]|\\.)*+"'
_SAMPLE: Final = re.compile(
    rf"[ \t]*+([a-zA-Z_:][a-zA-Z0-9_:]*+)?+[ \t]*+(?:\{{((?:[^\"{{}}]|{_STRING})*+)\}})?+[ \t]*+([^\s#{{}}\"]++)"
    r"(?:[ \t]++([^\s#]++))?+[ \t]*+(#.*+)?$",
    re.DOTALL,
)
_LABEL: Final = re.compile(
    rf"[ \t]*+(?:({_STRING})|([a-zA-Z_][a-zA-Z0-9_]*+))[ \t]*+(?:=[ \t]*+({_STRING}))?[ \t]*+(,|$)[ \t]*+", re.DOTALL
)
_ESCAPE: Final = re.compile(r'\\([\\"n])')
_ESCAPED: Final = {"\\": "\\", '"': '"', "n": "\n"}
_UNWELCOME: Final = re.compile("[\0\ud800-\udfff]")  # NUL, and what stands for bytes that are no UTF-8
_SUFFIXES: Final = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "summary": ("_count", "_sum", "_created"),
    "info": ("_info",),
}
_TYPES: Final = (*_SUFFIXES, "gauge", "stateset", "untyped", "unknown")
_MILLISECOND: Final = 1_000_000
_SPARE: Final = 10_000
_BAD_MAX: Final = 10_000
_LINE_MAX: Final = 64 * 1024
_MICROSECOND: Final = 1000
_SECONDS_MAX: Final = 9.2e9  # int64 nanoseconds end in 2262
_QUOTED: Final = 80


class Key:
    """Name and labels of a sample, with what the page says of its family. Equal when name and labels are.

    `labels` are sorted, without empty ones (which are none, by the data model); `type` is the word after `# TYPE`,
    `unit` that after `# UNIT`; both empty where the page is silent.
    """

    __slots__ = ("_hash", "family", "labels", "name", "type", "unit")

    def __init__(self, name: str, labels: tuple[tuple[str, str], ...], family: str, kind: str, unit: str) -> None:
        self.name, self.labels = name, labels
        self.family, self.type, self.unit = family, kind, unit
        self._hash = hash((name, labels))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.name == other.name and self.labels == other.labels

    def __repr__(self) -> str:
        return f"Key({self.name}, {dict(self.labels)})"


class Stamped(NamedTuple):
    """A sample with a time of its own (ns)."""

    key: Key
    time: int
    value: float


class Page(NamedTuple):
    """One page: distinct `keys` with `values` float64[n] in its order, and apart what has its own time.

    `bad` lines were left out, `complaint` quotes the first; `repeated` samples stood there before: the first holds.
    """

    keys: list[Key]
    values: NDArray[np.float64]
    stamped: list[Stamped]
    bad: int = 0
    complaint: str = ""
    repeated: int = 0


class Parser:
    """Parses the pages of one target and remembers what their lines mean; its memory follows the size of the page.

    `wanted(name, family)` says, once for each prefix, whether a sample is kept. `starts` are beginnings of which every
    wanted name has one: other lines are then passed over unread.
    """

    def __init__(self, wanted: Callable[[str, str], bool] | None = None, starts: Iterable[str] = ()) -> None:
        self._wanted = wanted
        self._starts = _line_starts(tuple(starts))
        self._meaning: dict[str, Key] = {}
        self._unwanted: set[str] = set()
        self._comments: set[str] = set()
        self._keys: dict[tuple[str, tuple[tuple[str, str], ...]], Key] = {}
        self._types: dict[str, str] = {}
        self._units: dict[str, str] = {}
        self._typed_by: dict[str, str] = {}
        self._last: list[Key] = []
        self._seconds = False
        self._stamped: dict[tuple[Key, int], float] = {}
        self._bad = 0
        self._complaint = ""

    def parse(self, body: bytes, *, openmetrics: bool = False) -> Page:
        """Read a page; `openmetrics` as its Content-Type says. Raises Malformed, and nothing else, on any bytes."""
        lines = _lines(body, openmetrics=openmetrics)
        self._begin(len(lines), openmetrics=openmetrics)
        if self._starts:
            lines = [line for line in lines if line.startswith(self._starts)]
        keys: list[Key] = []
        texts: list[str] = []
        meaning, comments, unwanted = self._meaning.get, self._comments, self._unwanted
        for line in lines:
            if line < "$":  # "#", a blank or nothing stands at its beginning; every name is above
                found = None if line in comments else self._learn(line)
            else:
                prefix, _, text = line.rpartition(" ")
                if (key := meaning(prefix)) is not None:
                    keys.append(key)
                    texts.append(text)
                    continue
                found = None if prefix in unwanted else self._learn(line)
            if found is not None:
                keys.append(found[0])
                texts.append(found[1])
        page = self._distinct(*self._numbers(keys, texts))
        if self._bad and not keys and not self._stamped:
            raise Malformed(f"no line is a sample; the first is {self._complaint}")
        return page

    def _begin(self, size: int, *, openmetrics: bool) -> None:
        """Start a page; names that come and go must not be remembered for ever."""
        remembered = len(self._meaning) + len(self._unwanted) + len(self._comments)
        if remembered > 4 * size + _SPARE or openmetrics != self._seconds:
            for memory in (self._meaning, self._unwanted, self._comments, self._keys, self._types, self._units):
                memory.clear()
            self._typed_by.clear()
            self._last = []
        self._seconds, self._stamped, self._bad, self._complaint = openmetrics, {}, 0, ""

    def _numbers(self, keys: list[Key], texts: list[str]) -> tuple[list[Key], NDArray[np.float64]]:
        joined = "".join(texts)
        if joined.isascii() and "_" not in joined:  # float() takes 1_000, and the digits of all scripts
            try:
                return keys, np.fromiter(map(float, texts), np.float64, len(texts))
            except ValueError:
                pass
        good: list[Key] = []
        values: list[float] = []
        for key, text in zip(keys, texts, strict=True):
            if (value := _number(text)) is None:
                self._complain(f"{key.name} {text}")
            else:
                good.append(key)
                values.append(value)
        return good, np.array(values, np.float64)

    def _distinct(self, keys: list[Key], values: NDArray[np.float64]) -> Page:
        repeated = 0
        if keys != self._last:
            first: dict[int, int] = {}
            for i, key in enumerate(keys):
                first.setdefault(id(key), i)  # one object for each name and labels: see _key
            repeated = len(keys) - len(first)
            if repeated:
                places = list(first.values())
                keys, values = [keys[i] for i in places], values[places]
            self._last = keys
        stamped = [Stamped(key, time, value) for (key, time), value in self._stamped.items()]
        return Page(keys, values, stamped, self._bad, self._complaint, repeated)

    def _learn(self, line: str) -> tuple[Key, str] | None:
        """Read a line whose prefix is unknown; return key and value where it is a sample without a time of its own."""
        bare = line.lstrip(" \t")
        if not bare or bare[0] == "#":
            self._comments.add(line)
            self._comment(bare)
            return None
        head = line.partition(" # ")[0] if self._seconds else line
        before, _, last = head.rpartition(" ")
        prefix, _, text = before.rpartition(" ")
        if head is not line and (key := self._meaning.get(before)):
            return key, last
        if text and (key := self._meaning.get(prefix)):
            self._stamp(key, text, last, line)
            return None
        if before in self._unwanted or prefix in self._unwanted:
            return None
        return self._first(line)

    def _first(self, line: str) -> tuple[Key, str] | None:
        """Read a line by the grammar, and remember its prefix."""
        match = None if len(line) > _LINE_MAX or _UNWELCOME.search(line) else _SAMPLE.match(line)
        key = self._key(match[1], match[2]) if match else None
        if match is None or key is None or (match[5] and not self._seconds):
            self._complain(line)
            return None
        prefix = _prefix(line, match[3], match[4], match[5])
        if self._wanted is not None and not self._wanted(key.name, key.family):
            self._unwanted.update((prefix,) if prefix else ())
            return None
        if prefix:
            self._meaning[prefix] = key
        if match[4] is None:
            return key, match[3]
        self._stamp(key, match[3], match[4], line)
        return None

    def _stamp(self, key: Key, text: str, stamp: str, line: str) -> None:
        value, time = _number(text), _time(stamp, seconds=self._seconds)
        if value is None or time is None:
            self._complain(line)
        else:
            self._stamped.setdefault((key, time), value)

    def _comment(self, line: str) -> None:
        words = line.split(None, 3)
        if len(words) != 4 or words[0] != "#" or words[1] not in ("TYPE", "UNIT"):
            return
        family = _unquote(words[2]) if words[2][0] == '"' else words[2]
        word = words[3].strip()
        if words[1] == "UNIT":
            self._units[family] = word
            return
        # When a family changes its type back, the old line must be read again.
        self._comments.discard(self._typed_by.get(family, ""))
        self._typed_by[family] = line
        self._types[family] = word if word in _TYPES else ""

    def _key(self, name: str | None, labels: str | None) -> Key | None:
        read = _labels(labels or "", unnamed=name is None)
        if read is None:
            return None
        name, pairs = name or read[0], tuple(sorted(read[1].items()))
        if not name:
            return None
        if key := self._keys.get((name, pairs)):
            return key
        family = self._family(name)
        key = Key(name, pairs, family, self._types.get(family, ""), self._units.get(family, ""))
        return self._keys.setdefault((name, pairs), key)

    def _family(self, name: str) -> str:
        if name in self._types:
            return name
        base, _, word = name.rpartition("_")
        return base if f"_{word}" in _SUFFIXES.get(self._types.get(base, ""), ()) else name

    def _complain(self, line: str) -> None:
        shown = line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…"
        self._complaint = self._complaint or repr(shown)
        self._bad += 1
        if self._bad > _BAD_MAX:
            raise Malformed(f"more than {_BAD_MAX} lines are no samples; the first is {self._complaint}")


def _lines(body: bytes, *, openmetrics: bool) -> list[str]:
    if body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise Malformed("this is HTML, not an exposition: the path is another one, or a log-in stands before it")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode(errors="surrogateescape")  # costs the lines that hold such bytes, see _UNWELCOME
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    text = text.removeprefix("\ufeff")
    if openmetrics:
        text = text.rstrip("\n")
        if not text.endswith("# EOF"):
            raise Malformed("the page is cut off: OpenMetrics ends with # EOF")
    return text.split("\n")


def _line_starts(names: Sequence[str]) -> tuple[str, ...]:
    """Return how a line must begin to be read: with a wanted name, as a declaration, or in a way that needs a look."""
    return (*names, "# TYPE ", "# UNIT ", "{", " ", "\t") if names and all(names) else ()


def _prefix(line: str, value: str, stamp: str | None, exemplar: str | None) -> str:
    """Return what stands before the blank before the value; empty where it is written otherwise (tabs, no blank)."""
    head = line.partition(" # ")[0] if exemplar else line
    if stamp is not None:
        head, _, last = head.rpartition(" ")
        if last != stamp:
            return ""
    prefix, _, last = head.rpartition(" ")
    return prefix if last == value else ""


def _labels(text: str, *, unnamed: bool) -> tuple[str, dict[str, str]] | None:
    """Return the name in quotes before the labels, if one may stand there, and the labels; None if they are wrong."""
    name, labels, at = "", dict[str, str](), 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        quoted, plain, value = match[1], match[2], match[3]
        if value is None:
            if not quoted or not unnamed or name or labels:
                return None
            name = _unquote(quoted)
        else:
            label = plain or _unquote(quoted)
            if label in labels:
                return None
            labels[label] = _unquote(value)
        at = match.end()
    return name, {label: value for label, value in labels.items() if value}


def _unquote(quoted: str) -> str:
    text = quoted[1:-1]
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _number(text: str) -> float | None:
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str, *, seconds: bool) -> int | None:
    """Return a time in ns, in whole microseconds: given in seconds, or in whole milliseconds (0.0.4)."""
    rough = _number(text)
    if rough is None or not abs(rough if seconds else rough / 1000) < _SECONDS_MAX:
        return None
    if seconds:
        return round(Decimal(text) * 1_000_000) * _MICROSECOND
    return int(text) * _MILLISECOND if text.lstrip("-").isdigit() else None
