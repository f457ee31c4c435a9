"""A real browser that a test steers: Debian's Chromium, headless, by its DevTools protocol.

What a test evaluates runs beside the page and not in it, so a page whose policy forbids scripts can be looked at, too.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
HOW_TO_GET_IT = "no chromium was found: apt-get install chromium"

STARTS_WITHIN_S = 60.0
ANSWERS_WITHIN_S = 60.0
MESSAGE_BYTES_MAX = 64 << 20

_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-default-browser-check",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


class Tab:
    """One page at a time, and what the browser says of it. Belongs to one event loop."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        """What was asked for since the last `open`, the page itself included."""
        self.complaints: list[str] = []
        """What the console says since the last `open`: errors, warnings, what the policy of the page forbade."""
        self._socket = socket
        self._session: str | None = None
        self._sent = 0
        self._loaded = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def begin(self) -> None:
        """Make the tab, and listen to it."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")

    async def open(self, page: Path) -> None:
        """Load a page from a file."""
        self.requests.clear()
        self.complaints.clear()
        self._loaded.clear()
        await self.call("Page.navigate", url=page.as_uri())
        await asyncio.wait_for(self._loaded.wait(), ANSWERS_WITHIN_S)

    async def look(self, *, width: int, scheme: str, media: str = "screen") -> None:
        """Show it on a screen of so many pixels, in a `light` or `dark` scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=features)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )

    async def evaluate(self, script: str) -> Any:
        """Return what an expression, or the promise that it is, comes to, as plain values."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def picture(self) -> bytes:
        """Return the whole page as a PNG."""
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return b64decode(found["data"])

    async def printed(self) -> bytes:
        """Return the page as a PDF on A4."""
        found = await self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        return b64decode(found["data"])

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of the protocol; see https://chromedevtools.github.io/devtools-protocol."""
        self._sent += 1
        session = {"sessionId": self._session} if self._session else {}
        answer = self._waiting[self._sent] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._sent, "method": method, "params": arguments} | session)
        return await asyncio.wait_for(answer, ANSWERS_WITHIN_S)

    async def listen(self) -> None:
        """Take in what the browser says, until it is closed."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" not in said:
                self._note(said["method"], said["params"])
            elif "error" in said:
                self._waiting.pop(said["id"]).set_exception(RuntimeError(said["error"]["message"]))
            else:
                self._waiting.pop(said["id"]).set_result(said["result"])

    def _note(self, method: str, about: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(about["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(about))


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Tab]:
    """Start a browser that keeps its things in `profile`, and give one tab of it."""
    assert PROGRAM is not None, HOW_TO_GET_IT
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        address = await asyncio.wait_for(_address(process.stderr), STARTS_WITHIN_S)
        quiet = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=MESSAGE_BYTES_MAX) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            await tab.begin()
            yield tab
            await tab.call("Browser.close")
            await listening
        await process.wait()
        await quiet
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _address(stderr: asyncio.StreamReader) -> str:
    said = b""
    async for line in stderr:
        said += line
        if line.startswith(b"DevTools listening on "):
            return line.split()[-1].decode()
    raise RuntimeError(f"chromium did not start: {said.decode(errors='replace')}")
