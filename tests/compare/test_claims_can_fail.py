"""Every claim agrees with right rows, differs for a planted mistake and, if statistical, cannot decide on few draws."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import nan

import pytest
from claim_rows import (
    HALF_LOG_TWO_PI,
    LATENT,
    altered,
    cell,
    constant,
    differentiated,
    drawn,
    evaluated,
    path,
    spread,
    weighed,
)

from elbo_compare.compare.claims import CLAIMS, Scope, by_id
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.records import CellResult, Outcome, Procedure, Quantity, Strength, Verdict

Q = Quantity
Plant = Callable[[CellResult], CellResult]


def plant(quantity: Quantity, **fields) -> Plant:
    return lambda result: altered(result, quantity, **fields)


@dataclass(frozen=True, kw_only=True)
class Case:
    """The subject's right result, the mistakes that must be seen in it, and for pairs the partners' results."""

    right: CellResult
    wrong: dict[str, Plant]
    partners: tuple[CellResult, ...] = ()
    few: CellResult | None = None
    undecided: dict[str, Plant] = field(default_factory=dict)


def evaluate_case(wrong: dict[str, Plant], partners: tuple[CellResult, ...] = (), **fields) -> Case:
    return Case(right=evaluated(cell(**fields)), wrong=wrong, partners=partners)


def draw_case(wrong: dict[str, Plant], partners: tuple[CellResult, ...] = (), **fields) -> Case:
    of = cell(**({"procedure": Procedure.DRAW} | fields))
    return Case(right=drawn(of), wrong=wrong, partners=partners, few=drawn(of, n=1_000))


def gradient_case(wrong: dict[str, Plant], partners: tuple[CellResult, ...] = (), **fields) -> Case:
    of = cell(**({"procedure": Procedure.GRADIENT, "problem": "linear-gaussian", "weights": "generic"} | fields))
    return Case(right=differentiated(of), wrong=wrong, partners=partners, few=differentiated(of, n=1_000))


def spread_case(wrong: dict[str, Plant], procedure: Procedure = Procedure.SPREAD, weights: str = "initial") -> Case:
    fields = {"procedure": procedure, "problem": "vae-small", "weights": weights, "data": 64}
    of, other = cell(**fields, estimator="analytic-kl"), cell(**fields)
    return Case(right=spread(of), wrong=wrong, partners=(spread(other),), few=spread(of, 12))


ANALYTIC, LG = {"estimator": "analytic-kl"}, {"problem": "linear-gaussian", "weights": "generic"}
POSTERIOR = {"problem": "linear-gaussian", "weights": "posterior"}
LIKELIHOOD = {"procedure": Procedure.LIKELIHOOD, "data": 10}
FLOW, DRAW, GRADIENT = {"problem": "householder"}, {"procedure": Procedure.DRAW}, {"procedure": Procedure.GRADIENT}
LOG_FIVE = 1.6094379124341003
DROPPED = LATENT * HALF_LOG_TWO_PI
HAND = evaluated(cell())
HAND_ANALYTIC = evaluated(cell(**ANALYTIC))
ORACLE_DRAWS = drawn(cell(implementation="numpy-oracle", procedure=Procedure.DRAW))
POSTERIOR_DRAWS = cell(procedure=Procedure.DRAW, **POSTERIOR)

SAMPLED_KL_MISTAKES = {
    "one normaliser kept": plant(Q.KL, shift=DROPPED),
    "mean over the latent dimensions": plant(Q.KL, factor=1 / LATENT),
    "sign": plant(Q.KL, factor=-1.0),
    "not a number": plant(Q.KL, value=nan),
    "a part in 10^11": plant(Q.KL, factor=1 + 1e-11),
}
MEAN_MISTAKES = {"0.1 sd off": plant(Q.KL_MEAN, shift=0.6), "not a number": plant(Q.KL_MEAN, value=nan)}

CASES = {
    "MATCH-001": evaluate_case(SAMPLED_KL_MISTAKES, (HAND,), implementation="pyro"),
    "MATCH-002": evaluate_case(SAMPLED_KL_MISTAKES, (HAND,), implementation="numpyro"),
    "MATCH-003": evaluate_case({"a constant": plant(Q.ELBO, shift=0.9189)}, (HAND,), implementation="pyro"),
    "MATCH-004": evaluate_case(
        {"fell back to sampling": plant(Q.KL, value=25.0)}, (HAND_ANALYTIC,), implementation="numpyro", **ANALYTIC
    ),
    "MATCH-005": evaluate_case(
        {"lost the likelihood": plant(Q.ELBO, value=-24.0)}, (HAND_ANALYTIC,), implementation="pyro", **ANALYTIC
    ),
    "MATCH-006": draw_case(
        {"0.1 sd off": plant(Q.ELBO_MEAN, shift=1.2)},
        (drawn(cell(procedure=Procedure.DRAW)),),
        implementation="pyro",
    ),
    "MATCH-007": evaluate_case(
        {
            "the ELBO moves where the KL does not": plant(Q.ELBO, shift=1e-9),
            "the sampled KL is the analytic one": lambda result: altered(
                altered(result, Q.KL, value=24.0), Q.ELBO, value=-104.0
            ),
        },
        (HAND_ANALYTIC,),
    ),
    "MATCH-008": draw_case(
        {"the KL counted twice": plant(Q.ELBO_MEAN, shift=-24.0)}, (drawn(cell(procedure=Procedure.DRAW, **ANALYTIC)),)
    ),
    "KL-001": evaluate_case({"no 1/2": plant(Q.KL, factor=2.0), "not a number": plant(Q.KL, value=nan)}, **ANALYTIC),
    "KL-002": evaluate_case(SAMPLED_KL_MISTAKES),
    "KL-003": evaluate_case({"k2 = k1^2 / 2 reported": plant(Q.KL_DETERMINISTIC, value=288.0)}),
    "KL-004": draw_case(MEAN_MISTAKES),
    "KL-005": draw_case({"samples 10% too wide": plant(Q.KL_VARIANCE, factor=1.21)}),
    "KL-006": Case(
        right=constant(cell(procedure=Procedure.DRAW, **ANALYTIC)),
        wrong={"it varies": plant(Q.KL_DEVIATION, value=1e-9)},
    ),
    "FLOW-001": evaluate_case({"a log-determinant of one part in 10^9": plant(Q.KL_OF_HEADS, shift=1e-9)}, **FLOW),
    "FLOW-002": evaluate_case({"the KL of q0": plant(Q.FLOW_KL_DETERMINISTIC, value=20.0)}, **FLOW),
    "FLOW-003": draw_case(MEAN_MISTAKES, **FLOW),
    "FLOW-004": draw_case({"samples 10% too wide": plant(Q.KL_VARIANCE, factor=1.21)}, **FLOW),
    "FLOW-005": evaluate_case({"fell back to sampling": plant(Q.KL, value=25.0, reference=24.0)}, **FLOW, **ANALYTIC),
    "MATCH-009": evaluate_case(SAMPLED_KL_MISTAKES, (HAND,), implementation="theirs", library="further"),
    "BOUND-001": evaluate_case(
        {"no -log K": plant(Q.ELBO, shift=LOG_FIVE)},
        (evaluated(cell(estimator="iwae-5")),),
        implementation="pyro",
        estimator="iwae-5",
    ),
    "BOUND-002": evaluate_case(
        {"a mean of logs less 1e-9": plant(Q.ELBO, shift=-1e-9), "not a number": plant(Q.ELBO, value=nan)},
        (evaluated(cell(estimator="renyi-half")),),
        estimator="iwae-5",
    ),
    "BOUND-003": draw_case({"above log p(x)": plant(Q.ELBO_MEAN, value=-99.0)}, **LG, estimator="iwae-5"),
    "BOUND-004": evaluate_case({"no -log K": plant(Q.ELBO, shift=LOG_FIVE)}, **POSTERIOR, estimator="iwae-5"),
    "BOUND-005": evaluate_case({"another sample": plant(Q.ELBO, shift=0.1)}, (HAND,), estimator="iwae-1"),
    "BOUND-006": draw_case(
        {"0.1 sd below": plant(Q.ELBO_MEAN, shift=-1.2)}, (drawn(cell(**DRAW)),), estimator="iwae-5"
    ),
    "BOUND-007": evaluate_case({"logsumexp over the batch": plant(Q.ELBO, factor=1 / 7)}, estimator="renyi-2"),
    "EST-001": draw_case(MEAN_MISTAKES, **LG, estimator="k3"),
    "EST-002": draw_case({"a pair of independent draws": plant(Q.KL_VARIANCE, factor=1.5)}, estimator="antithetic"),
    "EST-003": draw_case({"unbiased": plant(Q.KL_MEAN, value=10.0)}, estimator="k2"),
    "EST-004": evaluate_case({"r inverted": plant(Q.KL, shift=0.3)}, estimator="k3"),
    "LIB-001": evaluate_case(
        {"another value": plant(Q.ELBO, shift=1e-9), "another KL": plant(Q.KL, shift=1e-9)},
        (HAND,),
        implementation="pyro",
        estimator="jit-trace",
    ),
    "ELBO-001": evaluate_case({"sign of the KL": plant(Q.ELBO, value=-55.0)}),
    "ELBO-002": evaluate_case({"mean over pixels": plant(Q.LOG_LIKELIHOOD, factor=1 / 784)}),
    "ELBO-003": draw_case({"0.1 sd off": plant(Q.ELBO_MEAN, shift=1.2)}, (ORACLE_DRAWS,)),
    "ELBO-004": draw_case({"the object returns something else": plant(Q.TIE, shift=1e-9)}, implementation="pyro"),
    "ORD-001": draw_case({"above log p(x)": plant(Q.ELBO_MEAN, value=-99.0)}, **LG),
    "GRAD-001": evaluate_case({"1% off in one tensor": plant(Q.GRADIENT_DISTANCE, value=0.03)}),
    "GRAD-002": gradient_case({"20% too much": plant(Q.GRADIENT_VARIANCE, factor=1.2)}),
    "GRAD-003": gradient_case({"biased": plant(Q.GRADIENT_PROJECTION, shift=0.3)}),
    "GRAD-004": evaluate_case(
        {
            "1% off in one tensor": plant(Q.GRADIENT_DIRECTION, factor=1.01),
            "nan": plant(Q.GRADIENT_DIRECTION, value=nan),
        },
        **FLOW,
    ),
    "GRAD-005": gradient_case({"20% too much": plant(Q.GRADIENT_VARIANCE, factor=1.2)}, estimator="stl"),
    "GRAD-006": gradient_case(
        {"weights not squared": plant(Q.GRADIENT_PROJECTION, shift=0.3)},
        (differentiated(cell(**GRADIENT, **LG, estimator="iwae-5")),),
        estimator="dreg-5",
    ),
    "GRAD-007": evaluate_case(
        {"the score is still there": plant(Q.GRADIENT_DIRECTION, shift=0.1)}, **POSTERIOR, estimator="dreg-5"
    ),
    "LG-001": draw_case({"0.1 sd off": plant(Q.ELBO_MEAN, shift=0.8)}, **LG),
    "LG-002": draw_case({"independent noise for both terms": plant(Q.ELBO_VARIANCE, factor=1.3)}, **LG),
    "LG-003": draw_case({"a sampled KL": plant(Q.ELBO_VARIANCE, factor=0.5)}, **LG, **ANALYTIC),
    "LG-004": Case(right=constant(POSTERIOR_DRAWS), wrong={"it varies": plant(Q.ELBO_DEVIATION, value=1e-3)}),
    "LG-005": draw_case({"no variance": plant(Q.ELBO_VARIANCE, value=0.0)}, **POSTERIOR, **ANALYTIC),
    "LG-006": evaluate_case({"tau taken for a variance": plant(Q.ELBO_DETERMINISTIC, shift=-0.5)}, **LG),
    "LIK-001": Case(
        right=weighed(cell(**LIKELIHOOD, **LG)),
        wrong={
            "log of a tenth of the draws": plant(Q.LOG_PX_MEAN, shift=2.302585),
            "a tenth of a nat": plant(Q.LOG_PX_MEAN, shift=0.1),
            "not a number": plant(Q.LOG_PX_MEAN, value=nan),
        },
        few=weighed(cell(**LIKELIHOOD, **LG), n=100),
    ),
    "LIK-002": Case(
        right=weighed(cell(**LIKELIHOOD, **POSTERIOR), n=500, sd=0.0),
        wrong={
            "it varies": plant(Q.LOG_WEIGHT_DEVIATION, value=1e-9),
            "a lost constant": plant(Q.LOG_PX, shift=0.9189385),
        },
    ),
    "TRAIN-001": Case(
        right=path(cell(procedure=Procedure.FIT_PATH)), wrong={"another epsilon": plant(Q.PATH_ELBO, shift=1e-9)}
    ),
    "TRAIN-002": Case(
        right=path(cell(procedure=Procedure.FIT_PATH)), wrong={"one update more": plant(Q.PATH_DISTANCE, value=1e-3)}
    ),
    "CHOOSE-001": spread_case({"a louder gradient": plant(Q.GRADIENT_SPREAD, factor=1.6)}),
    "CHOOSE-002": spread_case(
        {"a louder value": plant(Q.ELBO_SPREAD, factor=2.5), "nan": plant(Q.ELBO_SPREAD, value=nan)}
    ),
    "CHOOSE-003": spread_case({"a quieter value": plant(Q.ELBO_SPREAD, factor=0.5)}, weights="trained"),
    "CHOOSE-004": spread_case({"behind": plant(Q.PAIR_ELBO, shift=-0.2)}, Procedure.FIT_PAIRS),
    "CHOOSE-005": spread_case({"a louder gradient": plant(Q.GRADIENT_SPREAD, factor=1.6)}, Procedure.FIT_PAIRS),
    "CHOOSE-006": spread_case({"a quieter value": plant(Q.ELBO_SPREAD, factor=0.5)}, Procedure.FIT_PAIRS),
    "UNIT-001": evaluate_case(
        {
            "a mean that is labelled a sum": plant(Q.RAW_LOSS, part="- sum", reference=735.0),
            "wrong sign": plant(Q.RAW_LOSS, factor=-1.0),
            "no sign": plant(Q.RAW_LOSS, part="mean"),
        }
    ),
    "UNIT-002": evaluate_case({"KL averaged, likelihood summed": plant(Q.RAW_LOSS_SPLIT, shift=3.0)}),
    "CONST-001": evaluate_case(
        {
            "half the constant": plant(Q.LOG_Q, shift=-DROPPED / 2),
            "0.5 log pi": plant(Q.LOG_PRIOR, shift=-LATENT * 0.3465736),
            "not a number": plant(Q.LOG_Q, value=nan),
        }
    ),
    "CONST-002": evaluate_case(
        {"kept in one density": plant(Q.LOG_PRIOR, shift=-DROPPED), "left in the KL": plant(Q.KL, shift=DROPPED)}
    ),
    "DEV-001": evaluate_case({"TF32": plant(Q.ELBO, factor=1 + 2**-11)}, (HAND,), device="cuda"),
}


def verdicts_on(identifier: str, subject: CellResult, *others: CellResult) -> list[Verdict]:
    found = judge([subject, *others], claims=[by_id(identifier)], latent=lambda _: LATENT)
    return [verdict for verdict in found if verdict.key == subject.cell.key]


def test_every_claim_has_a_case():
    assert set(CASES) == {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("identifier", CASES)
def test_right_rows_agree(identifier):
    case = CASES[identifier]
    verdicts = verdicts_on(identifier, case.right, *case.partners)
    assert verdicts, "the claim said nothing"
    assert {verdict.outcome for verdict in verdicts} == {Outcome.AGREES}


@pytest.mark.parametrize(
    ("identifier", "mistake"), [(identifier, name) for identifier, case in CASES.items() for name in case.wrong]
)
def test_a_planted_mistake_differs(identifier, mistake):
    case = CASES[identifier]
    verdicts = verdicts_on(identifier, case.wrong[mistake](case.right), *case.partners)
    assert Outcome.DIFFERS in {verdict.outcome for verdict in verdicts}


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.statistical], ids=lambda claim: claim.id)
def test_few_draws_are_inconclusive(claim):
    case = CASES[claim.id]
    assert case.few is not None
    pairs = len(case.few.measurements) // 3 if claim.id.startswith("CHOOSE") else 0
    partners = [replace(each, measurements=each.measurements[: 3 * pairs]) for each in case.partners if pairs]
    verdicts = verdicts_on(claim.id, case.few, *(partners or case.partners))
    assert {verdict.outcome for verdict in verdicts} == {Outcome.INCONCLUSIVE}
    assert all(("12 pairs are too few" if pairs else "1000 draws") in verdict.reason for verdict in verdicts)


@pytest.mark.parametrize("identifier", [f"CHOOSE-00{number}" for number in range(1, 7)])
def test_an_order_of_equals_is_not_decided(identifier):
    """Where one estimator is the other under another name, no side is taken."""
    case = CASES[identifier]
    equal = replace(case.partners[0], cell=case.right.cell)
    assert {verdict.outcome for verdict in verdicts_on(identifier, equal, *case.partners)} == {Outcome.INCONCLUSIVE}


def test_pairs_that_are_not_all_there_are_not_judged():
    case = CASES["CHOOSE-004"]
    short = replace(case.partners[0], measurements=case.partners[0].measurements[:-3])
    (verdict,) = verdicts_on("CHOOSE-004", case.right, short)
    assert (verdict.outcome, "to be paired with" in verdict.reason) == (Outcome.INCONCLUSIVE, True)


@pytest.mark.parametrize("identifier", CASES)
def test_a_cell_without_rows_is_inconclusive_and_not_silent(identifier):
    case = CASES[identifier]
    empty = CellResult(cell=case.right.cell, status=case.right.status)
    verdicts = verdicts_on(identifier, empty, *case.partners)
    assert {verdict.outcome for verdict in verdicts} == {Outcome.INCONCLUSIVE}
    assert all("no row" in verdict.reason for verdict in verdicts)


def test_ids_are_unique_and_every_text_is_there():
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        texts = (claim.family, claim.statement, claim.derivation, claim.source, claim.tolerance, claim.reason)
        assert all(len(text) > 3 for text in texts), claim.id


def test_an_unknown_id_names_the_known_ones():
    with pytest.raises(KeyError, match="KL-001"):
        by_id("KL-999")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_only_what_is_sampled_spends_from_the_budget(claim):
    own = (Procedure.DRAW, Procedure.GRADIENT, Procedure.LIKELIHOOD, Procedure.SPREAD, Procedure.FIT_PAIRS)
    drawn_from = claim.procedure in own
    sampling = drawn_from and claim.strength in (Strength.EXPECTATION, Strength.ORDERING)
    assert claim.statistical is sampling
    assert (claim.scope is Scope.PAIR) is bool(CASES[claim.id].partners)
