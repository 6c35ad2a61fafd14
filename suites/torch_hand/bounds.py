"""What is made of log weights by hand in torch: other KL terms, and bounds over several particles.

k1 = log q(z|x) - log p(z), r = exp(-k1); log w = log p(x|z) - k1. Schulman 2020, Approximating KL divergence.
"""

from math import log

import torch
from torch import Tensor

# --- KL terms at one sample


def half_square(k1: Tensor) -> Tensor:
    """k2 = k1^2 / 2, biased. Any shape."""
    return 0.5 * k1**2


def ratio(k1: Tensor) -> Tensor:
    """k3 = r - 1 - log r = expm1(-k1) + k1, unbiased and never negative. Any shape."""
    return torch.expm1(-k1) + k1


def best_coefficient(mean: Tensor, log_var: Tensor) -> Tensor:
    """l = J / (R - 1) of k1 + l (r - 1), J = KL(q||p) + KL(p||q), R = E r^2, p = N(0, I); no gradient.

    Shapes: (..., latent) -> (...). -Cov(k1, r) / Var r, Cov = -J; Owen 2013, section 8.9. R is infinite where a
    sigma^2 <= 1/2: there r has no variance that a coefficient could minimise, and l = 0. At q = p also r - 1 = 0.
    """
    mean, log_var = mean.detach(), log_var.detach()
    above, below = torch.expm1(log_var), torch.expm1(-log_var)  # sigma^2 - 1 and 1 / sigma^2 - 1
    both = 0.5 * torch.sum(above + below + mean**2 * (2.0 + below), -1)
    finite = above > -0.5
    twice = torch.where(finite, 2.0 * above, 0.0)
    excess = torch.expm1(torch.sum(log_var - 0.5 * torch.log1p(twice) + mean**2 / (1.0 + twice), -1))
    usable = finite.all(-1) & (excess > 0)
    return torch.where(usable, both / torch.where(usable, excess, 1.0), 0.0)


def control_variate(k1: Tensor, coefficient: Tensor) -> Tensor:
    """k1 + l (r - 1), unbiased for every l. Shapes: (particle, batch), (batch,) -> (particle, batch)."""
    return k1 + coefficient * torch.expm1(-k1)


# --- bounds over particles


def log_mean_exp(values: Tensor) -> Tensor:
    """log (1/K) sum_k exp(v_k), shifted by the largest. Shapes: (particle, batch) -> (batch,)."""
    return torch.logsumexp(values, 0) - log(len(values))


def renyi(log_weights: Tensor, alpha: float) -> Tensor:
    """log ((1/K) sum_k w_k^(1 - alpha)) / (1 - alpha), in nats. Shapes: (particle, batch) -> (batch,).

    Li and Turner 2016, eq. 7; alpha = 0 is the importance-weighted bound, Burda et al. 2016, eq. 8.
    """
    return log_mean_exp((1.0 - alpha) * log_weights) / (1.0 - alpha)


def doubly_reparameterised(path: Tensor, model: Tensor) -> Tensor:
    """The importance-weighted bound whose gradient is sum_k w~_k^2 d path_k + w~_k d model_k, w~ = w / sum w.

    `path`: log w with only the samples differentiable; `model`: log p(x, z) with only the model's parameters. Shapes:
    (particle, batch) twice -> (batch,). Tucker et al. 2019, eq. 6.
    """
    weights = torch.softmax(path.detach(), 0)
    surrogate = torch.sum(weights**2 * path + weights * model, 0)
    return renyi(path.detach(), 0.0) + surrogate - surrogate.detach()
