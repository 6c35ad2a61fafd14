"""`compare history`: what of a release makes another result, and what a comparison that hangs costs."""

from dataclasses import replace

import pytest

from elbo_compare.compare.history import matching
from elbo_compare.compare.history.table import Standing, standing
from elbo_compare.compare.launching.interpreter import HERE
from elbo_compare.compare.records import ProgramResult, Status
from elbo_compare.compare.running.pool import ended
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.catalogue import BY_ID


@pytest.mark.parametrize(
    ("code", "word"), [("SEM-STRUCTURE-002", Standing.REGISTERED), ("SEM-STRUCTURE-001", Standing.RIGHT)]
)
def test_a_warning_is_told_and_is_no_other_result(code, word):
    case, given = BY_ID[code], {"a": 0.3, "b": -0.9}
    behaviour = case.behaviour(Library.NUMPYRO)
    measured = given | dict(case.oracle(given)) | dict(behaviour.computes(given) if behaviour.computes else {})
    found = ProgramResult(program=f"{code}-numpyro", status=Status.OK, measured=measured)
    assert standing(found)[0] is word
    warned = replace(found, measured=measured | {"trace_warns": 1.0})
    assert standing(warned)[0] is word and standing(warned)[1].endswith("trace_warns is 1")
    registered = next(name for name in ("mean_field_warns", "graph_warns") if measured.get(name) == 1.0)
    assert standing(replace(found, measured=measured | {registered: 0.0}))[0] is Standing.OTHER
    value = next(name for name in measured if name in ("loss", "mean_field"))
    wrong = replace(warned, measured=warned.measured | {value: 17.0})
    assert standing(wrong)[0] is Standing.OTHER


def test_a_comparison_that_hangs_costs_one_limit_of_time_and_not_one_for_each(monkeypatch):
    asked = []

    def run(cells, options, finish, reason):
        for cell in cells:
            asked.append(cell)
            finish(ended(cell, Status.TIMED_OUT, "no result", options))

    monkeypatch.setattr(matching, "run", run)
    found = matching._results("numpyro", HERE)
    assert len(asked) == 1 and len(found) > 1
    assert [each.status for each in found] == [Status.TIMED_OUT, *[Status.NOT_RUN] * (len(found) - 1)]
    assert {each.reason for each in found[1:]} == {matching.HUNG}
