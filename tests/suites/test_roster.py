"""The roster against what it speaks of: classes, extras, estimators; and that nobody keeps another table of names."""

import ast
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from elbo_compare.suites.contract import Kind
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.roster import (
    BY_NAME,
    GUESTS,
    JUDGED_ALONE,
    LIBRARIES,
    ORACLE,
    ROSTER,
    SWEPT_ALONE,
    distributions,
    named,
)
from elbo_compare.suites.semantics.case import Library

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# Not what an implementation needs, but what was agreed about some of them, or a reading order.
OTHERWISE = {
    "compare/bench/targets.py": "marks that the bench was to reach, pair by pair",
    "compare/checking/followed.py": "roots of imports: what a user's own function is not",
    "compare/running/expected.py": "seconds of the recorded run; who is not in it costs what the hand-written one does",
    "suites/semantics/case.py": "whose programs the semantics suite holds",
    "reports/figures.py": "the reading order",
    "reports/front.py": "names in a sentence: a report is drawn from frames alone, and imports nothing of the suites",
    "reports/rendering.py": "where a project keeps its issues, the frameworks' among them; the same reason",
}


@pytest.mark.parametrize("row", ROSTER, ids=lambda row: row.name)
def test_a_row_says_what_its_class_says(row):
    for module in row.modules:
        pytest.importorskip(module)
    module, _, name = row.target.partition(":")
    implementation = getattr(import_module(module), name)
    package = row.framework if row.library is None else row.library
    assert (implementation.name, implementation.framework) == (row.name, package.module)


@pytest.mark.parametrize("row", [row for row in ROSTER if row.extra], ids=lambda row: row.name)
def test_its_extra_installs_what_it_needs(row):
    required = {line.partition(">")[0] for line in EXTRAS[row.extra]}
    assert set(row.distributions) <= required


def test_its_folder_is_in_the_rule_that_backends_never_import_each_other():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rule,) = [each for each in contracts if each["name"] == "backends never import each other"]
    assert {row.module("").rstrip(".") for row in ROSTER} == set(rule["modules"])


def test_its_pages_are_in_its_folder():
    missing = [row.module("vae") for row in ROSTER if find_spec(row.module("vae")) is None]
    assert not missing


def test_library_classes_are_of_known_estimators_and_of_libraries_only():
    for row in ROSTER:
        assert row.classes.keys() <= ESTIMATORS.keys()
        assert bool(row.classes) == (row.kind is Kind.LIBRARY) == (row.library is not None)


def test_every_library_has_both_core_estimators():
    assert all({"sampled-kl", "analytic-kl"} <= BY_NAME[name].classes.keys() for name in named(Kind.LIBRARY))


def test_there_is_one_oracle_and_every_semantics_library_is_one():
    assert named(Kind.ORACLE) == (ORACLE,)
    beside = {row.name for row in (*GUESTS, *JUDGED_ALONE, *SWEPT_ALONE)}
    assert set(map(str, Library)) <= set(LIBRARIES) == {*named(Kind.LIBRARY), *beside}


def test_each_distribution_is_recorded_once():
    found = distributions()
    assert len(set(found)) == len(found)
    assert {"numpy", "torch", "jax", "jaxlib", "pyro-ppl", "numpyro"} <= set(found)


def names_in(node: ast.AST) -> set[str]:
    """The names of implementations among the plain entries of a tuple, list, set or dict."""
    entries = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    return {each.value for each in entries if isinstance(each, ast.Constant) and each.value in BY_NAME}


def test_no_other_file_keeps_a_table_of_implementations():
    found = {}
    for folder in ("suites", "compare", "reports"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            name = str(path.relative_to(ROOT))
            if name != "suites/roster.py" and any(len(names_in(node)) > 1 for node in ast.walk(tree)):
                found[name] = "names several implementations"
    assert found.keys() <= OTHERWISE.keys(), found
