"""The `fastmcp` client with its own OAuth code, browser and callback listener included: MODE as for python_client.py. See README.md."""

import asyncio
import json
import logging
import os
import sys
import warnings
from importlib.metadata import version

from fastmcp import Client
from fastmcp.client.auth import OAuth

from python_client import reasons, setting

# With & at its end, Python's webbrowser module does not wait for it; the listener starts after the browser.
os.environ["BROWSER"] = f"{setting('BROWSER')} %s &"


def text_of(result) -> str:
    return "\n".join(getattr(part, "text", "") for part in result.content)


async def main() -> dict:
    base = setting("BROKER_URL").rstrip("/")
    endpoint = base if base.endswith("/mcp") else f"{base}/mcp"
    tool, arguments = setting("TOOL"), json.loads(os.environ.get("ARGS") or "{}")
    login = OAuth(client_name="fastmcp", callback_timeout=100, client_metadata_url=os.environ.get("CIMD_URL") or None)
    async with Client(endpoint, auth=login, mode=os.environ.get("MODE") or "auto", timeout=110) as client:
        names = [tool.name for tool in await client.list_tools()]
        revision = client.protocol_version
        report = {
            "client": "fastmcp",
            "version": version("fastmcp"),
            "era": "modern" if revision >= "2026-07-28" else "legacy",
            "protocolVersion": revision,
            "scope": login.context.current_tokens.scope,
            "tools": len(names),
            "toolNames": names,
            # A result that reports an error is raised by the package.
            "callText": text_of(await client.call_tool(tool, arguments)),
        }
        if os.environ.get("REFRESH") == "1":
            before = login.context.current_tokens.access_token
            # The package refreshes by its own clock: let it believe that the hour is over.
            login.context.token_expiry_time = 1
            report["callTextAfterRefresh"] = text_of(await client.call_tool(tool, arguments))
            report["refreshed"] = login.context.current_tokens.access_token != before
        return report


if __name__ == "__main__":
    if not os.environ.get("TRACE"):
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")
    try:
        print(json.dumps(asyncio.run(main()), ensure_ascii=False))
    except BaseException as failure:
        if os.environ.get("TRACE"):
            raise
        print(f"fastmcp_client: {'; '.join(reasons(failure))}", file=sys.stderr)
        sys.exit(1)
