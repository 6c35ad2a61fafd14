"""The VAE in Pyro: a model, a guide, and nothing but Pyro's public ELBO objects.

Read side by side with `torch_hand/vae.py`, `jax_hand/vae.py` and `numpyro_ppl/vae.py`: the same sections in the same
order. The ELBO class is looked up in `pyro.infer` at each call. Pyro's validation stays as Pyro has it (on by default).
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

from elbo_compare.suites.bridge.form import Form, form_of, no_analytic_kl
from elbo_compare.suites.bridge.torch_arrays import open_device
from elbo_compare.suites.contract import (
    Bound,
    Device,
    DType,
    Estimator,
    Flow,
    GradientForm,
    KLTerm,
    Likelihood,
    Prior,
    Problem,
    Session,
)
from elbo_compare.suites.pyro_ppl.flows import FLOWS, Moved, posterior
from elbo_compare.suites.pyro_ppl.layers import Weights, affine, gated, registered
from elbo_compare.suites.pyro_ppl.priors import fixed_prior, mixture

# --- networks


class Heads(NamedTuple):
    """The encoder's outputs: mean and log-variance (batch, latent), and the last hidden layer (batch, hidden)."""

    mean: Tensor
    log_var: Tensor
    hidden: Tensor


def encode(params: Weights, form: Form, x: Tensor) -> Heads:
    """Mean and log-variance of q(z_0|x), and what a flow is conditioned on. Shapes: see `Heads`."""
    h = gated(params, "encoder", form.gated_layers, x)
    return Heads(affine(params, "encoder.mean", h), affine(params, "encoder.log_var", h), h)


def decode(params: Weights, form: Form, z: Tensor) -> Tensor:
    """Parameters of p(x|z): logits or means. Shapes: (..., latent) -> (..., observed)."""
    return affine(params, "decoder.output", gated(params, "decoder", form.gated_layers, z))


# --- densities


def prior(form: Form, params: Weights, x: Tensor) -> TorchDistributionMixin:
    """p(z). A VampPrior's components are the encoder's at the pseudo-inputs."""
    if form.prior not in (Prior.MIXTURE, Prior.VAMP):
        return fixed_prior(form, x.new_zeros(len(x), form.latent))
    own = registered(form, "prior", params)
    if form.prior is Prior.MIXTURE:
        return mixture(own["prior.mean"], own["prior.log_var"])
    mean, log_var, _ = encode(registered(form, "encoder", params), form, own["prior.pseudo_inputs"])
    return mixture(mean, log_var)


def model(
    form: Form,
    params: Weights,
    x: Tensor,
    noise: Tensor | None = None,
    *,
    copies: int | None = None,
    kl_weight: float | None = None,
    shift: Tensor | None = None,
) -> None:
    """p(z) and p(x|z), one plate over the batch; no observed site where the form has no likelihood.

    `copies`: the plate holds this many copies of the one datum x. `shift` is added to every datum's log weight. `noise`
    is the guide's: a library calls both with the same arguments.
    """
    weights = registered(form, "decoder", params)
    with pyro.plate("batch", copies or len(x)):
        with weighted(kl_weight, x):
            z = pyro.sample("z", prior(form, params, x))
        if form.likelihood is Likelihood.BERNOULLI:
            pyro.sample("x", dist.Bernoulli(logits=decode(weights, form, z)).to_event(1), obs=x)
        elif form.likelihood is Likelihood.NORMAL:
            pyro.sample("x", dist.Normal(decode(weights, form, z), form.likelihood_scale).to_event(1), obs=x)
        if shift is not None:
            pyro.factor("shift", shift)


def guide(
    form: Form,
    params: Weights,
    x: Tensor,
    noise: Tensor | None = None,
    *,
    copies: int | None = None,
    kl_weight: float | None = None,
    shift: Tensor | None = None,
) -> None:
    """q(z|x) = N(mean, diag exp(log_var)) and what a flow makes of it; at everybody's noise where there is any."""
    heads = encode(registered(form, "encoder", params), form, x)
    flow = FLOWS[form.flow](registered(form, "flow", params), form, heads.hidden)
    moved = Moved(heads.mean, torch.exp(0.5 * heads.log_var), flow)
    with (
        pyro.plate("batch", copies or len(x)),
        weighted(kl_weight, x),
        nullcontext() if noise is None else SameNoise(noise),
    ):
        pyro.sample("z", posterior(form, moved), infer={"moved": moved})  # pyright: ignore[reportArgumentType]


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
    """Puts z = f(mean + scale * noise) in place of the library's sample; the site stays unobserved, so Pyro scores it.

    Goes around the guide's site only. `noise` has shape (batch, latent), or (particle, batch, latent).
    """

    def __init__(self, noise: Tensor):
        super().__init__()
        self.noise = noise

    def _pyro_sample(self, msg: dict) -> None:
        if msg["name"] == "z":
            msg["value"] = msg["infer"]["moved"].at(self.noise)


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


# --- implementation


class Pyro:
    """The VAE in Pyro."""

    name = "pyro"
    framework = "pyro"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no class of Pyro's computes it, or no closed form exists."""
        if self.framework not in estimator.library_classes:
            return f"no ELBO class of Pyro computes {estimator.name}"
        if estimator.gradient is not GradientForm.REPARAMETERISED and problem.flow is not Flow.NONE:
            return "Pyro's transforms have no public way to be scored with detached parameters"
        if is_compiled(estimator.library_classes[self.framework]) and (
            estimator.kl_term is KLTerm.ANALYTIC and problem.flow is not Flow.NONE
        ):
            return "torch.jit.trace can't follow torch's KL of two multivariate normals"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> Session:
        """A session; its weights come with each call."""
        from elbo_compare.suites.pyro_ppl.training import PyroSession  # it imports this page

        class_name = estimator.library_classes[self.framework]
        return PyroSession(form_of(problem, estimator), class_name, open_device(device), dtype)
