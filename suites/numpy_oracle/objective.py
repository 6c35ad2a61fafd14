"""The estimators: the value of each datum from its particles, and a surrogate whose derivative is the gradient's.

Values are (batch,) in nats. A surrogate differs from the value by what it holds fixed; its value means nothing.
"""

import numpy as np

from elbo_compare.suites.complex_step import Dual, logsumexp, stop_gradient
from elbo_compare.suites.contract import Array, Bound, Estimator, GradientForm, KLTerm, Params, Problem
from elbo_compare.suites.numpy_oracle.flows import transform
from elbo_compare.suites.numpy_oracle.model import Heads, Sample, log_joint, log_q_of_the_sample_alone


def value(problem: Problem, estimator: Estimator, params: Params, heads: Heads, drawn: Sample) -> Dual:
    """The estimator of each datum. `suites.contract.Bound`, `KLTerm`."""
    if estimator.bound is Bound.RENYI:
        power = 1.0 - estimator.alpha
        return (logsumexp(power * drawn.log_weight, axis=0) - float(np.log(estimator.particles))) / power
    return (drawn.log_likelihood - kl_term(problem, estimator, params, heads, drawn)).mean(0)


def kl_term(problem: Problem, estimator: Estimator, params: Params, heads: Heads, drawn: Sample) -> Dual:
    """The KL term at each particle, (particle, batch); k2, k3 and the control variate: Schulman 2020."""
    k1 = drawn.k1
    if estimator.kl_term is KLTerm.ANALYTIC:
        return closed_kl(problem, params, heads) + np.zeros_like(np.real(k1))
    if estimator.kl_term is KLTerm.HALF_SQUARE:
        return 0.5 * k1**2
    if estimator.kl_term is KLTerm.RATIO:
        return np.expm1(-k1) + k1
    if estimator.kl_term is KLTerm.CONTROL_VARIATE:
        return k1 + control_coefficient(np.real(heads.mean), np.real(heads.log_var)) * np.expm1(-k1)
    return k1


def control_coefficient(mean: Array, log_var: Array) -> Array:
    """l = J / (R - 1), (batch,): minimises Var(k1 + l (r - 1)); 0 where R = E r^2 is infinite, and where q = p.

    J = KL(q||p) + KL(p||q) = -Cov(k1, r), log R = sum log sigma^2 - log(2 sigma^2 - 1) / 2 + mean^2 / (2 sigma^2 - 1).
    """
    symmetric = 0.5 * (np.expm1(log_var) + np.expm1(-log_var) + mean**2 * (1.0 + np.exp(-log_var))).sum(-1)
    excess = 1.0 + 2.0 * np.expm1(log_var)
    finite = (excess > 0.0).all(-1)
    excess = np.where(excess > 0.0, excess, 1.0)
    log_second_moment = (log_var - 0.5 * np.log1p(excess - 1.0) + mean**2 / excess).sum(-1)
    with np.errstate(over="ignore"):
        variance = np.expm1(log_second_moment)
    known = finite & (variance > 0.0)
    return np.where(known, symmetric / np.where(known, variance, 1.0), 0.0)


def closed_kl(problem: Problem, params: Params, heads: Heads) -> Dual:
    """KL(N(F mean, F diag(sigma^2) F') || N(0, I)) of a linear flow F with |det F| = 1, (batch,).

    (|F mean|^2 + sum_j sigma_j^2 |F_j|^2 - latent - sum log sigma^2) / 2, F_j the columns of F.
    """
    return closed_kl_pieces(problem, params, heads).sum(-1)


def closed_kl_pieces(problem: Problem, params: Params, heads: Heads) -> Dual:
    """The terms of that sum, (batch, 4 latent): |F mean|^2, sigma^2 |F_j|^2, -log sigma^2 and -1, each over 2."""
    mean, columns = linear_map(problem, params, heads)
    spread = np.exp(heads.log_var) * (columns**2).sum(-1).T
    return 0.5 * np.concatenate([mean**2, spread, -heads.log_var, -np.ones_like(spread)], axis=-1)


def linear_map(problem: Problem, params: Params, heads: Heads) -> tuple[Dual, Dual]:
    """F mean (batch, latent) and the columns of F (latent, batch, latent): what the flow makes of unit vectors."""
    unit = np.eye(problem.latent, dtype=np.real(heads.mean).dtype)[:, None, :]
    columns, _ = transform(problem, params, heads.hidden, unit + np.zeros_like(np.real(heads.mean)))
    mean, _ = transform(problem, params, heads.hidden, heads.mean[None])
    return mean[0], columns


def surrogate(problem: Problem, estimator: Estimator, params: Params, x: Array, heads: Heads, drawn: Sample) -> Dual:
    """What is differentiated, (batch,): the value itself, or

    sticking the landing: mean_k log p(x, z_k) - log q(z_k|x), q's parameters held fixed (Roeder et al. 2017, eq. 8);
    doubly reparameterised: sum_k w_k^2 (log p(x, z_k) - log q(z_k|x)) with only z_k moving, w_k the normalised weights
    held fixed, and sum_k w_k log p(x, z_k) at fixed z_k for the model's own parameters (Tucker et al. 2019, eq. 6).
    """
    if estimator.gradient is GradientForm.REPARAMETERISED:
        return value(problem, estimator, params, heads, drawn)
    log_q = log_q_of_the_sample_alone(problem, params, heads, drawn)
    if estimator.gradient is GradientForm.STICKING_THE_LANDING:
        return (drawn.log_likelihood + drawn.log_prior - log_q).mean(0)
    weights = normalised_weights(drawn.log_weight)
    path, model = doubly_reparameterised_parts(problem, params, x, drawn, log_q)
    return (weights**2 * path + weights * model).sum(0)


def doubly_reparameterised_parts(
    problem: Problem, params: Params, x: Array, drawn: Sample, log_q: Dual
) -> tuple[Dual, Dual]:
    """log p(x, z_k) - log q(z_k|x) with only z_k moving, and log p(x, z_k) with only the model moving."""
    fixed = {name: stop_gradient(each) for name, each in params.items()}
    path = log_joint(problem, fixed, x, drawn.z) - log_q
    return path, log_joint(problem, params, x, stop_gradient(drawn.z))


def normalised_weights(log_weight: Dual) -> Array:
    """exp(a_k) / sum_k exp(a_k) along the particles, without derivative. Shapes: (particle, batch)."""
    shifted = np.exp(stop_gradient(log_weight) - stop_gradient(log_weight).max(0))
    return shifted / shifted.sum(0)
