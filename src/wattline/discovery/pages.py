"""Web servers: Redfish services, Shellys and exporters, by the page that each shows without a password.

HTTPS is looked at without asking whose certificate it is: nothing secret is shown to it here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from wattline.discovery.found import Found
from wattline.discovery.pace import Pace
from wattline.discovery.words import in_url, phrase
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.wire.exposition import Parser
from wattline.wire.web import Reply, Web, root, trust

HTTPS, HTTP = 443, 80
_REDFISH: Final = "/redfish/v1/"
_SHELLY: Final = "/shelly"
_METRICS: Final = "/metrics"
_JSON: Final = 1 << 20
_PAGE: Final = 16 << 20
_ENERGY: Final = re.compile(r"(?:^|_)(?:k?wh?|(?:micro|milli|kilo)?(?:watt|joule)s?|power|energy)(?:_|$)")
_NO_READING: Final = re.compile(r"_(?:info|created|bucket|limit|max|min|cap|online|present|type|state|enabled)$")
_MOST_NAMES: Final = 12


class Pages:
    """Looks at the two usual ports for Redfish, and at the plain one for a Shelly."""

    questions: Final = 3

    def __init__(self, https: int, http: int, pace: Pace, wait: float, *, verify: bool = True) -> None:
        self._https, self._http, self._pace, self._wait, self._verify = https, http, pace, wait, verify

    async def look(self, host: str) -> list[Found]:
        """Return the Redfish service and the Shelly of a host."""
        service = await self._redfish(host, self._https, tls=True)
        async with _Visit(root(host, self._http, tls=False), self._pace, self._wait, _JSON) as visit:
            if service is None:
                service = self._service(host, await visit.ask(_REDFISH), self._http, tls=False)
            plug = None if visit.is_dead else self._shelly(host, await visit.ask(_SHELLY))
        return [one for one in (service, plug) if one is not None]

    async def _redfish(self, host: str, port: int, *, tls: bool) -> Found | None:
        async with _Visit(root(host, port, tls=tls), self._pace, self._wait, _JSON) as visit:
            return self._service(host, await visit.ask(_REDFISH), port, tls=tls)

    def _service(self, host: str, reply: Reply | None, port: int, *, tls: bool) -> Found | None:
        body = _object(reply)
        version = phrase(body.get("RedfishVersion"), 20)
        if not version and "redfish" not in str(body.get("@odata.id", "")).lower():
            return None
        maker = " ".join(dict.fromkeys(word for key in ("Vendor", "Product") if (word := phrase(body.get(key), 30))))
        options: dict[str, Any] = {} if tls else {"tls": False}
        if tls and not self._verify:
            options["verify"] = False
        return Found(
            host=host,
            what=f"Redfish: {maker or 'a service that does not say whose'}",
            why=f"{'https' if tls else 'http'} {_REDFISH} says {f'Redfish {version}' if version else 'so'}",
            driver="redfish",
            url=f"redfish://{in_url(host, port, HTTPS if tls else HTTP)}/",
            options=options,
            needs="a user and a password",
            is_bmc=True,
            group=maker or "redfish",
        )

    def _shelly(self, host: str, reply: Reply | None) -> Found | None:
        body = _object(reply)
        model = phrase(body.get("model") or body.get("type"), 30)
        if not model or not ("gen" in body or "mac" in body):
            return None
        return Found(
            host=host,
            what=f"Shelly {model}, generation {phrase(str(body.get('gen', 1)), 5)}",
            why=f"http {_SHELLY} says so",
            driver="shelly",
            url=f"shelly://{in_url(host, self._http, HTTP)}",
            needs="its password" if body.get("auth_en") or body.get("auth") else "",
        )


class Exporters:
    """Looks at some ports for a page of exposition."""

    def __init__(self, ports: Sequence[int], pace: Pace, wait: float) -> None:
        self._ports, self._pace, self._wait = ports, pace, wait
        self.questions = len(ports)
        """Most questions to one host."""

    async def look(self, host: str) -> list[Found]:
        """Return the exporters of a host."""
        found = []
        for port in self._ports:
            async with _Visit(root(host, port, tls=False), self._pace, self._wait, _PAGE) as visit:
                if (one := _exporter(host, port, await visit.ask(_METRICS))) is not None:
                    found.append(one)
        return found


class _Visit:
    """One web server for some questions, one after the other; what is no answer is None."""

    def __init__(self, root: str, pace: Pace, wait: float, limit: int) -> None:
        self._web = Web(root, wait=wait, limit=limit, tls=trust("", verify=False))
        self._pace = pace
        self.is_dead = False
        """Nobody listens there: no more is to be asked."""

    async def __aenter__(self) -> Self:
        await self._web.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._web.close()

    async def ask(self, path: str) -> Reply | None:
        await self._pace.turn()
        try:
            reply = await self._web.ask(path)
        except Unreachable:
            self.is_dead = True
            return None
        except (Malformed, Misconfigured):
            return None
        return reply if reply.status == 200 else None


def _object(reply: Reply | None) -> Mapping[str, Any]:
    if reply is None:
        return {}
    try:
        body = reply.json()
    except Malformed:
        return {}
    return body if isinstance(body, dict) else {}


def _exporter(host: str, port: int, reply: Reply | None) -> Found | None:
    if reply is None:
        return None
    openmetrics = "openmetrics" in reply.headers.get("Content-Type", "")
    try:
        page = Parser().parse(reply.content, openmetrics=openmetrics)
    except Malformed:
        return None
    names = list(dict.fromkeys([key.name for key in page.keys] + [sample.key.name for sample in page.stamped]))
    if not names:
        return None
    wanted = energy_names(names)
    where = f"prometheus://{in_url(host, port, 0)}{_METRICS}"
    why = f"port {port} shows {len(page.keys) + len(page.stamped)} samples"
    if not wanted:
        what, needs = "exporter without power or energy", "the names that you want of it"
        return Found(host=host, what=what, why=why, driver="prometheus", url=f"{where}/", needs=needs, worth=False)
    said = f"{why}, {', '.join(wanted[:2])}{' …' if len(wanted) > 2 else ''} among them"
    kept = ",".join(wanted[:_MOST_NAMES])
    return Found(host=host, what="exporter", why=said, driver="prometheus", url=f"{where}/{kept}")


def energy_names(names: Sequence[str]) -> list[str]:
    """Return the names that speak of power or energy, as their words say."""
    return [name for name in names if _ENERGY.search(name.lower()) and not _NO_READING.search(name.lower())]
