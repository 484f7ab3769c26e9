"""Chromium without a window, spoken to through a pipe (https://chromedevtools.github.io/devtools-protocol)."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_ALONE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
_TAKES = "import os, sys; [os.dup2(int(a), b) for a, b in zip(sys.argv[1:3], (3, 4))]; "
_BECOMES = "os.execv(sys.argv[3], sys.argv[3:])"
_PATIENCE = 60.0  # seconds


class Browser:
    """A page that is open, and what became of it.

    Attributes:
        problems: What the console said, and what failed.
        asked: Addresses that were asked for, without data that the page holds itself.
    """

    def __init__(self, profile: Path) -> None:
        program = _found()
        import fcntl

        there, self._theirs = os.pipe()
        self._ours, back = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (there, back)]
        command = [sys.executable, "-S", "-c", _TAKES + _BECOMES, *map(str, ends)]
        command += [program, *_ALONE, f"--user-data-dir={profile}", "about:blank"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, pass_fds=ends, stdout=quiet, stderr=quiet)
        for end in (there, back, *ends):
            os.close(end)
        self._number, self._rest, self._session = 0, b"", None
        self.problems: list[str] = []
        self.asked: list[str] = []
        self._loaded = False
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def open(self, page: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Open a file in a window of a size, in light or dark mode."""
        self.problems.clear()
        self.asked.clear()
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self.tell("Page.navigate", url=page.resolve().as_uri())
        while not self._loaded:
            self._hear()

    def run(self, script: str) -> Any:
        """Return what an expression of JavaScript comes to in the page."""
        found = self.tell(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def has_all_pictures(self) -> bool:
        """Wait for the pictures, also for those far down; tell whether all could be drawn."""
        loaded = "[...document.images].map(i => { i.loading = 'eager'; return i.decode(); })"
        return bool(self.run(f"Promise.all({loaded}).then(() => true, () => false)"))

    def press(self, key: str, code: int) -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at a place, move it to another, and let it go."""
        for kind, (x, y), held in (
            ("mousePressed", start, 1),
            ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):
            self.tell(
                "Input.dispatchMouseEvent",
                **{"type": kind, "x": x, "y": y, "button": "left", "buttons": held},
                clickCount=1,
            )

    def picture(self, path: Path, *, whole: bool = False) -> Path:
        """Save what is seen, or the whole page."""
        found = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def tell(self, method: str, **params: Any) -> Any:
        """Give a command and return its answer."""
        self._number += 1
        said: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            said["sessionId"] = self._session
        os.write(self._theirs, json.dumps(said).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                return heard["result"]

    def close(self) -> None:
        """End the process and wait for it."""
        with contextlib.suppress(OSError, AssertionError, TimeoutError):
            self._session = None
            self.tell("Browser.close")
        for end in (self._theirs, self._ours):
            os.close(end)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _hear(self) -> dict[str, Any]:
        until = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._ours], [], [], max(0, until - time.monotonic()))
            if not ready or not (more := os.read(self._ours, 2**20)):
                raise TimeoutError("chromium says nothing")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(message)
        self._note(heard.get("method", ""), heard.get("params", {}))
        return heard

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.problems.append(json.dumps(said))
        elif method == "Network.requestWillBeSent":
            address = said["request"]["url"]
            if not address.startswith("data:"):
                self.asked.append(address)


def _found() -> str:
    if os.name == "nt":
        pytest.skip("pipes are handed to chromium as POSIX has them")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    pytest.skip("no chromium is installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for a module's tests."""
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
