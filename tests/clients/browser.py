"""Plays the person at the browser, as browser.mjs does for the TypeScript clients.

Follows redirects with a cookie jar, fills in the forms it meets (the broker's consent page, Forgejo's login and grant
pages) and stops at the client's redirect URI.
"""

import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import httpx2

STEPS = 30
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Person:
    """Credentials at Forgejo, and the access to choose on the consent page."""

    user: str
    password: str
    access: str | None = None


@dataclass
class Form:
    """A form of a page with its controls in order."""

    method: str
    action: str
    controls: list[dict[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """Collects forms and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._open: Form | None = None
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(values.get("method", "get").lower(), values.get("action", ""))
            self.forms.append(self._open)
        elif tag in ("input", "button") and self._open is not None:
            self._open.controls.append({"tag": tag, **values})
        elif tag in ("style", "script"):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag in ("style", "script"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words)).strip()[:400]


@dataclass
class Cookie:
    """A cookie of one host; ports make no difference, as in a browser."""

    name: str
    value: str
    host: str
    path: str
    secure: bool


class Browser:
    """One person's browser: a cookie jar and the page it shows."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._jar: dict[tuple[str, str, str], Cookie] = {}
        self._shown: SplitResult | None = None
        self._logged_in = False

    async def login(self, start: str, redirect_uri: str) -> str:
        """Opens `start` and returns the address below `redirect_uri` to which the login finally led."""
        method, address, body = "GET", start, None
        async with httpx2.AsyncClient(follow_redirects=False, timeout=30) as http:
            for _ in range(STEPS):
                if method == "GET" and _place(address) == _place(redirect_uri):
                    return address
                response = await http.request(
                    method, address, content=body, headers=self._headers(address, body is not None)
                )
                for line in response.headers.get_list("set-cookie"):
                    self._keep(line, urlsplit(address))
                if 300 <= response.status_code < 400 and "location" in response.headers:
                    method, address, body = "GET", urljoin(address, response.headers["location"]), None
                    continue
                page = Page(response.text)
                if response.status_code != 200:
                    raise RuntimeError(f"{method} {address}: {response.status_code}: {page.text()}")
                self._shown = urlsplit(address)
                method, (address, body) = "POST", self._submit(page, address)
        raise RuntimeError(f"no end after {STEPS} steps; the last was {address}")

    def _headers(self, address: str, posts: bool) -> dict[str, str]:
        url = urlsplit(address)
        trustworthy = url.scheme == "https" or url.hostname in LOOPBACK
        cookies = [
            f"{c.name}={c.value}"
            for c in self._jar.values()
            if c.host == url.hostname and (url.path or "/").startswith(c.path) and (trustworthy or not c.secure)
        ]
        site = "none"
        if self._shown is not None:
            site = "same-origin" if _origin(self._shown) == _origin(url) else "cross-site"
        headers = {
            "accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) test browser",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
            "sec-fetch-site": site,
        }
        if cookies:
            headers["cookie"] = "; ".join(cookies)
        if posts and self._shown is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
            headers["origin"] = _origin(self._shown)
        return headers

    def _keep(self, line: str, url: SplitResult) -> None:
        pair, *rest = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        attributes = {key.lower(): text for key, _, text in (part.partition("=") for part in rest)}
        cookie = Cookie(name, value, url.hostname or "", attributes.get("path") or "/", "secure" in attributes)
        key = (cookie.host, cookie.path, name)
        gone = "max-age" in attributes and int(attributes["max-age"]) <= 0
        if "max-age" not in attributes and "expires" in attributes:
            gone = parsedate_to_datetime(attributes["expires"]).timestamp() <= time.time()
        if gone:
            self._jar.pop(key, None)
        else:
            self._jar[key] = cookie

    def _submit(self, page: Page, address: str) -> tuple[str, str]:
        """The first POST form in which there is something for the person to do."""
        posts = [form for form in page.forms if form.method == "post"]
        wanted = {"user_name", "decision", "granted"}
        chosen = [form for form in posts if wanted & {control.get("name") for control in form.controls}] or posts
        if not chosen:
            raise RuntimeError(f"{address}: a page without a form: {page.text()}")
        if any(control.get("name") == "user_name" for control in chosen[0].controls):
            if self._logged_in:
                raise RuntimeError(f"{address}: the login was refused: {page.text()}")
            self._logged_in = True
        fields = [pair for control in chosen[0].controls if (pair := self._fill(control)) is not None]
        return urljoin(address, chosen[0].action or address), urlencode(fields)

    def _fill(self, control: dict[str, str]) -> tuple[str, str] | None:
        name, value, kind = control.get("name", ""), control.get("value", ""), control.get("type", "").lower()
        if not name or "disabled" in control:
            return None
        if name == "user_name":
            return name, self._person.user
        if name == "password":
            return name, self._person.password
        if name == "access" and self._person.access:
            return (name, value) if value == self._person.access else None
        if control["tag"] == "button" or kind == "submit":
            return (name, value) if (name, value) in {("decision", "approve"), ("granted", "true")} else None
        if kind in ("radio", "checkbox"):
            return (name, value or "on") if "checked" in control else None
        return name, value


def _origin(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc}"


def _place(address: str) -> tuple[str, str]:
    url = urlsplit(address)
    return _origin(url), url.path or "/"
