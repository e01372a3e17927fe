"""From what is written of a meter to a `MeterConfig`: an address, an address as Kwollect writes it, or a driver block.

    - url: snmp://public@pdu-1/1.3.6.1.4.1.318.1.1.26.4.3.1.5.1?unit=W      an address; the name is made of it
      name: pdu-1
      every: 1s

    - name: wattmetre_power_watt                                            as Kwollect: `name` is that of the metric,
      device_id: taurus-1                                                   because there is a `device_id`
      url: snmp://public@pdu-1/1.3.6.1.4.1...
      update_every: 1000                                                    milliseconds

    - driver: snmp                                                          a driver block: beside the keys of every
      name: pdu-1                                                           meter stand the options of its driver
      host: pdu-1.example.org

A key beside a `url` that belongs to no meter is an option of its driver, as if it stood after the address' `?`.
"""

from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wattline.core.address import hide_password, spellings
from wattline.errors import Misconfigured
from wattline.plugin import Config, Scale, Secret, Url
from wattline.runtime.document import Document, Place
from wattline.runtime.registry import Registry, nearest
from wattline.runtime.shape import Duration, fields_of, resolve, shape, struct
from wattline.runtime.site import MeterConfig, secrets
from wattline.units import IDENTITY

KWOLLECT_EVERY: Final = 10.0
"""Seconds between two polls of a Kwollect description that does not say (kwollector 1.3.1)."""
_PATIENCE: Final = (1.0, 5.0)
"""Least and most seconds of a timeout that is not written down; between them it is the period."""
_FASTEST: Final = 0.01
_SLOWEST: Final = 366 * 86_400
_LONGEST_POLL: Final = 3600
_NEVER: Final = 10**15
"""Milliseconds beyond any period that can be."""


class Keys(Config, frozen=True, kw_only=True):
    """The keys of every meter, in all three forms."""

    name: str = ""
    every: Duration | None = None
    update_every: Any = None
    timeout: Duration | None = None
    scale_factor: float | str = 1
    labels: dict[str, Any] = msgspec.field(default_factory=dict)
    optional: bool = False


_KEYS: Final = tuple(field.name for field in msgspec.structs.fields(Keys))


def meters(document: Document, given: Any, registry: Registry, every: float) -> tuple[MeterConfig, ...]:
    """Read the list `meters`, each meter on its own; `every` (s) holds for those that do not say."""
    if given is None:
        return ()
    if not isinstance(given, list):
        document.fault(("meters",), "expected a list of meters")
        return ()
    read = [meter(document, ("meters", i), each, registry, every) for i, each in enumerate(given)]
    return tuple(one for one in read if one is not None)


def meter(document: Document, place: Place, given: Any, registry: Registry, every: float) -> MeterConfig | None:
    """Read one meter of any form; None: it has faults, which the document holds now."""
    if isinstance(given, str):
        given = {"url": given}
    if not isinstance(given, Mapping):
        document.fault(place, "expected a mapping with `url` or `driver`")
        return None
    if ("url" in given) == ("driver" in given):
        document.fault(place, "a meter needs `url` or `driver`, and not both")
        return None
    before = len(document.faults)
    keys = _keys(document, place, given)
    device_id = str(given.get("device_id") or "")
    period = _period(document, place, keys, KWOLLECT_EVERY if device_id else every)
    if keys.timeout is not None and not 0 < keys.timeout <= _LONGEST_POLL:
        document.fault((*place, "timeout"), f"a poll lasts longer than 0 s and at most {_LONGEST_POLL} s")
    if not keys.name.isprintable():
        document.fault((*place, "name"), "a name holds no control characters")
    scale = _scale(document, (*place, "scale_factor"), keys.scale_factor)
    rest = {name: value for name, value in given.items() if name not in _KEYS}
    try:
        if "url" in given:
            made = _of_url(document, place, rest, registry)
        else:
            made = _of_driver(document, place, rest, registry)
    except Misconfigured as error:
        document.fault((*place, "url" if "url" in given else "driver"), str(error))
        return None
    if made is None or len(document.faults) > before:
        return None
    named = replace(made, name=keys.name or made.name)
    if device_id and keys.name:
        named = replace(made, name=f"{device_id}/{keys.name}", metric=keys.name)
    return replace(
        named,
        every=period,
        declared=keys.every is not None or keys.update_every is not None,
        timeout=float(keys.timeout or default_timeout(period)),
        scale=scale,
        labels=keys.labels,
        optional=keys.optional,
    )


def meter_from_url(text: str, registry: Registry, *, every: float = 1.0, name: str = "") -> MeterConfig:
    """Return the meter of an address. `every`, `timeout` and `name` may also stand after its `?`.

    Raises Misconfigured; the message shows no secret.
    """
    document = Document({})
    url = Url.parse(text)
    own = dict(url.options)
    given: dict[str, Any] = {key: own[key] for key in ("name", "every", "timeout") if key in own}
    url = replace(url, options=tuple(pair for pair in url.options if pair[0] not in given))
    if name:
        given["name"] = name
    one = meter(document, (), {**given, "url": url}, registry, every)
    if one is None:
        said = "; ".join(fault.text for fault in document.faults)
        raise Misconfigured(f"{hide_password(text.partition('?')[0])}: {said}" if "://" not in said else said)
    return one


def default_timeout(period: float) -> float:
    """Return the seconds that a poll may last where nobody says."""
    least, most = _PATIENCE
    return min(max(period, least), most)


def named_apart(given: Iterable[MeterConfig]) -> tuple[MeterConfig, ...]:
    """Give each meter a name of its own: what was made of the same address is numbered."""
    seen: dict[str, int] = {}
    apart = []
    for one in given:
        seen[one.name] = count = seen.get(one.name, 0) + 1
        apart.append(one if count == 1 else replace(one, name=f"{one.name}-{count}"))
    return tuple(apart)


def _of_url(document: Document, place: Place, rest: dict[str, Any], registry: Registry) -> MeterConfig | None:
    url = rest.pop("url")
    if not isinstance(url, str | Url):
        document.fault((*place, "url"), "expected an address such as snmp://public@pdu-1/1.3.6.1.4.1")
        return None
    url = Url.parse(url) if isinstance(url, str) else url
    name, plugin = registry.driver_of(url)
    if device := rest.pop("device_id", ""):
        rest.setdefault("device", device)
    known = fields_of(plugin.Config)
    for key in [key for key, value in rest.items() if isinstance(value, list | dict | None)]:
        hint = "beside a `url` this is a text or a number; a `driver` block takes more"
        document.fault((*place, key), hint if key in known else f"unknown key{nearest(key, [*_KEYS, *known])}")
        del rest[key]
    try:
        secret = frozenset(key for key, field in known.items() if field.type is Secret)
        url = replace(url, **_user(url), options=tuple(_resolved(url.options, secret)))
        beside = dict(_resolved(((key, _text(value)) for key, value in rest.items()), secret))
    except ValueError as error:
        document.fault((*place, "url"), str(error))
        return None
    config = _options(document, place, plugin.Config, url, beside)
    if config is None:
        return None
    address = _shown(url, known.keys() - secret)
    return MeterConfig(name=_name(name, url.host), driver=name, options=config, address=address)


def _of_driver(document: Document, place: Place, rest: dict[str, Any], registry: Registry) -> MeterConfig | None:
    driver = rest.pop("driver")
    if not isinstance(driver, str):
        document.fault((*place, "driver"), "expected the name of a driver")
        return None
    plugin = registry.driver(driver)
    known = fields_of(plugin.Config).keys()
    for key in [key for key in rest if key not in known]:
        document.fault((*place, key), f"unknown key{nearest(key, known | set(_KEYS))}")
        del rest[key]
    config = struct(document, place, rest, plugin.Config)
    if config is None:
        return None
    host = str(getattr(config, "host", "") or "").rpartition("://")[2]
    port = getattr(config, "port", None) or None  # 0: that of the scheme
    line = str(getattr(config, "line", "")).removeprefix("tcp://")
    address = f"{driver}://{host or line}{f':{port}' if isinstance(port, int) and host else ''}"
    return MeterConfig(name=_name(driver, host), driver=driver, options=config, address=address)


def _name(driver: str, host: str) -> str:
    return f"{driver}-{host}" if host else driver


def _user(url: Url) -> dict[str, Secret]:
    """Return the user part resolved; `snmp://env:NAME@host` names a variable and has no password."""
    user, password = url.user.reveal(), url.password.reveal()
    if user in ("env", "file") and password:
        return {"user": resolve(f"{user}:{password}"), "password": Secret("")}
    return {"user": resolve(user), "password": resolve(password)}


def _resolved(options: Iterable[tuple[str, str]], secret: frozenset[str]) -> Iterable[tuple[str, str]]:
    for key, value in options:
        yield key, resolve(value).reveal() if key in secret else value


def _shown(url: Url, known: Container[str]) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    text = f"{url.scheme}://{'***@' if url.user else ''}{host}{f':{url.port}' if url.port else ''}"
    text += f"/{url.path}" if url.path else ""
    plain = [f"{key}={value}" for key, value in url.options if key in known]
    return hide_password(text + (f"?{'&'.join(plain)}" if plain else ""))


def _options(document: Document, place: Place, kind: type[Any], url: Url, beside: dict[str, str]) -> Any:
    """Make a driver's options of an address and what stands beside it; keys that it does not know are faults."""
    known = [*_KEYS, *fields_of(cast("type[Struct]", kind))]
    while True:
        try:
            return kind.from_url(replace(url, options=(*url.options, *beside.items())))
        except (Misconfigured, ValueError) as error:
            text = str(error)
        unknown = text.partition("unknown field `")[2].partition("`")[0]
        if unknown not in beside:
            document.fault((*place, "url"), text + (nearest(unknown, known) if unknown else ""))
            return None
        document.fault((*place, unknown), f"unknown key{nearest(unknown, known)}")
        del beside[unknown]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keys(document: Document, place: Place, given: Mapping[str, Any]) -> Keys:
    """Read the keys of every meter one by one, so that a fault in one hides no other."""
    values: dict[str, Any] = {}
    for name in _KEYS:
        if name in given and (one := struct(document, place, {name: given[name]}, Keys)) is not None:
            values[name] = getattr(one, name)
    return Keys(**values)


def _period(document: Document, place: Place, keys: Keys, otherwise: float) -> float:
    if keys.every is not None and keys.update_every is not None:
        document.fault((*place, "update_every"), "stands beside `every`; give one of them")
    if isinstance(keys.update_every, int) and not isinstance(keys.update_every, bool):
        period, key = min(keys.update_every, _NEVER) / 1000, "update_every"
    elif keys.update_every is not None:
        period, key = shape(document, (*place, "update_every"), keys.update_every, Duration) or 1.0, "update_every"
    else:
        period, key = otherwise if keys.every is None else keys.every, "every"
    if not _FASTEST <= period <= _SLOWEST:
        document.fault((*place, key), f"a period lies between {_FASTEST * 1000:.0f} ms and a year")
    return float(period)


def _scale(document: Document, place: Place, factor: float | str) -> Scale:
    try:
        # Kwollect lets 0 mean that nothing is multiplied.
        return IDENTITY if factor in (0, 1) else Scale.of(factor)
    except (ValueError, ZeroDivisionError, OverflowError, Misconfigured):
        document.fault(place, f"{factor!r} is no number to multiply with")
        return IDENTITY


def hidden(meter: MeterConfig) -> frozenset[str]:
    """Return the texts that no message about a meter may hold: its secrets, however they are spelled."""
    user = getattr(meter.options, "user", "")
    return _spelled(secrets(meter.options), user.reveal() if isinstance(user, Secret) else str(user))


@lru_cache(maxsize=4096)
def _spelled(known: frozenset[str], user: str) -> frozenset[str]:
    """Return one set for all meters that have the same secrets: one community opens a thousand."""
    return frozenset().union(*(spellings(secret, user) for secret in known if len(secret) > 2))
