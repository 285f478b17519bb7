"""The Python `mcp` client: MODE is auto (the package's default), legacy, or a revision. See README.md."""

import asyncio
import json
import logging
import os
import sys
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from browser import Browser, Person


class Memory(TokenStorage):
    """Tokens and client registration of one run."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} must be set")
    return value


def text_of(result) -> str:
    joined = "\n".join(getattr(part, "text", "") for part in result.content)
    if result.is_error:
        raise RuntimeError(f"the tool reports an error: {joined}")
    return joined


async def all_tools(client: Client) -> list[str]:
    names, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def main() -> dict:
    base = setting("BROKER_URL").rstrip("/")
    endpoint = base if base.endswith("/mcp") else f"{base}/mcp"
    redirect_uri = os.environ.get("REDIRECT_URL") or "http://127.0.0.1:8098/callback"
    person = Person(setting("FORGEJO_USER"), setting("FORGEJO_PASSWORD"), os.environ.get("ACCESS"))
    tool, arguments = setting("TOOL"), json.loads(os.environ.get("ARGS") or "{}")
    mode = os.environ.get("MODE") or "auto"
    came_back: dict[str, list[str]] = {}

    async def drive(address: str) -> None:
        came_back.clear()
        came_back.update(parse_qs(urlsplit(await Browser(person).login(address, redirect_uri)).query))

    async def callback() -> AuthorizationCodeResult:
        if "error" in came_back:
            raise RuntimeError(f"login refused: {came_back['error'][0]}: {came_back.get('error_description')}")
        first = {name: values[0] for name, values in came_back.items()}
        return AuthorizationCodeResult(code=first["code"], state=first.get("state"), iss=first.get("iss"))

    storage = Memory()
    provider = OAuthClientProvider(
        endpoint,
        OAuthClientMetadata(
            client_name="Python mcp",
            redirect_uris=[redirect_uri],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage,
        redirect_handler=drive,
        callback_handler=callback,
        client_metadata_url=os.environ.get("CIMD_URL") or None,
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=httpx2.Timeout(30, read=300)) as http,
        Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client,
    ):
        names = await all_tools(client)
        report = {
            "client": "mcp",
            "version": version("mcp"),
            "era": "modern" if client.protocol_version >= "2026-07-28" else "legacy",
            "protocolVersion": client.protocol_version,
            "scope": storage.tokens.scope if storage.tokens else None,
            "tools": len(names),
            "toolNames": names,
            "callText": text_of(await client.call_tool(tool, arguments)),
        }
        if os.environ.get("REFRESH") == "1":
            before = storage.tokens.access_token
            # The package refreshes by its own clock: let it believe that the hour is over.
            provider.context.token_expiry_time = 1
            report["callTextAfterRefresh"] = text_of(await client.call_tool(tool, arguments))
            report["refreshed"] = storage.tokens.access_token != before
        return report


def reasons(error: BaseException) -> list[str]:
    """The messages at the leaves of exception groups."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in reasons(inner)]
    return [f"{type(error).__name__}: {error}"]


if __name__ == "__main__":
    if not os.environ.get("TRACE"):
        # The package logs the stack of what is reported below in one line.
        logging.getLogger("mcp").setLevel(logging.CRITICAL)
    try:
        print(json.dumps(asyncio.run(main()), ensure_ascii=False))
    except BaseException as failure:
        if os.environ.get("TRACE"):
            raise
        print(f"python_client: {'; '.join(reasons(failure))}", file=sys.stderr)
        sys.exit(1)
