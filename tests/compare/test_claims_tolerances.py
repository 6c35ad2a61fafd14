"""Tolerances and what decides at their edges."""

from math import inf, isinf, nan

import pytest
from claim_rows import LATENT, altered, cell, constant, drawn, evaluated, row, without
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.compare.claims import by_id
from elbo_compare.compare.claims.pointwise import compared, relative_size, rounding_tolerance, worst
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.records import Outcome, Procedure, Quantity

Q = Quantity


def outcomes(identifier, *results):
    found = judge(results, claims=[by_id(identifier)], latent=lambda _: LATENT)
    return {verdict.outcome for verdict in found}


@pytest.mark.parametrize(("dtype", "roundoff"), [("float64", 2.0**-53), ("float32", 2.0**-24)])
def test_the_tolerance_is_sixteen_roundoffs_of_the_scale(dtype, roundoff):
    assert rounding_tolerance(100.0, dtype) == 1600.0 * roundoff


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("share", "outcome"), [(0.9, Outcome.AGREES), (1.1, Outcome.DIFFERS)])
def test_the_edge_of_a_pointwise_claim(dtype, share, outcome):
    right = evaluated(cell(dtype=dtype))
    shift = share * rounding_tolerance(120.0, dtype)  # 120: the scale of the KL in these rows
    # a shift of 1e-14 on 25.0 is itself rounded to a multiple of 3.6e-15
    assert outcomes("KL-002", altered(right, Q.KL, shift=shift)) == {outcome}


def test_nothing_agrees_with_no_scale():
    assert compared(0.0, 0.0, 0.0).outcome is Outcome.AGREES
    assert compared(1e-300, 0.0, 0.0).outcome is Outcome.DIFFERS


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_is_not_finite_never_agrees(value):
    assert compared(value, value, inf).outcome is Outcome.DIFFERS


@pytest.mark.parametrize(("reference", "tolerance"), [(nan, 1.0), (1.0, nan), (1.0, inf), (inf, 1.0)])
def test_without_a_reference_or_tolerance_nothing_is_decided(reference, tolerance):
    judgement = compared(1.0, reference, tolerance)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert judgement.reason


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0, 1e9), st.floats(1, 1e3))
def test_a_wider_tolerance_keeps_agreement(value, reference, tolerance, factor):
    if compared(value, reference, tolerance).outcome is Outcome.AGREES:
        assert compared(value, reference, tolerance * factor).outcome is Outcome.AGREES


def test_the_worst_tensor_decides_and_is_named():
    agreeing = compared(1.0, 1.0, 0.1, part="a")
    near, far = compared(2.0, 1.0, 0.1, part="b"), compared(3.0, 1.0, 0.1, part="c")
    judgement = worst([agreeing, near, far])
    assert (judgement.outcome, judgement.part) == (Outcome.DIFFERS, "c")
    assert "2 of 3: b, c" in judgement.reason


def test_relative_sizes():
    assert relative_size(0.0, 0.0) == 0.0
    assert isinf(relative_size(1.0, 0.0))
    assert isinf(relative_size(nan, 1.0))
    assert relative_size(-2.0, 4.0) == 0.5


def test_one_wrong_tensor_among_right_ones_differs():
    right = evaluated(cell())
    wrong = row(Q.GRADIENT_DISTANCE, 0.02, part="encoder.log_var.bias", reference=2.0, scale=5.0)
    found = judge(
        [type(right)(cell=right.cell, status=right.status, measurements=(*right.measurements, wrong))],
        claims=[by_id("GRAD-001")],
    )
    assert [(verdict.outcome, verdict.part) for verdict in found] == [(Outcome.DIFFERS, "encoder.log_var.bias")]


def test_kept_and_dropped_normalisers_both_agree_and_are_named():
    for dropped, word in ((True, "dropped"), (False, "kept")):
        found = judge([evaluated(cell(), dropped=dropped)], claims=[by_id("CONST-001")], latent=lambda _: LATENT)
        assert [verdict.part for verdict in found] == [f"log_q: {word}", f"log_prior: {word}"]
        assert {verdict.outcome for verdict in found} == {Outcome.AGREES}


def test_rounding_that_could_hide_the_constant_decides_nothing():
    blurred = altered(evaluated(cell(dtype="float32")), Q.LOG_Q, scale=1e9)
    assert Outcome.INCONCLUSIVE in outcomes("CONST-001", blurred)


def test_equal_terms_are_right_where_q_is_p():
    sampled = altered(altered(evaluated(cell()), Q.KL, value=0.0), Q.ELBO, value=-80.0)
    analytic = altered(altered(evaluated(cell(estimator="analytic-kl")), Q.KL, value=0.0), Q.ELBO, value=-80.0)
    assert outcomes("MATCH-007", sampled, analytic) == {Outcome.AGREES}


def test_different_terms_are_wrong_where_q_is_p():
    sampled = altered(altered(evaluated(cell()), Q.KL, value=0.5), Q.ELBO, value=-80.5)
    analytic = altered(altered(evaluated(cell(estimator="analytic-kl")), Q.KL, value=0.0), Q.ELBO, value=-80.0)
    assert Outcome.DIFFERS in outcomes("MATCH-007", sampled, analytic)


def test_draws_without_variance_are_judged_one_by_one():
    equal = constant(cell(procedure=Procedure.DRAW))
    for statistical in ("KL-004", "KL-005"):
        assert outcomes(statistical, equal) == set()
    assert outcomes("KL-006", equal) == {Outcome.AGREES}


def test_the_exact_posterior_reaches_the_evidence_and_no_more():
    of = cell(procedure=Procedure.DRAW, problem="linear-gaussian", weights="posterior")
    assert outcomes("ORD-001", constant(of)) == {Outcome.AGREES}
    above = altered(constant(of), Q.ELBO_DEVIATION, value=0.1, largest=-99.9)
    assert outcomes("ORD-001", above) == {Outcome.DIFFERS}
    below = altered(constant(of), Q.ELBO_DEVIATION, value=0.1, least=-100.1)
    assert outcomes("ORD-001", below) == {Outcome.AGREES}  # a bound may lie below; LG-004 is what says it does not
    assert outcomes("LG-004", below) == {Outcome.DIFFERS}


def test_an_understated_standard_error_cannot_make_a_mean_agree():
    """The exact standard deviation bounds the interval from below."""
    draws = altered(drawn(cell(procedure=Procedure.DRAW), n=10_000), Q.KL_MEAN, standard_error=0.0)
    assert outcomes("KL-004", draws) == {Outcome.INCONCLUSIVE}


def test_the_variance_margin_is_an_argument():
    wide = altered(drawn(cell(procedure=Procedure.DRAW)), Q.KL_VARIANCE, factor=1.15)
    for margin, outcome in ((0.10, Outcome.DIFFERS), (0.25, Outcome.AGREES)):
        found = judge([wide], variance_margin=margin, claims=[by_id("KL-005")])
        assert [verdict.outcome for verdict in found] == [outcome]


def test_float32_paths_are_described_and_not_judged():
    assert not by_id("TRAIN-001").applies(cell(procedure=Procedure.FIT_PATH, dtype="float32"))


def test_a_batch_too_small_to_split_is_no_subject_of_additivity():
    single = without(evaluated(cell(size=1)), Q.RAW_LOSS_SPLIT)
    assert outcomes("UNIT-002", single) == set()
