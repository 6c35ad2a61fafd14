"""The constants ledger names what became of 0.5 log 2π, and nothing that it cannot explain."""

import pytest
from claim_rows import HALF_LOG_TWO_PI, LATENT, altered, cell, drawn, ended, evaluated

from elbo_compare.compare.judging.ledger import Constant, ledger
from elbo_compare.compare.records import Procedure, Quantity, Status


def entries(*results):
    return {(row.implementation, row.quantity): row for row in ledger(results, latent=lambda _: LATENT)}


def test_dropped_and_kept_constants_are_told_apart_and_cancel_in_the_kl():
    found = entries(evaluated(cell()), evaluated(cell(implementation="pyro"), dropped=False))
    for density in ("log_q", "log_prior"):
        assert found["torch-hand", density].constant is Constant.DROPPED
        assert found["torch-hand", density].offset_nats == pytest.approx(LATENT * HALF_LOG_TWO_PI)
        assert found["torch-hand", density].offset_constants == pytest.approx(1.0)
        assert found["pyro", density].constant is Constant.KEPT
    for term in ("kl", "log_likelihood", "elbo"):
        assert {found[name, term].constant for name in ("torch-hand", "pyro")} == {Constant.NONE}


def test_an_offset_that_is_no_constant_is_unexplained():
    wrong = altered(evaluated(cell()), Quantity.LOG_PRIOR, shift=0.1)
    row = entries(evaluated(cell(seed=1)), wrong)["torch-hand", "log_prior"]
    assert row.constant is Constant.UNEXPLAINED
    assert row.deviation_nats == pytest.approx(0.1)
    assert row.deviation_nats > row.tolerance_nats


def test_a_constant_left_in_the_kl_is_unexplained():
    wrong = altered(evaluated(cell()), Quantity.KL, shift=LATENT * HALF_LOG_TWO_PI)
    assert entries(wrong)["torch-hand", "kl"].constant is Constant.UNEXPLAINED


def test_one_implementation_may_do_both():
    row = entries(evaluated(cell()), evaluated(cell(seed=1), dropped=False))["torch-hand", "log_q"]
    assert (row.constant, row.cells) == (Constant.MIXED, 2)


def test_each_prior_has_rows_of_its_own():
    """Hand-written code drops the constant under a normal prior and keeps it under a Laplace one: neither is mixed."""
    rows = ledger([evaluated(cell()), evaluated(cell(problem="laplace-small"), dropped=False)], latent=lambda _: LATENT)
    found = {row.prior: row.constant for row in rows if row.quantity == "log_q"}
    assert found == {"standard-normal": Constant.DROPPED, "laplace": Constant.KEPT}


def test_only_sampled_cells_that_ended_well_count():
    others = [
        evaluated(cell(estimator="analytic-kl")),
        drawn(cell(procedure=Procedure.DRAW)),
        ended(cell(), Status.FAILED, "-"),
    ]
    assert entries(*others) == {}
