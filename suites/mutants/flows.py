"""Flows, and the mutants of the density that a flow gives to z_T.

z_0 ~ N(mean, diag sigma^2), z_T = f(z_0): log q(z_T|x) = log q_0(z_0) - log |det df/dz_0|, and the term of the ELBO is
log q(z_T|x) - log p(z_T). Rezende and Mohamed 2015 (arXiv 1505.05770), eqs 13 and 15.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.contract import Array
from elbo_compare.suites.mutants import correct
from elbo_compare.suites.mutants.variant import Flag, Kind, Variant


class Layer(Protocol):
    """An invertible map of z, and the logarithm of |its Jacobian's determinant|."""

    def forward(self, z: Dual) -> Dual:
        """f(z). Shapes: (batch, latent) -> (batch, latent)."""
        ...

    def log_det(self, z: Dual) -> Dual:
        """log |det df/dz| at z. Shapes: (batch, latent) -> (batch,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Planar:
    """f(z) = z + u tanh(w.z + b), w.u > -1. Rezende and Mohamed 2015, eq. 10."""

    u: Array
    w: Array
    b: float

    def forward(self, z: Dual) -> Dual:
        """f(z)."""
        return z + np.tanh(z @ self.w + self.b)[:, None] * self.u

    def log_det(self, z: Dual) -> Dual:
        """log(1 + (1 - tanh^2(w.z + b)) w.u), positive because w.u > -1; eq. 12."""
        return np.log(1.0 + (1.0 - np.tanh(z @ self.w + self.b) ** 2) * (self.w @ self.u))


@dataclass(frozen=True, kw_only=True)
class Autoregressive:
    """f_1 = z_1, f_2 = shift z_1^2 + exp(scale z_1) z_2: an affine autoregressive layer in two dimensions.

    Kingma et al. 2016 (arXiv 1606.04934), eqs 9 and 10, in the direction of sampling.
    """

    shift: float
    scale: float

    def forward(self, z: Dual) -> Dual:
        """f(z)."""
        first, second = z[:, 0], z[:, 1]
        return np.stack([first, self.shift * first**2 + np.exp(self.scale * first) * second], axis=-1)

    def log_det(self, z: Dual) -> Dual:
        """scale z_1."""
        return self.scale * z[:, 0]


@dataclass(frozen=True, kw_only=True)
class Linear:
    """f(z) = L z, L lower triangular with a positive diagonal: a linear inverse-autoregressive layer."""

    lower: Array

    def forward(self, z: Dual) -> Dual:
        """f(z)."""
        return z @ self.lower.T

    def log_det(self, z: Dual) -> Dual:
        """sum log diag L, the same everywhere."""
        return np.log(np.diag(self.lower)).sum() * np.ones(len(z))


class FlowTerms(NamedTuple):
    """What a flow hands to the ELBO. z (batch, latent), the others (batch,), in nats."""

    z: Dual
    log_q: Dual
    log_prior: Dual
    kl: Dual


Flow = Callable[[Dual, Dual, Dual, Layer], FlowTerms]


def _terms(z: Dual, log_q: Dual, log_prior: Dual) -> FlowTerms:
    return FlowTerms(z=z, log_q=log_q, log_prior=log_prior, kl=log_q - log_prior)


def flow(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """The correct terms: log q_0(z_0) - log |det| and log p(z_T)."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var) - layer.log_det(z0), correct.log_prior(z))


def log_det_missing(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """log q_0(z_0) for log q(z_T): right for volume-preserving flows only."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var), correct.log_prior(z))


def log_det_added(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """log q_0 + log |det|."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var) + layer.log_det(z0), correct.log_prior(z))


def log_det_at_end(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """log |det| at z_T."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var) - layer.log_det(z), correct.log_prior(z))


def log_det_of_batch(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """The log-determinants of the whole batch taken off every datum."""
    z = layer.forward(z0)
    total = layer.log_det(z0).sum()
    return _terms(z, correct.log_q(z0, mean, log_var) - total, correct.log_prior(z))


def log_det_half(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """Half of log |det|, as if it were of J'J."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var) - 0.5 * layer.log_det(z0), correct.log_prior(z))


def log_det_per_dimension(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """log |det| counted in every dimension (subtracted before the sum over dimensions)."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var) - z0.shape[-1] * layer.log_det(z0), correct.log_prior(z))


def determinant_for_logarithm(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """|det| for log |det|."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z0, mean, log_var) - np.exp(layer.log_det(z0)), correct.log_prior(z))


def q0_at_end(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """log q_0 at z_T."""
    z = layer.forward(z0)
    return _terms(z, correct.log_q(z, mean, log_var) - layer.log_det(z0), correct.log_prior(z))


def q0_standard(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """The density of z_0 under N(0, I), as in a flow that is fitted to data."""
    z = layer.forward(z0)
    return _terms(z, correct.log_prior(z0) - layer.log_det(z0), correct.log_prior(z))


def prior_at_start(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """log p at z_0."""
    return _terms(layer.forward(z0), correct.log_q(z0, mean, log_var) - layer.log_det(z0), correct.log_prior(z0))


def analytic_of_q0(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """The analytic KL of q_0 in place of that of q."""
    return flow(z0, mean, log_var, layer)._replace(kl=correct.analytic_kl(mean, log_var))


def analytic_of_q0_with_log_det(z0: Dual, mean: Dual, log_var: Dual, layer: Layer) -> FlowTerms:
    """The analytic KL of q_0 less log |det|."""
    terms = flow(z0, mean, log_var, layer)
    return terms._replace(kl=correct.analytic_kl(mean, log_var) - layer.log_det(z0))


VARIANTS = (
    Variant(
        id="MUT-156",
        title="a flow's density without its log-determinant",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="subtract log |det|; only for volume-preserving flows it is 0",
        function=log_det_missing,
    ),
    Variant(
        id="MUT-157",
        title="a flow's log-determinant added in place of subtracted",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        seen="VincentStimper/normalizing-flows 27, ikostrikov/pytorch-flows 16",
        advice="log q(z_T) = log q_0(z_0) - log |det dz_T/dz_0|",
        function=log_det_added,
    ),
    Variant(
        id="MUT-158",
        title="a flow's log-determinant at z_T in place of z_0",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="evaluate the Jacobian at the layer's input",
        function=log_det_at_end,
    ),
    Variant(
        id="MUT-159",
        title="the log-determinants of the whole batch taken off every datum",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        seen="wohlert/semi-supervised-pytorch 21",
        advice="sum over the layers, not over the batch",
        function=log_det_of_batch,
    ),
    Variant(
        id="MUT-160",
        title="half of a flow's log-determinant",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="the whole of log |det J| belongs there",
        function=log_det_half,
    ),
    Variant(
        id="MUT-161",
        title="a flow's log-determinant counted once per dimension",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="subtract it after the sum over dimensions",
        function=log_det_per_dimension,
    ),
    Variant(
        id="MUT-162",
        title="a flow's determinant where its logarithm belongs",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="take the logarithm of |det|",
        function=determinant_for_logarithm,
    ),
    Variant(
        id="MUT-163",
        title="a flow's q_0 evaluated at z_T",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="evaluate q_0 at z_0",
        function=q0_at_end,
    ),
    Variant(
        id="MUT-164",
        title="a flow's z_0 scored under N(0, I)",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="score z_0 under N(mean, sigma^2)",
        function=q0_standard,
    ),
    Variant(
        id="MUT-165",
        title="a flow's prior evaluated at z_0",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        seen="casperkaae/parmesan 21",
        advice="evaluate the prior at z_T",
        function=prior_at_start,
    ),
    Variant(
        id="MUT-166",
        title="the analytic KL of q_0 where the flow's KL belongs",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        advice="a flow has no such closed form: use log q(z_T) - log p(z_T)",
        function=analytic_of_q0,
    ),
    Variant(
        id="MUT-167",
        title="the analytic KL of q_0 less the flow's log-determinant",
        kind=Kind.FLOW,
        flag=Flag.FLOW,
        seen="siddsax/Normalizing_Flows 1",
        advice="the prior must be evaluated at z_T: use log q(z_T) - log p(z_T)",
        function=analytic_of_q0_with_log_det,
    ),
)
