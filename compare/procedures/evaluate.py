"""EVALUATE: value, terms and gradients at the noise that everybody gets, beside the float64 oracle."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from elbo_compare.compare.procedures.meter import ORACLE, span
from elbo_compare.compare.procedures.oracle import ask_oracle, ask_oracle_once
from elbo_compare.compare.procedures.task import InvalidResultError, Task, require_dtype, require_number, require_params
from elbo_compare.compare.records import Measurement, Quantity
from elbo_compare.suites import roster
from elbo_compare.suites.contract import Array, Bound, Evaluation, Flow, Likelihood, Params, Prior, Problem, Reduction
from elbo_compare.suites.estimators import CORE_ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.exact import gaussian_kl
from elbo_compare.suites.exact.expected import expected
from elbo_compare.suites.exact.linear_gaussian import deterministic_noise
from elbo_compare.suites.numpy_oracle.reference import Reference, clamped_gradients
from elbo_compare.suites.numpy_oracle.scales import Point, scales
from elbo_compare.suites.numpy_oracle.vae import encode

# ELBO_DETERMINISTIC averages over the points +-sqrt(latent) e_i, exact where the ELBO is quadratic in the noise.
QUADRATIC = frozenset({Likelihood.NORMAL})
SCALARS = {
    Quantity.ELBO: "elbo",
    Quantity.KL: "kl",
    Quantity.LOG_LIKELIHOOD: "log_likelihood",
    Quantity.LOG_Q: "log_q",
    Quantity.LOG_PRIOR: "log_prior",
}


def evaluate(task: Task) -> list[Measurement]:
    """Same-noise rows of one batch: terms, gradients, raw loss, its additivity, what closed forms say."""
    cell = task.cell
    x = task.rows(cell.datum, cell.size)
    noise = task.generator("noise").standard_normal((task.estimator.noise_rows, cell.size, task.problem.latent))
    theirs = checked(task.session.evaluate(task.problem.params, x, noise), task)
    oracle = ask_oracle_once(task, x, noise)
    rows = _scalars(task, theirs, oracle) + _gradients(theirs, oracle) + _directions(theirs, oracle)
    rows += _registered(task, theirs, oracle, x, noise)
    rows.append(_raw_loss(theirs, oracle, cell.size))
    if cell.size >= 5:
        rows.append(_split(task, theirs, oracle, x, noise))
    return rows + _closed_forms(task, theirs, oracle, x, noise)


def _closed_forms(task: Task, theirs: Evaluation, oracle: Reference, x: Array, noise: Array) -> list[Measurement]:
    """Deterministic means and what is known at these heads and this noise, each only where it is exact."""
    problem, rows = task.problem, []
    core, questioned = task.estimator.name in CORE_ESTIMATORS, task.estimator.name == SAMPLED_KL.name
    if core and _is_plain(problem):
        rows.append(_kl_deterministic(task, x))
    if core and problem.likelihood in QUADRATIC:
        rows.append(_elbo_deterministic(task, x))
    if problem.likelihood in QUADRATIC:
        rows.append(_log_evidence(task, x))
    if questioned and problem.flow.is_linear and problem.has_analytic_kl and not _is_plain(problem):
        rows.append(_flow_kl_deterministic(task, x))
    if questioned and problem.flow is Flow.HOUSEHOLDER:
        rows.append(_kl_of_heads(task, theirs, oracle, noise))
    return rows


def _is_plain(problem: Problem) -> bool:
    return problem.flow is Flow.NONE and problem.prior is Prior.STANDARD_NORMAL


def checked(evaluation: Evaluation, task: Task) -> Evaluation:
    """The evaluation, once its dtype, its numbers and its gradients' names and shapes are what they should be."""
    _checked_values(evaluation, task)
    if evaluation.gradients or task.cell.implementation != roster.ORACLE:
        require_params("the gradient", evaluation.gradients, task.problem.params)
    return evaluation


def _checked_values(evaluation: Evaluation, task: Task) -> Evaluation:
    """The same for the numbers alone, where no gradient is read."""
    require_dtype("the evaluation", evaluation.dtype, task)
    for name in (*_scalars_of(task).values(), "raw_loss"):
        require_number(name, getattr(evaluation, name))
    if evaluation.raw_sign not in (-1, 1) or evaluation.raw_reduction not in tuple(Reduction):
        raise InvalidResultError(f"raw loss has sign {evaluation.raw_sign!r}, reduction {evaluation.raw_reduction!r}")
    return evaluation


def _scalars_of(task: Task) -> dict[Quantity, str]:
    """The scalars that there are: a Renyi bound is no sum of terms, and some problems have no data term."""
    absent = {Quantity.LOG_LIKELIHOOD} if task.problem.likelihood is Likelihood.NONE else set()
    if task.estimator.bound is Bound.RENYI:
        absent |= {Quantity.KL, Quantity.LOG_LIKELIHOOD}
    return {quantity: name for quantity, name in SCALARS.items() if quantity not in absent}


def _scalars(task: Task, theirs: Evaluation, oracle: Reference) -> list[Measurement]:
    rows = []
    for quantity, name in _scalars_of(task).items():
        derived = quantity is Quantity.LOG_LIKELIHOOD and theirs.log_likelihood_derived
        rows.append(
            Measurement(
                quantity=quantity,
                value=float(getattr(theirs, name)),
                n=task.cell.size,
                reference=float(getattr(oracle.evaluation, name)),
                scale=float(oracle.scales[name]),
                note="derived: ELBO + KL" if derived else "",
            )
        )
    return rows


def _gradients(theirs: Evaluation, oracle: Reference) -> list[Measurement]:
    return [
        Measurement(
            quantity=Quantity.GRADIENT_DISTANCE,
            part=name,
            value=distance(theirs.gradients, oracle.evaluation.gradients, name),
            n=int(np.size(exact)),
            reference=float(np.linalg.norm(exact)),
            scale=float(oracle.gradient_scales[name]),
        )
        for name, exact in oracle.evaluation.gradients.items()
    ]


def _registered(task: Task, theirs: Evaluation, oracle: Reference, x: Array, noise: Array) -> list[Measurement]:
    """Where a finding tells what the library's gradient is instead: how far it is from that."""
    problem, finding = task.problem, roster.clamped(task.cell.implementation)
    if not finding or problem.likelihood is not Likelihood.BERNOULLI or not oracle.evaluation.gradients:
        return []
    with span(ORACLE):
        told = clamped_gradients(problem, task.estimator, problem.params, x, noise, task.dtype)
    return [
        Measurement(
            quantity=Quantity.GRADIENT_REGISTERED,
            part=name,
            value=distance(theirs.gradients, told, name),
            n=int(np.size(exact)),
            reference=distance(told, oracle.evaluation.gradients, name),
            scale=float(oracle.gradient_scales[name]),
            note=finding,
        )
        for name, exact in told.items()
    ]


def _directions(theirs: Evaluation, oracle: Reference) -> list[Measurement]:
    """<gradient, v> for every parameter beside the oracle's derivative along v; none from who has no gradients."""
    if not theirs.gradients:
        return []
    return [
        Measurement(
            quantity=Quantity.GRADIENT_DIRECTION,
            part=name,
            value=float(np.vdot(np.asarray(theirs.gradients[name], np.float64), along.vector)),
            n=int(np.size(along.vector)),
            reference=float(along.derivative),
            scale=float(along.scale),
        )
        for name, along in oracle.directions.items()
    ]


def distance(theirs: Params, exact: Params, name: str) -> float:
    """|a - b|_2 over all elements of one tensor, in float64."""
    return float(np.linalg.norm(np.asarray(theirs[name], dtype=np.float64) - exact[name]))


def _raw_loss(theirs: Evaluation, oracle: Reference, size: int) -> Measurement:
    factor = size if theirs.raw_reduction == Reduction.SUM else 1
    return Measurement(
        quantity=Quantity.RAW_LOSS,
        value=float(theirs.raw_loss),
        part=f"{'+' if theirs.raw_sign > 0 else '-'} {theirs.raw_reduction}",
        n=size,
        reference=theirs.raw_sign * factor * float(oracle.evaluation.elbo),
        scale=factor * float(oracle.scales["elbo"]),
    )


def _split(task: Task, whole: Evaluation, oracle: Reference, x: Array, noise: Array) -> Measurement:
    """The raw losses of ragged sub-batches, summed, or averaged with the rows as weights.

    The first row by itself and the rest in thirds: ragged, and mostly of one shape, so that little is compiled anew.
    """
    third = (len(x) - 1) // 3
    edges = (0, 1, 1 + third, 1 + 2 * third, len(x))
    total, absolute = 0.0, 0.0
    for start, stop in pairwise(edges):
        part = _checked_values(task.session.evaluate(task.problem.params, x[start:stop], noise[:, start:stop]), task)
        weight = (stop - start) / len(x) if whole.raw_reduction == Reduction.MEAN else 1.0
        total += weight * part.raw_loss
        absolute += weight * abs(part.raw_loss)
    factor = len(x) if whole.raw_reduction == Reduction.SUM else 1
    return Measurement(
        quantity=Quantity.RAW_LOSS_SPLIT,
        value=float(total),
        part=f"{'+' if whole.raw_sign > 0 else '-'} {whole.raw_reduction}",
        n=len(x),
        reference=float(whole.raw_loss),
        scale=max(factor * float(oracle.scales["elbo"]), absolute),
    )


def _kl_deterministic(task: Task, x: Array) -> Measurement:
    """KL averaged over noise = +1 and -1: exact, because the sampled KL is quadratic in each coordinate of noise."""
    ones = np.ones((1, len(x), task.problem.latent))
    value, oracles = _average(task, x, [ones, -ones], lambda evaluation: evaluation.kl)
    exact = gaussian_kl.kl(oracles[0].mean, oracles[0].log_var)
    return Measurement(
        quantity=Quantity.KL_DETERMINISTIC,
        value=value,
        n=2,
        reference=float(np.mean(exact)),
        scale=max(float(oracle.scales["kl"]) for oracle in oracles),
    )


def _elbo_deterministic(task: Task, x: Array) -> Measurement:
    """ELBO averaged over the 2 latent points +-sqrt(latent) e_i: exact for a linear-Gaussian model."""
    latent = task.problem.latent
    noises = [np.broadcast_to(point, (1, len(x), latent)) for point in deterministic_noise(latent)]
    value, oracles = _average(task, x, noises, lambda evaluation: evaluation.elbo)
    problem, seen = task.rounded(x)
    heads = zip(seen, oracles[0].mean, oracles[0].log_var, strict=True)
    exact = [expected(problem, task.estimator, row[None], mean[None], var[None]).elbo_mean for row, mean, var in heads]
    return Measurement(
        quantity=Quantity.ELBO_DETERMINISTIC,
        value=value,
        n=len(noises),
        reference=float(np.mean(exact)),
        scale=max(float(oracle.scales["elbo"]) for oracle in oracles),
    )


def _log_evidence(task: Task, x: Array) -> Measurement:
    """log p(x), mean over the batch."""
    problem, seen = task.rounded(x)
    heads = zip(seen, *encode(problem.params, problem, seen)[:2], strict=True)
    known = [
        expected(problem, SAMPLED_KL, row[None], mean[None], var[None], problem.params).log_evidence
        for row, mean, var in heads
    ]
    value = float(np.mean(known))
    return Measurement(quantity=Quantity.LOG_EVIDENCE, value=value, reference=value, n=len(x))


def _flow_kl_deterministic(task: Task, x: Array) -> Measurement:
    """Sampled KL at the first datum over the points +-sqrt(latent) e_i: exact, since it is quadratic in the noise.

    The points stand in the batch, as many rows at a time as divide their number, so that little is compiled anew.
    """
    points = deterministic_noise(task.problem.latent)
    rows = max(count for count in range(1, len(x) + 1) if len(points) % count == 0)
    noises = points.reshape(-1, 1, rows, task.problem.latent)
    datum = np.repeat(x[:1], rows, axis=0)
    values = [_checked_values(task.session.evaluate(task.problem.params, datum, noise), task).kl for noise in noises]
    problem, seen = task.rounded(datum)
    with span(ORACLE):
        exact = expected(problem, task.estimator, seen[:1], *encode(problem.params, problem, seen[:1])[:2]).kl_mean
        at = {"problem": problem, "estimator": task.estimator, "params": problem.params, "x": seen}
        scale = float(np.mean([scales(Point(**at, noise=noise), task.dtype)["kl"] for noise in noises]))
    return Measurement(
        quantity=Quantity.FLOW_KL_DETERMINISTIC,
        value=float(np.mean(values)),
        n=len(points),
        reference=float(exact),
        scale=scale,
    )


def _kl_of_heads(task: Task, theirs: Evaluation, oracle: Reference, noise: Array) -> Measurement:
    """KL beside the plain VAE's sampled KL, a closed function of the oracle's heads and the noise as it was seen."""
    seen = noise[0].astype(task.cell.dtype).astype(np.float64)
    return Measurement(
        quantity=Quantity.KL_OF_HEADS,
        value=float(theirs.kl),
        n=task.cell.size,
        reference=float(np.mean(gaussian_kl.sampled_kl(oracle.mean, oracle.log_var, seen))),
        scale=float(oracle.scales["kl"]),
    )


def _average(
    task: Task, x: Array, noises: list[Array], term: Callable[[Evaluation], float]
) -> tuple[float, list[Reference]]:
    values = [
        float(term(_checked_values(task.session.evaluate(task.problem.params, x, noise), task))) for noise in noises
    ]
    return float(np.mean(values)), [ask_oracle(task, x, noise) for noise in noises]
