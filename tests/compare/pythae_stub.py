"""A stand-in for the library Pythae: the public names that our integration uses, written here from the formulas.

With STUB_SIGN=-1 in the environment its KL term has the wrong sign.
"""

import os
import sys
import types

import torch
from torch import nn
from torch.nn import functional

SIGN = float(os.environ.get("STUB_SIGN", "1"))


class ModelOutput(dict):
    __getattr__ = dict.__getitem__


class Network(nn.Module):
    pass


class Config:
    def __init__(self, reconstruction_loss, **_):
        self.reconstruction_loss = reconstruction_loss


class VAE(nn.Module):
    def __init__(self, config, encoder, decoder):
        super().__init__()
        self.config, self.encoder, self.decoder = config, encoder, decoder

    def forward(self, inputs):
        x = inputs["data"]
        heads = self.encoder(x)
        mean, log_var = heads.embedding, heads.log_covariance
        z = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
        made = self.decoder(z)["reconstruction"]
        cost = functional.mse_loss if self.config.reconstruction_loss == "mse" else functional.binary_cross_entropy
        lost = cost(made, x, reduction="none").sum(-1)
        kl = SIGN * self.kl(mean, log_var, z)
        return ModelOutput(loss=(lost + kl).mean(), recon_loss=lost.mean(), reg_loss=kl.mean(), z=z)

    def kl(self, mean, log_var, z):
        return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)


class Sampled(VAE):
    def kl(self, mean, log_var, z):
        return (z**2 / 2 - log_var / 2 - (z - mean) ** 2 / (2 * log_var.exp())).sum(-1)

    def loss_function(self, made, x, mean, log_var, z0, zk, log_det):
        log_q = -(log_var + (z0 - mean) ** 2 / log_var.exp()).sum(-1) / 2
        return None, None, (log_q + (zk**2).sum(-1) / 2).mean()


PLACES = {
    "models": {"VAE": VAE, "VAEConfig": Config, "VAE_LinNF": Sampled, "VAE_LinNF_Config": Config},
    "models.nn": {"BaseEncoder": Network, "BaseDecoder": Network},
    "models.base": {},
    "models.base.base_utils": {"ModelOutput": ModelOutput},
}
for place, found in PLACES.items():
    module = types.ModuleType(f"{__name__}.{place}")
    vars(module).update(found)
    sys.modules[module.__name__] = module
