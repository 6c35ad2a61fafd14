"""A public torch VAE of any widths, at those of flax's, and the loss of its training loop, which is a local there."""

from here import loaded
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

public = loaded("timbmg/VAE-CVAE-MNIST", "models.py")
vae = public.VAE([784, 500], 20, [500, 784])


def loss(x: Tensor) -> Tensor:
    recon_x, mean, log_var, _ = vae(x)
    kl = 0.5 * (mean.pow(2) + log_var.exp() - 1 - log_var).sum()
    return (F.binary_cross_entropy(recon_x, x, reduction="sum") + kl) / x.size(0)
