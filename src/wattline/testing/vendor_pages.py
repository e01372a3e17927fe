"""The web pages of five BMCs, spoken by one server of ours: HP Gen8 and Gen9, Dell iDRAC 8, Intel, Huawei iBMC.

async with VendorPages(watts=182) as bmc:
    driver = IntelGui(IntelGuiConfig(host=bmc.address, user=bmc.user, password=Secret(bmc.password)))
    ...
    assert bmc.logins == bmc.logouts == 1

`forget` ends all sessions as a BMC does after a while; `spoiled` is what readings answer instead of the truth.
"""

import base64
import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from multidict import CIMultiDict

from wattline.testing.web_server import WebServer, json_answer

_Page = Callable[["VendorPages", web.BaseRequest], Awaitable[web.Response]]
_INTEL: Final = (
    "//Dynamic Data Begin\n WEBVAR_JSONVAR_{name} = \n {{\n WEBVAR_STRUCTNAME_{name} : \n [\n {{ {row} }},  {{}} ],"
    "  \n HAPI_STATUS:0 }}; \n//Dynamic data end\n\n"
)
WELCOME: Final = "p&ss=w%rd +"
"""The password of the user `reader`: it goes wrong where it is not encoded."""


class VendorPages(WebServer):
    """Answers `user` and `password`; `logins`, `logouts` and `sessions` (open now) tell what was done."""

    def __init__(
        self,
        *,
        watts: float = 182,
        user: str = "reader",
        password: str = WELCOME,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._turn, tls=tls)
        self.watts = watts
        self.user, self.password = user, password
        self.logins = self.logouts = self.refusals = 0
        self.sessions: set[str] = set()
        self.spoiled: bytes | None = None
        self.firmware = "2.4"
        """Of the iLO that speaks REST: 2.1 or 2.4."""

    def forget(self) -> None:
        """End all sessions without telling anybody."""
        self.sessions.clear()

    # --- sessions ---

    def _login(self, user: str, password: str) -> str | None:
        if (user, password) != (self.user, self.password):
            self.refusals += 1
            return None
        self.logins += 1
        session = f"session{self.logins:08d}"
        self.sessions.add(session)
        return session

    def _logout(self, session: str) -> web.Response:
        self.logouts += session in self.sessions
        self.sessions.discard(session)
        return web.Response(text="ok")

    def _reading(self, session: str, content: bytes) -> web.Response:
        if session not in self.sessions:
            return web.Response(status=401, text="session expired")
        return web.Response(body=content if self.spoiled is None else self.spoiled)

    async def _turn(self, request: web.BaseRequest) -> web.Response:
        page = _PAGES.get(request.path)
        return await page(self, request) if page else self._ilo_rest(request)

    # --- HP ---

    def _ilo_rest(self, request: web.BaseRequest) -> web.Response:
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            self.refusals += 1
            return json_answer({"Messages": [{"MessageID": "iLO.0.9.NoValidSession"}]}, 401)
        if self.spoiled is not None:
            return web.Response(body=self.spoiled)
        entries = [{"Average": 1}, {"Average": self.watts}]
        match self.firmware, request.path.rpartition("/rest/v1/Chassis")[2]:
            case _, "":
                return json_answer({"links": {"Member": [{"href": "/rest/v1/Chassis/1"}]}})
            case "2.1", "/1/PowerMetrics/FastPowerMeter":
                return json_answer({"PowerDetail": entries[::-1]})
            case "2.4", "/1/Power/FastPowerMeter":
                return json_answer({"PowerDetail": entries})
            case "2.4", "/1/PowerMetrics/FastPowerMeter":
                return json_answer({"Messages": [{"MessageID": "Base.0.10.ResourceMissing"}]})
        return json_answer({"Messages": [{"MessageID": "Base.0.10.ResourceMissingAtURI"}]}, 404)

    async def _ilo_session(self, request: web.BaseRequest) -> web.Response:
        said = await request.json()
        if said["method"] == "logout":
            return self._logout(said["session_key"])
        session = self._login(said["user_login"], said["password"])
        if session is None:
            return json_answer({"message": "JS_ERR_NO_PRIV", "details": "User login name was not found"}, 403)
        return json_answer({"session_key": session, "user_name": said["user_login"]})

    async def _ilo_history(self, request: web.BaseRequest) -> web.Response:
        body = json_answer({"sample_time": 10, "samples": [{"peak": 300, "avg": self.watts}, {"avg": 1}]}).body
        assert isinstance(body, bytes)
        return self._reading(request.cookies.get("sessionKey", ""), body)

    # --- Dell ---

    async def _dell_login(self, request: web.BaseRequest) -> web.Response:
        said = await _form(request)
        session = self._login(said.get("user", ""), said.get("password", ""))
        result, url = ("1", "index.html") if session is None else ("0", f"index.html?ST1=one,ST2={session}")
        text = (
            '<?xml version="1.0" encoding="UTF-8"?> <root> <status>ok</status> '
            f"<authResult>{result}</authResult> <forwardUrl>{url}</forwardUrl> </root>"
        )
        cookie = {"Set-Cookie": f"-http-session-={session}; path=/; HttpOnly"} if session else {}
        return web.Response(text=text, content_type="text/xml", headers=cookie)

    async def _dell_graph(self, request: web.BaseRequest) -> web.Response:
        records = "".join(f"<record>{watts},1500000000</record>" for watts in (1, 2, self.watts))
        text = (
            "<root><powergraphdata><lastHourData><powerData>"
            f"{records}</powerData></lastHourData><lastDayData><powerData><record>9,9</record></powerData></lastDayData>"
            "</powergraphdata><status>ok</status></root>"
        )
        session = request.headers.get("ST2", "")
        return self._reading(session if _cookie(request, "-http-session-") == session else "", text.encode())

    async def _dell_logout(self, request: web.BaseRequest) -> web.Response:
        return self._logout(_cookie(request, "-http-session-"))

    # --- Intel ---

    async def _intel_login(self, request: web.BaseRequest) -> web.Response:
        said = await _form(request)
        session = self._login(said.get("WEBVAR_USERNAME", ""), said.get("WEBVAR_PASSWORD", ""))
        row = f"'SESSION_COOKIE' : '{session or 'Failure_Login_IPMI_Then_LDAP'}', 'BMC_IP' : '0.0.0.0'"
        return web.Response(text=_INTEL.format(name="WEB_SESSION", row=row))

    async def _intel_power(self, request: web.BaseRequest) -> web.Response:
        row = f"'LSB_CURR' : {self.watts},'MSB_CURR' : 0,'DOMAIN' : 'it\\'s all'"
        text = _INTEL.format(name="GETNMSTATISTICS", row=row)
        return self._reading(_cookie(request, "SessionCookie"), text.encode())

    async def _intel_logout(self, request: web.BaseRequest) -> web.Response:
        return self._logout(_cookie(request, "SessionCookie"))

    # --- Huawei ---

    async def _huawei_session(self, request: web.BaseRequest) -> web.Response:
        said = await _form(request)
        cookie = _cookie(request, "SessionId3")
        if said.get("func") == "DelSession":
            return self._logout(cookie if said.get("token") == f"token-{cookie}" else "")
        session = self._login(said.get("user_name", ""), said.get("check_pwd", ""))
        headers = CIMultiDict([("Set-Cookie", "lang=en; path=/")])
        if session:
            headers.add("Set-Cookie", f"SessionId3={session}; path=/bmc; secure")
        return web.Response(text="%22ok%22" if session else "%22144%22", headers=headers)

    async def _huawei_token(self, request: web.BaseRequest) -> web.Response:
        if "Mozilla" not in request.headers.get("User-Agent", ""):
            return web.Response(status=404)
        return web.Response(text=f"token-{_cookie(request, 'SessionId3')}")

    async def _huawei_properties(self, request: web.BaseRequest) -> web.Response:
        said = await _form(request)
        session = _cookie(request, "SessionId3")
        text = f"({{%22MeInfo%22:[{{}}],%22SysPower%22:[{{%22Power%22:{self.watts},%22PeakValue%22:300}}]}}"
        return self._reading(session if said.get("token") == f"token-{session}" else "", text.encode())


async def _form(request: web.BaseRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(await request.text(), keep_blank_values=True).items()}


def _cookie(request: web.BaseRequest, name: str) -> str:
    sent = [pair.partition("=") for pair in request.headers.get("Cookie", "").split("; ")]
    return next((value for key, _, value in sent if key == name), "")


_PAGES: Final[dict[str, _Page]] = {
    "/json/login_session": VendorPages._ilo_session,
    "/json/power_history_fast": VendorPages._ilo_history,
    "/data/login": VendorPages._dell_login,
    "/data": VendorPages._dell_graph,
    "/data/logout": VendorPages._dell_logout,
    "/rpc/WEBSES/create.asp": VendorPages._intel_login,
    "/rpc/getpowerstat.asp": VendorPages._intel_power,
    "/rpc/WEBSES/logout.asp": VendorPages._intel_logout,
    "/bmc/php/processparameter.php": VendorPages._huawei_session,
    "/bmc/php/gettoken.php": VendorPages._huawei_token,
    "/bmc/php/getmultiproperty.php": VendorPages._huawei_properties,
}
