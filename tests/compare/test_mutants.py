"""Mutants are caught and legitimate variants spared, by the claims that judge the libraries."""

import pytest

from elbo_compare.compare.claims import CLAIMS, by_id
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.judging.mutants import Bench, _correct, run_mutants, setups, verdict
from elbo_compare.compare.judging.sensitivity import (
    ASPECTS,
    JUDGED_CLAIMS,
    NOT_FOR_MUTANTS,
    Screened,
    Sensitivity,
    lines,
)
from elbo_compare.compare.records import Outcome, Status, Strength
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.mutants.catalogue import CATALOGUE, Aspect, Kind, legitimate, of_kind
from elbo_compare.suites.mutants.session import Mutant

BENCH = Bench(budget=ErrorBudget(), seed=0)
# One of every flag and kind, and those that a single claim catches.
SAMPLE = {
    "MUT-001": "the analytic KL averaged over the latent dimensions (1/latent of the right value)",
    "MUT-007": "the KL averaged over the batch beside a likelihood summed over it",
    "MUT-017": "log(2 pi)/2 per dimension dropped from log q and kept in log p(z)",
    "MUT-032": "the analytic KL with log(sigma^2 + 1e-4): wrong only where sigma is small",
    "MUT-050": "k2 = (log q - log p)^2 / 2 reported as the KL",
    "MUT-168": "log q with (z - mean)^2 over sigma^2 + 1e-6",
    "MUT-077": "the sampled KL with a gradient 1% too large",
}


JUDGED: dict[str, Screened] = {}


def verdicts_on(name: str) -> Screened:
    """The bench's judgement, once for all tests."""
    if name not in JUDGED:
        JUDGED[name] = BENCH.judge(CATALOGUE[name])
    return JUDGED[name]


def with_title(text: str) -> str:
    return next(name for name, variant in CATALOGUE.items() if variant.title.startswith(text))


@pytest.mark.slow
def test_the_whole_catalogue_is_caught_or_recognised_and_every_claim_is_needed():
    """The first test: what it has judged, the others ask about."""
    matrix = run_mutants(jobs=2, progress=lambda each: JUDGED.update({each.variant.id: each}))
    assert [each.variant.id for each in matrix.missed] == []
    assert [each.variant.id for each in matrix.wronged] == []
    assert matrix.idle == ()


def test_every_claim_is_judged_on_mutants_or_says_why_not():
    ids = {claim.id for claim in CLAIMS}
    assert set(NOT_FOR_MUTANTS) <= ids
    assert set(ASPECTS) <= ids
    assert {claim.id for claim in JUDGED_CLAIMS} == ids - set(NOT_FOR_MUTANTS)
    # UNIT-002 holds for every estimator and reduction: no legitimate variant may be exempt from it.
    assert {claim.id for claim in JUDGED_CLAIMS} - set(ASPECTS) == {"UNIT-002"}


def test_correct_code_agrees_everywhere():
    verdicts = judge(_correct(BENCH.budget, 0), BENCH.budget, claims=JUDGED_CLAIMS, latent=_latent)
    wrong = [each for each in verdicts if each.outcome not in (Outcome.AGREES, Outcome.NOT_RUN)]
    assert [(each.claim, each.label, each.reason) for each in wrong] == []
    judged = {each.claim for each in verdicts if each.outcome is Outcome.AGREES}
    assert judged == {claim.id for claim in JUDGED_CLAIMS}


def _latent(cell):
    return {(setup.problem.name, setup.problem.weights): setup.problem.latent for setup in setups()}[
        cell.problem, cell.weights
    ]


@pytest.mark.parametrize(("name", "title"), SAMPLE.items(), ids=list(SAMPLE))
def test_a_mutant_of_every_sort_is_caught(name, title):
    assert CATALOGUE[name].title == title
    judged = verdicts_on(name)
    assert judged.right
    assert judged.caught
    assert not judged.failures


def test_a_wrong_gradient_is_caught_by_gradients_alone():
    judged = verdicts_on(with_title("log q(z|x) - log p(z) with z detached"))
    assert judged.by_gradient
    assert not judged.by_value
    assert {"GRAD-001", "GRAD-002", "GRAD-003"} <= judged.caught.keys()


def test_a_dropped_normaliser_is_caught_by_values_alone():
    judged = verdicts_on("MUT-017")
    assert judged.by_value
    assert not judged.by_gradient
    assert {"KL-002", "KL-003", "CONST-002"} <= judged.caught.keys()


def test_uniform_noise_of_unit_variance_is_caught_by_own_draws_alone():
    """Same-noise claims hand the noise in, so they are blind to it; the mean of a quadratic is too."""
    judged = verdicts_on(with_title("uniform noise of unit variance"))
    assert {by_id(claim).strength for claim in judged.caught} == {Strength.EXPECTATION}
    assert "KL-005" in judged.caught
    assert "KL-004" not in judged.caught


@pytest.mark.parametrize("kind", [Kind.BOUND, Kind.FLOW], ids=str)
def test_every_bound_and_flow_mutant_is_caught_on_a_problem_of_its_own(kind):
    judged = run_mutants([variant.id for variant in of_kind(kind)])
    assert judged.missed == ()
    assert judged.exit_code == 0


@pytest.mark.parametrize("name", [variant.id for variant in legitimate()])
def test_a_legitimate_variant_is_not_failed(name):
    judged = verdicts_on(name)
    assert judged.right, (dict(judged.caught), dict(judged.undecided), judged.failures)


@pytest.mark.parametrize("name", [variant.id for variant in legitimate() if variant.exempt])
def test_an_exemption_is_needed(name):
    """No variant is excused from a claim that it would meet."""
    judged = verdicts_on(name)
    unneeded = [why for _, why in CATALOGUE[name].exempt if why not in judged.exempted.values()]
    assert unneeded == []


def test_k3_is_judged_only_where_it_has_moments():
    k3 = CATALOGUE[with_title("k3 = r - 1")]
    places = [setup.problem.weights for setup in setups() if BENCH._meant(setup, Mutant(variant=k3))]
    assert "2-near-prior" in places
    draws = {
        setup.problem.weights
        for setup in setups()
        if setup.procedure == "draw" and BENCH._meant(setup, Mutant(variant=k3))
    }
    assert draws == {"2-near-prior", "2-equal"}


def judged(name: str, *caught: str, failures: tuple[str, ...] = ()) -> Screened:
    variant = CATALOGUE[name]
    outcomes = dict.fromkeys(("KL-001", "KL-002", "KL-004"), Outcome.AGREES) | dict.fromkeys(caught, Outcome.DIFFERS)
    verdicts = tuple(verdict(claim, variant, outcome, "why") for claim, outcome in outcomes.items())
    return Screened(variant=variant, verdicts=verdicts, failures=failures)


def test_a_claim_is_needed_where_no_weaker_claim_catches():
    strengths = {"KL-001": Strength.EXACT, "KL-002": Strength.POINTWISE, "KL-004": Strength.EXPECTATION}
    matrix = Sensitivity(
        judged=(judged("MUT-001", "KL-001"), judged("MUT-002", "KL-001", "KL-004"), judged("MUT-003", "KL-002")),
        strengths={claim: str(strength) for claim, strength in strengths.items()},
    )
    assert matrix.needed_for("KL-001") == ("MUT-001",)
    assert matrix.needed_for("KL-004") == ("MUT-002",)
    assert matrix.caught_by("KL-001") == ("MUT-001", "MUT-002")
    assert matrix.exit_code == 0
    assert [row["outcome"] for row in matrix.rows()[:3]] == ["differs", "agrees", "agrees"]


def test_a_checked_field_is_no_weaker_claim():
    strengths = {"KL-001": str(Strength.EXACT), "CONST-001": str(Strength.FIELD)}
    matrix = Sensitivity(judged=(judged("MUT-001", "KL-001", "CONST-001"),), strengths=strengths)
    assert matrix.needed_for("KL-001") == ("MUT-001",)
    assert matrix.needed_for("CONST-001") == ("MUT-001",)


def test_a_claim_that_adds_nothing_needs_a_reason():
    strengths = {"KL-001": str(Strength.EXACT), "KL-002": str(Strength.POINTWISE), "CONST-002": str(Strength.EXACT)}
    matrix = Sensitivity(judged=(judged("MUT-001", "KL-001", "KL-002", "CONST-002"),), strengths=strengths)
    assert matrix.idle == ("CONST-002",)  # KL-001 is kept for a stated reason
    text = "\n".join(lines(matrix))
    assert "MUT-001 value" in text
    assert "1 of 1 mutants caught" in text
    assert "NO REASON" in text


def test_a_missed_mutant_and_a_failed_variant_are_errors():
    strengths = {"KL-002": str(Strength.POINTWISE)}
    missed = Sensitivity(judged=(judged("MUT-001"),), strengths=strengths)
    assert (missed.exit_code, [each.variant.id for each in missed.missed]) == (1, ["MUT-001"])
    wronged = Sensitivity(judged=(judged("VAR-003", "KL-002"),), strengths=strengths)
    assert (wronged.exit_code, [each.variant.id for each in wronged.wronged]) == (1, ["VAR-003"])


def test_an_unknown_variant_is_named():
    with pytest.raises(KeyError, match="No variant 'MUT-999'"):
        run_mutants(["MUT-999"])


def test_progress_is_told_in_the_catalogue_s_order():
    told = []
    run_mutants(["MUT-144", "MUT-143"], progress=lambda each: told.append(each.variant.id))
    assert told == ["MUT-144", "MUT-143"]
    assert {result.status for result in _correct(BENCH.budget, 0)} == {Status.OK}
    assert Aspect.DRAW_MEAN in set(ASPECTS.values())
