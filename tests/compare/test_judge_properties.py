"""What holds for the judge and the plan whatever the cells: order, repetition, seniority of exit codes, rectangles."""

import random
from dataclasses import replace

from claim_rows import LATENT, cell, ended, evaluated
from hypothesis import given, settings
from hypothesis import strategies as st

from elbo_compare.compare.judging.judge import exit_code, judge
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import Block, Spec
from elbo_compare.compare.records import CellResult, Outcome, Procedure, Quantity, Status
from elbo_compare.suites.contract import Device

SETTINGS = settings(deadline=None, max_examples=40)
cells = st.builds(
    cell,
    implementation=st.sampled_from(["torch-hand", "jax-hand", "numpy-oracle", "pyro", "numpyro", "third-party"]),
    estimator=st.sampled_from(["sampled-kl", "analytic-kl"]),
    dtype=st.sampled_from(["float64", "float32"]),
    seed=st.integers(0, 2),
)
broken = st.sampled_from([Status.FAILED, Status.CRASHED, Status.TIMED_OUT, Status.NOT_RUN])
shifts = st.sampled_from([0.0, 0.0, 0.0, 1e-9, 0.5])


@st.composite
def result_lists(draw):
    """Results of distinct cells: right, shifted, or ended badly."""
    found = []
    for of in draw(st.lists(cells, max_size=6, unique_by=lambda each: each.key)):
        if draw(st.integers(0, 3)) == 0:
            found.append(ended(of, draw(broken), "planted"))
        else:
            found.append(shifted(evaluated(of), draw(shifts)))
    return found


def shifted(result: CellResult, by: float) -> CellResult:
    rows = tuple(
        replace(row, value=row.value + by) if row.quantity is Quantity.KL else row for row in result.measurements
    )
    return replace(result, measurements=rows)


def judged(results):
    return judge(results, latent=lambda _: LATENT)


@SETTINGS
@given(result_lists(), st.integers())
def test_verdicts_depend_neither_on_the_order_nor_on_earlier_judgements(results, seed):
    first = judged(results)
    again = list(results)
    random.Random(seed).shuffle(again)
    assert repr(judged(again)) == repr(first)  # repr, because nan != nan


@SETTINGS
@given(result_lists())
def test_no_claim_agrees_or_differs_on_a_cell_that_did_not_end_well(results):
    bad = {result.cell.key for result in results if result.status is not Status.OK}
    judged_on = {verdict.key for verdict in judged(results) if verdict.outcome in (Outcome.AGREES, Outcome.DIFFERS)}
    assert not judged_on & bad


@SETTINGS
@given(result_lists())
def test_the_exit_code_is_that_of_the_worst_verdict_or_cell(results):
    verdicts = judged(results)
    outcomes = {verdict.outcome for verdict in verdicts}
    statuses = {result.status for result in results}
    expected = 0
    if Outcome.INCONCLUSIVE in outcomes or statuses - {Status.OK, Status.NOT_RUN}:
        expected = 3
    if Outcome.DIFFERS in outcomes:
        expected = 1
    assert exit_code(verdicts, results) == expected


@SETTINGS
@given(result_lists(), cells)
def test_a_cell_of_another_problem_changes_no_verdict_of_the_others(results, other):
    stranger = evaluated(replace(other, problem="vae-small", dataset="digits"))
    kept = [repr(verdict) for verdict in judged([*results, stranger]) if verdict.problem == "vae"]
    before = [repr(verdict) for verdict in judged(results) if results]
    assert [line for line in kept if "this run has no" not in line] == [
        line for line in before if "this run has no" not in line
    ]


blocks = st.builds(
    Block,
    procedure=st.sampled_from([Procedure.EVALUATE, Procedure.TIME]),
    problems=st.lists(st.sampled_from(["gaussian-kl@2-*", "gaussian-kl@2-wide"]), min_size=1, max_size=2).map(tuple),
    implementations=st.lists(st.sampled_from(["numpy-oracle", "torch-hand", "pyro"]), min_size=1, max_size=3).map(
        tuple
    ),
    estimators=st.lists(st.sampled_from(["sampled-kl", "analytic-kl"]), min_size=1, max_size=2, unique=True).map(tuple),
    dtypes=st.lists(st.sampled_from(["float64", "float32"]), min_size=1, max_size=2, unique=True).map(tuple),
    size=st.integers(1, 9),
    seeds=st.integers(1, 3),
)


@SETTINGS
@given(st.lists(blocks, min_size=1, max_size=3).map(tuple), st.integers(0, 100))
def test_a_plan_holds_what_its_blocks_name_once_and_nothing_else(planned, seed):
    spec = Spec(name="property", cells=planned, seed=seed)
    found = list(plan(spec, Device.CPU))
    assert found == list(plan(spec, Device.CPU))
    assert len({each.key for each in found}) == len(found)
    for each in found:
        assert any(
            each.procedure is block.procedure
            and each.implementation in block.implementations
            and each.estimator in block.estimators
            and each.dtype in block.dtypes
            and each.size == block.size
            and seed <= each.seed < seed + block.seeds
            for block in planned
        )
    for block in planned:
        wanted = {(e, d) for e in block.estimators for d in block.dtypes}
        for name in block.implementations:
            offered = {pair for pair in wanted if name != "numpy-oracle" or pair[1] == "float64"}
            mine = {
                (c.estimator, c.dtype) for c in found if c.implementation == name and c.procedure is block.procedure
            }
            assert offered <= mine
