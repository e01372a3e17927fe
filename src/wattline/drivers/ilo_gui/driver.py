"""HP Gen8 servers by the pages of iLO 4: `login_session`, `power_history_fast`, and the session given back."""

from typing import Final

import msgspec

from wattline.bmc_session import BmcConfig, BmcMeter
from wattline.plugin import Denied, Malformed
from wattline.web_meter import quantity
from wattline.wire.bmc_pages import token

_SESSION: Final = "/json/login_session"
_HISTORY: Final = "/json/power_history_fast"
_REFUSED: Final = (400, 401, 403)


class IloGuiConfig(BmcConfig, frozen=True, kw_only=True):
    """Options of an iLO's pages."""


class IloGui(BmcMeter[IloGuiConfig, str]):
    """A session is its key."""

    Config = IloGuiConfig
    summary = "HP Gen8 servers: the web pages of iLO 4"
    example = "ilo_gui://reader:secret@ilo-1"
    window = 10.0
    """Twenty minutes are 120 samples."""

    async def _enter(self) -> str:
        config = self.config
        who = {"method": "login", "user_login": config.user, "password": config.password.reveal()}
        reply = await self._web.ask(_SESSION, method="POST", body=msgspec.json.encode(who))
        if reply.status in _REFUSED:
            raise Denied(f"{config.root} refuses the user {config.user} and its password")
        said = reply.good().json()
        return token(said.get("session_key") if isinstance(said, dict) else None)

    async def _watts(self, session: str) -> float | None:
        said = (await self._web.ask(_HISTORY, headers={"Cookie": f"sessionKey={session}"})).good().json()
        samples = said.get("samples") if isinstance(said, dict) else None
        if not isinstance(samples, list) or not samples or not isinstance(samples[0], dict):
            raise Malformed(f"{self.config.root}{_HISTORY} holds no samples")
        return quantity(samples[0].get("avg"))

    async def _leave(self, session: str) -> None:
        body = msgspec.json.encode({"method": "logout", "session_key": session})
        await self._web.ask(_SESSION, method="POST", headers={"Cookie": f"sessionKey={session}"}, body=body)
