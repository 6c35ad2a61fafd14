"""Every fenced command of README and docs/ is run here, in this process, on small folders, and says what its page says.

What can't be (network, minutes, a GPU) has `<!-- not run by a test: REASON -->` right above its fence; its arguments
are read all the same. No fence of commands is without one or the other.
"""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import elbo_compare
from elbo_compare.compare.checking import process as checking
from elbo_compare.compare.cli import app
from elbo_compare.compare.judging.frames import write_frame, write_json
from elbo_compare.compare.launching.target import Returned

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "compare"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)(?:<!-- not run by a test: ([^\n]+) -->\n\1)?```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
NO_COMMANDS = {"python", "mermaid"}
ENDS = {"compare check": (0, 1), "compare diff": (0, 1)}  # 1 is an answer of these: wrong; a verdict changed
PAIR = """
import pyro, torch
from pyro.distributions import Normal


def model():
    pyro.sample("z", Normal(0.0, 1.0))


def guide():
    pyro.sample("z", Normal(pyro.param("m", torch.tensor(0.3)), 0.8))
"""
DIGITS = re.compile(r"off by \S+ of [\w.-]+")  # roundings, which are the machine's


@dataclass(frozen=True, kw_only=True)
class Fenced:
    """A command of a page, what the page says that it prints, and why it is not run."""

    page: str
    line: str
    said: str
    why_not: str


def fenced(page: Path) -> Iterator[Fenced]:
    for indent, why_not, language, block in FENCE.findall(page.read_text("utf-8")):
        if language in NO_COMMANDS:
            continue
        lines = [line.removeprefix(indent).split("  #")[0].rstrip() for line in block.splitlines() if line.strip()]
        prompts = any(line.startswith("$ ") for line in lines)
        starts = [at for at, line in enumerate(lines) if line.startswith("$ ") or not prompts]
        for at, after in zip(starts, [*starts[1:], len(lines)], strict=True):
            for line in lines[at].removeprefix("$ ").split(" && "):
                yield Fenced(page=page.name, line=line, said="\n".join(lines[at + 1 : after]), why_not=why_not)


EVERY = [each for page in PAGES for each in fenced(page)]
RUN = {each.line: [one.said for one in EVERY if one.line == each.line] for each in EVERY if not each.why_not}
NOT_RUN = {each.line: each for each in EVERY if each.why_not}


def here(function: str, request: Mapping[str, Any], program: str, limits: object) -> Returned:
    """A person's code in this process: torch is imported once for all commands, not once for each."""
    module, name = function.split(":")
    return Returned(answer=getattr(import_module(module), name)(dict(request), lambda stage: None))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder as the pages have it: examples, published reports, results; these two in small."""
    from claim_rows import cell, evaluated
    from folders import write_folder

    root = tmp_path_factory.mktemp("checkout")
    (root / "examples").symlink_to(ROOT / "examples")
    (root / "my_model.py").write_text(PAIR, "utf-8")
    of = cell(problem="gaussian-kl", weights="2-near", dataset="none", implementation="pyro")
    for folder in ("results/quick", "results/standard", "reports/published/2026-11-23-standard-cpu"):
        write_folder(root / folder, [evaluated(of)])
        (root / folder / "README.md").write_text("# A small one\n", "utf-8")
        write_json(root / folder, "answer", {"sentence": "Yes.", "counts": {"agrees": 3}})
        for name in ("ledger", "timings"):
            write_frame(root / folder, name, pd.DataFrame())
    return root


def run(line: str, folder: Path) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        # `explain` keeps a process of its own: which library runs a pair it tells by what is imported there.
        patch.setattr(checking, "run_target", here)
        done = CliRunner().invoke(app, shlex.split(line)[1:])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize("line", RUN)
def test_it_runs_and_says_what_its_page_says(line, checkout):
    pytest.importorskip("pyro", reason="pyro is not installed")
    assert line.startswith("compare "), f"{line}: not a verb of ours; mark its fence with the reason"
    code, told = run(line, checkout)
    assert code in ENDS.get(" ".join(line.split()[:2]), (0,)), told
    assert told.strip()
    for said in filter(None, RUN[line]):
        assert DIGITS.sub("#", told).split() == DIGITS.sub("#", said).split()


@pytest.mark.parametrize("line", NOT_RUN)
def test_what_is_not_run_could_be(line):
    """Its verb takes these arguments, its script knows these options, its make target is there."""
    words = shlex.split(re.sub(r"^\w+=\S+ ", "", line))
    if words[:3] == ["python", "-m", "elbo_compare"]:
        words = ["compare", *words[3:]]
    if words[0] == "compare":
        group: Any = typer.main.get_command(app)
        group.commands[words[1]].make_context(words[1], words[2:])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words[0] in ("pip", "tar", "pytest"):
        named = [word for word in words[1:] if (ROOT / word).is_file()]
        assert named or "-c" not in words
    else:
        script = next(ROOT / word for word in words if word.startswith("benchmarks/"))
        text = script.read_text("utf-8")
        assert all(word in text for word in words if word.startswith("--")), line


def test_every_page_with_commands_has_some_that_are_run_or_say_why_not():
    assert len(RUN) > 12
    assert {each.page for each in EVERY} >= {
        "README.md",
        "check.md",
        "gpu.md",
        "how-to.md",
        "reference.md",
        "tutorial.md",
    }
    assert all(len(each.why_not) > 8 for each in NOT_RUN.values())
    for page in PAGES:  # a reason stands for the fence below it, and for none further down
        text = page.read_text("utf-8")
        assert 2 * len(FENCE.findall(text)) == len(re.findall(r"^ *```", text, re.MULTILINE)), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_lines_compile_and_import_what_is_exported(page):
    for _, _, language, block in FENCE.findall(page.read_text("utf-8")):
        if language == "python":
            compile(block, page.name, "exec")
            for names in re.findall(r"^from elbo_compare import (.+)", block, re.MULTILINE):
                assert {name.strip() for name in names.split(",")} <= set(elbo_compare.__all__)
