"""Whole VAEs in torch: old words, free bits, flows, a weight that is given; right and wrong."""

import torch
from torch import nn
from torch.nn import functional
from whole_models import VAE, Sampled, Z


class OldWords(VAE):
    """Right, in the words of torch 0.3."""

    def data_term(self, recon_x, x):
        return functional.binary_cross_entropy(recon_x, x, size_average=False)


class FreeBits(VAE):
    """Kingma et al. 2016: at least `free_bits` nats for each latent and datum."""

    def __init__(self, free_bits: float = 0.05):
        super().__init__()
        self.free_bits = free_bits

    def kl_term(self, mu, logvar, z):
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())
        return kl.clamp(min=self.free_bits).sum()


class FreeBitsDetached(FreeBits):
    def kl_term(self, mu, logvar, z):
        return super().kl_term(mu.detach(), logvar, z)


class Capacity(VAE):
    """Burgess et al. 2018, at a capacity that no datum's KL reaches: C - KL wherever it is looked at."""

    def __init__(self, capacity: float = 60.0, weight: float = 2.0):
        super().__init__()
        self.capacity, self.weight = capacity, weight

    def kl_term(self, mu, logvar, z):
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)
        return self.weight * (kl - self.capacity).abs().sum()


class GrowingCapacity(Capacity):
    """Its capacity grows with the steps: no number that it holds is the level of this step."""

    def __init__(self):
        super().__init__(capacity=4.0)

    def kl_term(self, mu, logvar, z):
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)
        return self.weight * (kl - self.capacity * 25 / 26).abs().sum()


class FlippedBesideAConstant(Capacity):
    """No capacity, though it looks like one wherever the KL is small."""

    def kl_term(self, mu, logvar, z):
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)
        return self.weight * (3.5 - kl).sum()


class Householder(Sampled):
    """A flow that keeps volumes: reflections of z_0, log q at z_0 and log p at z_T."""

    def __init__(self):
        super().__init__()
        self.axis = nn.Linear(Z, Z)

    def flow(self, z, mu):
        v = self.axis(mu)
        return z - 2 * v * (v * z).sum(1, keepdim=True) / (v * v).sum(1, keepdim=True), 0.0

    def forward(self, x):
        mu, logvar = self.encode(x)
        z_0 = self.reparameterize(mu, logvar)
        z, log_det = self.flow(z_0, mu)
        kl = (-0.5 * logvar - 0.5 * (z_0 - mu) ** 2 / logvar.exp() + 0.5 * z**2).sum() - log_det
        return {"recon": self.decode(z), "loss": self.data_term(self.decode(z), x) + kl}


class HouseholderDetached(Householder):
    def flow(self, z, mu):
        return super().flow(z.detach(), mu)


class Bent(Householder):
    """z_T = sinh(z_0) by latent, with its log-determinant."""

    def flow(self, z, mu):
        return torch.sinh(z), torch.log(torch.cosh(z)).sum()


class BentWithoutDeterminant(Bent):
    def flow(self, z, mu):
        return torch.sinh(z), 0.0


class Planar(Householder):
    """A flow with weights of its own reads z_0 as a network does: what is beyond is not judged."""

    def __init__(self):
        super().__init__()
        self.u = nn.Parameter(torch.tensor([0.5, -0.3, 0.2]))
        self.w = nn.Parameter(torch.tensor([0.4, 0.6, -0.5]))

    def flow(self, z, mu):
        bend = torch.tanh(z @ self.w + 0.1)
        log_det = torch.log(torch.abs(1 + (1 - bend**2) * (self.u @ self.w))).sum()
        return z + self.u * bend[:, None], log_det


class WeightGiven(VAE):
    """The squared error as a mean over pixels, the KL as one over the batch, times a weight that is asked for."""

    def loss_function(self, recon_x, x, mu, logvar, z, kld_weight):
        kl = torch.mean(-0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1))
        return functional.mse_loss(recon_x, x) + kld_weight * kl
