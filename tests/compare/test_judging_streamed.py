"""Judging from disk: the same verdicts, ledger and frames as from memory, with a few results in memory at a time."""

from dataclasses import replace

import pandas as pd
import pytest
from claim_rows import LATENT, altered, cell, drawn, ended, evaluated

from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.judging import ordered
from elbo_compare.compare.judging.frames import read_frame, verdict_frame, write_verdicts
from elbo_compare.compare.judging.judge import judge, judged
from elbo_compare.compare.judging.ledger import Ledger, ledger
from elbo_compare.compare.judging.ordered import InMemory, OnDisk
from elbo_compare.compare.records import Procedure, Quantity, Status
from elbo_compare.compare.running.store import Store


def latent(of):
    return LATENT


@pytest.fixture(scope="module")
def results():
    """Cells that are partners of each other, of several seeds, one wrong and one that did not end well."""
    seeds = [replace(cell(), seed=seed) for seed in range(4)]
    names = ("pyro", "numpyro", "torch-hand", "numpy-oracle")
    sound = [evaluated(replace(of, implementation=name)) for of in seeds for name in names]
    draws = [drawn(cell(implementation=name, procedure=Procedure.DRAW)) for name in names]
    wrong, lost = altered(sound[0], Quantity.KL, shift=1e-3), ended(cell(seed=9), Status.CRASHED, "planted")
    return [*sound[1:], wrong, *draws, lost]


@pytest.fixture
def stored(results, tmp_path):
    store = Store(tmp_path)
    for result in results:
        store.write(result)
    return OnDisk(store, within=0)


def test_verdicts_from_disk_are_those_from_memory(results, stored, monkeypatch):
    monkeypatch.setattr(ordered, "KEPT", 1)  # every partner is read again
    in_memory, found = judge(results, latent=latent), judged(stored, latent=latent)
    assert repr(list(found)) == repr(in_memory)
    assert len(found) == len(in_memory) > 100
    assert {each.other for each in found} > {""}
    assert {str(each) for each in found.counts} >= {"agrees", "differs", "inconclusive"}
    claim = in_memory[0].claim
    assert repr(list(found.of(claim))) == repr([each for each in in_memory if each.claim == claim])


def test_the_ledger_does_not_depend_on_the_order_of_what_it_notes(results, stored):
    book = Ledger(latent)
    assert list(book.noting(stored)) == list(InMemory(results))
    assert book.rows() == ledger(reversed(results), latent) == ledger(results, latent)
    assert len(book.rows()) >= 8


def test_a_result_that_goes_while_it_is_judged_is_told(stored, tmp_path):
    next(tmp_path.glob("cells/??/*.json")).unlink()
    with pytest.raises(StoreError, match="was changed or removed meanwhile"):
        list(stored)


def test_results_that_memory_holds_are_read_once(results, stored, tmp_path):
    total = sum(max(len(each.measurements), 1) for each in results)
    kept, again = OnDisk(Store(tmp_path), within=total), OnDisk(Store(tmp_path), within=total - 1)
    wanted = list(stored)
    for path in tmp_path.glob("cells/??/*.json"):
        path.unlink()
    assert list(kept) == wanted
    assert [rows.result for rows in kept.rows()] == wanted
    assert [result.cell.key for result in kept.where(lambda cell: True)] == sorted(each.cell.key for each in wanted)
    with pytest.raises(StoreError, match="was changed or removed meanwhile"):
        list(again)


@pytest.mark.parametrize("rows", [7, 10_000])
def test_verdicts_written_in_parts_are_the_whole_frame(results, tmp_path, rows):
    verdicts = judged(InMemory(results), latent=latent)
    write_verdicts(tmp_path, verdicts, rows=rows)
    pd.testing.assert_frame_equal(read_frame(tmp_path, "verdicts"), verdict_frame(verdicts))
