"""`compare vectors run`: right functions are right however they are written, every mutant is caught and named."""

import json
import sys
import textwrap

import numpy as np
import pytest
from scipy.special import logsumexp

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.cli import main
from elbo_compare.compare.records import Outcome
from elbo_compare.compare.vectors.calling import Reduction
from elbo_compare.compare.vectors.comparing import compare_with_vectors
from elbo_compare.compare.vectors.reading import read
from elbo_compare.compare.vectors.report import Report
from elbo_compare.suites.mutants.catalogue import CATALOGUE, Kind, legitimate, mutants


def run(function, kind=None, mapping=()) -> Report:
    return Report(target="it", comparison=compare_with_vectors(read(function, kind, mapping), "numpy"))


def kl(mu, logvar):
    return -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar), axis=1)


def kl_of_sigma(mean, sigma):
    return 0.5 * np.sum(mean**2 + sigma**2 - 1 - 2 * np.log(sigma))


def kl_batch_mean(mean, logstd):
    return np.mean(0.5 * np.sum(mean**2 + np.exp(2 * logstd) - 1 - 2 * logstd, axis=1))


def kl_by_dimension(mean, var):
    return 0.5 * (mean**2 + var - 1 - np.log(var))


def sampled_kl(z, mean, log_var):
    log_q = -0.5 * (log_var + (z - mean) ** 2 / np.exp(log_var)).sum(1)
    return -(-0.5 * (z**2).sum(1) - log_q)


def loss_function(recon_x, x, mu, logvar):
    return -(x * np.log(recon_x) + (1 - x) * np.log1p(-recon_x)).sum() + kl(mu, logvar).sum()


def elbo(x, logits, z, mean, log_var):
    return (x * logits - np.logaddexp(0, logits)).sum(1) - sampled_kl(z, mean, log_var)


def normal_loss(x, location, z, mean, log_var):
    return (0.5 * ((x - location) ** 2 + np.log(2 * np.pi))).sum(1) + sampled_kl(z, mean, log_var)


def iwae_bound(log_weight):
    return logsumexp(log_weight, axis=0) - np.log(len(log_weight))


def log_evidence(weight, bias, scale, x, mean, log_var):
    covariance = weight @ weight.T + scale**2 * np.eye(len(x))
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * (log_det + (x - bias) @ np.linalg.solve(covariance, x - bias))


def log_prior(z):
    return -0.5 * (z**2 + np.log(2 * np.pi)).sum(1)


RIGHT = [
    (kl, Reduction.NONE),
    (kl_of_sigma, Reduction.SUM),
    (kl_batch_mean, Reduction.MEAN),
    (kl_by_dimension, Reduction.NONE),
    (sampled_kl, Reduction.NONE),
    (loss_function, Reduction.SUM),
    (elbo, Reduction.NONE),
    (normal_loss, Reduction.NONE),
    (iwae_bound, Reduction.NONE),
    (log_evidence, Reduction.NONE),
    (log_prior, Reduction.NONE),
]


@pytest.mark.parametrize(("function", "reduction"), RIGHT, ids=lambda each: getattr(each, "__name__", str(each)[:4]))
def test_right_functions_are_right_in_both_precisions(function, reduction):
    report = run(function)
    assert report.exit_code == 0, report.as_text()
    assert report.comparison is not None
    assert report.comparison.reduction is reduction
    agreeing = {row.subject for row in report.comparison.rows if row.outcome is Outcome.AGREES}
    assert agreeing == {"float64", "float32"}


def test_a_probability_that_float64_does_not_hold_is_not_asked_for():
    rows = run(loss_function).comparison.rows
    assert {row.reason for row in rows if row.outcome is Outcome.NOT_RUN} == {
        "float64 holds no such probability (the vector has logits)"
    }


CAUGHT = [
    pytest.param(mutant, id=mutant.id)
    for mutant in mutants()
    if mutant.kind in (Kind.ANALYTIC_KL, Kind.SAMPLED_KL, Kind.BOUND) and "gradient" not in str(mutant.flag)
]


@pytest.mark.parametrize("mutant", CAUGHT)
def test_every_mutant_is_wrong_and_is_named(mutant):
    kinds = {Kind.ANALYTIC_KL: "analytic_kl", Kind.SAMPLED_KL: "sampled_kl", Kind.BOUND: "iwae_bound"}

    def analytic(mean, log_var):
        return mutant.function(mean, log_var)

    def sampled(z, mean, log_var):
        return mutant.function(z, mean, log_var)

    def bound(log_weight):
        return mutant.function(log_weight)

    function = {Kind.ANALYTIC_KL: analytic, Kind.SAMPLED_KL: sampled, Kind.BOUND: bound}[mutant.kind]
    report = run(function, kinds[mutant.kind])
    assert report.exit_code == 1, report.as_text()
    assert mutant.id in {each["id"] for each in report.comparison.equals}
    assert mutant.title in report.as_text()


@pytest.mark.parametrize("identifier", ["VAR-003", "VAR-006", "VAR-012"])
def test_legitimate_variants_are_right(identifier):
    variant = CATALOGUE[identifier]
    assert variant in legitimate()

    def analytic(mean, log_var):
        return variant.function(mean, log_var)

    def sampled(z, mean, log_var):
        return variant.function(z, mean, log_var)

    assert run(analytic if variant.kind is Kind.ANALYTIC_KL else sampled).exit_code == 0


def test_a_direct_function_takes_its_parameters_by_position_or_by_map():
    def other_names(points):
        return log_prior(points)

    assert run(other_names, "log_prior").exit_code == 0
    assert run(other_names, "log_prior", ["points=z"]).exit_code == 0
    with pytest.raises(TargetError, match=r"log_prior takes z; the function takes points"):
        run(other_names, "log_prior", ["points=mean"])


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda mean, log_var: (kl(mean, log_var), 1.0), TargetError, "returns 2 terms"),
        (lambda mean, log_var: kl(mean, log_var) + np.random.normal(), TargetError, "draws random numbers"),
        (lambda mean, log_var: 1 / 0, FunctionError, "ZeroDivisionError"),
    ],
)
def test_what_vectors_cannot_judge_is_said(function, error, message):
    with pytest.raises(error, match=message):
        run(function)


def test_parameters_are_read_as_check_reads_them():
    """A name is a hint: here `var` holds log sigma^2, and `mean` stands behind a star."""

    def misnamed(mean, var):
        return kl(mean, var)

    def starred(*given):
        mean, logvar = given
        return kl(mean, logvar)

    for function in (misnamed, starred):
        report = run(function)
        assert report.exit_code == 0, report.as_text()
        assert "as log_var" in report.as_text()
    with pytest.raises(TargetError, match="--kind, one of analytic_kl"):
        run(lambda this, that: kl(this, that))


def test_a_function_that_ends_the_process_is_told_so():
    def ends(mean, log_var):
        sys.exit("enough")

    with pytest.raises(FunctionError, match=r"ends the process: sys.exit\('enough'\)"):
        run(ends)


def test_an_unknown_kind_is_met_with_the_nearest():
    with pytest.raises(TargetError, match="Did you mean 'log_prior'"):
        run(log_prior, "log_priors")


@pytest.mark.parametrize(("factor", "code"), [(float("nan"), 3), (1 + 1e-9, 1), (1.0, 0)])
def test_nan_is_a_failure_and_a_small_factor_is_wrong(factor, code):
    assert run(lambda mean, log_var: factor * kl(mean, log_var)).exit_code == code


def test_a_wrong_shape_is_wrong():
    report = run(lambda mean, log_var: kl(mean, log_var)[:1])
    assert report.exit_code == 1
    assert "numbers are wanted" in report.as_text()


FILE = """
import os, sys, time
import numpy as np
def kl(mean, log_var):
    return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(1)
def wrong(mean, log_var):
    return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).mean(1)
def exits(mean, log_var):
    print("going", flush=True)
    os._exit(7)
def hangs(mean, log_var):
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("name", "more", "code", "text"),
    [
        ("kl", (), 0, "RIGHT"),
        ("wrong", (), 1, "MUT-001"),
        ("absent", (), 2, "No function 'absent'"),
        ("exits", (), 3, "exit status 7. It printed last: 'going'"),
        ("hangs", ("--timeout", "6"), 3, "No answer after 6 s"),
    ],
)
def test_the_command_runs_a_file_in_a_process_of_its_own(name, more, code, text, tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(textwrap.dedent(FILE))
    target = f"{tmp_path / 'mine.py'}:{name}"
    monkeypatch.setattr(sys, "argv", ["compare", "vectors", "run", target, "--framework", "numpy", *more])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0) == code
    assert text in capsys.readouterr().out


def test_json_holds_every_vector(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(FILE)
    arguments = ["vectors", "run", f"{tmp_path / 'mine.py'}:wrong", "--framework", "numpy", "--json"]
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    with pytest.raises(SystemExit):
        main()
    content = json.loads(capsys.readouterr().out)
    assert (content["verdict"], content["exit_code"]) == ("wrong", 1)
    assert {row["id"] for row in content["vectors"]} >= {f"VEC-KL-{number:04}" for number in range(1, 11)}
    assert content["equals"][0]["id"] == "MUT-001"


@pytest.mark.parametrize(("source", "code"), [("z", 1), ("mean", 0)])
def test_gradients_are_seen_by_torch_and_a_legitimate_one_is_named(source, code):
    """log q at detached z is wrong; log q at detached mean and log_var sticks the landing."""
    torch = pytest.importorskip("torch")

    def detached(z, mean, log_var):
        at = z.detach() if source == "z" else z
        centre, spread = (mean, log_var) if source == "z" else (mean.detach(), log_var.detach())
        log_q = -0.5 * (spread + (at - centre) ** 2 / torch.exp(spread)).sum(1)
        return log_q + 0.5 * (z**2).sum(1)

    report = Report(target="it", comparison=compare_with_vectors(read(detached, None, ()), "torch"))
    assert report.exit_code == code, report.as_text()
    assert ("MUT-072" if code else "VAR-007") in report.as_text()
