"""The VAE in Pyro: a model, a guide, and nothing but Pyro's public ELBO objects.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py`, `numpy_oracle/vae.py` and `numpyro_ppl/vae.py`: the same
sections in the same order. The ELBO class is looked up in `pyro.infer` at each call. Pyro's validation stays as Pyro
has it (on by default).
"""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import pyro.infer
import torch
from pyro import poutine
from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import Transform

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound, Flow, GradientForm, KLTerm, Likelihood, Prior
from elbo_compare.suites.pyro_ppl.flows import through, transforms_of
from elbo_compare.suites.pyro_ppl.layers import Weights, affine, registered

# --- networks


class Heads(NamedTuple):
    """The encoder at x."""

    mean: Tensor  # batch, latent
    log_var: Tensor  # batch, latent
    hidden: Tensor  # batch, hidden: the last layer, which a flow is conditioned on


def gated(params: Weights, part: str, layers: int, h: Tensor) -> Tensor:
    """Layers of (h A' + a) * sigmoid(h G' + g). Dauphin et al. 2017 (arXiv 1612.08083), eq. 1."""
    for i in range(layers):
        h = affine(params, f"{part}.{i}.linear", h) * torch.sigmoid(affine(params, f"{part}.{i}.gate", h))
    return h  # batch, hidden


def encode(params: Weights, form: Form, x: Tensor) -> Heads:
    """Mean and log-variance of q(z_0|x) at x (batch, observed), and what a flow is conditioned on."""
    h = gated(params, "encoder", form.gated_layers, x)  # batch, hidden
    return Heads(affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h)


def decode(params: Weights, form: Form, z: Tensor) -> Tensor:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    h = gated(params, "decoder", form.gated_layers, z)  # particle, batch, hidden
    return affine(params, "decoder.output", h)


# --- densities


def prior(params: Weights, form: Form, zeros: Tensor) -> TorchDistributionMixin:
    """p(z), batch axes those of `zeros` (batch, latent). A VampPrior's components are the encoder's at the
    pseudo-inputs; the encoder's weights are then the model's too."""
    if form.prior is Prior.LAPLACE:
        return dist.Laplace(zeros, torch.ones_like(zeros)).to_event(1)
    if form.prior is Prior.MIXTURE:
        return mixture(params["prior.mean"], params["prior.log_var"])
    if form.prior is Prior.VAMP:
        mean, log_var, _ = encode(registered(form, params, "encoder"), form, params["prior.pseudo_inputs"])
        return mixture(mean, log_var)
    if is_multivariate(form):  # the same family as q, for which a KL is registered
        identity = torch.eye(form.latent, dtype=zeros.dtype, device=zeros.device)
        return dist.MultivariateNormal(zeros, scale_tril=identity)
    return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)


def mixture(mean: Tensor, log_var: Tensor) -> TorchDistributionMixin:
    """The mean of C normals N(mean, diag exp(log_var)). Shapes: (component, latent) twice."""
    weights = dist.Categorical(logits=mean.new_zeros(len(mean)))  # component
    return dist.MixtureSameFamily(weights, dist.Normal(mean, torch.exp(0.5 * log_var)).to_event(1))


def normal(form: Form, heads: Heads) -> Any:
    """N(mean, diag exp(log_var)), before the flow."""
    sticks = form.gradient is not GradientForm.REPARAMETERISED
    return (PathNormal if sticks else dist.Normal)(heads.mean, torch.exp(0.5 * heads.log_var))


class PathNormal(dist.Normal):  # pyright: ignore[reportGeneralTypeIssues, reportUntypedBaseClass]
    """A normal scored with its parameters detached: the gradient sticks the landing. Roeder et al. 2017, eq. 8.

    What a user of Pyro can do about Trace_ELBO's score term: neither Pyro nor NumPyro has the estimator.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(value; loc, scale^2), in nats, differentiable in `value` alone."""
        return dist.Normal(self.loc.detach(), self.scale.detach()).log_prob(value)


def posterior(form: Form, base: Any, transforms: list[Transform]) -> TorchDistributionMixin:
    """q(z|x): the base itself, the base through the flow, or under an analytic KL N(F mean, F diag(sigma^2) F').

    An analytic KL needs the density of a linear flow's Gaussian itself, which a TransformedDistribution hides. F S is
    applied to unit vectors; where it is not triangular, R' of its QR decomposition F S = R' Q' is, up to signs (no
    covariance is squared and factored: that would lose half the digits).
    """
    if not is_multivariate(form):
        independent = base.to_event(1)
        return dist.TransformedDistribution(independent, transforms) if transforms else independent
    columns = through(transforms, torch.diag_embed(base.scale).movedim(-1, 0))  # latent, batch, latent
    factor = columns.movedim(0, -1)  # batch, latent, latent
    if form.flow is Flow.HOUSEHOLDER:
        upper = torch.linalg.qr(factor.mT)[1]
        factor = upper.mT * torch.sign(torch.diagonal(upper, dim1=-2, dim2=-1)).unsqueeze(-2)
    return dist.MultivariateNormal(through(transforms, base.loc), scale_tril=factor)


def is_multivariate(form: Form) -> bool:
    """Whether q is written as the Gaussian with full covariance that a linear flow makes, for the sake of its KL."""
    return form.kl_term is KLTerm.ANALYTIC and form.flow is not Flow.NONE


# --- model and guide


def model(
    form: Form,
    params: Weights,
    x: Tensor,
    noise: Tensor | None = None,
    *,
    copies: int | None = None,
    kl_weight: float | None = None,
    log_weight_shift: Tensor | None = None,
) -> None:
    """p(z) and p(x|z), one plate over the batch; no observed site where the form has no likelihood.

    `copies`: the plate holds this many copies of the one datum x. `log_weight_shift` is added to every datum's log
    weight. `noise` is the guide's: a library calls both with the same arguments.
    """
    weights = registered(form, params, "decoder", "prior")
    with pyro.plate("batch", copies or len(x)):
        with weighted(kl_weight, x):
            z = pyro.sample("z", prior(params | weights, form, x.new_zeros(len(x), form.latent)))  # batch, latent
        if form.likelihood is Likelihood.BERNOULLI:
            pyro.sample("x", dist.Bernoulli(logits=decode(weights, form, z)).to_event(1), obs=x)
        elif form.likelihood is Likelihood.NORMAL:
            pyro.sample("x", dist.Normal(decode(weights, form, z), form.likelihood_scale).to_event(1), obs=x)
        if log_weight_shift is not None:
            pyro.factor("shift", log_weight_shift)


def guide(
    form: Form,
    params: Weights,
    x: Tensor,
    noise: Tensor | None = None,
    *,
    copies: int | None = None,
    kl_weight: float | None = None,
    log_weight_shift: Tensor | None = None,
) -> None:
    """q(z|x): the flow of N(mean, diag exp(log_var)), at everybody's noise where there is any."""
    heads = encode(registered(form, params, "encoder"), form, x)  # batch, latent; batch, latent; batch, hidden
    transforms = transforms_of(registered(form, params, "flow"), form, heads.hidden)
    base = normal(form, heads)
    with pyro.plate("batch", copies or len(x)), weighted(kl_weight, x), SameNoise(base, transforms, noise):
        pyro.sample("z", posterior(form, base, transforms))


def weighted(kl_weight: float | None, like: Tensor) -> AbstractContextManager[Any]:
    """Around the latent site in model and guide alike: the KL term times a weight, whichever way it is computed.

    Pyro refuses a scale of 0 and tells to mask instead; warm-up starts at exactly 0. A tensor in the dtype of `like`,
    filled on its device: a traced Python number would become a float32 constant.
    """
    if kl_weight is None:
        return nullcontext()
    if kl_weight == 0.0:
        return poutine.mask(mask=False)  # pyright: ignore[reportCallIssue, reportReturnType]
    return poutine.scale(scale=like.new_full((), kl_weight))  # pyright: ignore[reportCallIssue, reportReturnType]


class SameNoise(Messenger):
    """Puts z = f(mean + sigma * noise) in place of the library's sample; the site stays unobserved, so Pyro scores it.

    Goes around the guide's site only. `noise` has shape (batch, latent), or (particle, batch, latent).
    """

    def __init__(self, base: Any, transforms: list[Transform], noise: Tensor | None):
        super().__init__()
        self.base, self.transforms, self.noise = base, transforms, noise

    def _pyro_sample(self, msg: dict) -> None:
        if self.noise is not None and msg["name"] == "z":
            msg["value"] = through(self.transforms, self.base.loc + self.base.scale * self.noise)


# --- estimators


def elbo_object(class_name: str, form: Form) -> Any:  # pyro.infer.ELBO declares none of the methods used
    """The public ELBO object, its particles in one vectorised plate outside the batch."""
    elbo_class, particles = getattr(pyro.infer, class_name), form.particles
    options: dict[str, Any] = {"alpha": form.alpha} if form.bound is Bound.RENYI else {}
    if is_compiled(class_name):
        options["ignore_jit_warnings"] = True  # of Python numbers that tracing freezes: shapes, constant here
    return elbo_class(num_particles=particles, vectorize_particles=particles > 1, max_plate_nesting=1, **options)


def is_compiled(class_name: str) -> bool:
    """The class compiles its `loss_and_grads` (and not its `loss`)."""
    return class_name.startswith("Jit")


@contextmanager
def compiling(class_name: str) -> Iterator[None]:
    """Around calls of a Jit class: `torch.jit.trace`, which they use, says of itself that it is deprecated."""
    if not is_compiled(class_name):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit.*deprecated", DeprecationWarning)
        yield
