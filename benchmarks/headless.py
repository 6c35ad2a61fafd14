"""Chromium without a window, spoken to through a pipe (its DevTools protocol): a page at a width, asked about itself.

Needs Chromium and nothing else: no driver, no network.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--allow-file-access-from-files")
# The browser reads its commands from descriptor 3 and answers on 4; a shell can't be relied on for two-digit numbers.
PIPED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
LOADED = "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))"
PAINTED = """new Promise(done => {
  const told = () => {
    const found = performance.getEntriesByName("first-contentful-paint")[0];
    found ? done(found.startTime) : setTimeout(told, 10);
  };
  told();
})"""


def browser_path() -> str:
    """Where Chromium is. Raises SystemExit, in one line, where it is not."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or sys.exit(f"No browser: none of {', '.join(NAMES)} is on the path.")


class Browser:
    """One browser, as a context; `page` opens a tab of a size."""

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="headless-", ignore_cleanup_errors=True)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        options = [*FLAGS, "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", PIPED, str(theirs_in), str(theirs_out), browser_path(), *options],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers, self._rest = count(1), b""
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._to)  # the end of its commands ends it
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)
        self._profile.cleanup()

    def page(self, width: int, height: int) -> "Page":
        """A tab of its own, with nothing cached of another."""
        context = self.ask("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, context)
        page.ask("Page.enable")
        page.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        return page

    def ask(self, method: str, session: str = "", **values: Any) -> dict[str, Any]:
        """The answer to one command. Raises RuntimeError with the browser's words, EOFError where it has ended."""
        number = next(self._numbers)
        told = {"id": number, "method": method, "params": values} | ({"sessionId": session} if session else {})
        os.write(self._to, json.dumps(told).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._from, 1 << 16)
            if not more:
                raise EOFError("The browser has ended.")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


class Page:
    """A tab. `goto` waits until all is loaded; `evaluate` is the value of a JavaScript expression."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser, self._session, self._context = browser, session, context

    def ask(self, method: str, **values: Any) -> dict[str, Any]:
        """One command to this tab."""
        return self._browser.ask(method, self._session, **values)

    def goto(self, path: Path) -> None:
        """Open a file."""
        address = path.resolve().as_uri()
        self.ask("Page.navigate", url=address)
        while True:
            try:  # the old page answers until the new one has begun
                if self.evaluate("location.href") == address:
                    self.evaluate(LOADED)
                    return
            except RuntimeError:  # or is taken from under the question
                continue

    def evaluate(self, expression: str) -> Any:
        """The expression's value (a promise's, once it is there). Raises RuntimeError with what it threw."""
        found = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", "it threw"))
        return found["result"].get("value")

    def first_paint_ms(self) -> float:
        """Milliseconds from opening the page to the first text or picture that is drawn."""
        return float(self.evaluate(PAINTED))

    def close(self) -> None:
        """Close the tab and forget what it loaded."""
        self._browser.ask("Target.disposeBrowserContext", browserContextId=self._context)
