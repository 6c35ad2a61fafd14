"""The gated VAE with stacked weights: each gated layer is one matrix product, both heads of q another. For the clock.

The same function of the same numbers as `vae.py`, in another layout: [A; G] stacks a layer's linear and gate weights
row by row, so that (h A' + a) * sigmoid(h G' + g) = GLU(h [A; G]' + [a; g]) (Dauphin et al. 2016, eq. 1).
"""

import torch
from torch import Tensor
from torch.nn import functional

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Flow, KLTerm, Likelihood, Prior

Weights = dict[str, Tensor]


def refuse_other_forms(form: Form) -> None:
    """Raise ValueError unless the form is the plain Bernoulli VAE under the sampled KL, the only one written here."""
    if (form.flow, form.prior, form.likelihood, form.kl_term) != (
        Flow.NONE,
        Prior.STANDARD_NORMAL,
        Likelihood.BERNOULLI,
        KLTerm.SAMPLED,
    ):
        raise ValueError(f"only the Bernoulli VAE with the sampled KL is written with joined weights; {form} arrived")


def stacks(form: Form) -> dict[str, tuple[str, ...]]:
    """Joined name -> the canonical names that it stacks along the rows."""
    joined: dict[str, tuple[str, ...]] = {}
    for kind in ("weight", "bias"):
        for side in ("encoder", "decoder"):
            for i in range(form.gated_layers):
                joined[f"{side}.{i}.{kind}"] = (f"{side}.{i}.linear.{kind}", f"{side}.{i}.gate.{kind}")
        joined[f"heads.{kind}"] = (f"encoder.mean.{kind}", f"encoder.log_var.{kind}")
        joined[f"output.{kind}"] = (f"decoder.output.{kind}",)
    return joined


def join(form: Form, params: Weights) -> Weights:
    """Canonical weights -> stacked leaves."""
    return {
        name: torch.cat([params[part].detach() for part in parts]).requires_grad_()
        for name, parts in stacks(form).items()
    }


def split(form: Form, weights: Weights) -> Weights:
    """Stacked weights -> canonical ones; the parts of a stack have equally many rows."""
    found: Weights = {}
    for name, parts in stacks(form).items():
        found |= dict(zip(parts, weights[name].detach().chunk(len(parts)), strict=True))
    return {name: found[name] for name in form.names}


def layer(weights: Weights, name: str, h: Tensor) -> Tensor:
    """H W' + b. Shapes: (..., in) -> (..., out)."""
    return functional.linear(h, weights[f"{name}.weight"], weights[f"{name}.bias"])


def joined_loss(weights: Weights, form: Form, x: Tensor, noise: Tensor) -> Tensor:
    """The batch mean of -(log p(z) - log q(z|x)) - log p(x|z), in nats. x (batch, observed), noise (1, batch, latent).

    Here log q - log p = sum(z^2 - log_var - noise^2) / 2, since (z - mean)^2 / exp(log_var) is the noise squared: the
    questioned line with its cancellation carried out.
    """
    h = x
    for i in range(form.gated_layers):
        h = functional.glu(layer(weights, f"encoder.{i}", h), -1)
    mean, log_var = layer(weights, "heads", h).chunk(2, -1)
    z = mean + torch.exp(0.5 * log_var) * noise[0]
    kl = 0.5 * torch.sum(z**2 - log_var - noise[0] ** 2, -1)
    h = z
    for i in range(form.gated_layers):
        h = functional.glu(layer(weights, f"decoder.{i}", h), -1)
    logits = layer(weights, "output", h)
    return torch.mean(kl - torch.sum(x * logits - functional.softplus(logits), -1))
