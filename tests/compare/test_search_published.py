"""Published searches: their programs as a maintainer gets them, their oracle's numbers, and their counts."""

import ast
import contextlib
import io
import json
import re
import warnings
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from elbo_compare.compare.searching.grouping import Group, pasted
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import from_json
from elbo_compare.suites.semantics.searching.objectives import exact_of
from elbo_compare.suites.semantics.searching.recognised import BY_ID
from elbo_compare.suites.semantics.searching.ways import Particles, Way

PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "search"
# Those of a date: the oldest, beside them, is of a grammar that is gone.
FILES = sorted(path for path in PUBLISHED.glob("*/*.json") if '"groups": [' in path.read_text("utf-8"))


def _groups() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in FILES:
        for group in json.loads(path.read_text("utf-8"))["groups"]:
            found.append((f"{path.parent.name}/{path.stem}: {group['title']}", group))
    return found


GROUPS = _groups()


def _way(group: dict[str, Any]) -> Way:
    fields = group["example"]["way_fields"]
    return Way(**{**fields, "particles": Particles(fields["particles"])})


def _today(group: dict[str, Any]) -> str:
    """The program as it is written now."""
    fields = {key: group[key] for key in ("elbo", "kinds", "example", "count", "finding", "simulated")}
    return pasted(Group(library=Library(group["library"]), core=tuple(group["core"]), ways=(), **fields))


def test_every_published_program_is_short_and_prints_its_numbers() -> None:
    """At most 15 lines that compile; the last one prints; the class, its file and line, and a sentence stand beside."""
    assert len(GROUPS) > 50
    for name, group in GROUPS:
        lines = group["program"].splitlines()
        assert len(lines) <= 15, name
        assert any("print(" in line for line in lines), name
        body = ast.parse(group["program"]).body
        assert {node.name for node in body if isinstance(node, ast.FunctionDef)} >= {"model"}, name
        assert group["example"]["elbo"] in group["program"], name
        assert re.search(r"\.py, line \d+", group["example"]["source"]["line"]), name
        assert len(group["documentation"].split()) > 3, name
        assert group["example"]["off"], name
        assert not group["finding"] or group["finding"] in BY_ID, name


def test_a_found_model_stays_a_case() -> None:
    """The oracle still gives the published loss and gradient of every group's smallest model, infinite ones too; the
    program that is written of it today is as short. 2e-8: of another version's roundings."""
    for name, group in GROUPS:
        pair, right = from_json(group["example"]["pair"]), group["example"]["exact"]
        found = exact_of(pair, _way(group))
        assert found.value == pytest.approx(float(right["value"]), rel=2e-8, abs=2e-8), name
        if isfinite(found.value):
            assert found.gradient == pytest.approx([float(each) for each in right["gradient"]], rel=1e-6, abs=1e-7), (
                name
            )
        assert len(_today(group).splitlines()) <= 15, name


def _printed(group: dict[str, Any], name: str) -> str:
    """What the program prints, torch and Pyro left as they were."""
    torch, pyro = pytest.importorskip("torch"), pytest.importorskip("pyro")
    before = torch.get_default_dtype()
    try:
        pyro.clear_param_store()
        with contextlib.redirect_stdout(io.StringIO()) as printed, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of which Pyro has some, here as for whoever pastes it
            exec(compile(_today(group), name, "exec"), {})
    finally:
        torch.set_default_dtype(before)
        pyro.clear_param_store()
    return printed.getvalue()


def test_a_program_as_it_stands_shows_the_wrong_value() -> None:
    """Pyro's, of published groups whose value is off: one of an object that was used before, and one of another."""
    pytest.importorskip("pyro")
    shown = set()
    for name, group in GROUPS:
        off = group["example"]["off"].get("value")
        plain = group["example"]["way_fields"]["particles"] == "vectorised" and group["library"] == "pyro"
        if not plain or off is None or "inf" in (off["mean"], off["exact"]) or group["example"]["reused"] in shown:
            continue
        if abs(off["mean"] - off["exact"]) < 0.5:
            continue
        number = re.search(r"-?\d+\.\d+", _printed(group, name))
        assert number is not None, name
        assert abs(float(number[0]) - off["mean"]) < abs(float(number[0]) - off["exact"]) / 4, name
        shown.add(group["example"]["reused"])
    assert shown == {False, True}


def test_a_program_of_one_particle_a_call_shows_the_mean_of_many() -> None:
    """One draw of it hid a wrong gradient: it may be the right one's."""
    name, group = next(
        (name, group)
        for name, group in GROUPS
        if group["elbo"] == "TraceGraph_ELBO" and group["example"]["way_fields"]["particles"] == "looped"
    )
    off = group["example"]["off"]["gradient"]
    gradient = float(re.findall(r"tensor\(\[(-?\d+\.\d+)", _printed(group, name))[0])
    assert abs(gradient - off["mean"]) < abs(gradient - off["exact"]) / 4
