"""Procedures on flows, priors and the other estimators, with the oracle as the implementation."""

from dataclasses import replace
from math import isinf

import numpy as np
import pytest

from elbo_compare.compare.procedures.draw import draw
from elbo_compare.compare.procedures.evaluate import evaluate
from elbo_compare.compare.procedures.oracle import ask_oracle, ask_oracle_once
from elbo_compare.compare.procedures.shared import FOLDER
from elbo_compare.compare.procedures.task import InvalidResultError, Task
from elbo_compare.compare.records import Procedure, Quantity
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

Q = Quantity
LINEAR = {"householder-small", "linear-iaf-small", "convex-linear-iaf-small"}
PLACES = (
    *((name, "sampled-kl") for name in sorted(LINEAR)),
    ("householder-small", "analytic-kl"),
    ("planar-small", "sampled-kl"),
    ("iaf-small", "iwae-5"),
    ("laplace-small", "sampled-kl"),
    ("vae-small", "dreg-5"),
    ("vae-small", "antithetic"),
    ("gaussian-kl", "k3"),
    ("gaussian-kl", "control-variate"),
    ("linear-gaussian", "renyi-2"),
)
WEIGHTS = {"gaussian-kl": "2-near", "linear-gaussian": "generic"}


class WithGradients:
    """The oracle's session under another name, with gradients: along each direction v they are derivative v / |v|^2."""

    def __init__(self, session, factor: float) -> None:
        self.session, self.factor = session, factor
        self.task: Task | None = None

    def evaluate(self, params, x, noise):
        assert self.task is not None
        found = ask_oracle(self.task, x, noise).directions
        gradients = {
            name: self.factor * each.derivative * each.vector / np.vdot(each.vector, each.vector)
            for name, each in found.items()
        }
        return replace(self.session.evaluate(params, x, noise), gradients=gradients)

    def draw(self, *arguments):
        return self.session.draw(*arguments)


@pytest.fixture
def make(make_cell):
    def made(problem: str, estimator: str, factor: float | None = None, **fields) -> Task:
        cell = make_cell(problem=problem, weights=WEIGHTS.get(problem, "initial"), estimator=estimator, **fields)
        cell = replace(cell, dataset=problems.DATASET[problem])
        loaded, meant = problems.load(cell.problem, cell.weights), ESTIMATORS[estimator]
        session = NumpyOracle().prepare(loaded, meant, Device.CPU, DType.FLOAT64)
        task = Task(
            cell=cell,
            session=session,  # type: ignore[arg-type]
            problem=loaded,
            estimator=meant,
            dataset=datasets.load(cell.dataset),
        )
        if factor is None:
            return task
        session = WithGradients(session, factor)
        session.task = task
        return replace(task, cell=replace(cell, implementation="torch-hand"), session=session)  # type: ignore[arg-type]

    return made


@pytest.mark.parametrize(("problem", "estimator"), PLACES)
def test_the_oracle_held_against_itself_differs_by_rounding_only(make, problem, estimator):
    rows = evaluate(make(problem, estimator, size=5))
    for row in (row for row in rows if row.quantity is not Q.LOG_EVIDENCE):
        # 16 unit roundoffs of the sum of absolute terms: see the claims' reason for this factor.
        assert abs(row.value - row.reference) <= 16 * 2**-53 * row.scale, row
    found = {row.quantity for row in rows}
    bound = ESTIMATORS[estimator].bound == "renyi"
    assert (Q.KL in found) is not bound
    assert (Q.FLOW_KL_DETERMINISTIC in found) == (problem in LINEAR and estimator == "sampled-kl")
    assert (Q.KL_OF_HEADS in found) == (problem == "householder-small" and estimator == "sampled-kl")
    assert Q.KL_DETERMINISTIC not in found
    assert not {Q.GRADIENT_DISTANCE, Q.GRADIENT_DIRECTION} & found  # derived by hand nowhere here


@pytest.mark.parametrize(("factor", "off"), [(1.0, 0.0), (1.01, 0.01)])
def test_a_gradient_off_by_one_percent_is_off_along_every_direction(make, factor, off):
    rows = evaluate(make("planar-small", "sampled-kl", factor, size=4))
    along = [row for row in rows if row.quantity is Q.GRADIENT_DIRECTION]
    assert {row.part for row in along} == set(problems.load("planar-small", "initial").params)
    for row in along:
        # rel: one part in 10^12 of the derivative, thousands of roundings, where the planted mistake is 10^-2.
        assert row.value - row.reference == pytest.approx(off * row.reference, abs=1e-12 * abs(row.reference))


def test_only_the_oracle_may_leave_its_gradients_out(make):
    task = make("planar-small", "sampled-kl", size=4)
    nameless = replace(task, cell=replace(task.cell, implementation="torch-hand"))
    with pytest.raises(InvalidResultError, match="other names than the weights"):
        evaluate(nameless)


def test_a_shared_reference_is_the_computed_one(make, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    task = make("householder-small", "iwae-5", size=3)
    x, noise = task.rows(0, 3), task.generator("noise").standard_normal((5, 3, task.problem.latent))
    computed = ask_oracle(task, x, noise)
    for _ in range(2):
        read = ask_oracle_once(task, x, noise)
        assert repr(read.evaluation) == repr(computed.evaluation)  # repr: nan is not equal to itself
        assert repr(sorted(read.scales.items())) == repr(sorted(computed.scales.items()))
        assert repr(dict(read.directions)) == repr(dict(computed.directions))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("problem", "estimator"),
    [("linear-iaf-small", "sampled-kl"), ("gaussian-kl", "antithetic"), ("gaussian-kl", "k3"), ("gaussian-kl", "k2")],
)
def test_draws_have_the_exact_moments_within_six_standard_errors(make, problem, estimator):
    rows = draw(make(problem, estimator, procedure=Procedure.DRAW, size=20_000, chunk=5000))
    for quantity in (Q.KL_MEAN, Q.KL_VARIANCE):
        row = next(row for row in rows if row.quantity is quantity)
        # A right sampler is outside with probability 2e-9 per row.
        assert abs(row.value - row.reference) < 6 * row.standard_error, row
    assert any(row.quantity is Q.KL_EXACT for row in rows) == (estimator == "k2")


def test_a_bound_has_no_kl_draws_and_an_infinite_variance_says_so(make, make_cell):
    bound = draw(make("linear-gaussian", "iwae-5", procedure=Procedure.DRAW, size=1000, chunk=500))
    assert {row.quantity for row in bound} == {Q.ELBO_MEAN, Q.ELBO_VARIANCE, Q.LOG_EVIDENCE}
    task = make("gaussian-kl", "k3", procedure=Procedure.DRAW, size=1000, chunk=500)
    typical = replace(
        task, cell=replace(task.cell, weights="2-typical"), problem=problems.load("gaussian-kl", "2-typical")
    )
    row = next(row for row in draw(typical) if row.quantity is Q.KL_VARIANCE)
    assert isinf(row.reference)
