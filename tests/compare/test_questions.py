"""The questions suite in the harness: answers, disk, crashes, commands, citations, the page."""

from dataclasses import replace
from math import inf, isnan, nan

import pytest
from question_rows import AGREES, DIFFERS, a_result, a_row, measured_results, outcomes_of, small_suite

from elbo_compare.compare.commands import run_suites as command_module
from elbo_compare.compare.errors import StoreError
from elbo_compare.compare.judging.suites import JudgedSuite, counts_lines, exit_code
from elbo_compare.compare.planning.suite import Program
from elbo_compare.compare.questions.answering import answer
from elbo_compare.compare.questions.judging import question_verdicts, row_of
from elbo_compare.compare.questions.suite import QUESTIONS_SUITE, programs
from elbo_compare.compare.questions.tables import claim_frame, question_frame, row_frame
from elbo_compare.compare.records import Status
from elbo_compare.compare.running import suites as machine
from elbo_compare.compare.running.codec import dumps
from elbo_compare.compare.running.store import sealed
from elbo_compare.compare.running.suites import SuiteStore, run_suites
from elbo_compare.reports.content import FirstScreen
from elbo_compare.reports.data import ReportData
from elbo_compare.reports.rendering import rendered, to_html
from elbo_compare.reports.sections import questions as section
from elbo_compare.reports.sections import why
from elbo_compare.suites.questions import normaliser
from elbo_compare.suites.questions.catalogue import BY_ID, QUESTIONS


@pytest.fixture(scope="module")
def measured():
    """Results of all questions at a small size."""
    with small_suite():
        yield measured_results()


# --- Answers say no more than the verdicts ---


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_an_answer_names_each_claim_that_does_not_hold_and_drops_its_sentence(measured, question):
    verdicts = [each for each in question_verdicts(measured) if each.subject == question.id]
    told = answer(question, [replace(each, outcome=AGREES) if each.outcome else each for each in verdicts])
    assert not any(claim.id in told for claim in question.claims)
    for claim in question.claims:
        planted = [
            replace(each, outcome=DIFFERS if each.id == claim.id else AGREES) if each.outcome else each
            for each in verdicts
        ]
        changed = answer(question, planted)
        assert f"{claim.id} differs" in changed
        assert not changed.startswith(told), claim.id
    assert answer(question, []).count("was not measured") == len(question.claims)


def test_one_prior_that_fails_is_not_said_to_cancel(measured):
    verdicts = [
        replace(each, outcome=DIFFERS) if each.case == "VampPrior" and each.id == "NORM-002" else each
        for each in question_verdicts(measured)
    ]
    told = answer(BY_ID["NORM"], verdicts)
    cancels = told.split("It leaves")[0]
    assert "mixture of Gaussians" in cancels
    assert "VampPrior" not in cancels
    assert "NORM-002 differs at VampPrior" in told


# --- Disk, processes, commands ---


def test_results_survive_the_disk_with_what_is_not_finite(tmp_path):
    row = a_row(value=-inf, at=nan, skewness=0.25, standard_error=1 / 3, group="cancels")
    store = SuiteStore(tmp_path, "questions")
    store.write(a_result("UNI", [row], elapsed_s=0.5, fingerprint="f"))
    again = store.read("UNI")
    assert again is not None
    first = row_of(again.rows[0])
    assert (first.value, first.standard_error, first.group) == (-inf, 1 / 3, "cancels")
    assert isnan(first.at)
    assert (again.elapsed_s, again.versions, again.fingerprint) == (0.5, {"numpy": "2.0"}, "f")


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    row = {"claim": "", "case": "c", "quantity": "q", "value": "-inf"}
    body = {"question": "UNI", "status": "ok", "reason": "", "rows": [row], "elapsed_s": 0.5, "versions": {}}
    path = tmp_path / "questions" / "UNI.json"
    path.parent.mkdir()
    path.write_bytes(sealed(dumps(body | {"fingerprint": "f"})))
    again = SuiteStore(tmp_path, "questions").read("UNI")
    assert again is not None
    assert (again.program, row_of(again.rows[0]).value, again.fingerprint) == ("UNI", -inf, "f")


PLANTED = """
import os
def dead():
    print("planted: no reason", file=__import__("sys").stderr)
    os._exit(3)
def wrong():
    raise ValueError("planted")
def measure():
    from elbo_compare.suites.questions.question import Row
    return [Row(claim="", case="c", quantity="q", value=float("nan"))]
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """The suite with a question that dies and one that raises."""
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    bodies = {"NORM": "measure", "UNI": "dead", "GGD": "wrong", "RATIO": "measure", "CODE": "measure"}
    each = [Program(name=name, code=f"planted:{body}", group="", packages=()) for name, body in bodies.items()]
    return replace(QUESTIONS_SUITE, programs=lambda: each)


def test_a_crash_costs_its_own_question_and_resume_runs_it_alone(tmp_path, planted):
    folder = tmp_path / "out"
    assert run_suites(folder, [planted], say=lambda line: None) == 5
    found = {each.program: each for each in SuiteStore(folder, "questions").results()}
    assert {name: each.status for name, each in found.items()} == {
        "NORM": Status.OK,
        "UNI": Status.CRASHED,
        "GGD": Status.FAILED,
        "RATIO": Status.OK,
        "CODE": Status.OK,
    }
    assert found["UNI"].reason.startswith("the process ended with code 3: planted: no reason")
    assert found["GGD"].reason == "ValueError: planted"
    said = []
    assert run_suites(folder, [planted], say=said.append) == 1
    assert said == ["4 of 5 questions are there; 1 are to be run", "1/1 programs, about 0 s left"]
    judged = command_module.judge_in(folder, QUESTIONS_SUITE)
    assert judged.exit_code == 3
    assert any("UNI-001 inconclusive: measuring it crashed" in line for line in judged.lines)


def test_another_environment_makes_results_stale(tmp_path, planted, monkeypatch):
    run_suites(tmp_path / "out", [planted], say=lambda line: None)
    monkeypatch.setattr(machine, "fingerprint", lambda: "another")
    assert run_suites(tmp_path / "out", [planted], say=lambda line: None) == 5


def test_a_real_question_is_measured_in_its_process(tmp_path):
    only = replace(QUESTIONS_SUITE, programs=lambda: [each for each in programs() if each.name == "NORM"])
    run_suites(tmp_path, [only], say=lambda line: None)
    result = SuiteStore(tmp_path, "questions").read("NORM")
    assert result is not None
    assert result.status is Status.OK
    rows = [row_of(row) for row in result.rows]
    assert outcomes_of("NORM", rows) == {claim.id: {AGREES} for claim in normaliser.CLAIMS}


def test_run_questions_ends_with_1_and_names_what_differs(command, tmp_path, monkeypatch, measured):
    rows = [row_of(row) for row in measured[1].rows]
    wrong = a_result("UNI", [replace(row, value=row.value + 1.0) for row in rows])

    def run(folder, suites, **asked):
        SuiteStore(folder, suites[0].name).write(wrong)

    monkeypatch.setattr(command_module, "run_suites", run)
    code, out, _ = command("run", "questions", "-o", tmp_path / "out")
    assert code == 1
    assert "UNI-001 differs at near closed form: 1 against 1.02041e-08" in out
    assert "Yes: it equals" not in out
    code, _, err = command("run", "questions", "-o", tmp_path / "out")
    assert (code, "Add --resume" in err) == (2, True)


def test_options_of_a_profile_and_a_folder_of_others_are_refused(command, tmp_path):
    code, _, err = command("run", "questions", "-o", tmp_path / "out", "--profile", "quick")
    assert (code, err) == (2, "compare: run questions does not take --profile. It takes -j, -o, --resume.\n")
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = command("run", "questions", "-o", tmp_path)
    assert (code, "holds no results of ours" in err) == (2, True)


def test_a_run_without_questions_is_judged_without_them(tmp_path):
    judged = command_module.judge_in(tmp_path, QUESTIONS_SUITE)
    assert judged == JudgedSuite(counts={})
    assert counts_lines(judged) == []


def test_cite_prints_a_question_s_claim_with_its_rows_and_works(command, tmp_path, measured):
    for result in measured:
        SuiteStore(tmp_path, "questions").write(result)
    command_module.judge_in(tmp_path, QUESTIONS_SUITE)
    code, out, _ = command("cite", "ggd-002", "--results", tmp_path)
    assert code == 0
    assert "GGD-002  questions, exact" in out
    assert "same scale" in out
    assert "@article{do2002wavelet," in out
    assert "@software{elbo_compare_ggd_002," in out
    code, _, err = command("cite", "GGD-02")
    assert (code, "'GGD-002'" in err) == (2, True)
    with pytest.raises(StoreError):
        from elbo_compare.compare.citing.cite import cite

        cite("GGD-002", tmp_path / "nothing")


# --- The page ---


def _data(further):
    empty = row_frame(())
    names = ("measurements", "verdicts", "claims", "ledger", "timings")
    return ReportData(**dict.fromkeys(names, empty), environment={}, answer={}, images={}, further=further)


def _page(further):
    first = FirstScreen(question="", sentence="", reasons=(), equation="", numbers=(), outcomes=())
    return to_html(first, [rendered(section.build(_data(further)))])


def test_the_section_shows_question_answer_numbers_and_drawings_escaped(measured):
    verdicts = question_verdicts(measured)
    answers = question_frame(measured, verdicts)
    answers.loc[0, "answer"] += "<script>alert(1)</script>"
    claims = claim_frame(verdicts)
    page = _page({"questions": row_frame(verdicts), "questions_answers": answers, "questions_claims": claims})
    assert all(f'id="{question.id}"' in page for question in QUESTIONS)
    assert all(claim.id in page for question in QUESTIONS for claim in question.claims)
    assert "<script" not in page
    assert page.count("<img ") == 2
    assert "The constants ledger by density" in page


def test_whose_code_it_is_is_answered_where_the_reader_asks_it(measured):
    answers = question_frame(measured, question_verdicts(measured))
    whose, others = why._whose(answers), why._sources(answers)
    assert whose.lead == "Is this the questioned code?"
    assert "clamps probabilities" in whose.text
    assert "(MUT-171): a factor 0.867 at 2,307 rows" in whose.text
    assert "clamps" not in " ".join(block.text for block in others)
    assert "was not measured in this run" in why._whose(None).text


def test_the_section_says_why_it_is_absent():
    assert "Not measured: this run did not contain the questions suite" in _page({})


def test_a_crashed_question_still_has_its_card(measured):
    crashed = [a_result("GGD", (), status=Status.CRASHED, reason="code -9"), *measured[:1]]
    verdicts = question_verdicts(crashed)
    page = _page(
        {
            "questions": row_frame(verdicts),
            "questions_answers": question_frame(crashed, verdicts),
            "questions_claims": claim_frame(verdicts),
        }
    )
    assert "GGD-001 inconclusive" in page
    assert exit_code(verdicts) == 3
