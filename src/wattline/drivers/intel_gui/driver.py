"""Intel servers by the pages of their BMC's web console: the statistics of the Node Manager."""

from typing import Final

from wattline.bmc_session import BmcConfig, BmcMeter
from wattline.plugin import Denied, Malformed
from wattline.web_meter import quantity
from wattline.wire.bmc_pages import FORM, form, token, webvar

_COOKIE: Final = "SESSION_COOKIE"
_REFUSAL: Final = "Failure_"
"""How the cookie of a login begins that was refused: `Failure_Login_IPMI_Then_LDAP`, `Failure_No_Free_Slot`."""
_FULL: Final = "Free_Slot"


class IntelGuiConfig(BmcConfig, frozen=True, kw_only=True):
    """Options of an Intel BMC's pages."""


class IntelGui(BmcMeter[IntelGuiConfig, str]):
    """A session is its cookie."""

    Config = IntelGuiConfig
    summary = "Intel servers: the web pages of their BMC"
    example = "intel_gui://reader:secret@bmc-1"

    async def _enter(self) -> str:
        config = self.config
        body = form(WEBVAR_USERNAME=config.user, WEBVAR_PASSWORD=config.password.reveal())
        reply = (await self._web.ask("/rpc/WEBSES/create.asp", method="POST", headers=FORM, body=body)).good()
        rows = webvar(reply.content, "WEB_SESSION")
        cookie = rows[0].get(_COOKIE) if rows else None
        if isinstance(cookie, str) and cookie.startswith(_REFUSAL) and _FULL in cookie:
            raise Malformed(f"{config.root} has no session to give: others hold all of them")
        if not rows or (isinstance(cookie, str) and cookie.startswith(_REFUSAL)):
            raise Denied(f"{config.root} refuses the user {config.user} and its password")
        return token(cookie)

    async def _watts(self, session: str) -> float | None:
        reply = (await self._web.ask("/rpc/getpowerstat.asp", headers=_sent(session))).good()
        rows = webvar(reply.content, "GETNMSTATISTICS")
        if not rows:
            raise Malformed(f"{reply.url} holds no statistics")
        return quantity(rows[0].get("LSB_CURR"))

    async def _leave(self, session: str) -> None:
        await self._web.ask("/rpc/WEBSES/logout.asp", headers=_sent(session))


def _sent(session: str) -> dict[str, str]:
    return {"Cookie": f"SessionCookie={session}"}
