"""SEM-WEIGHTS-001: the loss that Pythae's IWAE returns, and its gradient, at its own draws.

Beside it what the same object's `get_nll` says at the same draws, and the mean of many losses against -log p(x).
"""

from math import exp, log, pi

import torch
from pythae.models import IWAE, IWAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder

K = 3
SLOPE, SHIFT = 6.0, -4.0
mean = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
log_var = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
drawn = {}


class Encoder(BaseEncoder):
    def __init__(self):
        BaseEncoder.__init__(self)
        self.latent_dim = 1

    def forward(self, x):
        shape = (len(x), 1)
        return ModelOutput(embedding=mean.expand(shape), log_covariance=log_var.expand(shape))


class Decoder(BaseDecoder):
    def forward(self, z):
        drawn.setdefault("z", z.detach().flatten())
        return ModelOutput(reconstruction=torch.sigmoid(SLOPE * z + SHIFT))


def measure() -> dict[str, float]:
    """At one pixel x = 1: the draws, the loss, its gradients by q's mean and log-variance, what `get_nll` returns under
    the same seed, and whether the mean loss is below -log p(x) by more than five standard errors."""
    drawn.clear()
    torch.manual_seed(1)
    config = IWAEConfig(input_dim=(1,), latent_dim=1, reconstruction_loss="bce", number_samples=K)
    model = IWAE(config, encoder=Encoder(), decoder=Decoder())
    loss = model({"data": torch.ones((1, 1), dtype=torch.float64)}).loss
    by_mean, by_log_var = torch.autograd.grad(loss, (mean, log_var))
    numbers = {f"z{k}": z.item() for k, z in enumerate(drawn["z"])}
    numbers |= {"loss": loss.item(), "by_mean": by_mean.item(), "by_log_var": by_log_var.item()}
    torch.manual_seed(1)
    with torch.no_grad():
        numbers["nll"] = -float(model.get_nll(torch.ones((1, 1), dtype=torch.float64), n_samples=K, batch_size=K))
        many = {"data": torch.ones((1_000, 1), dtype=torch.float64)}
        means = torch.stack([model(many).loss for _ in range(40)])
    error = means.std() / len(means) ** 0.5
    return numbers | {"below": float(means.mean() + 5 * error < -log_evidence())}


def log_evidence() -> float:
    """log p(x = 1), the integral of sigmoid(6 z - 4) N(z; 0, 1), by the rule of the midpoint."""
    h = 1e-3
    points = (h * (i + 0.5) - 12 for i in range(24_000))
    return log(h * sum(exp(-z * z / 2) / (1 + exp(-SLOPE * z - SHIFT)) for z in points) / (2 * pi) ** 0.5)


if __name__ == "__main__":
    print(measure())
