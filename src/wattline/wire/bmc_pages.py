"""Answers of BMCs' web pages: almost JSON, almost JavaScript, XML, cookies, tokens.

These pages were made for one script in one browser, so they keep to no grammar; what is read here is what was seen of
Intel's (MegaRAC), Dell's (iDRAC 8) and Huawei's (iBMC) pages. Anything else is Malformed.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from xml.parsers import expat

import msgspec

from wattline.errors import Malformed

FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_PIECE: Final = re.compile(
    r"""
      (?P<space> \s+ | //[^\n]* | ;)
    | '(?P<single> (?:[^'\\]|\\.)*)'
    | (?P<double> "(?:[^"\\]|\\.)*")
    | (?P<name> [A-Za-z_$][\w$]*)
    | (?P<trailing> ,(?=\s*[\]}]))
    | (?P<rest> [-+.\w]+ | [{}\[\]:,])
    """,
    re.VERBOSE | re.DOTALL,
)
_TOKEN: Final = re.compile(r"[!#-+\--:<-\[\]-~]{1,4096}")  # what a cookie's value may hold: RFC 6265 section 4.1.1
_WORDS: Final = ("true", "false", "null")


def form(**fields: str) -> bytes:
    """Return fields as the body of a form, encoded as browsers do."""
    return urlencode(fields).encode()


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the cookies that an answer sets, by name."""
    found = {}
    for name, value in headers.items():
        if name.lower() == "set-cookie":
            key, _, text = value.partition(";")[0].partition("=")
            found[key.strip()] = text.strip().strip('"')
    return found


def token(said: object) -> str:
    """Return a token that can be sent back in a cookie or a header. Raises Malformed: it is none."""
    if not isinstance(said, str) or not _TOKEN.fullmatch(said):
        raise Malformed("the answer holds no token of a session")
    return said


def webvar(content: bytes, name: str) -> list[dict[str, Any]]:
    """Return the rows of a JavaScript page `WEBVAR_JSONVAR_<name> = { WEBVAR_STRUCTNAME_<name> : [ {...}, {} ] };`.

    Raises Malformed.
    """
    text = content.decode("utf-8", "replace")
    _, assigned, value = text.partition(f"WEBVAR_JSONVAR_{name}")
    if not assigned:
        raise Malformed(f"the page sets no WEBVAR_JSONVAR_{name}")
    page = _json(_as_json(value.lstrip().removeprefix("=")))
    rows = page.get(f"WEBVAR_STRUCTNAME_{name}") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        raise Malformed(f"the page holds no list WEBVAR_STRUCTNAME_{name}")
    return [row for row in rows if isinstance(row, dict) and row]


def nearly_json(content: bytes) -> Any:
    """Return the JSON of a page that may write `"` as %22 and may begin with one junk character. Raises Malformed."""
    text = content.decode("utf-8", "replace").replace("%22", '"').strip()
    return _json(text if text[:1] in "{[" else text[1:])


def xml_texts(content: bytes, *path: str) -> list[str]:
    """Return the texts of the elements at a path below the root of an XML page, in order. Raises Malformed."""
    above: list[str] = []
    found: list[str] = []

    def begin(name: str, _: dict[str, str]) -> None:
        above.append(name)
        if tuple(above[1:]) == path:
            found.append("")

    def end(_: str) -> None:
        above.pop()

    def text(piece: str) -> None:
        if tuple(above[1:]) == path:
            found[-1] += piece

    def refuse(*_: object) -> None:
        raise Malformed("the page declares a document type, which none of these pages does")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError) as error:
        raise Malformed(f"the page is no XML: {error}") from error
    return found


def _as_json(text: str) -> str:
    """Quote names, turn the quotes of strings, and drop comments, semicolons and trailing commas."""
    pieces: list[str] = []
    place = 0
    while place < len(text):
        match = _PIECE.match(text, place)
        if match is None:
            raise Malformed(f"the page holds {text[place]!r} where a value is due")
        place = match.end()
        if match["single"] is not None:
            pieces.append(_quoted(match["single"].replace("\\'", "'")))
        elif (name := match["name"]) is not None:
            pieces.append(name if name in _WORDS else _quoted(name))
        elif match["space"] is None and match["trailing"] is None:
            pieces.append(match[0])
    return "".join(pieces)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the page cannot be read: {error}") from error
