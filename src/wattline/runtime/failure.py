"""What a failure of a meter or a sink means, in words that hold no secret."""

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from wattline.errors import Denied, Gone, Malformed, Misconfigured, Refused, Unreachable
from wattline.model import Cause


class Failure(Struct, frozen=True):
    """Why a call failed. `bug`: nobody expected it, and its traceback belongs into the log."""

    cause: Cause
    text: str
    bug: bool = False
    stops: bool = False
    """The meter is not asked again until the configuration is loaded anew."""
    quiet: bool = False
    """It is no fault: the thing has left."""


def failure(error: BaseException, secrets: Iterable[str], *, timeout: float = 0.0) -> Failure:
    """Say what an error of a plugin means. `timeout` (s) is how long it was waited for."""
    text = scrub(str(error) or type(error).__name__, secrets)
    match error:
        case TimeoutError():
            return Failure(Cause.TIMEOUT, f"no answer within {timeout:g} s")
        case Misconfigured() | Refused():
            return Failure(Cause.MISCONFIGURED, text, stops=True)
        case Denied():
            return Failure(Cause.AUTH, text)
        case Malformed():
            return Failure(Cause.MALFORMED, text)
        case Gone():
            return Failure(Cause.UNREACHABLE, text, stops=True, quiet=True)
        case Unreachable():
            cause = Cause.TIMEOUT if isinstance(error.__cause__, TimeoutError) else Cause.UNREACHABLE
            return Failure(cause, text)
        case _:
            return Failure(Cause.BUG, f"{type(error).__name__}: {text}", bug=True, stops=True)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every secret in it replaced, percent-encoded (also twice) or not: libraries put addresses, and
    so credentials, into messages, and servers say again what they were sent.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = _written(secret).sub("***", text)
    return text


@lru_cache(maxsize=4096)
def _written(secret: str) -> re.Pattern[str]:
    """Return what finds a secret however its signs are encoded, each by itself (RFC 3986 section 2.1), or escaped."""
    return re.compile("".join(sign if sign.isascii() and sign.isalnum() else _signs(sign) for sign in secret))


def _signs(sign: str) -> str:
    """Return the pattern of one sign; a blank is also a plus, which may be encoded once more."""
    encoded = "".join(f"%(?:25)*(?i:{octet:02x})" for octet in sign.encode())
    return rf"(?:{encoded}|\\*{re.escape(sign)}{'|[+]|%(?:25)*2[Bb]' if sign == ' ' else ''})"
