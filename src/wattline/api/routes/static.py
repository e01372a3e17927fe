"""The pages: /, /device, /meters and /static/*."""

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from wattline.api.pages import Pages
from wattline.api.problems import Problem

_PAGES = Pages()


@get(["/", "/index.html"], include_in_schema=False)
async def index(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the page Now."""
    return _page(request, "index.html")


@get(["/device", "/device.html"], include_in_schema=False)
async def device(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the page of a device; which one is in the query, for the page to read."""
    return _page(request, "device.html")


@get(["/meters", "/meters.html"], include_in_schema=False)
async def meters(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the page of the meters."""
    return _page(request, "meters.html")


@get("/favicon.ico", include_in_schema=False)
async def favicon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the icon that browsers ask for unasked."""
    return _page(request, "favicon.svg")


@get("/static/{name:path}", include_in_schema=False)
async def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Give a file of the pages."""
    return _page(request, name.lstrip("/"))


def _page(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    page = _PAGES.find(name)
    if page is None:
        raise Problem(f"there is no page {name[:200]!r} in this installation", status=404)
    headers = {"ETag": page.tag, "Cache-Control": "no-cache"}
    asked = request.headers.get("if-none-match", "")
    if asked == "*" or page.tag in (tag.strip().removeprefix("W/") for tag in asked.split(",")):
        return Response(b"", status_code=304, headers=headers)
    return Response(page.body, media_type=page.media_type, headers=headers)
