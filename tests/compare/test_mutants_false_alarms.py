"""The false-alarm benchmark: its bound is the exact one, and it counts what it says."""

from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.statistics import ErrorBudget

PATH = Path(__file__).parents[2] / "benchmarks" / "false_alarms.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = spec_from_file_location("false_alarms", PATH)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("trials", [1, 20, 1000])
def test_the_bound_of_no_hits_is_the_closed_form(benchmark, trials):
    """(1 - p)^n = 0.05 at the upper bound p of 0 out of n."""
    assert benchmark.upper_bound(0, trials) == pytest.approx(1.0 - 0.05 ** (1.0 / trials), rel=1e-12)


def test_the_bound_of_nothing_but_hits_and_of_no_trial_is_one(benchmark):
    assert benchmark.upper_bound(3, 3) == 1.0
    assert benchmark.upper_bound(0, 0) == 1.0


def test_one_seed_gives_no_false_verdict(benchmark):
    right, edge = benchmark.one_seed(12345, ErrorBudget())
    assert {outcome for _, outcome in right} == {str(Outcome.AGREES)}
    assert str(Outcome.AGREES) not in {outcome for _, outcome in edge}
    assert sum(edge.values()) >= 12  # every mean and variance of both problems


def test_the_table_counts_false_and_inconclusive_apart(benchmark):
    counts = Counter({("KL-004", "agrees"): 7, ("KL-004", "differs"): 1, ("KL-005", "inconclusive"): 2})
    rows = {row["claim"]: row for row in benchmark.table(counts, Outcome.DIFFERS)}
    assert (rows["KL-004"]["verdicts"], rows["KL-004"]["false_differs"], rows["KL-004"]["inconclusive"]) == (8, 1, 0)
    assert (rows["all"]["verdicts"], rows["all"]["false_differs"], rows["all"]["inconclusive"]) == (10, 1, 2)


def test_publishing_writes_the_tables_and_a_summary(benchmark, tmp_path):
    tables = {"false_differs": benchmark.table(Counter({("KL-004", "agrees"): 3}), Outcome.DIFFERS)}
    benchmark.publish(tmp_path / "new", tables, {"seeds": 3})
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["false_alarms.json", "false_differs.csv"]
    assert '"seeds": 3' in (tmp_path / "new" / "false_alarms.json").read_text()
