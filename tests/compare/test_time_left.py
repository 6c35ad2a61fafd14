"""The time left that a run tells, and its first verdict: simulated runs on slower, faster and warm machines."""

import heapq
import io
import json
import queue
from collections import deque
from dataclasses import replace
from types import SimpleNamespace

import pytest
from claim_rows import cell, evaluated

from elbo_compare.compare.commands.first_verdict import FirstVerdict
from elbo_compare.compare.planning.plan import plan
from elbo_compare.compare.planning.spec import read_spec
from elbo_compare.compare.records import CellResult, Procedure, Status
from elbo_compare.compare.running.executors import WorkerKey
from elbo_compare.compare.running.expected import (
    HARNESS,
    IMPORTS,
    PROGRAMS,
    TURNS_S,
    Sort,
    TimeLeft,
    expectations,
    expected_seconds,
    seconds_after,
)
from elbo_compare.compare.running.pool import may_follow
from elbo_compare.compare.running.progress import Counted, Progress
from elbo_compare.compare.running.rounds import timing_groups
from elbo_compare.compare.running.run import Slots
from elbo_compare.suites.contract import Device

# Of cells of torch and NumPy, of JAX's where a program is there already, and of those for which one is compiled. The
# last four have a warm cache: on this machine, on a fast and on a slow one, and where only programs are found again.
PACES = [(1.0,) * 3, (0.45,) * 3, (2.5,) * 3, (1.0, 0.5, 0.3), (0.45, 0.22, 0.14), (2.5, 1.2, 0.75), (1.0, 1.0, 0.2)]
NAMES = ["same", "fast", "slow", "warm", "warm and fast", "warm and slow", "warm programs"]


@pytest.fixture(scope="module")
def standard():
    """The cells of `standard`, and what each is expected to take: the seconds of the recorded run."""
    return planned("standard")


def planned(profile):
    """The cells of a profile, and what each is expected to take."""
    cells = list(plan(read_spec(profile), Device.CPU))
    return cells, expectations(cells)


def ends(untimed, seconds, plain, jobs=2):
    """(when it ends, cell) of every untimed cell, as the slots of a run take them; `seconds`: of each, by key; a worker
    is imported first, at the pace `plain`: a library alone where it goes on from code by hand."""
    waiting: dict = {}
    for each in untimed:
        waiting.setdefault(WorkerKey.of(each), deque()).append(each)
    pool = SimpleNamespace(stopping=SimpleNamespace(is_set=lambda: False))
    slots = Slots(groups=waiting, pool=pool, results=queue.SimpleQueue())  # type: ignore[arg-type]
    free: list[tuple] = [(0.0, number, None) for number in range(jobs)]
    found: list[tuple] = []
    at_work: dict = {}
    while free:
        now, number, claim = heapq.heappop(free)
        if number in at_work:
            slots._done(at_work.pop(number))
        taken = slots._take(*claim) if claim else None
        if taken is None:
            before = claim[0] if claim else None
            if before:
                slots.served[before] -= 1
            kept = SimpleNamespace(key=before) if before else None
            if (claim := slots._claim(kept)) is not None:  # type: ignore[arg-type]
                imported = IMPORTS[claim[0].implementation]
                if before and may_follow(claim[0], before):
                    imported -= IMPORTS[before.implementation]
                heapq.heappush(free, (now + plain * imported, number, claim))
            continue
        at_work[number] = taken
        found.append((now + seconds[taken.key] * HARNESS, taken))
        heapq.heappush(free, (found[-1][0], number, claim))
    return found


SHORT_S = 15.0  # left: what is told is whole seconds then, and one cell that takes long is most of it


def ratios(cells, known, *paces):
    """Told by true time left at every cell's end from a tenth of the way on, where more than `SHORT_S` is left."""
    plain, compiled, compiling = paces
    pace = {Sort.PLAIN: plain, Sort.COMPILED: compiled, Sort.COMPILES: compiling}
    seconds = {key: each.seconds * pace[each.sort] for key, each in known.items()}
    found = ends([each for each in cells if each.procedure is not Procedure.TIME], seconds, plain)
    after_s = seconds_after(len(cells), suites=True)
    last = max(end for end, _ in found)
    left, told = TimeLeft(cells=cells, jobs=2, after_s=after_s), []
    groups = timing_groups(each for each in cells if each.procedure is Procedure.TIME)
    timed = [clocked(group, known, plain) for group in groups]
    total = last + sum(timed) + after_s * plain
    for end, each in sorted(found, key=lambda row: row[0]):
        left.done(CellResult(cell=each, status=Status.OK, elapsed_s=seconds[each.key], fingerprint="f"), end)
        if end > total / 10 and total - end > SHORT_S:
            told.append(left.seconds(end) / (total - end))
    now = last
    for group, seconds_of in zip(groups, timed, strict=True):
        midway = now + seconds_of / 2  # none of the group has ended: they end together
        told.append(left.seconds(midway) / (total - midway))
        now += seconds_of
        for each in group:
            left.done(CellResult(cell=each, status=Status.OK, elapsed_s=seconds_of, fingerprint="f"), now)
        told.append(left.seconds(now) / (total - now))
    return told


def clocked(group, known, plain, turn=1.0):
    """Seconds of a timing group: turns, which last as long on any machine, and at its pace imports side by side,
    compilation and first steps. `turn`: how much longer turns are than they are expected to be."""
    imports = sum(IMPORTS[name] for name in {each.implementation for each in group}) / 2
    beside = sum(known[each.key].seconds - TURNS_S for each in group) + imports
    return turn * TURNS_S * len(group) + plain * beside


@pytest.mark.parametrize("profile", ["quick", "standard", "full"])
@pytest.mark.parametrize("paces", PACES, ids=NAMES)
def test_the_time_left_is_within_a_factor_of_one_and_a_half_from_a_tenth_of_the_way_on(profile, paces):
    cells, known = planned(profile)
    found = ratios(cells, known, *paces)
    assert len(found) > 0.65 * len(cells)  # the oracle's, which are short, end in the last seconds of a quick run
    assert 1 / 1.5 < min(found) <= max(found) < 1.5


@pytest.mark.parametrize("turn", [0.1, 2.5])
def test_what_a_timing_group_took_tells_of_the_next_ones(standard, turn):
    known = standard[1]
    groups = timing_groups(each for each in standard[0] if each.procedure is Procedure.TIME)
    assert len(groups) > 1
    timed = [clocked(group, known, 1.0, turn) for group in groups]
    left = TimeLeft(cells=[each for group in groups for each in group])
    before = left.seconds(0.0) / sum(timed)
    assert not 1 / 1.5 < before < 1.5
    for each in groups[0]:
        left.done(CellResult(cell=each, status=Status.OK, elapsed_s=timed[0], fingerprint="f"), timed[0])
    assert 1 / 1.5 < left.seconds(timed[0]) / sum(timed[1:]) < 1.5
    now = timed[0] + 0.4 * sum(timed[1:])
    assert left.seconds(now) == pytest.approx(left.seconds(timed[0]) - (now - timed[0]))


def test_timed_cells_the_suites_and_drawing_count(standard):
    cells, known = standard
    whole = TimeLeft(cells=cells, jobs=2, after_s=seconds_after(len(cells), suites=True)).seconds(0.0)
    without = TimeLeft(cells=[each for each in cells if each.procedure is not Procedure.TIME], jobs=2).seconds(0.0)
    groups = timing_groups(each for each in cells if each.procedure is Procedure.TIME)
    timed = sum(clocked(group, known, 1.0) for group in groups)
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
    bar.done(CellResult(cell=one, status=Status.OK, elapsed_s=1.0, fingerprint="f"))  # as in the recorded run
    assert "1/1 cells, about 1 min " in stream.getvalue()


def test_programs_of_suites_are_counted_with_the_time_left():
    said = []
    count = Counted(2, said.append, seconds=40.0, jobs=2, after_s=7.0)
    count.done(20.0)
    assert said == []
    count.done(0.0)  # not to be run
    assert count.left(10.0) == pytest.approx(10.0 + 7.0)  # as there: 20 s of two side by side
    assert count.left(38.0) == pytest.approx(3 * (10.0 + 7.0))
    assert len(said) == 1 and said[0].startswith("2/2 programs, about ")


# When and of what group the programs of `standard` ended, seconds after the first began, in the published run of
# 2026-11-30 (night): (seconds, of which questions, numpyro, pyro). They took 31 s.
ENDED = [(4.9, 3, 14, 0), (9.6, 4, 16, 0), (15.2, 5, 33, 0), (20.8, 5, 52, 0), (24.7, 5, 62, 0), (27.9, 5, 69, 14)]


@pytest.mark.parametrize("slower", [1.0, 3.0])
def test_the_time_left_of_programs_is_within_a_factor_of_one_and_a_half_though_the_long_ones_come_first(slower):
    groups, last = {"questions": 5, "numpyro": 69, "pyro": 88}, 31.0
    total = sum(PROGRAMS[name] * number for name, number in groups.items())
    for at, *ended in ENDED:
        count = Counted(162, lambda line: None, seconds=total, jobs=2, after_s=seconds_after(1696, suites=False))
        for name, number in zip(groups, ended, strict=True):
            for _ in range(number):
                count.done(PROGRAMS[name])
        true = slower * (last - at + 10.0)  # judging and drawing took 10 s
        assert 1 / 1.5 < count.left(slower * at) / true < 1.5, at


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
