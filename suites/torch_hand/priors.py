"""Priors other than N(0, I), by hand in torch: what is made of component densities, and the Laplace density."""

from math import log

import torch
from torch import Tensor


def log_mixture(components: Tensor) -> Tensor:
    """log (1/C) sum_c p_c(z) from the components' log densities, in nats. Shapes: (..., component) -> (...).

    If every component drops the same normaliser, then so does the mixture, and it cancels in the KL as before.
    Tomczak and Welling 2018, when the components are the encoder's at pseudo-inputs.
    """
    return torch.logsumexp(components, -1) - log(components.shape[-1])


def log_laplace_standard(z: Tensor) -> Tensor:
    """log of a product of Laplace(0, 1), fully normalised, in nats. Shapes: (..., latent) -> (...).

    Its normaliser is log 2 per dimension, a normal's is log(2 pi) / 2: nothing here would cancel a dropped one, and
    the KL would be off by a constant (for a learnt scale its gradient, too).
    """
    return torch.sum(-torch.abs(z) - log(2.0), -1)
