"""What was found as a site's file: YAML for people, that `wattline check` accepts and `wattline up` reads.

A meter that was read stands there ready. What lacks something stands behind `#`, with what is to be filled in. A secret
is never written: `env:NAME` or `file:PATH` stands in its place.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from wattline.discovery.found import Found, Proof, State

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./:@-]*[A-Za-z0-9_/]")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_BMC_PERIOD: Final = "5s"
"""A BMC answers slowly, and few of them measure more often."""
_SPARE: Final = re.compile(r"[^A-Za-z0-9.:-]+")


def site_file(given: Sequence[tuple[Found, Proof]], about: str) -> str:
    """Return the text of the file; `about` says in a line what was looked at."""
    names: dict[str, int] = {}
    read = {one.host for one, proof in given if proof.state is State.READS and one.is_bmc}
    blocks = []
    for one, proof in given:
        twice = one.is_bmc and one.host in read and proof.state is not State.READS
        blocks.append("\n".join(_block(one, proof, _name(one, names), twice=twice)))
    secrets = sorted({c.reference for one, _ in given for c in one.credentials if c.reference.startswith("env:")})
    head = [
        f"# Found by `wattline discover`: {about}",
        "#",
        "#   wattline check FILE              is it right, and what would be read?",
        "#   wattline doctor --config FILE    how good are these meters?",
        "#   wattline up --config FILE        meter, store and show",
        *_wanted(secrets),
        "",
        "meters:",
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(blocks or ["  # nothing was found"]) + "\n"


def needed(given: Iterable[tuple[Found, Proof]]) -> list[str]:
    """Return the environment variables that the meters of the file need."""
    ready = (one for one, proof in given if _is_ready(one, proof))
    return sorted({c.reference.removeprefix("env:") for one in ready for c in one.credentials if "env:" in c.reference})


def _wanted(secrets: Sequence[str]) -> list[str]:
    if not secrets:
        return []
    return ["#", f"# Secrets come from the environment: {', '.join(one.removeprefix('env:') for one in secrets)}."]


def _block(one: Found, proof: Proof, name: str, *, twice: bool) -> list[str]:
    comments = [f"# {one.host}: {one.what}", f"# ({one.why})"]
    if not one.driver:
        return [*(f"  {line}" for line in comments), "  # No driver of Wattline reads it."]
    if _is_ready(one, proof):
        comments.append(f"# Read: {proof.said}.")
    elif twice:
        comments.append("# The same BMC as above or below, by another protocol: read it once.")
    elif one.needs:
        comments.append(f"# Fill in {one.needs}, and take the # away.")
    else:
        comments.append(f"# Could not be read: {proof.said}")
    keys: dict[str, Any] = {"name": name, **one.options}
    keys |= {credential.option: credential.reference for credential in one.credentials if credential.reference}
    if one.is_bmc:
        keys |= {"every": _BMC_PERIOD}
    if one.is_bmc and "user" not in keys:
        keys |= {"user": "reader", "password": "env:BMC_PASSWORD"}
    lines = [f"- url: {_scalar(one.url)}", *(f"  {key}: {_scalar(value)}" for key, value in keys.items())]
    mark = "" if _is_ready(one, proof) else "# "
    return [*(f"  {line}" for line in comments), *(f"  {mark}{line}" for line in lines)]


def _is_ready(one: Found, proof: Proof) -> bool:
    return proof.state is State.READS and bool(one.driver)


def _name(one: Found, taken: dict[str, int]) -> str:
    """Name a meter by its driver and its address, each once."""
    host, _, rest = one.url.partition("://")[2].partition("/")
    part = rest if one.driver == "nut" else ""
    name = _SPARE.sub("-", "-".join(filter(None, (one.driver, host, part)))).strip("-:") or "meter"
    taken[name] = count = taken.get(name, 0) + 1
    return name if count == 1 else f"{name}-{count}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS and ": " not in text:
        return text
    return msgspec.json.encode(value).decode()


def as_plain(one: Found, proof: Proof) -> Mapping[str, Any]:
    """Return what a program wants to know of it, without secrets."""
    return {
        "host": one.host,
        "what": one.what,
        "why": one.why,
        "driver": one.driver,
        "url": one.url,
        "options": one.options | {c.option: c.reference for c in one.credentials if c.reference},
        "state": str(proof.state),
        "said": proof.said,
        "needs": one.needs,
    }
