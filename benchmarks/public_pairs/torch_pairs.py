"""Public Pyro pairs and torch losses as objects, and hand-written losses on the pairs' own networks."""

from types import SimpleNamespace

import torch
from here import loaded
from torch import Tensor
from torch.distributions import Normal
from torch.nn import functional as F  # noqa: N812

tutorial = loaded("pyro-ppl/pyro", "examples/vae/vae.py")
comparison = loaded("pyro-ppl/pyro", "examples/vae/vae_comparison.py")
example = loaded("pytorch/examples", "vae/main.py")

torch.manual_seed(0)
net = tutorial.VAE(z_dim=6, hidden_dim=16)
model, guide = net.model, net.guide
wide = tutorial.VAE(z_dim=100, hidden_dim=400)
wide_model, wide_guide = wide.model, wide.guide
soft = tutorial.VAE(z_dim=20, hidden_dim=400)
soft_model, soft_guide = soft.model, soft.guide
by_pyro = comparison.PyroVAEImpl(SimpleNamespace(jit=False, batch_size=4), None, None)
compared_model, compared_guide = by_pyro.model, by_pyro.guide
by_hand = comparison.PyTorchVAEImpl(SimpleNamespace(batch_size=4), None, None)
vae = example.VAE()


def pytorch_examples(x: Tensor) -> Tensor:
    recon_x, mu, logvar = vae(x)
    return example.loss_function(recon_x, x, mu, logvar)


def per_pixel(x: Tensor) -> Tensor:
    """What the comparison's torch side minimises, without its step and its `.item()`."""
    recon_x, mean, var = by_hand.model_eval(x)
    kl = -0.5 * torch.sum(1 + var.log() - mean**2 - var) / (len(x) * 784)
    return F.binary_cross_entropy(recon_x, x) + kl


def sampled(x: Tensor) -> Tensor:
    mean, sigma = net.encoder(x)
    z = mean + sigma * torch.randn_like(mean)
    kl = (Normal(mean, sigma).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum()
    return F.binary_cross_entropy(net.decoder(z), x, reduction="sum") + kl


def sigma_for_variance(x: Tensor) -> Tensor:
    """The encoder gives sigma, and the KL takes it for sigma^2."""
    mean, sigma = net.encoder(x)
    z = mean + sigma * torch.randn_like(mean)
    kl = 0.5 * (mean**2 + sigma - 1 - sigma.log()).sum()
    return F.binary_cross_entropy(net.decoder(z), x, reduction="sum") + kl
