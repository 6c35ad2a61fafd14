"""`compare cite`: what it prints about a claim, where the outcomes come from, and the bibliography."""

import re
import sys

import pytest
from claim_rows import altered, cell, evaluated
from folders import write_folder

from elbo_compare.compare.citing.bibliography import WORKS, cited
from elbo_compare.compare.citing.cite import bibtex, cite
from elbo_compare.compare.citing.evidence import newest_published, of_claim, read
from elbo_compare.compare.citing.identifiers import Sort, find, identified
from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.cli import main
from elbo_compare.compare.errors import StoreError, UsageError
from elbo_compare.compare.records import Quantity

PYRO = cell(implementation="pyro")
ENTRY = re.compile(r"@\w+\{\w+,\n(  \w+ += \{.*\},\n)+\}")


@pytest.fixture
def folder(tmp_path):
    wrong = altered(evaluated(PYRO, dropped=False), Quantity.KL_DETERMINISTIC, shift=1.0)
    return write_folder(tmp_path / "run", [evaluated(cell()), wrong])


def test_everything_about_the_claim_is_printed(folder):
    text = " ".join(cite("KL-003", folder).split())
    claim = next(each for each in CLAIMS if each.id == "KL-003")
    for field in (claim.id, claim.statement, claim.derivation, claim.source, claim.tolerance, claim.reason):
        assert " ".join(field.split()) in text


def test_outcomes_stand_by_implementation_with_its_versions(folder):
    lines = {line.split()[0]: line for line in cite("KL-003", folder).splitlines() if line.startswith("  ")}
    assert lines["torch-hand"].split()[1:7] == ["torch", "2.13.0", "cpu", "float64", "1", "0"]
    assert "pyro-ppl 1.9.2, torch 2.13.0" in lines["pyro"]
    assert lines["pyro"].split("float64")[1].split()[:2] == ["0", "1"]  # agrees, differs


def test_a_report_folder_says_the_same_as_the_results_it_was_drawn_from(folder, tmp_path):
    from elbo_compare.compare.judging.frames import claim_frame
    from elbo_compare.reports.page import write_report

    evidence = read(folder)
    empty = evidence.measurements.iloc[:0]
    write_report(
        tmp_path / "report",
        measurements=evidence.measurements,
        verdicts=evidence.verdicts.all(),
        claims=claim_frame(CLAIMS),
        environment={"profile": "small", "date": "2026-01-02 03:04 UTC", "packages": {"torch": "2.13.0"}},
        answer={},
        ledger=empty,
        timings=empty,
        images={},
    )
    rows = [cite("KL-003", each).split("Outcomes")[1].splitlines()[3] for each in (folder, tmp_path / "report")]
    assert rows[0].split() == rows[1].split()


def test_the_newest_published_report_is_the_default(tmp_path):
    for name, date in (("a", "2026-03-01 00:00 UTC"), ("b", "2026-01-01 00:00 UTC")):
        write_folder(tmp_path / name, [evaluated(cell())], date=date)
    (tmp_path / "vectors").mkdir()
    newest = newest_published(tmp_path)
    assert newest is not None
    assert newest.folder.name == "a"
    assert newest_published(tmp_path / "nothing") is None


def test_a_newer_report_of_other_claims_is_no_evidence(tmp_path):
    """A run of few claims says nothing of the others."""
    write_folder(tmp_path / "whole", [evaluated(cell()), evaluated(PYRO)], date="2026-01-01 00:00 UTC")
    write_folder(tmp_path / "few", [evaluated(cell())], date="2026-03-01 00:00 UTC")
    judged = {}
    for name in ("whole", "few"):
        verdicts = read(tmp_path / name).verdicts.all()
        judged[name] = set(verdicts[verdicts["outcome"] != "not run"]["claim"])
    alone, both = min(judged["whole"] - judged["few"]), min(judged["whole"] & judged["few"])
    for claim, name in ((alone, "whole"), (both, "few"), ("KL-999", "few")):
        newest = newest_published(tmp_path, speaks=of_claim(claim))
        assert newest is not None
        assert newest.folder.name == name


def test_an_unknown_id_is_met_with_the_nearest():
    with pytest.raises(UsageError, match=r"No ID 'KL-03'\. Did you mean 'KL-003'"):
        cite("kl-03")


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(StoreError, match="neither results"):
        cite("KL-003", tmp_path)


@pytest.mark.parametrize(("arguments", "code"), [(["KL-001"], 0), (["kl-001"], 0), (["KL-999"], 2)])
def test_exit_codes(arguments, code, folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare", "cite", *arguments, "--results", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0) == code
    captured = capsys.readouterr()
    assert ("KL-001" in captured.out) == (code == 0)


@pytest.mark.parametrize("claim", [pytest.param(claim, id=claim.id) for claim in CLAIMS])
def test_bibtex_is_well_formed_and_names_version_id_and_commit(claim, folder):
    text = bibtex(find(claim.id), read(folder))
    entries = text.split("\n\n")
    assert all(ENTRY.fullmatch(entry) for entry in entries), text
    assert claim.id in entries[0]
    assert "0.1.0" in entries[0]
    assert "0123456789ab" in entries[0]
    assert "{2026}" in entries[0]


@pytest.mark.parametrize("claim", [pytest.param(claim, id=claim.id) for claim in CLAIMS])
def test_every_author_and_year_in_a_source_is_in_the_bibliography(claim):
    named = re.findall(r"\b[A-Z]\w+(?:(?:, [A-Z]\w+)*,? and [A-Z]\w+)? (?:19|20)\d\d", claim.source)
    assert {name for name in named if not any(work.named in name or name in work.named for work in WORKS)} == set()


def test_every_arxiv_number_of_a_claim_is_that_of_a_work_it_cites():
    for claim in CLAIMS:
        works = {value for work in cited(claim.source) for name, value in work.fields if name == "eprint"}
        assert set(re.findall(r"arXiv (\d{4}\.\d{5}|\d{4}\.\d{4})", claim.source)) <= works, claim.id


def test_keys_of_works_are_unique():
    assert len({work.key for work in WORKS}) == len(WORKS)


def test_every_id_of_every_catalogue_is_known_once():
    from elbo_compare.suites.mutants.catalogue import CATALOGUE
    from elbo_compare.suites.questions.catalogue import CLAIMS as QUESTION_CLAIMS
    from elbo_compare.suites.semantics.catalogue import CASES
    from elbo_compare.suites.semantics.findings import FINDINGS

    catalogues = (CLAIMS, QUESTION_CLAIMS, CASES, FINDINGS, CATALOGUE.values())
    ids = [each.id for catalogue in catalogues for each in catalogue]
    assert len(ids) == len(set(ids))
    assert set(ids) <= identified().keys()
    assert {each.sort for each in identified().values()} == set(Sort)


@pytest.mark.parametrize("sort", Sort)
def test_one_id_of_each_sort_is_printed_with_its_text_and_bibtex(sort, folder):
    each = next(each for each in identified().values() if each.sort is sort)
    text = cite(each.id.lower(), folder)
    assert text.startswith(f"{each.id}  {each.head}\n")
    assert all(" ".join(content.split()) in " ".join(text.split()) for _, content in each.fields)
    assert "Outcomes " in text
    assert all(ENTRY.fullmatch(entry) for entry in text.split("BibTeX\n\n")[1].split("\n\n")), text


def test_whatever_a_function_held_against_the_vectors_is_told_can_be_cited(folder):
    from elbo_compare.compare.vectors.families import FAMILIES
    from elbo_compare.compare.vectors.must_fail import must_fail

    wrong = must_fail(FAMILIES[0])[0]
    assert wrong.mutant["id"] in cite(wrong.id, folder)


def test_a_finding_that_shows_is_not_said_to_agree(tmp_path):
    import pandas as pd

    rows = [("FIND-PYRO-001", "pyro", "agrees", 0.9), ("FIND-NUMPYRO-001", "numpyro", "differs", 0.0)]
    frame = pd.DataFrame(rows, columns=["id", "library", "outcome", "measured_error"])
    frame.to_parquet(tmp_path / "findings.parquet")
    assert "reproduced" in cite("FIND-PYRO-001", tmp_path).split("BibTeX")[0]
    assert "no longer seen" in cite("FIND-NUMPYRO-001", tmp_path)
    assert "agrees" not in cite("FIND-PYRO-001", tmp_path).split("Outcomes")[1]


def test_a_right_draw_is_not_shown_as_a_number_that_is_off_its_mean(tmp_path):
    """Pyro's TraceGraph_ELBO gives unbiased draws in SEM-DISCRETE-003; NumPyro's masked one is no draw of the mean."""
    import pandas as pd

    rows = [
        ("SEM-DISCRETE-003", "pyro", "subsampled", 4.38, 4.38, 1.15, True, "agrees"),
        ("SEM-DISCRETE-003", "numpyro", "masked", 0.0, 0.0, 0.096, False, "agrees"),
    ]
    columns = ["case", "library", "quantity", "measured", "registered", "oracle", "sampled", "outcome"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "semantics.parquet")
    lines = cite("SEM-DISCRETE-003", tmp_path).split("Outcomes")[1].splitlines()
    assert "an unbiased draw" in next(line for line in lines if " pyro " in line)
    assert "an unbiased draw" not in next(line for line in lines if " numpyro " in line)


@pytest.mark.parametrize("sort", Sort)
def test_list_names_every_id_of_a_sort(sort, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare", "list", sort])
    with pytest.raises(SystemExit):
        main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [each.id for each in identified().values() if each.sort is sort]


def test_list_of_an_unknown_sort_names_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare", "list", "finding"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "Did you mean 'findings'" in capsys.readouterr().err
