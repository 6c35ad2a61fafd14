"""Break an installed ELBO class in its worker: that library's claims go red, and nobody else's.

If a number that carries a library's name survived the breaking of that library, it would be mislabelled.
"""

from pathlib import Path

import pytest

from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.planning.availability import present
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import parse_spec
from elbo_compare.compare.records import CellResult, Outcome, Procedure, Status
from elbo_compare.compare.running.pool import Options
from elbo_compare.compare.running.run import run
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.contract import Device
from elbo_compare.suites.roster import BY_NAME

PROFILE = """
tests = 2000
# Samples 5% too wide have a variance 10% too large: a margin of 10% could not tell, one of 4% does with a quarter of
# the draws that 2% needs.
variance_margin = 0.04

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
LIBRARIES = ("pyro", "numpyro")
# What stands for the two classes in the sixth implementation, which is asked where it is installed.
FUNCTIONS = {"Trace_ELBO": "monte_carlo_variational_loss", "TraceMeanField_ELBO": "kl_divergence"}
SIXTH = pytest.mark.skipif(not present(BY_NAME["tfp"]), reason="tfp-nightly is not installed: extra [tfp]")
# What each break must at least turn red, in the broken class's own cells: a value, a gradient or a distribution; and
# the procedures that are run for it.
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
RUN_FOR = {
    "lost-site": (Procedure.EVALUATE,),
    "constant": (Procedure.EVALUATE,),
    "gradient": (Procedure.EVALUATE, Procedure.GRADIENT),
    "wide": (Procedure.DRAW,),
}


def cells_of(library: str | None = None, procedures=tuple(Procedure)):
    """The profile's cells, of one library or of everybody."""
    found = plan(parse_spec(PROFILE, "sabotage"), Device.CPU)
    return [
        cell
        for cell in found
        if cell.implementation == (library or cell.implementation) and cell.procedure in procedures
    ]


def verdicts_of(results: list[CellResult]):
    spec = parse_spec(PROFILE, "sabotage")
    return judge(results, ErrorBudget(alpha=spec.alpha, tests=spec.tests), spec.variance_margin)


def results_of(cells) -> list[CellResult]:
    """One worker after another: a second one of the same library would only import it once more."""
    results: list[CellResult] = []
    run(cells, Options(jobs=1, cores=1, cell_timeout_s=900.0, fingerprint="test"), results.append)
    return results


@pytest.fixture(scope="module")
def healthy() -> list[CellResult]:
    """Everybody's results with nothing broken."""
    return results_of(cells_of())


@pytest.fixture
def sabotage(monkeypatch):
    def install(library: str, classes: str, kind: str) -> None:
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "sabotage"))
        monkeypatch.setenv("ELBO_SABOTAGE", f"{library}:{classes}:{kind}")

    return install


def reds(broken, healthy):
    """What differs where the broken results take the place of the healthy ones."""
    assert {result.status for result in broken} == {Status.OK}
    procedures = {result.cell.procedure for result in broken}
    replaced = {result.cell.implementation for result in broken}
    beside = [each for each in healthy if each.cell.implementation not in replaced]
    verdicts = verdicts_of([each for each in beside if each.cell.procedure in procedures] + broken)
    return [verdict for verdict in verdicts if verdict.outcome is Outcome.DIFFERS]


def blamed(red, class_name):
    return {verdict.claim for verdict in red if verdict.estimator == ESTIMATOR[class_name]}


def test_nothing_is_red_while_nothing_is_broken(healthy):
    assert reds(healthy, []) == []


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("class_name", sorted(ESTIMATOR))
def test_a_broken_elbo_class_turns_its_own_claims_red_and_nobody_elses(library, class_name, healthy, sabotage):
    """Twice the break is offered to every worker of the run: the others' claims stay as they were."""
    sabotage(library, class_name, "sign")
    offered = (library, class_name) in (("pyro", "Trace_ELBO"), ("numpyro", "TraceMeanField_ELBO"))
    red = reds(results_of(cells_of(None if offered else library)), healthy)
    assert CAUGHT_BY["sign", class_name] <= blamed(red, class_name), sorted(blamed(red, class_name))
    assert {verdict.implementation for verdict in red} == {library}


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", RUN_FOR)
def test_each_kind_of_break_is_caught_in_both_classes(library, kind, healthy, sabotage):
    """Each class is broken in one run: whose cells go red when one alone is broken, the test before this one says."""
    sabotage(library, "TraceMeanField_ELBO+Trace_ELBO", kind)
    red = reds(results_of(cells_of(library, RUN_FOR[kind])), healthy)
    for class_name in ESTIMATOR:
        assert CAUGHT_BY[kind, class_name] <= blamed(red, class_name), sorted(blamed(red, class_name))
    assert {verdict.implementation for verdict in red} == {library}


@SIXTH
@pytest.mark.slow
@pytest.mark.parametrize("class_name", sorted(ESTIMATOR))
def test_a_broken_loss_of_the_sixth_turns_its_own_claims_red_and_nobody_elses(class_name, healthy, sabotage):
    """A divergence draws no samples, so that none can be too wide."""
    wrong = set[str]()
    for kind in ("sign", *(each for each in RUN_FOR if (each, class_name) != ("wide", "TraceMeanField_ELBO"))):
        sabotage("tfp", FUNCTIONS[class_name], kind)
        red = reds(results_of(cells_of("tfp", RUN_FOR.get(kind, (Procedure.EVALUATE,)))), healthy)
        assert CAUGHT_BY[kind, class_name] <= blamed(red, class_name), (kind, sorted(blamed(red, class_name)))
        assert {verdict.implementation for verdict in red} == {"tfp"}, kind
        wrong |= {verdict.estimator for verdict in red}
    assert wrong == {ESTIMATOR[class_name]}


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


BESIDE = {"pyro": ("torch-hand",), "numpyro": ()}  # whoever could import the library: offered the break too


def relatives_of(*names: str) -> list[CellResult]:
    found = plan(parse_spec(RELATIVES_PROFILE, "sabotage"), Device.CPU)
    return results_of([cell for cell in found if cell.implementation in names])


@pytest.fixture(scope="module")
def healthy_relatives() -> list[CellResult]:
    return relatives_of("torch-hand", "numpy-oracle")


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("class_name", sorted(RELATIVES))
def test_a_broken_relative_turns_its_own_estimators_red_and_nobody_elses(
    library, class_name, healthy_relatives, sabotage
):
    spec = parse_spec(RELATIVES_PROFILE, "sabotage")
    estimators, claims = RELATIVES[class_name]
    sabotage(library, class_name, "returned")
    broken = relatives_of(library, *BESIDE[library])
    beside = [each for each in healthy_relatives if each.cell.implementation not in BESIDE[library]]
    verdicts = judge(beside + broken, ErrorBudget(alpha=spec.alpha, tests=spec.tests), spec.variance_margin)
    red = [verdict for verdict in verdicts if verdict.outcome is Outcome.DIFFERS]
    assert claims <= {verdict.claim for verdict in red}
    assert {verdict.implementation for verdict in red} == {library}
    assert {verdict.estimator for verdict in red if verdict.claim in claims} == estimators
