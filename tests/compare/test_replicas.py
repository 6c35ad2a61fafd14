"""Seeds trained in one program: each is still a cell with rows of its own, and a crash costs its siblings only."""

import queue
import threading
from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from elbo_compare.compare.errors import SpecError
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import parse_spec
from elbo_compare.compare.procedures.fit import fit
from elbo_compare.compare.procedures.task import InvalidResultError, Task
from elbo_compare.compare.records import Procedure, Status
from elbo_compare.compare.running.executors import WorkerKey
from elbo_compare.compare.running.run import STEAL_FROM, Slots
from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle

FIT = {"problem": "linear-gaussian", "weights": "generic", "dataset": "linear-gaussian", "procedure": Procedure.FIT}
PROFILE = """
[[cells]]
procedure = "{procedure}"
problems = ["vae-small@initial"]
implementations = ["numpy-oracle"]
estimators = ["sampled-kl"]
size = 8
seeds = {seeds}
replicas = 4
"""


class Together:
    """The oracle with `fit_replicas`, which counts its calls and can change one replica."""

    def __init__(self, change=lambda fits: fits):
        self.session = NumpyOracle().prepare(problems.load("linear-gaussian", "generic"), SAMPLED_KL, *HERE)
        self.calls, self.change = 0, change

    def fit_replicas(self, params, trainings):
        self.calls += 1
        return self.change([self.fit(params, training) for training in trainings])

    def __getattr__(self, name):
        return getattr(self.session, name)


HERE = (Device.CPU, DType.FLOAT64)


def tasks(cells, session):
    fits, problem = {}, problems.load("linear-gaussian", "generic")
    dataset = datasets.load("linear-gaussian")
    return [
        Task(cell=cell, session=session, problem=problem, estimator=SAMPLED_KL, dataset=dataset, fits=fits)
        for cell in cells
    ]


def test_each_sibling_gets_the_rows_of_its_own_training_out_of_one_program(make_cell):
    cells = [make_cell(**FIT, size=4, replicas=2, seed=seed) for seed in range(4)]
    together, alone = Together(), NumpyOracle().prepare(problems.load("linear-gaussian", "generic"), SAMPLED_KL, *HERE)
    ours = [fit(task)[0] for task in tasks(cells, together)]
    theirs = [fit(task)[0] for task in tasks(cells, alone)]
    assert together.calls == 2
    # repr, because a value that is not there is nan.
    assert [repr(rows) for rows in ours] == [repr(rows) for rows in theirs]
    assert repr(ours[0]) != repr(ours[1])


def test_a_cell_alone_trains_with_the_siblings_that_are_not_planned(make_cell):
    """Its numbers depend on its own fields only, not on what else the run has."""
    cells = [make_cell(**FIT, size=4, replicas=2, seed=seed) for seed in range(2)]
    session = Together()
    last = fit(tasks(cells[1:], session)[0])[0]
    assert session.calls == 1
    assert repr(last) == repr([fit(task)[0] for task in tasks(cells, Together())][1])


def test_a_replica_that_is_not_finite_costs_its_own_cell_only(make_cell):
    def spoil(fits):
        return [fits[0], replace(fits[1], elbo=np.full_like(fits[1].elbo, np.nan))]

    first, second = tasks([make_cell(**FIT, size=4, replicas=2, seed=seed) for seed in range(2)], Together(spoil))
    assert fit(first)[0]
    with pytest.raises(InvalidResultError, match="not finite"):
        fit(second)


def test_a_crash_costs_the_siblings_and_nobody_else(faulty, make_cell, run_cells):
    common = {**FIT, "implementation": "faulty-together", "size": 2}
    doomed = [make_cell(**common, estimator="analytic-kl", replicas=3, seed=seed) for seed in range(3)]
    spared = [make_cell(**common, seed=seed) for seed in range(2)]
    results = run_cells([*doomed, *spared])
    assert sorted(result.cell.key for result in results) == sorted(cell.key for cell in doomed + spared)
    statuses = {result.cell.key: result.status for result in results}
    assert {statuses[cell.key] for cell in doomed} == {Status.CRASHED}
    assert {statuses[cell.key] for cell in spared} == {Status.OK}
    inherited = [result.reason for result in results if "in one program with seed" in result.reason]
    assert len(inherited) == 2
    assert all("exit code 7" in reason for reason in inherited)


def test_siblings_stay_with_the_worker_that_trains_them(make_cell):
    cells = [make_cell(**FIT, replicas=STEAL_FROM, seed=seed) for seed in range(2 * STEAL_FROM)]
    key = WorkerKey.of(cells[0])
    slots = Slots(groups={key: deque(cells)}, pool=None, results=queue.SimpleQueue())  # type: ignore[arg-type]
    assert slots._take(key, from_end=False) is cells[0]
    taken: list = []
    other = threading.Thread(
        target=lambda: taken.extend(slots._take(key, from_end=False) for _ in range(STEAL_FROM + 1))
    )
    other.start()
    other.join()
    assert taken == [*cells[STEAL_FROM:], None]
    assert [slots._take(key, from_end=False) for _ in range(STEAL_FROM)] == [*cells[1:STEAL_FROM], None]


def test_replicas_are_planned_by_seed_and_leave_other_keys_as_they_were(make_cell):
    cells = list(plan(parse_spec(PROFILE.format(procedure="fit", seeds=8), "p"), Device.CPU))
    assert [cell.seed for cell in cells] == list(range(8))
    assert {cell.siblings for cell in cells} == {tuple(cells[:4]), tuple(cells[4:])}
    alone = make_cell(**FIT)
    assert alone.siblings == (alone,)
    assert alone.key != replace(alone, replicas=4).key


@pytest.mark.parametrize(("procedure", "seeds"), [("fit", 6), ("fit-path", 8)])
def test_a_profile_asks_for_whole_programs_of_trainings_only(procedure, seeds):
    with pytest.raises(SpecError, match="replicas"):
        parse_spec(PROFILE.format(procedure=procedure, seeds=seeds), "p")
