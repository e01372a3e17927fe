"""Every error of the interface is a problem (RFC 9457): one sentence that names what is wrong, and no inner detail."""

import logging
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from msgspec import Struct

from wattline.errors import Refused

MEDIA_TYPE: Final = "application/problem+json"

_LOG: Final = logging.getLogger(__name__)


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """What an error answer holds; `parameter` names the query parameter or header that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = None


class Problem(Exception):
    """An answer that is an error; raised anywhere behind a route."""

    def __init__(self, detail: str, *, status: int = 400, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.parameter = parameter


def answer(
    detail: str, status: int, parameter: str | None = None, headers: dict[str, str] | None = None
) -> Response[Any]:
    """Return the response that tells a problem."""
    return Response(
        ProblemDetails("about:blank", HTTPStatus(status).phrase, status, detail, parameter),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def details(detail: str, status: int, parameter: str | None = None) -> tuple[bytes, str]:
    """Return a problem as body and media type, for where there is no route."""
    told = ProblemDetails("about:blank", HTTPStatus(status).phrase, status, detail, parameter)
    return msgspec.json.encode(told), MEDIA_TYPE


def on_problem(request: Request[Any, Any, Any], error: Problem) -> Response[Any]:
    """Answer a Problem."""
    del request
    return answer(error.detail, error.status, error.parameter)


def on_refused(request: Request[Any, Any, Any], error: Refused) -> Response[Any]:
    """Answer what a store would not do: its message is written for whoever asked."""
    del request
    return answer(str(error), 400)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Answer what the framework refuses: unknown paths, wrong methods, values that do not parse."""
    path = request.scope["path"]
    headers = dict(error.headers or {})
    match error:
        case NotFoundException():
            return answer(f"there is nothing at {path}", 404)
        case ValidationException(extra=[{"key": "data", "message": "'data'"}, *_]):
            return answer(f"{request.method} {path}: a body of JSON is missing", 400)
        case ValidationException(extra=[{"key": str(key), "message": message}, *_]):
            return answer(f"{key}: {message}", 400, key)
        case _:
            detail = f"{request.method} {path}: {error.detail}" if error.status_code < 500 else "something broke here"
            return answer(detail, error.status_code, None, headers)


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer what should not happen: the log has the traceback, the client learns nothing of our inside."""
    _LOG.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return answer("something broke here; the log of the program says what", 500)


def on_depth(request: Request[Any, Any, Any], error: RecursionError) -> Response[Any]:
    """Answer JSON that is nested beyond all sense; without a body it is a bug of ours."""
    if request.method != "POST":
        return on_bug(request, error)
    return answer("the JSON is nested too deeply", 400)


HANDLERS: Final[dict[Any, Any]] = {
    Problem: on_problem,
    Refused: on_refused,
    HTTPException: on_http_error,
    RecursionError: on_depth,
    Exception: on_bug,
}
