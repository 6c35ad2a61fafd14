"""Closed forms for flows that are linear given x: q(z|x) = N(F mean, F S^2 F'), S = diag sigma, against p = N(0, I).

F is built as a matrix, by the formulas of `suites.contract.Problem` and by no code of the oracle. |det F| = 1. At
z = F (mean + S e) the sampled KL, log q_0(z_0) - log p(z), is a quadratic in the noise e. Shapes: F (latent, latent),
mean and log_var (latent,), h (hidden,), x (observed,). Nats.
"""

import numpy as np

from elbo_compare.suites.contract import Flow, Params, Problem
from elbo_compare.suites.exact.quadratic import Quadratic
from elbo_compare.suites.shapes import Array, Float


def hidden(problem: Problem, params: Params, x: Float[Array, " observed"]) -> Float[Array, " hidden"]:
    """The encoder's last hidden layer at one datum: (h A' + a) / (1 + exp(-(h G' + g))), layer by layer.

    >>> from elbo_compare.suites import problems
    >>> problem = problems.load('vae-small', 'initial')
    >>> print(hidden(problem, problem.params, np.ones(problem.observed)).shape)
    (32,)
    """
    h = np.asarray(x, np.float64)
    for index in range(problem.gated_layers):
        linear, gate = (_layer(params, f"encoder.{index}.{part}", h) for part in ("linear", "gate"))
        h = linear / (1.0 + np.exp(-gate))
    return h


def flow_matrix(problem: Problem, params: Params, h: Float[Array, " hidden"]) -> Float[Array, "latent latent"]:
    """F of the problem's flow at one datum's last hidden layer. Raises ValueError where the flow is not linear.

    >>> from elbo_compare.suites import problems
    >>> problem = problems.load('householder-small', 'initial')
    >>> f = flow_matrix(problem, problem.params, hidden(problem, problem.params, np.ones(problem.observed)))
    >>> print(f.shape, round(abs(np.linalg.det(f)), 9))
    (8, 8) 1.0
    """
    if problem.flow is Flow.NONE:
        return np.eye(problem.latent)
    if problem.flow is Flow.HOUSEHOLDER:
        return _reflections(problem, params, h)
    if problem.flow is Flow.LINEAR_IAF:
        return _unit_triangle(_layer(params, "flow.lower", h), problem.latent)
    if problem.flow is Flow.CONVEX_LINEAR_IAF:
        weights = np.exp(_layer(params, "flow.combination", h))
        triangles = np.split(_layer(params, "flow.lower", h), problem.flow_length)
        pairs = zip(weights / weights.sum(), triangles, strict=True)
        return np.sum([y * _unit_triangle(entries, problem.latent) for y, entries in pairs], axis=0)
    raise ValueError(f"A {problem.flow} flow is not linear: it has no matrix.")


def kl(matrix: Float[Array, "latent latent"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]) -> float:
    """KL(N(F mean, F S^2 F') || N(0, I)) = (tr F S^2 F' + |F mean|^2 - latent - log|F S^2 F'|) / 2.

    The Kullback-Leibler divergence of two multivariate normals, the second one standard.

    >>> print(round(kl(np.array([[1.0, 0.0], [0.5, 1.0]]), np.array([1.0, 0.0]), np.log([4.0, 1.0])), 4))
    1.9319
    """
    covariance = covariance_of(matrix, log_var)
    _, log_det = np.linalg.slogdet(covariance)
    place = matrix @ mean
    return 0.5 * float(np.trace(covariance) + place @ place - len(mean) - log_det)


def covariance_of(
    matrix: Float[Array, "latent latent"], log_var: Float[Array, " latent"]
) -> Float[Array, "latent latent"]:
    """F S^2 F'.

    >>> print(covariance_of(np.array([[1.0, 0.0], [0.5, 1.0]]), np.log([4.0, 1.0])).round(4).tolist())
    [[4.0, 2.0], [2.0, 2.0]]
    """
    return (matrix * np.exp(log_var)) @ matrix.T


def sampled_kl(
    matrix: Float[Array, "latent latent"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> Quadratic:
    """log q(z|x) - log p(z) at z = F (mean + S e): -e'e / 2 - sum log sigma + |F (mean + S e)|^2 / 2.

    >>> print(round(sampled_kl(np.array([[1.0, 0.0], [0.5, 1.0]]), np.array([1.0, 0.0]), np.log([4.0, 1.0])).mean, 4))
    1.9319
    """
    sigma, gram = np.exp(0.5 * log_var), matrix.T @ matrix
    return Quadratic(
        constant=0.5 * float(mean @ gram @ mean - log_var.sum()),
        linear=sigma * (gram @ mean),
        matrix=sigma[:, None] * gram * sigma - np.eye(len(mean)),
    )


def ratio_second_moment(
    matrix: Float[Array, "latent latent"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> float:
    """log E_q r^2, r = p(z) / q(z|x): log|C| - log|2 C - I| / 2 + m'(2 C - I)^-1 m, C = F S^2 F', m = F mean.

    Infinite unless 2 C - I is positive definite: the integral of p^2 / q does not converge.

    >>> print(round(ratio_second_moment(np.eye(2), np.array([1.0, 0.0]), np.log([4.0, 1.0])), 4))
    0.5562
    """
    covariance, place = covariance_of(matrix, log_var), matrix @ mean
    excess = 2.0 * covariance - np.eye(len(mean))
    if np.linalg.eigvalsh(excess)[0] <= 0.0:
        return np.inf
    _, log_det = np.linalg.slogdet(covariance)
    return float(log_det - 0.5 * np.linalg.slogdet(excess)[1] + place @ np.linalg.solve(excess, place))


def symmetric_kl(
    matrix: Float[Array, "latent latent"], mean: Float[Array, " latent"], log_var: Float[Array, " latent"]
) -> float:
    """J = KL(q || p) + KL(p || q) = (tr C + tr C^-1 + m'm + m'C^-1 m) / 2 - latent; under q, -J = Cov(k1, p / q).

    >>> print(round(symmetric_kl(np.eye(2), np.array([1.0, 0.0]), np.log([4.0, 1.0])), 4))
    1.75
    """
    covariance, place = covariance_of(matrix, log_var), matrix @ mean
    precision = np.linalg.inv(covariance)
    total = np.trace(covariance) + np.trace(precision) + place @ place + place @ precision @ place
    return 0.5 * float(total) - len(mean)


def _layer(params: Params, layer: str, h: Float[Array, " hidden"]) -> Float[Array, " out"]:
    weight, bias = (np.asarray(params[f"{layer}.{kind}"], np.float64) for kind in ("weight", "bias"))
    return weight @ h + bias


def _reflections(problem: Problem, params: Params, h: Float[Array, " hidden"]) -> Float[Array, "latent latent"]:
    """H_T ... H_1, H_t = I - 2 v_t v_t' / |v_t|^2. Tomczak and Welling 2016 (arXiv 1611.09630), section 3."""
    product, v = np.eye(problem.latent), h
    for index in range(problem.flow_length):
        v = _layer(params, f"flow.{index}", v)
        product = (np.eye(problem.latent) - 2.0 * np.outer(v, v) / (v @ v)) @ product
    return product


def _unit_triangle(entries: Float[Array, " entries"], latent: int) -> Float[Array, "latent latent"]:
    """Unit lower triangular, filled row by row."""
    matrix, used = np.eye(latent), 0
    for row in range(1, latent):
        matrix[row, :row] = entries[used : used + row]
        used += row
    return matrix
