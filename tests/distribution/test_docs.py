"""README and docs/: links lead somewhere, every command is one that the command line takes, transcripts are real."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from elbo_compare.compare.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^( *)```\w*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
OPEN = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)*\b|\[")  # DIR, MODULE:MODEL, [ID]: a form, no command to paste


def commands(text):
    """Lines of code blocks that start `compare`, and those in backticks that can be pasted."""
    lines = [line.strip().removeprefix("$ ") for _, block in BLOCK.findall(text) for line in block.splitlines()]
    lines += re.findall(r"`(compare \w+ [^`]+)`", BLOCK.sub("", text))  # a verb alone is spoken of
    found = [line.split("  #")[0].strip() for line in lines if line.startswith("compare ")]
    return list(dict.fromkeys(line for line in found if not OPEN.search(line.replace("KL-", "").replace("MUT-", ""))))


EVERY = sorted({(page.name, command) for page in PAGES for command in commands(page.read_text("utf-8"))})


@pytest.mark.parametrize(("page", "line"), EVERY, ids=[f"{page}: {line}" for page, line in EVERY])
def test_the_command_line_takes_it(page, line):
    """Parsed with its own rules, and not run."""
    group: Any = typer.main.get_command(app)
    _, verb, *arguments = shlex.split(line)
    group.commands[verb].make_context(verb, arguments)


def test_there_are_commands_on_every_kind_of_page():
    pages = {page for page, _ in EVERY}
    assert {"README.md", "tutorial.md", "how-to.md", "check.md", "reference.md"} <= pages
    assert len(EVERY) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_of_the_checkout(page):
    text = BLOCK.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"https?://", link):
            assert (page.parent / link).exists(), link


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) < 130
    assert text.index("## The answer") < text.index("## Is your code right?") < text.index("## Run it")
