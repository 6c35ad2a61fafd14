"""`compare bench --part account`: a made-up step under a made-up clock, whose parts are known."""

import sys
from collections import Counter
from dataclasses import asdict
from itertools import count
from types import SimpleNamespace

import pandas as pd
import pytest

from elbo_compare.compare.bench import frames
from elbo_compare.compare.bench.alone import Alone
from elbo_compare.compare.bench.box import FURTHER, Box
from elbo_compare.compare.bench.clocks import ceilings
from elbo_compare.compare.bench.clocks.account import SLICES, AccountClock
from elbo_compare.compare.bench.records import Setting
from elbo_compare.compare.bench.targets import WORDS, of_account
from elbo_compare.compare.procedures import turns
from elbo_compare.reports.bench.sections.account import section
from elbo_compare.reports.content import Table
from elbo_compare.suites.contract import Device
from elbo_compare.suites.forms import Part, Parts

SETTING = Setting(problem="vae-small", weights="initial", batch=10, batches=4)
FORM = "jax-hand joined scan"
ROUNDS = 7
OWN = {Part.PRODUCTS: 60.0, Part.PASSES: 20.0, Part.OPTIMISER: 10.0, Part.NOISE: 2.0, Part.DATA: 1.0}  # ms a step
DISPATCH = {"whole": 3.0, Part.PRODUCTS: 1.0, Part.PASSES: 0.6, Part.OPTIMISER: 0.4, Part.NOISE: 0.2, Part.DATA: 0.1}
STARTED = 0.7  # of the dispatch of a step that has only some of its parts


class MadeUp:
    """A framework whose every call takes known time: `step(parts)` milliseconds, and what dispatching costs.

    `late`: every so many calls one takes twice as long, as where another process had the processor.
    """

    def __init__(self, step, late=0):
        self.now, self.step, self.late, self.calls = 0.0, step, late, count(1)
        self.taken = Counter()

    def call(self, name, milliseconds):
        def run(k):
            self.taken[name] += k
            late = 2 if self.late and next(self.calls) % self.late == 0 else 1
            self.now += 1e-3 * k * milliseconds * late

        return run

    def prepare(self, name, case):
        assert name == "joined scan"
        sized = case.problem.observed > 1

        def way(label, parts, dispatch):
            return self.call(label, dispatch + (self.step(frozenset(parts)) if sized else 0.0))

        def less(part):
            return way(f"without {part}", set(OWN) - {part}, DISPATCH["whole"] * STARTED)

        return Parts(
            whole=way("whole", OWN, DISPATCH["whole"]),
            without={part: less(part) for part in (Part.OPTIMISER, Part.PASSES)},
            alone={part: way(str(part), {part}, DISPATCH[part]) for part in OWN},
            quantum=4,
        )


def additive(parts):
    return sum(OWN[part] for part in parts)


def disturbed(parts):
    """The optimiser empties the caches of the products."""
    return additive(parts) + (5.0 if {Part.OPTIMISER, Part.PRODUCTS} <= parts else 0.0)


def overlapping(parts):
    """Passes and optimiser run side by side."""
    both = {Part.PASSES, Part.OPTIMISER}
    return additive(parts) - (min(OWN[part] for part in both) if both <= parts else 0.0)


def conflicting(parts):
    """Passes and optimiser throw each other out of the caches: either saves all of that."""
    return additive(parts) + (15.0 if {Part.PASSES, Part.OPTIMISER} <= parts else 0.0)


def unexplained(parts):
    """Noise and products together cost more than either, and no part of the account shows it."""
    return additive(parts) + (12.0 if {Part.NOISE, Part.PRODUCTS} <= parts else 0.0)


@pytest.fixture
def account(monkeypatch):
    def measured(step, late=0):
        made_up = MadeUp(step, late)
        monkeypatch.setattr(turns, "perf_counter", lambda: made_up.now)
        monkeypatch.setitem(sys.modules, "made_up_parts", SimpleNamespace(prepare=made_up.prepare))
        clock = AccountClock({"module": "made_up_parts", "form": "joined scan", "setting": asdict(SETTING)})
        clock.start()
        made_up.taken.clear()
        found = [clock.turn() for _ in range(ROUNDS)]
        return frames.account_frame(SETTING, FORM, found).set_index("part"), made_up

    return measured


def milliseconds(frame, column="seconds"):
    return {name: 1e3 * value for name, value in frame[column].items() if value == value}


def outcome(frame):
    (found,) = of_account(frame.reset_index())
    return WORDS[found.outcome]


def test_parts_that_add_up_are_found_each_with_dispatch_once(account):
    frame, _ = account(additive)
    found = milliseconds(frame)
    assert {part: found[part] for part in OWN} == pytest.approx(OWN)
    assert found["dispatch"] == pytest.approx(DISPATCH["whole"])
    assert found["whole step"] == pytest.approx(96.0)
    assert found["remainder"] == pytest.approx(0, abs=1e-9)
    assert frame.loc["accounted for", "share"] == pytest.approx(1)
    assert milliseconds(frame, "alone") == pytest.approx({str(part): value for part, value in OWN.items()})
    assert outcome(frame) == "reached"


def test_a_part_that_slows_its_neighbours_is_charged_with_it(account):
    frame, _ = account(disturbed)
    assert milliseconds(frame)["optimiser"] == pytest.approx(15)
    assert milliseconds(frame, "alone")["optimiser"] == pytest.approx(10)
    assert (frame.loc["accounted for", "share"], outcome(frame)) == (pytest.approx(1), "reached")


@pytest.mark.parametrize(("step", "left"), [(overlapping, 10.0), (unexplained, 12.0), (conflicting, -15.0)])
def test_what_no_part_explains_or_two_claim_is_shown_and_missed(account, step, left):
    frame, _ = account(step)
    whole = milliseconds(frame)["whole step"]
    assert milliseconds(frame)["remainder"] == pytest.approx(left)
    assert frame.loc["accounted for", "share"] == pytest.approx(1 - abs(left) / whole)
    assert outcome(frame) == "missed"


def test_a_processor_that_is_taken_now_and_then_changes_nothing(account):
    quiet, _ = account(disturbed)
    late, _ = account(disturbed, late=7)
    pd.testing.assert_frame_equal(quiet, late)


def test_everything_has_as_many_slices_one_after_another(account):
    _, made_up = account(additive)
    assert len(made_up.taken) == 8
    assert all(steps % (ROUNDS * SLICES * 4) == 0 for steps in made_up.taken.values())


def a_turn(whole, products):
    sized = {"whole": {"whole": whole}, "without": {}, "alone": {"matrix products": products}}
    empty = {"whole": {"whole": 0.1}, "without": {}, "alone": {"matrix products": 0.0}}
    return {"parts": {"sized": sized, "empty": empty}}


@pytest.mark.parametrize(("products", "rounds"), [((9.8, 9.8), 6), ((9.8, 5.0), 6 * FURTHER)])
def test_an_interval_that_holds_the_mark_asks_for_more_turns(monkeypatch, products, rounds):
    given = iter([a_turn(10.0, products[index % 2]) for index in range(6 * FURTHER)])

    class Worker:
        def __init__(self, surroundings):
            self.start = lambda request, box: {"import_s": 0.0}
            self.turn = lambda box: next(given)
            self.close = lambda: None

    monkeypatch.setattr("elbo_compare.compare.bench.alone.BenchWorker", Worker)
    found, cut, interrupted = Alone(Device.CPU, 6, print).account("m", "joined scan", FORM, SETTING, Box())
    assert (cut, interrupted) == (False, False)
    assert set(found["account"]["rounds"]) == {rounds}


def test_the_page_shows_what_is_left_over_and_what_a_part_takes_alone(account):
    frame, _ = account(disturbed)
    (table,) = section(frame.reset_index()).blocks
    assert isinstance(table, Table)
    assert {"remainder", "accounted for", "dispatch"} <= set(table.frame["part"])
    assert table.frame.set_index("part").loc["optimiser", "seconds_ms"] == pytest.approx(15)
    old = section(frame.reset_index().drop(columns=["alone", "alone_low", "alone_high"]))
    assert "earlier version" in str(old.blocks)


def test_the_fastest_way_to_make_a_steps_products_bounds_it(monkeypatch):
    """Ways of 4, 2 and 1 seconds for the same 40 operations: no step is held to the slow ones."""
    now = [0.0]

    def taking(seconds):
        return lambda: now.__setitem__(0, now[0] + seconds)

    module = SimpleNamespace(
        products=lambda shapes, *_: taking(4.0 if shapes == [(1, 4, 5)] else 1.0),
        layer_products=lambda layers, *_: (taking(2.0 * len(layers)), 2),
    )
    monkeypatch.setitem(sys.modules, "made_up_ceiling", module)
    monkeypatch.setattr(turns, "perf_counter", lambda: now[0])
    monkeypatch.setattr(ceilings, "SIDE", {Device.CPU: 10})
    request = {"module": "made_up_ceiling", "device": "cpu", "dtype": "float32", "precision": "full"}
    request |= {"shapes": [(1, 4, 5)], "layers": [[(4, 2, True), (4, 3, True)], [(4, 5, True)]], "batch": 1}
    clock = ceilings.CeilingClock(request)
    clock.start()
    assert clock.turn()["rates"] == {"square": 2000.0, "model": 40.0}
