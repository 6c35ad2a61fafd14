"""Pages in a real browser: headless Chromium, where it is there."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Every page in a frame of its own, one after the other: its title, what a payload would have left in it, what it loads.
VISIT = """
(async () => {
  const found = [];
  for (const name of names) {
    const frame = document.createElement("iframe");
    await new Promise(loaded => {
      frame.onload = loaded;
      frame.src = name;
      document.body.append(frame);
    });
    await new Promise(waited => setTimeout(waited, 20));
    const page = frame.contentDocument;
    const elements = page.querySelectorAll("iframe, object, embed, svg, form, base, body script, [href^=javascript]");
    const handlers = [...page.querySelectorAll("*")].filter(
      each => [...each.attributes].some(attribute => attribute.name.startsWith("on")));
    if (page.title.includes("TAKEN") && !page.title.includes("<")) found.push(name + " ran a payload");
    if (elements.length) found.push(name + " has " + elements[0].outerHTML.slice(0, 80));
    if (handlers.length) found.push(name + " has " + handlers[0].outerHTML.slice(0, 80));
    if (!page.querySelector("h1")) found.push(name + " has no heading");
    frame.remove();
  }
  const taken = document.title === "before" ? [] : ["the page above was taken: " + document.title];
  document.title = "VISITED " + [names.length, ...taken, ...found].join("\\n") + " END";
})();
"""


def dumped(path: Path, *options: str, seconds: int = 240) -> str:
    """The page after its scripts, as Chromium has it; skips where the browser does not run here."""
    if BROWSER is None:
        pytest.skip("no Chromium here")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'profile'}"]
    try:
        done = subprocess.run(
            [*command, *options, "--virtual-time-budget=60000", "--dump-dom", path.as_uri()],
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("Chromium gave no page in time")
    if "</html>" not in done.stdout:
        pytest.skip(f"Chromium does not run here: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def visited(folder: Path, names: list[str]) -> list[str]:
    """What is wrong with pages of a folder that a browser has opened one after the other: payloads that ran, elements
    that none of our pages has; skips where the browser does not get through."""
    start = folder / "visit.html"
    held = json.dumps(names).replace("<", "\\u003c")
    script = f"<script>const names = {held};{VISIT}</script>"
    start.write_text(f'<!DOCTYPE html><html lang="en"><title>before</title><body></body>{script}</html>', "utf-8")
    try:
        page = dumped(start, "--allow-file-access-from-files")
    finally:
        start.unlink()
    told = page.partition("<title>VISITED ")[2].partition(" END</title>")
    if not told[1]:
        pytest.skip("the browser did not get through the pages in its time")
    seen, *found = told[0].split("\n")
    assert int(seen) == len(names)
    return found
