"""SEM-WEIGHTS-001: the loss that Pythae's IWAE returns, and its gradient, at its own draws."""

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
        drawn["z"] = z.detach().flatten()
        return ModelOutput(reconstruction=torch.sigmoid(SLOPE * z + SHIFT))


def measure() -> dict[str, float]:
    """The draws, the loss at one pixel x = 1, and its gradients by q's mean and log-variance."""
    torch.manual_seed(1)
    config = IWAEConfig(input_dim=(1,), latent_dim=1, reconstruction_loss="bce", number_samples=K)
    model = IWAE(config, encoder=Encoder(), decoder=Decoder())
    loss = model({"data": torch.ones((1, 1), dtype=torch.float64)}).loss
    by_mean, by_log_var = torch.autograd.grad(loss, (mean, log_var))
    numbers = {f"z{k}": z.item() for k, z in enumerate(drawn["z"])}
    return numbers | {"loss": loss.item(), "by_mean": by_mean.item(), "by_log_var": by_log_var.item()}


if __name__ == "__main__":
    print(measure())
