"""Break an installed ELBO class in its worker: that library's claims go red, and nobody else's.

If a number that carries a library's name survived the breaking of that library, it would be mislabelled.
"""

from pathlib import Path

import pytest

from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import parse_spec
from elbo_compare.compare.records import CellResult, Outcome, Status
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.contract import Device

PROFILE = """
tests = 2000
variance_margin = 0.02 # samples 5% too wide have a variance 10% too large: a margin of 10% could not tell

[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-typical", "linear-gaussian@generic"]
size = 7

[[cells]]
procedure = "draw"
problems = ["gaussian-kl@2-typical", "linear-gaussian@generic"]
chunk = 50000

[[cells]]
procedure = "gradient"
problems = ["linear-gaussian@generic"]
size = 50000
chunk = 50000
"""
ESTIMATOR = {"Trace_ELBO": "sampled-kl", "TraceMeanField_ELBO": "analytic-kl"}
KINDS = ("sign", "lost-site", "constant", "gradient", "wide")
# What each break must at least turn red, in the broken class's own cells: a value, a gradient or a distribution.
CAUGHT_BY = {
    ("sign", "Trace_ELBO"): {"KL-002", "ELBO-001", "GRAD-001"},
    ("lost-site", "Trace_ELBO"): {"KL-002", "ELBO-001", "GRAD-001"},
    ("constant", "Trace_ELBO"): {"ELBO-001"},
    ("gradient", "Trace_ELBO"): {"GRAD-001"},
    ("wide", "Trace_ELBO"): {"KL-005"},
    ("sign", "TraceMeanField_ELBO"): {"KL-001", "ELBO-001", "GRAD-001"},
    ("lost-site", "TraceMeanField_ELBO"): {"KL-001", "ELBO-001", "GRAD-001"},
    ("constant", "TraceMeanField_ELBO"): {"ELBO-001"},
    ("gradient", "TraceMeanField_ELBO"): {"GRAD-001"},
    ("wide", "TraceMeanField_ELBO"): {"LG-003"},
}


def cells_of(*implementations: str):
    spec = parse_spec(PROFILE, "sabotage")
    return [cell for cell in plan(spec, Device.CPU) if not implementations or cell.implementation in implementations]


def verdicts_of(results: list[CellResult]):
    spec = parse_spec(PROFILE, "sabotage")
    return judge(results, ErrorBudget(alpha=spec.alpha, tests=spec.tests), spec.variance_margin)


@pytest.fixture(scope="module")
def healthy() -> list[CellResult]:
    """Everybody's results with nothing broken."""
    from elbo_compare.compare.running.pool import Options
    from elbo_compare.compare.running.run import run

    results: list[CellResult] = []
    run(cells_of(), Options(jobs=2, cores=2, cell_timeout_s=120.0, fingerprint="test"), results.append)
    return results


@pytest.fixture
def sabotage(monkeypatch):
    def install(library: str, class_name: str, kind: str) -> None:
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "sabotage"))
        monkeypatch.setenv("ELBO_SABOTAGE", f"{library}:{class_name}:{kind}")

    return install


def test_nothing_is_red_while_nothing_is_broken(healthy):
    assert {result.status for result in healthy} == {Status.OK}
    assert [verdict for verdict in verdicts_of(healthy) if verdict.outcome is Outcome.DIFFERS] == []


@pytest.mark.slow
@pytest.mark.parametrize("library", ["pyro", "numpyro"])
@pytest.mark.parametrize("class_name", sorted(ESTIMATOR))
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_elbo_class_turns_its_own_claims_red_and_nobody_elses(
    library, class_name, kind, healthy, sabotage, run_cells
):
    sabotage(library, class_name, kind)
    broken = run_cells(cells_of(library))
    assert {result.status for result in broken} == {Status.OK}
    verdicts = verdicts_of([result for result in healthy if result.cell.implementation != library] + broken)
    red = [verdict for verdict in verdicts if verdict.outcome is Outcome.DIFFERS]
    blamed = {verdict.claim for verdict in red if verdict.estimator == ESTIMATOR[class_name]}
    assert CAUGHT_BY[kind, class_name] <= blamed, f"red: {sorted(blamed)}"
    assert {verdict.implementation for verdict in red} == {library}


@pytest.mark.slow
@pytest.mark.parametrize(("library", "class_name"), [("pyro", "Trace_ELBO"), ("numpyro", "TraceMeanField_ELBO")])
def test_the_break_reaches_no_other_worker(library, class_name, sabotage, run_cells):
    """The same sabotage is offered to every worker of the run; the others' claims stay as they were."""
    sabotage(library, class_name, "sign")
    results = run_cells(cells_of())
    red = {verdict.implementation for verdict in verdicts_of(results) if verdict.outcome is Outcome.DIFFERS}
    assert red == {library}


# The relatives of the two classes, each with the estimators that go through it and the claims that must then be red.
RELATIVES = {
    "RenyiELBO": ({"iwae-5", "renyi-half"}, {"BOUND-001", "BOUND-007"}),
    "TraceGraph_ELBO": ({"trace-graph"}, {"ELBO-001", "LIB-001"}),
}
RELATIVES_PROFILE = """
[[cells]]
procedure = "evaluate"
problems = ["linear-gaussian@generic"]
estimators = ["sampled-kl", "elbo-5", "iwae-5", "renyi-half", "trace-graph"]
size = 4
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["pyro", "numpyro"])
@pytest.mark.parametrize("class_name", sorted(RELATIVES))
def test_a_broken_relative_turns_its_own_estimators_red_and_nobody_elses(library, class_name, sabotage, run_cells):
    spec = parse_spec(RELATIVES_PROFILE, "sabotage")
    estimators, claims = RELATIVES[class_name]
    sabotage(library, class_name, "returned")
    wanted = {library, "torch-hand", "numpy-oracle"}
    results = run_cells([cell for cell in plan(spec, Device.CPU) if cell.implementation in wanted])
    verdicts = judge(results, ErrorBudget(alpha=spec.alpha, tests=spec.tests), spec.variance_margin)
    red = [verdict for verdict in verdicts if verdict.outcome is Outcome.DIFFERS]
    assert claims <= {verdict.claim for verdict in red}
    assert {verdict.implementation for verdict in red} == {library}
    assert {verdict.estimator for verdict in red if verdict.claim in claims} == estimators
