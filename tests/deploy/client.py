#!/usr/bin/env python3
"""A user of a deployed broker, with nothing but Python: logs in through a Forgejo stand-in and calls a tool.

client.py login URL FILE   registers, logs alice in, opens a session, calls a tool; keeps what it got in FILE
client.py again URL FILE   with what is in FILE: calls the tool in the same session, then refreshes and calls again

Ends with 0 only if every step brought what it should.
"""

import base64
import hashlib
import html.parser
import http.cookiejar
import json
import os
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request

REDIRECT = "http://127.0.0.1:49152/callback"
DIRECT = urllib.request.ProxyHandler({})
TOOL = os.environ.get("TOOL", "get_my_user_info")


class Form(html.parser.HTMLParser):
    """The first form that is sent by POST: where it goes, and its hidden fields."""

    def __init__(self):
        super().__init__()
        self.action, self.fields, self.names, self.inside = None, {}, set(), False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None and (attributes.get("method") or "").lower() == "post":
            self.action, self.inside = attributes.get("action") or "", True
        if self.inside and attributes.get("name"):
            self.names.add(attributes["name"])
            if tag == "input" and attributes.get("type") == "hidden":
                self.fields[attributes["name"]] = attributes.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False


class StopAtClient(urllib.request.HTTPRedirectHandler):
    """Follows redirects as a browser does, but not the one that leads back to the client."""

    def redirect_request(self, request, response, code, message, headers, url):
        if url.startswith(REDIRECT):
            raise Arrived(url)
        return super().redirect_request(request, response, code, message, headers, url)


class Arrived(Exception):
    pass


def post(url, body, headers=None):
    """Posts JSON (a dict) or a form (a list), and returns status, headers and text."""
    form = isinstance(body, list)
    data = urllib.parse.urlencode(body) if form else json.dumps(body)
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request(url, data.encode(), {"Content-Type": kind, **(headers or {})})
    try:
        with urllib.request.build_opener(DIRECT).open(request, timeout=60) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def check(condition, what):
    if not condition:
        sys.exit(f"client.py: {what}")


def browse(url, login):
    """Consent page, Forgejo's login page, Forgejo's grant page, in whatever order they come; the address it all leads to."""
    browser = urllib.request.build_opener(DIRECT, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), StopAtClient)
    try:
        page = browser.open(url, timeout=60)
        for _ in range(6):
            form, text = Form(), page.read().decode()
            form.feed(text)
            check(form.action is not None, f"no form on {page.url}:\n{text}")
            if "decision" in form.names:
                form.fields.update(decision="approve", access="write")
            elif "user_name" in form.names:
                form.fields.update(user_name=login, password=f"{login}-password")
            else:
                form.fields["granted"] = "true"
            target = urllib.parse.urljoin(page.url, form.action)
            parts = urllib.parse.urlsplit(target)
            origin = {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"}
            data = urllib.parse.urlencode(form.fields).encode()
            page = browser.open(urllib.request.Request(target, data, origin), timeout=60)
    except Arrived as arrived:
        return arrived.args[0]
    sys.exit("client.py: the login did not end")


def mcp(url, state, method, params, request_id=1):
    """One MCP request in the session of `state`, if there is one; its result."""
    headers = {"Authorization": f"Bearer {state['access_token']}", "Accept": "application/json, text/event-stream"}
    if "session" in state:
        headers.update({"Mcp-Session-Id": state["session"], "MCP-Protocol-Version": "2025-11-25"})
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if request_id is not None:
        message["id"] = request_id
    status, answer, text = post(f"{url}/mcp", message, headers)
    check(status in (200, 202), f"{method}: {status} {text}")
    if answer.get("Mcp-Session-Id"):
        state["session"] = answer["Mcp-Session-Id"]
    if request_id is None:
        return None
    lines = [line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip()] or [text]
    results = [message["result"] for message in map(json.loads, lines) if "result" in message]
    check(results, f"{method}: no result in {text}")
    return results[0]


def whoami(url, state):
    text = json.dumps(mcp(url, state, "tools/call", {"name": TOOL, "arguments": {}}, 7))
    check("alice" in text, f"{TOOL}: {text}")
    print(f"{TOOL}: alice")


def tokens(url, state, form):
    status, _, text = post(f"{url}/oauth/token", form)
    check(status == 200, f"token endpoint: {status} {text}")
    state.update(json.loads(text))


def login(url):
    status, _, text = post(f"{url}/oauth/register", {"client_name": "deployment test", "redirect_uris": [REDIRECT]})
    check(status == 201, f"registration: {status} {text}")
    state = {"client_id": json.loads(text)["client_id"]}
    verifier, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": state["client_id"], "redirect_uri": REDIRECT, "state": nonce,
        "code_challenge": challenge, "code_challenge_method": "S256", "resource": f"{url}/mcp",
    })
    back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browse(f"{url}/oauth/authorize?{query}", "alice")).query))
    check(back.get("state") == nonce and "code" in back, f"the login came back with {sorted(back)}")
    tokens(url, state, [("grant_type", "authorization_code"), ("code", back["code"]), ("redirect_uri", REDIRECT),
                        ("code_verifier", verifier), ("client_id", state["client_id"])])
    client = {"name": "deployment test", "version": "1"}
    mcp(url, state, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
    mcp(url, state, "notifications/initialized", {}, None)
    whoami(url, state)
    return state


def again(url, state):
    whoami(url, state)
    tokens(url, state, [("grant_type", "refresh_token"), ("refresh_token", state["refresh_token"]), ("client_id", state["client_id"])])
    whoami(url, state)
    return state


def main():
    check(len(sys.argv) == 4 and sys.argv[1] in ("login", "again"), __doc__)
    _, verb, url, file = sys.argv
    if verb == "login":
        state = login(url)
    else:
        with open(file, encoding="utf-8") as known:
            state = again(url, json.load(known))
    with open(file, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as known:
        json.dump(state, known)


main()
