"""Python literals as Kwapi's files hold them: read, never run, and bounded.

Texts, numbers, booleans, None, lists, tuples (as lists) and mappings with texts as keys are taken; all else of the
language is no literal here. A long of Python 2 (`10L`) is not read.
"""

import ast
import math
import warnings
from typing import Any, Final

LONGEST: Final = 256 * 1024
_MOST: Final = 50_000
"""Values in one literal."""


def literal(text: str) -> Any:
    """Return the value. Raises ValueError, which says in words what is wrong and shows nothing of the text."""
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST >> 10} KiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes, which Python 2 took as they are
            value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("is no Python literal such as ['probe-1', None] or {'host': 'bmc-1'}") from error
    return _plain(value, [0])


def _plain(value: Any, count: list[int]) -> Any:
    count[0] += 1
    if count[0] > _MOST:
        raise ValueError(f"holds more than {_MOST} values")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("holds half a character")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each, count) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(each, count) for key, each in value.items()}
    raise ValueError("holds something that is no text, number, list or mapping of texts")
