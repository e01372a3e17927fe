"""Numbers of the command line."""

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A number within bounds; `nan`, which click lets through all bounds, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number
