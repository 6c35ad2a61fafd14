"""The time left that a run tells, and its first verdict: simulated runs on slower, faster and warm machines."""

import heapq
import io
import json
from dataclasses import replace

import pytest
from claim_rows import cell, evaluated

from elbo_compare.compare.commands.first_verdict import FirstVerdict
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import read_spec
from elbo_compare.compare.records import CellResult, Procedure, Status
from elbo_compare.compare.running.expected import HARNESS, TimeLeft, expected_seconds, seconds_after
from elbo_compare.compare.running.progress import Counted, Progress
from elbo_compare.suites.contract import Device

JAX = ("jax-hand", "numpyro")


@pytest.fixture(scope="module")
def standard():
    """The cells of `standard`, and the seconds of each in the recorded run."""
    cells = list(plan(read_spec("standard"), Device.CPU))
    return cells, expected_seconds(cells)


def ratios(cells, seconds, machine, jobs=2):
    """Told by true time left at every cell's end from a tenth of the way on; `machine`: cell -> times as slow."""
    untimed = [each for each in cells if each.procedure is not Procedure.TIME]
    timed = [each for each in cells if each.procedure is Procedure.TIME]
    free, ends = [0.0] * jobs, []
    for each in untimed:
        start = heapq.heappop(free)
        taken = seconds[each.key] * machine(each)
        heapq.heappush(free, start + taken * HARNESS)
        ends.append((start + taken * HARNESS, each, taken))
    plain = machine(replace(cells[0], implementation="torch-hand"))
    timed_s = sum(seconds[each.key] for each in timed) * plain
    after_s = seconds_after(len(cells), suites=True)
    total = max(free) + timed_s + after_s * plain
    left, found = TimeLeft(cells=cells, jobs=jobs, after_s=after_s), []
    for end, each, taken in sorted(ends, key=lambda row: row[0]):
        left.done(CellResult(cell=each, status=Status.OK, elapsed_s=taken, fingerprint="f"), end)
        if end > total / 10:
            found.append(left.seconds(end) / (total - end))
    midway = max(free) + timed_s / 2  # no timed cell has ended: they end together
    return [*found, left.seconds(midway) / (total - midway)]


@pytest.mark.parametrize(
    ("plain", "compiling"), [(1.0, 1.0), (0.45, 0.45), (2.5, 2.5), (1.0, 0.3)], ids=["same", "fast", "slow", "warm"]
)
def test_the_time_left_is_within_a_factor_of_one_and_a_half_from_a_tenth_of_the_way_on(standard, plain, compiling):
    cells, seconds = standard
    found = ratios(cells, seconds, lambda each: compiling if each.implementation in JAX else plain)
    assert len(found) > 500
    assert 1 / 1.5 < min(found) <= max(found) < 1.5


def test_timed_cells_the_suites_and_drawing_count(standard):
    cells, seconds = standard
    whole = TimeLeft(cells=cells, jobs=2, after_s=seconds_after(len(cells), suites=True)).seconds(0.0)
    without = TimeLeft(cells=[each for each in cells if each.procedure is not Procedure.TIME], jobs=2).seconds(0.0)
    timed = sum(seconds[each.key] for each in cells if each.procedure is Procedure.TIME)
    assert timed > 100
    assert whole - without == pytest.approx(timed + seconds_after(len(cells), suites=True))
    assert seconds_after(len(cells), suites=True) > 60 + seconds_after(0, suites=False)


def test_timed_cells_that_do_not_run_take_no_time():
    clock = cell(procedure="time")
    left = TimeLeft(cells=[clock])
    assert left.seconds(0.0) > 1.0
    left.done(CellResult(cell=clock, status=Status.NOT_RUN, reason="no", fingerprint="f"), 0.1)
    assert left.seconds(0.1) == pytest.approx(0.0)


def test_a_cell_of_a_third_party_and_of_no_recorded_kind_has_a_time_too():
    unknown = cell(implementation="theirs", procedure="likelihood", problem="vae")
    assert expected_seconds([unknown])[unknown.key] > 0.0


def test_the_last_line_of_the_cells_still_counts_what_follows(standard):
    one, stream = cell(), io.StringIO()
    bar = Progress(1, TimeLeft(cells=[one], after_s=90.0), stream)
    bar.done(CellResult(cell=one, status=Status.OK, elapsed_s=0.03, fingerprint="f"))
    assert "1/1 cells, about 1 min " in stream.getvalue()


def test_programs_of_suites_are_counted_with_the_time_left():
    said = []
    count = Counted(2, said.append, after_s=7.0)
    count.done()
    assert said == []
    count.done()
    assert said == ["2/2 programs, about 7 s left"]


def test_the_first_verdict_is_told_once_and_not_of_the_oracle():
    said = []
    first = FirstVerdict(said.append)
    for name in ("numpy-oracle", "torch-hand", "pyro"):
        first.look(evaluated(cell(implementation=name)))
    assert len(said) == 1
    assert said[0].startswith("First verdict: ")
    assert "agrees" in said[0]
    assert "torch-hand" in said[0]


def test_a_first_verdict_that_differs_is_told_as_such():
    said = []
    result = evaluated(cell(implementation="torch-hand"))
    wrong = replace(result, measurements=tuple(replace(row, value=row.value + 1.0) for row in result.measurements))
    FirstVerdict(said.append).look(wrong)
    assert "differs" in said[0], json.dumps(said)
