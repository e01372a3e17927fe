"""What a look at a host brings, as types. Nothing here shows a secret."""

import enum
from typing import Any

from msgspec import Struct

from wattline.plugin import Secret


class Credential(Struct, frozen=True):
    """A secret that was given for a look: the driver's `option`, what stands for it in a file (`env:NAME`,
    `file:PATH`; empty where the driver's default is meant), and the secret itself.
    """

    option: str
    reference: str
    secret: Secret


class State(enum.StrEnum):
    """How far a meter that was found can be read as it is."""

    READS = "reads"
    """It was read once."""
    REFUSED = "refused"
    """It refuses the credentials that were tried, or asks for some where none were given."""
    FAILS = "fails"
    """It answers the look, but not the driver."""
    UNTRIED = "untried"
    """It needs something that only the operator knows."""


class Found(Struct, frozen=True, kw_only=True):
    """Something that answered: `what` it is and `why` that is believed, in phrases for people.

    `driver` reads it by `url`, which holds no secret, with `options` and `credentials` beside it; empty: by none.
    `needs` is what only the operator can fill in; `group` is what shares credentials with others of the kind.
    """

    host: str
    what: str
    why: str
    driver: str = ""
    url: str = ""
    options: dict[str, Any] = {}
    credentials: tuple[Credential, ...] = ()
    needs: str = ""
    is_bmc: bool = False
    group: str = ""
    worth: bool = True
    """Whether there is power or energy to be expected."""


class Proof(Struct, frozen=True):
    """What came of reading a meter that was found: a state and a phrase."""

    state: State
    said: str
    tried: str = ""
    """Name of the user that was shown to it."""
