"""The questions suite in the harness: rules, planted mistakes that turn verdicts red, disk, crashes, commands, page."""

import functools
import sys
from dataclasses import replace
from math import inf, isnan, log, nan

import numpy as np
import pytest

from compare.cli import main
from compare.commands import questions as command_module
from compare.errors import StoreError
from compare.judge import ErrorBudgetExceededError
from compare.questions import files, running
from compare.questions.answering import answer
from compare.questions.judging import BUDGET, exit_code, judge_row, question_verdicts
from compare.questions.records import QuestionResult
from compare.questions.tables import claim_frame, question_frame, row_frame
from compare.records import Outcome, Status
from compare.statistics import ErrorBudget
from reports.content import FirstScreen
from reports.data import ReportData
from reports.page import to_html
from reports.sections import questions as section
from suites.questions import density_ratio, generalised_normal, ledger_entries, normaliser, runner, univariate
from suites.questions.catalogue import BY_ID, QUESTIONS
from suites.questions.ledger import Effect
from suites.questions.question import RATIO, QuestionClaim, Row, Rule

AGREES, DIFFERS, INCONCLUSIVE = Outcome.AGREES, Outcome.DIFFERS, Outcome.INCONCLUSIVE


def _claim(rule):
    return QuestionClaim(id="X-001", rule=rule, statement="", derivation="", source="", tolerance="", reason="")


def _row(**changes):
    fields = {"claim": "X-001", "case": "c", "quantity": "q", "value": 0.0, "reference": 0.0, "n": 10_000}
    return Row(**fields | changes)


def _result(question, rows, **changes):
    fields = {"question": question, "status": Status.OK, "rows": tuple(rows), "versions": {"numpy": "2.0"}}
    return QuestionResult(**fields | changes)


def _judged(question, rows):
    """claim -> the set of its outcomes."""
    found = {}
    for verdict in question_verdicts([_result(question, rows)]):
        if verdict.outcome is not None:
            found.setdefault(verdict.claim, set()).add(verdict.outcome)
    return found


# --- Rules ---


@pytest.mark.parametrize(
    "rule, changes, outcome",
    [
        (Rule.ROUNDING, {"value": 1.0 + 2**-52, "reference": 1.0, "scale": 1.0}, AGREES),
        (Rule.ROUNDING, {"value": 1.0 + 1e-14, "reference": 1.0, "scale": 1.0}, DIFFERS),
        (Rule.ROUNDING, {"value": nan, "scale": 1.0}, DIFFERS),
        (Rule.ROUNDING, {"value": 1.0, "reference": nan, "scale": 1.0}, INCONCLUSIVE),
        (Rule.EQUAL, {"value": 0.01, "standard_error": 0.001, "margin": 0.05}, AGREES),
        (Rule.EQUAL, {"value": 0.2, "standard_error": 0.001, "margin": 0.05}, DIFFERS),
        (Rule.EQUAL, {"value": 0.05, "standard_error": 0.001, "margin": 0.05}, INCONCLUSIVE),
        (Rule.EQUAL, {"value": inf, "standard_error": 0.001, "margin": 0.05}, DIFFERS),
        (Rule.BEYOND, {"value": -0.2, "standard_error": 0.001, "margin": 0.05}, AGREES),
        (Rule.BEYOND, {"value": 0.01, "standard_error": 0.001, "margin": 0.05}, DIFFERS),
        (Rule.BEYOND, {"value": 0.05, "standard_error": 0.001, "margin": 0.05}, INCONCLUSIVE),
        (Rule.BEYOND, {"value": 0.2, "margin": 0.05}, AGREES),
        (Rule.ABOVE, {"value": 0.2, "standard_error": 0.001, "margin": 0.0}, AGREES),
        (Rule.ABOVE, {"value": -0.2, "standard_error": 0.001, "margin": 0.0}, DIFFERS),
        (Rule.ABOVE, {"value": 0.001, "standard_error": 0.001, "margin": 0.0}, INCONCLUSIVE),
        (Rule.RATIO_ABOVE, {"value": 2.0, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, AGREES),
        (Rule.RATIO_ABOVE, {"value": 0.5, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, DIFFERS),
        (Rule.RATIO_ABOVE, {"value": 1.01, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, INCONCLUSIVE),
        (Rule.RATIO_ABOVE, {"value": 0.0, "reference": 1.0, "standard_error": 0.01, "unit": RATIO}, DIFFERS),
    ],
)
def test_each_rule_has_its_outcomes(rule, changes, outcome):
    assert judge_row("X", _row(**changes), _claim(rule)).outcome is outcome


def test_few_skewed_draws_decide_nothing_and_the_reason_says_so():
    row = _row(value=1.0, standard_error=0.01, margin=0.0, n=30, skewness=3.0)
    verdict = judge_row("X", row, _claim(Rule.ABOVE))
    assert verdict.outcome is INCONCLUSIVE
    assert "skewness 3 of 30 draws" in verdict.reason
    # a tail on the other side makes a wrong "above" less likely, not more
    assert judge_row("X", replace(row, skewness=-3.0), _claim(Rule.ABOVE)).outcome is AGREES
    inside = replace(row, value=0.0, margin=10.0, skewness=-3.0)
    assert judge_row("X", inside, _claim(Rule.EQUAL)).outcome is INCONCLUSIVE


def test_the_interval_of_a_ratio_is_that_of_its_logarithm():
    verdict = judge_row("X", _row(value=2.0, reference=1.0, standard_error=0.1, unit=RATIO), _claim(Rule.RATIO_ABOVE))
    assert verdict.low * verdict.high == pytest.approx(4.0)
    assert log(verdict.high / verdict.low) == pytest.approx(2 * 1.959964 * 0.1, rel=1e-5)


def test_a_claim_without_rows_and_a_row_without_a_claim_are_inconclusive():
    outcomes = _judged("UNI", [_row(claim="UNI-001", scale=1.0), _row(claim="UNI-999")])
    assert outcomes["UNI-001"] == {AGREES}
    assert {outcomes[name].pop() for name in ("UNI-002", "UNI-003", "UNI-004", "UNI-005", "UNI-999")} == {INCONCLUSIVE}


def test_more_statistical_verdicts_than_the_budget_covers_are_refused():
    rows = [_row(claim="UNI-005", standard_error=0.001, margin=0.05)] * 3
    question_verdicts([_result("UNI", rows)], ErrorBudget(alpha=1e-7, tests=3))
    with pytest.raises(ErrorBudgetExceededError, match="3 statistical verdicts"):
        question_verdicts([_result("UNI", rows)], ErrorBudget(alpha=1e-7, tests=2))


# --- Planted mistakes: the measured function is wrong, the verdict goes red ---


@pytest.fixture(scope="module")
def small():
    """Fewer cases and a smaller largest sample; the integrals do not depend on what is planted: each is taken once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(univariate, "by_integration", functools.cache(univariate.by_integration))
    patch.setattr(generalised_normal, "_by_integration", functools.cache(generalised_normal._by_integration))
    patch.setattr(generalised_normal, "SHAPES", (1.5,))
    patch.setattr(univariate, "CASES", univariate.CASES[:4])
    patch.setattr(univariate, "SAMPLED", ("same scale",))
    patch.setattr(generalised_normal, "PAIRS", generalised_normal.PAIRS[1:3])
    patch.setattr(density_ratio, "LARGEST", 1000)
    yield
    patch.undo()


WRONG_UNIVARIATE = {
    "scales swapped": lambda m1, s1, m2, s2: log(s1 / s2) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5,
    "half missing": lambda m1, s1, m2, s2: log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2),
    "scale for variance": lambda m1, s1, m2, s2: log(s2 / s1) + (s1 + (m1 - m2) ** 2) / (2 * s2) - 0.5,
    "mean not squared": lambda m1, s1, m2, s2: log(s2 / s1) + (s1**2 + abs(m1 - m2)) / (2 * s2**2) - 0.5,
    "2 missing": lambda m1, s1, m2, s2: log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / s2**2 - 0.5,
    "reverse": lambda m1, s1, m2, s2: univariate.kl(m2, s2, m1, s1),
}


@pytest.mark.parametrize("name", WRONG_UNIVARIATE)
def test_a_wrong_univariate_formula_is_caught(small, name):
    assert DIFFERS in _judged("UNI", univariate.measure(WRONG_UNIVARIATE[name]))["UNI-001"]


def test_the_right_univariate_formula_agrees(small):
    assert _judged("UNI", univariate.measure()) == {claim.id: {AGREES} for claim in univariate.CLAIMS}


def test_a_symmetric_divergence_and_a_biased_mean_are_caught(small):
    jeffreys = lambda *n: univariate.kl(*n) + univariate.kl(n[2], n[3], n[0], n[1])  # noqa: E731 - one line to read
    outcomes = _judged("UNI", univariate.measure(jeffreys))
    assert outcomes["UNI-004"] == {DIFFERS}
    assert outcomes["UNI-005"] == {DIFFERS}


WRONG_GENERALISED = {
    "normalisers dropped": generalised_normal.dropped_kl,
    "1/β of p": lambda a1, b1, a2, b2: generalised_normal.kl(a1, b1, a2, b2) + 1.0 / b1 - 1.0 / b2,
    "scales swapped": lambda a1, b1, a2, b2: generalised_normal.kl(a2, b1, a1, b2),
    "a Normal's for all": lambda a1, b1, a2, b2: np.log(a2 / a1) + (a1 / a2) ** 2 / 2.0 - 0.5,
}


@pytest.mark.parametrize("name", WRONG_GENERALISED)
def test_a_wrong_generalised_formula_is_caught(small, name):
    outcomes = _judged("GGD", generalised_normal.measure(WRONG_GENERALISED[name]))
    assert DIFFERS in outcomes["GGD-002"]


def test_a_kl_without_normalisers_has_no_best_scale(small):
    outcomes = _judged("GGD", generalised_normal.measure(generalised_normal.dropped_kl))
    assert {claim for claim, found in outcomes.items() if DIFFERS in found} >= {"GGD-002", "GGD-005", "GGD-006"}


def test_the_right_generalised_formula_agrees(small):
    outcomes = _judged("GGD", generalised_normal.measure())
    assert outcomes == {claim.id: {AGREES} for claim in generalised_normal.CLAIMS}


@pytest.fixture
def entry():
    """A line of the ledger by its name."""
    entries = {each.name: each for each in ledger_entries.entries()}
    return entries.__getitem__


def _only(entry):
    outcomes = _judged("NORM", normaliser.measure([entry]))
    return {claim: outcomes[claim] for claim in ("NORM-001", "NORM-002")}


def test_every_line_of_the_ledger_agrees():
    assert _judged("NORM", normaliser.measure()) == {claim.id: {AGREES} for claim in normaliser.CLAIMS}


@pytest.mark.parametrize(
    "name, caught",
    [
        ("a library's full mixture beside a dropped q", {"NORM-001"}),  # a constant said to cancel
        ("Laplace of learned scale", {"NORM-001", "NORM-002"}),  # wrong gradients said to cancel
        ("mixture of a dropped Normal and a full Laplace", {"NORM-001", "NORM-002"}),
    ],
)
def test_what_is_said_to_cancel_and_does_not_is_caught(entry, name, caught):
    planted = replace(entry(name), effect=Effect.CANCELS, offset=lambda z, values: 0.0)
    assert {claim for claim, found in _only(planted).items() if DIFFERS in found} == caught


def test_one_component_that_keeps_its_constant_is_caught(entry):
    right = entry("mixture of Gaussians")
    prior = right.densities[1]
    planted = replace(prior, dropped=(*prior.dropped[:2], (1.0, 1.0, 1.0)))
    outcomes = _only(replace(right, densities=(right.densities[0], planted)))
    assert {claim for claim, found in outcomes.items() if DIFFERS in found} == {"NORM-001", "NORM-002"}


def test_a_gradient_said_to_be_wrong_and_right_is_caught(entry):
    planted = replace(entry("standard normal"), effect=Effect.WRONG_GRADIENT)
    assert _judged("NORM", normaliser.measure([planted]))["NORM-003"] == {DIFFERS}


def _penalised(q, p, features):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e-4, solver="newton-cholesky").fit(
        features(np.concatenate([q, p])), np.repeat([1, 0], [len(q), len(p)])
    )
    return lambda z: model.decision_function(features(z))


def _swapped(q, p, features):
    return density_ratio.logistic(p, q, features)


def _probability(q, p, features):
    logit = density_ratio.logistic(q, p, features)
    return lambda z: 1.0 / (1.0 + np.exp(-logit(z)))


def _always(features):
    return lambda q, p, asked: density_ratio.logistic(q, p, features)


@pytest.mark.parametrize("fit", [_penalised, _swapped, _probability, _always(density_ratio.linear)])
def test_a_wrong_classifier_is_caught(small, fit):
    # 150 repetitions: the tail of a mean of estimates of skewness up to 0.6 is then within the reserve
    rows = density_ratio.measure(fit, {100: 2, 1000: 150}, {1000: 2})
    assert _judged("RATIO", rows)["RATIO-001"] == {DIFFERS}


def test_a_classifier_that_sees_the_missing_feature_is_not_called_biased(small):
    rows = density_ratio.measure(_always(density_ratio.quadratic), {100: 2, 1000: 2}, {1000: 150})
    outcomes = _judged("RATIO", rows)
    assert outcomes["RATIO-004"] == {DIFFERS}
    assert outcomes["RATIO-005"] == {DIFFERS}


def test_a_classifier_that_knows_the_densities_is_neither_optimistic_nor_noisier(small):
    rows = density_ratio.measure(lambda q, p, features: density_ratio.exact_log_ratio, {100: 300, 1000: 300}, {1000: 2})
    outcomes = _judged("RATIO", rows)
    for claim in ("RATIO-002", "RATIO-003", "RATIO-006"):
        assert AGREES not in outcomes[claim], claim


# --- Answers say no more than the verdicts ---


@pytest.fixture(scope="module")
def measured(small):
    """Results of all questions: the real rows of three, and of the classifier's what few repetitions give."""
    return [
        _result("NORM", normaliser.measure()),
        _result("UNI", univariate.measure()),
        _result("GGD", generalised_normal.measure()),
        _result("RATIO", density_ratio.measure(repetitions={100: 30, 1000: 10}, misspecified={1000: 10})),
    ]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_an_answer_names_each_claim_that_does_not_hold_and_drops_its_sentence(measured, question):
    verdicts = [each for each in question_verdicts(measured) if each.question == question.id]
    told = answer(question, [replace(each, outcome=AGREES) if each.outcome else each for each in verdicts])
    assert not any(claim.id in told for claim in question.claims)
    for claim in question.claims:
        planted = [
            replace(each, outcome=DIFFERS if each.claim == claim.id else AGREES) if each.outcome else each
            for each in verdicts
        ]
        changed = answer(question, planted)
        assert f"{claim.id} differs" in changed
        assert not changed.startswith(told), claim.id
    assert answer(question, []).count("was not measured") == len(question.claims)


def test_one_prior_that_fails_is_not_said_to_cancel(measured):
    verdicts = [
        replace(each, outcome=DIFFERS) if each.case == "VampPrior" and each.claim == "NORM-002" else each
        for each in question_verdicts(measured)
    ]
    told = answer(BY_ID["NORM"], verdicts)
    cancels = told.split("It leaves")[0]
    assert "mixture of Gaussians" in cancels
    assert "VampPrior" not in cancels
    assert "NORM-002 differs at VampPrior" in told


# --- Disk, processes, commands ---


def test_results_survive_the_disk_with_what_is_not_finite(tmp_path):
    row = _row(value=-inf, at=nan, skewness=0.25, standard_error=1 / 3, group="cancels")
    files.write(tmp_path, _result("UNI", [row], elapsed_s=0.5, fingerprint="f"))
    again = files.read(tmp_path, "UNI")
    assert again is not None
    assert (again.rows[0].value, again.rows[0].standard_error, again.rows[0].group) == (-inf, 1 / 3, "cancels")
    assert isnan(again.rows[0].at)
    assert (again.elapsed_s, again.versions, again.fingerprint) == (0.5, {"numpy": "2.0"}, "f")


def test_a_damaged_file_is_set_aside_and_not_believed(tmp_path):
    files.write(tmp_path, _result("UNI", [_row(value=1.0)]))
    path = tmp_path / "questions" / "UNI.json"
    path.write_text(path.read_text().replace("1.0", "2.0"))
    assert files.read(tmp_path, "UNI") is None
    assert path.with_suffix(".damaged").exists()


WORKER = """
import json, os, sys
for name in sys.argv[2:]:
    if name == "UNI":
        print("planted: no reason", file=sys.stderr)
        os._exit(3)
    if name == "GGD":
        print(json.dumps({"question": name, "rows": [], "error": "Traceback\\nValueError: planted", "elapsed_s": 1.0}))
    else:
        row = {"claim": "", "case": "c", "quantity": "q", "value": float("nan")}
        print(json.dumps({"question": name, "rows": [row], "error": "", "elapsed_s": 1.0}))
    sys.stdout.flush()
"""


@pytest.fixture
def small_worker(tmp_path, monkeypatch):
    (tmp_path / "small_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(runner, "WORKER", "small_worker")


def test_a_crash_costs_its_own_question_and_resume_runs_it_alone(tmp_path, small_worker):
    folder = tmp_path / "out"
    assert running.run_missing(folder, say=lambda line: None) == 4
    found = {each.question: each for each in files.read_all(folder)}
    assert {name: each.status for name, each in found.items()} == {
        "NORM": Status.OK,
        "UNI": Status.CRASHED,
        "GGD": Status.FAILED,
        "RATIO": Status.OK,
    }
    assert found["UNI"].reason.startswith("the process ended with code 3: planted: no reason")
    assert found["GGD"].reason == "ValueError: planted"
    said = []
    assert running.run_missing(folder, say=said.append) == 1
    assert said == ["3 of 4 questions are there; 1 are to be run"]
    judged = command_module.judge_questions(folder)
    assert judged.exit_code == 3
    assert any("UNI-001 inconclusive: measuring it crashed" in line for line in judged.lines)


def test_another_environment_makes_results_stale(tmp_path, small_worker, monkeypatch):
    running.run_missing(tmp_path / "out", say=lambda line: None)
    monkeypatch.setattr(running, "fingerprint", lambda: "another")
    assert running.run_missing(tmp_path / "out", say=lambda line: None) == 4


def test_the_worker_measures_a_real_question(tmp_path):
    running.run_missing(tmp_path, say=lambda line: None, questions=("NORM",))
    result = files.read(tmp_path, "NORM")
    assert result is not None
    assert result.status is Status.OK
    assert _judged("NORM", result.rows) == {claim.id: {AGREES} for claim in normaliser.CLAIMS}


@pytest.fixture
def command(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


def test_run_questions_ends_with_1_and_names_what_differs(command, tmp_path, monkeypatch, measured):
    wrong = [_result("UNI", [replace(row, value=row.value + 1.0) for row in measured[1].rows])]

    def run(folder, *, say):
        for result in wrong:
            files.write(folder, result)

    monkeypatch.setattr(command_module, "run_missing", run)
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
    assert command_module.judge_questions(tmp_path) == command_module.JudgedQuestions(counts={})
    assert command_module.counts_line(command_module.judge_questions(tmp_path)) == []


def test_cite_prints_a_question_s_claim_with_its_rows_and_works(command, tmp_path, measured):
    for result in measured:
        files.write(tmp_path, result)
    command_module.judge_questions(tmp_path)
    code, out, _ = command("cite", "ggd-002", "--results", tmp_path)
    assert code == 0
    assert "GGD-002  questions, exact" in out
    assert "same scale" in out
    assert "@article{do2002wavelet," in out
    assert "@software{elbo_compare_ggd_002," in out
    code, _, err = command("cite", "GGD-02")
    assert (code, "'GGD-002'" in err) == (2, True)
    with pytest.raises(StoreError):
        from compare.cite import cite

        cite("GGD-002", tmp_path / "nothing")


# --- The page ---


def _data(further):
    empty = row_frame(())
    names = ("measurements", "verdicts", "claims", "ledger", "timings")
    return ReportData(**dict.fromkeys(names, empty), environment={}, answer={}, images={}, further=further)


def _page(further):
    first = FirstScreen(question="", sentence="", reasons=(), equation="", numbers=(), outcomes=())
    return to_html(first, [section.build(_data(further))])


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


def test_the_section_says_why_it_is_absent():
    assert "Not measured: this run did not contain the questions suite" in _page({})


def test_a_crashed_question_still_has_its_card(measured):
    crashed = [_result("GGD", (), status=Status.CRASHED, reason="code -9"), *measured[:1]]
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


def test_the_suite_spends_a_tenth_of_what_the_claims_on_implementations_may():
    assert BUDGET.alpha == pytest.approx(ErrorBudget().alpha / 10)
