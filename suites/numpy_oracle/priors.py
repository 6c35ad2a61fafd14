"""log p(z) of every prior, fully normalised, in complex-safe NumPy; parameters and papers: `suites.contract.Problem`.

Shapes: z (..., latent) -> (...). Nats.
"""

import numpy as np

from elbo_compare.suites.complex_step import Dual, logsumexp
from elbo_compare.suites.contract import Params, Prior, Problem
from elbo_compare.suites.numpy_oracle.vae import encode, log_normal_diag, log_normal_standard

LOG_2 = float(np.log(2.0))


def log_prior(problem: Problem, params: Params, z: Dual) -> Dual:
    """log p(z). Every normaliser is kept."""
    if problem.prior is Prior.STANDARD_NORMAL:
        return log_normal_standard(z)
    if problem.prior is Prior.LAPLACE:
        return log_laplace(z)
    return log_mixture(z, *components(problem, params))


def components(problem: Problem, params: Params) -> tuple[Dual, Dual]:
    """Means and log-variances (component, latent): the mixture's, or the encoder's at VampPrior's pseudo-inputs."""
    if problem.prior is Prior.VAMP:
        return encode(problem, params, params["prior.pseudo_inputs"])
    return params["prior.mean"], params["prior.log_var"]


def log_laplace(z: Dual) -> Dual:
    """sum -|z| - log 2."""
    return -(np.where(np.real(z) < 0.0, -z, z) + LOG_2).sum(-1)


def log_mixture(z: Dual, mean: Dual, log_var: Dual) -> Dual:
    """log (1/C) sum_c N(z; mean_c, diag exp(log_var_c)). Shapes: mean, log_var (component, latent)."""
    log_densities = log_normal_diag(z[..., None, :], mean, log_var)
    return logsumexp(log_densities, axis=-1) - float(np.log(len(mean)))
