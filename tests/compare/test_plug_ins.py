"""Plug-ins: names that are taken, entry points that are none, and what `doctor` and a plan say about them."""

from dataclasses import replace

import pytest
from claim_rows import altered, cell, drawn, evaluated

from elbo_compare.compare.claims import cells
from elbo_compare.compare.commands.doctor import diagnose
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.planning.availability import implementations, library_of
from elbo_compare.compare.records import Outcome, Procedure, Quantity
from elbo_compare.compare.running.codec import cell_from_json, cell_to_json
from elbo_compare.suites import registry
from elbo_compare.suites.roster import BY_NAME, ROSTER

ANALYTIC = {"estimator": "analytic-kl"}
DRAW = {"procedure": Procedure.DRAW}


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """A function that installs a distribution with these lines of entry points."""

    def install(*lines: str, distribution: str = "their-vae") -> None:
        record = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (record / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines]) + "\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_name_of_ours_stays_ours_and_is_refused_in_one_line(plug_in, name):
    plug_in(f"{name} = their_vae:Mine")
    assert registry.installed()[name].value == BY_NAME[name].target
    with pytest.raises(UsageError) as caught:
        implementations(["all"])
    said = str(caught.value)
    assert f"'{name}' of their-vae" in said and "give it another" in said and "\n" not in said
    assert any("refused:" in line and "their-vae" in line for line in diagnose())


def test_two_plug_ins_of_one_name_are_refused(plug_in):
    plug_in("same = first:One", distribution="first-vae")
    plug_in("same = second:Two", distribution="second-vae")
    assert len(registry.refused()) == 1


@pytest.mark.parametrize("value", ["", "no_class", "not a module:Class", "module:", "1:2", ":Class"])
def test_a_malformed_entry_point_is_one_line_of_doctor(plug_in, value):
    plug_in(f"odd = {value}")
    (line,) = [line for line in diagnose() if line.split()[:1] == ["odd"]]
    assert "will not run" in line and "their-vae" in line and "\n" not in line


def test_a_malformed_entry_point_is_named_where_it_is_loaded(plug_in):
    plug_in("odd = no_class")
    with pytest.raises(ValueError, match="'odd' of their-vae can't be loaded: its entry point says 'no_class'"):
        registry.load("odd")


def test_ours_are_those_of_the_roster():
    assert {row.name for row in ROSTER} <= registry.installed().keys()


MATCHES = ("MATCH-001", "MATCH-002", "MATCH-003", "MATCH-004", "MATCH-005", "MATCH-006", "MATCH-009")


def verdicts_on(plug_in_rows, *others):
    """claim -> outcomes on the plug-in's cell, and the names of what it was compared with."""
    found = [each for each in judge([plug_in_rows, *others]) if each.implementation == "theirs"]
    return {each.claim: each for each in found if each.claim in (*MATCHES, "BOUND-001", "LIB-001")}


def evaluation(**fields):
    return evaluated(cell(**fields), dropped=False)


@pytest.mark.parametrize(("library", "of_its_own"), [("pyro", 1), ("numpyro", 2), ("further", 9)])
def test_a_plug_in_through_a_library_is_held_against_code_by_hand(library, of_its_own):
    theirs = {"implementation": "theirs", "library": library}
    hand = [evaluation(), evaluation(**ANALYTIC), drawn(cell(**DRAW)), evaluation(estimator="iwae-5")]
    found = verdicts_on(evaluation(**theirs), *hand)
    assert found.keys() == {f"MATCH-00{of_its_own}", "MATCH-003"}
    assert verdicts_on(evaluation(**theirs, **ANALYTIC), *hand).keys() == {"MATCH-004", "MATCH-005"}
    assert verdicts_on(drawn(cell(**theirs, **DRAW)), *hand).keys() == {"MATCH-006"}
    assert verdicts_on(evaluation(**theirs, estimator="iwae-5"), *hand).keys() == {"BOUND-001"}
    assert verdicts_on(evaluation(**theirs, estimator="trace-graph"), *hand).keys() == {"LIB-001"}
    assert {each.outcome for each in found.values()} == {Outcome.AGREES}
    assert all("torch-hand" in each.other for each in found.values())


def test_a_plug_in_by_hand_is_held_against_the_libraries():
    libraries = [evaluation(implementation=name) for name in ("pyro", "numpyro")]
    found = verdicts_on(evaluation(implementation="theirs"), *libraries, evaluation())
    assert found.keys() == {"MATCH-001", "MATCH-002", "MATCH-003"}
    assert "numpyro" in found["MATCH-002"].other
    assert {each.outcome for each in found.values()} == {Outcome.AGREES}


@pytest.mark.parametrize("library", ["", "pyro"])
def test_a_wrong_plug_in_turns_its_own_row_red_and_nobody_else_s(library):
    ours = [evaluation(implementation=name) for name in ("pyro", "numpyro", "torch-hand")]
    wrong = altered(evaluation(implementation="theirs", library=library), Quantity.KL, shift=1.0)
    wrong = altered(wrong, Quantity.ELBO, shift=1.0)
    differing = {each.implementation for each in judge([*ours, wrong]) if each.outcome is Outcome.DIFFERS}
    assert differing == {"theirs"}


def test_a_plug_in_without_a_partner_is_told_what_is_missing():
    found = verdicts_on(evaluation(implementation="theirs"))
    assert found["MATCH-001"].reason == "this run has no pyro cell at the same noise"


def test_without_a_further_library_nobody_misses_one():
    assert not [each for each in judge([evaluation()]) if each.claim == "MATCH-009"]


def test_the_kind_is_no_part_of_a_cell_s_key_or_label_and_travels_with_it():
    of = cell(implementation="theirs", library="pyro")
    assert (of.key, of.label) == (replace(of, library="").key, replace(of, library="").label)
    assert cell_from_json(cell_to_json(of)) == of
    assert "library" not in cell_to_json(cell())


@pytest.mark.parametrize(("kind", "library"), [("LIBRARY", "pyro"), ("HAND", ""), (None, "")])
def test_the_plan_asks_a_plug_in_for_its_kind(plug_in, tmp_path, monkeypatch, kind, library):
    said = f"    kind = Kind.{kind}\n" if kind else ""
    module = (
        f"from elbo_compare.suites.contract import Kind\nprint('loud')\nclass Mine:\n    framework = 'pyro'\n{said}"
    )
    (tmp_path / "their_vae.py").write_text(module)
    plug_in("theirs = their_vae:Mine")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    library_of.cache_clear()
    assert library_of("theirs") == library


def test_a_kind_that_no_plug_in_has_is_refused():
    with pytest.raises(ValueError, match=r"'theirs' says kind = 'oracle'; a plug-in's is Kind.HAND or Kind.LIBRARY"):
        registry.library_of("theirs", type("Mine", (), {"kind": "oracle", "framework": "numpy"})())


@pytest.mark.parametrize("name", ["numpy-oracle", "torch-hand", "pyro"])
def test_ours_have_the_kind_that_the_roster_says(name):
    assert (library_of(name), cells.library_of(cell(implementation=name))) == ("", "pyro" if name == "pyro" else "")
