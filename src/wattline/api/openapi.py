"""The description of the interface for machines (/api/openapi.json) and, made of the same, for people (/api)."""

import re
from html import escape
from typing import Any, Final

from litestar import Request, Response, get
from litestar.openapi import OpenAPIConfig

from wattline import __version__
from wattline.api.schema import encoded

DESCRIPTION: Final = (
    "Reads what Wattline meters: now, live, and as history. Every answer is about committed values alone; only "
    "promotions can be written. Times are ISO 8601 or seconds since the epoch, windows half open, [start, end). An "
    "error is a problem (application/problem+json) that names the parameter."
)
CONFIG: Final = OpenAPIConfig(
    title="Wattline",
    version=__version__,
    description=DESCRIPTION,
    path="/api/openapi",
    render_plugins=[],
    use_handler_docstrings=True,
)
_STYLE: Final = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem}code{font:0.9em ui-monospace,monospace}table{border-collapse:collapse;width:100%}
td{padding:.3rem 1rem .3rem 0;border-top:1px solid #8884;vertical-align:top}
td:first-child{white-space:nowrap;width:6rem}
"""
_METHODS: Final = ("get", "post", "delete")
_CODE: Final = re.compile("`([^`]+)`")
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@get("/api/openapi.json", include_in_schema=False)
async def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the OpenAPI document."""
    document = request.app.openapi_schema.to_schema()
    return Response(encoded(document), media_type="application/vnd.oai.openapi+json")


@get("/api", include_in_schema=False)
async def openapi_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the page that lists the routes, which loads nothing from anywhere."""
    body = page(request.app.openapi_schema.to_schema()).encode()
    return Response(body, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def page(document: dict[str, Any]) -> str:
    """Return the routes of an OpenAPI document as HTML."""
    paths = sorted(document["paths"].items())
    routes = "".join(_route(path, how, one[how]) for path, one in paths for how in _METHODS if how in one)
    title = f"{document['info']['title']} {document['info']['version']}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}: the interface</title><style>{_STYLE}</style><h1>{escape(title)}: the interface</h1>"
        f'<p>{escape(DESCRIPTION)}</p><p>For machines: <a href="/api/openapi.json">/api/openapi.json</a>; '
        f'for people: <a href="/">the pages</a></p>'
        f"{routes}"
    )


def _words(text: str) -> str:
    """Return a description as HTML: what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _route(path: str, how: str, one: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(told['name'])}</code><td>{_words(told.get('description', ''))}"
        for told in one.get("parameters", ())
    )
    told = "".join(f"<p>{_words(part)}</p>" for part in one.get("description", "").split("\n\n"))
    table = f"<table>{rows}</table>" if rows else ""
    shown = f"<code>{how.upper()} {escape(path)}</code>"
    return f"<h2>{_link(path, shown) if how == 'get' else shown}</h2>{told}{table}"


def _link(path: str, shown: str) -> str:
    return f'<a href="{escape(path)}">{shown}</a>'
