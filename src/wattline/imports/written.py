"""A conversion as a configuration file: YAML that a person reads, with a comment at each thing that changed."""

from collections.abc import Iterable
from textwrap import wrap
from typing import Any, Final

import yaml

from wattline.imports.conversion import Conversion, Where

_WIDTH: Final = 110
_DEEPER: Final = "  "


class _Plain(yaml.SafeDumper):
    """Lists stand deeper than their key, and nothing is an alias: every meter can be moved by itself."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists as well."""
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        del data
        return True


def render(made: Conversion) -> str:
    """Return the file. It holds the passwords that the old file held, so keep it from others' eyes."""
    lines = [*_comments([f"Made of {made.file} by `wattline import {made.system}`.", *made.remarks]), ""]
    if made.root:
        lines += [_yaml(made.root), ""]
    lines.append("meters:" if made.parts else "meters: []")
    for part in made.parts:
        lines += _indented(_comments([_told(part.where), *part.remarks]))
        lines += _indented(_yaml([part.given]).splitlines())
    if made.faults:
        lines += ["", *_comments(str(fault) for fault in made.faults)]
    return "\n".join(lines) + "\n"


def _told(where: Where) -> str:
    return f"{where.file}, line {where.line} {where.place}".rstrip() if where.line else where.place


def _yaml(value: Any) -> str:
    text = yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000)
    return text.rstrip("\n")


def _comments(texts: Iterable[str]) -> list[str]:
    """Return comments; what the old file said is shown without signs that YAML does not take."""
    lines = []
    for text in texts:
        shown = "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))
        lines += [f"# {line}" for line in wrap(shown, _WIDTH)]
    return lines


def _indented(lines: Iterable[str]) -> list[str]:
    return [_DEEPER + line for line in lines]
