"""Huawei servers by the pages of iBMC: a cookie, a token, and a list of properties asked for at once."""

from typing import Final, NamedTuple

import msgspec

from wattline.bmc_session import BmcConfig, BmcMeter
from wattline.plugin import Denied, Malformed
from wattline.web_meter import quantity
from wattline.wire.bmc_pages import FORM, cookies, form, nearly_json, token

_PARAMETERS: Final = "/bmc/php/processparameter.php"
_PROPERTIES: Final = "/bmc/php/getmultiproperty.php"
_BROWSER: Final = {"User-Agent": "Mozilla/5.0"}
"""Others are sent away."""
_ASKED: Final = msgspec.json.encode([
    {"class_name": "MeInfo", "obj_name": "MeInfo", "property_list": ["CpuCurPower", "MemCurPower"]},
    {"class_name": "SysPower", "obj_name": "syspower", "property_list": [
        "Power", "PowerConsumption", "PeakValue", "PeakTime", "RecordBeginTime", "AveragePower"]},
    {"class_name": "PowerCapping", "obj_name": "powercapping", "property_list": [
        "BaseValue", "TopValue", "Enable", "LimitValue", "FailAction", "ManualSetEnable"]},
]).decode()  # fmt: skip


class IbmcGuiConfig(BmcConfig, frozen=True, kw_only=True):
    """Options of an iBMC's pages."""


class Session(NamedTuple):
    """What a login gives: the cookie, and the token of its forms."""

    cookie: str
    token: str

    def headers(self) -> dict[str, str]:
        """Return what is sent with every form."""
        return {**FORM, **_BROWSER, "Cookie": f"SessionId3={self.cookie}; PowerUnits=1"}


class IbmcGui(BmcMeter[IbmcGuiConfig, Session]):
    """A session is a cookie and a token."""

    Config = IbmcGuiConfig
    summary = "Huawei servers: the web pages of iBMC"
    example = "ibmc_gui://reader:secret@ibmc-1"

    async def _enter(self) -> Session:
        config = self.config
        body = form(
            check_pwd=config.password.reveal(), logtype="0", user_name=config.user, func="AddSession", IsKvmApp="0"
        )
        reply = await self._web.ask(_PARAMETERS, method="POST", headers={**FORM, **_BROWSER}, body=body)
        given = [value for name, value in cookies(reply.good().headers).items() if "SessionId" in name and value]
        if not given:
            raise Denied(f"{config.root} refuses the user {config.user} and its password")
        cookie = token(given[0])
        sent = {**_BROWSER, "Cookie": f"SessionId3={cookie}"}
        said = (await self._web.ask("/bmc/php/gettoken.php", method="POST", headers=sent)).good()
        return Session(cookie, token(said.content.decode("utf-8", "replace").strip()))

    async def _watts(self, session: Session) -> float | None:
        body = form(token=session.token, str_input=_ASKED)
        reply = (await self._web.ask(_PROPERTIES, method="POST", headers=session.headers(), body=body)).good()
        page = nearly_json(reply.content)
        rows = page.get("SysPower") if isinstance(page, dict) else None
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
            raise Malformed(f"{reply.url} holds no SysPower")
        return quantity(rows[0].get("Power"))

    async def _leave(self, session: Session) -> None:
        body = form(token=session.token, func="DelSession")
        await self._web.ask(_PARAMETERS, method="POST", headers=session.headers(), body=body)
