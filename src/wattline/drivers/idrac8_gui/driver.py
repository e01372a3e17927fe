"""Dell servers by the pages of iDRAC 8: a cookie and a second token, the power graph of the last hour."""

from typing import Final, NamedTuple

from wattline.bmc_session import BmcConfig, BmcMeter
from wattline.plugin import Denied, Malformed
from wattline.web_meter import quantity
from wattline.wire.bmc_pages import FORM, cookies, form, token, xml_texts

_COOKIE: Final = "-http-session-"
_GRAPH: Final = "/data?get=powergraphdata"
_RECORDS: Final = ("powergraphdata", "lastHourData", "powerData", "record")
_LET_IN: Final = "0"
"""`authResult` of a login that succeeded; an iDRAC that says nothing of it shows where to go on instead."""


class Idrac8GuiConfig(BmcConfig, frozen=True, kw_only=True):
    """Options of an iDRAC's pages."""


class Session(NamedTuple):
    """What a login gives: the cookie, and the token that goes along as a header."""

    cookie: str
    second: str

    def headers(self) -> dict[str, str]:
        """Return what is sent with every request."""
        return {"Cookie": f"{_COOKIE}={self.cookie}", "ST2": self.second}


class Idrac8Gui(BmcMeter[Idrac8GuiConfig, Session]):
    """A session is a cookie and a token."""

    Config = Idrac8GuiConfig
    summary = "Dell servers: the web pages of iDRAC 8"
    example = "idrac8_gui://reader:secret@idrac-1"

    async def _enter(self) -> Session:
        config = self.config
        body = form(user=config.user, password=config.password.reveal())
        reply = (await self._web.ask("/data/login", method="POST", headers=FORM, body=body)).good()
        results = xml_texts(reply.content, "authResult")
        _, told, second = "".join(xml_texts(reply.content, "forwardUrl")[:1]).partition("ST2=")
        if (results and results[0] != _LET_IN) or not (results or told):
            raise Denied(f"{config.root} refuses the user {config.user} and its password")
        return Session(token(cookies(reply.headers).get(_COOKIE)), token(second.partition(",")[0]))

    async def _watts(self, session: Session) -> float | None:
        reply = (await self._web.ask(_GRAPH, method="POST", headers=session.headers())).good()
        records = xml_texts(reply.content, *_RECORDS)
        if not records:
            raise Malformed(f"{reply.url} holds no record of the last hour")
        return quantity(records[-1].partition(",")[0].strip())

    async def _leave(self, session: Session) -> None:
        await self._web.ask("/data/logout", method="POST", headers=session.headers())
