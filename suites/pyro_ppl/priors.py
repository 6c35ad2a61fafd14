"""p(z) from Pyro's distributions. The formulas stand in `suites.contract.Problem`."""

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow, KLTerm, Prior


def fixed_prior(form: Form, zeros: Tensor) -> TorchDistributionMixin:
    """A prior without parameters, batch axes those of `zeros` (..., latent).

    Where the KL of a linear flow's full Gaussian is wanted, N(0, I) is the same family, for which a KL is registered.
    """
    if form.prior is Prior.LAPLACE:
        return dist.Laplace(zeros, torch.ones_like(zeros)).to_event(1)
    if form.kl_term is KLTerm.ANALYTIC and form.flow is not Flow.NONE:
        identity = torch.eye(form.latent, dtype=zeros.dtype, device=zeros.device)
        return dist.MultivariateNormal(zeros, scale_tril=identity)
    return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)


def mixture(mean: Tensor, log_var: Tensor) -> TorchDistributionMixin:
    """The mean of C normals. Shapes: (component, latent) twice."""
    weights = dist.Categorical(logits=mean.new_zeros(len(mean)))
    return dist.MixtureSameFamily(weights, dist.Normal(mean, torch.exp(0.5 * log_var)).to_event(1))
