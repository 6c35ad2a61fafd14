"""SEM-PIXEL-001: a pixel whose logit is wrong by far, under Pythae's cross-entropy of probabilities."""

import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder


class Encoder(BaseEncoder):
    def __init__(self):
        BaseEncoder.__init__(self)
        self.latent_dim = 1

    def forward(self, x):
        nought = torch.zeros((len(x), 1), dtype=x.dtype)
        return ModelOutput(embedding=nought, log_covariance=nought)


class Decoder(BaseDecoder):
    def __init__(self, logit):
        BaseDecoder.__init__(self)
        self.logit = logit

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.logit).expand(len(z), 1))


def at(logit: float, dtype: torch.dtype) -> tuple[float, float]:
    """-log p(x = 0) and its gradient by the logit."""
    given = torch.tensor(logit, dtype=dtype, requires_grad=True)
    config = VAEConfig(input_dim=(1,), latent_dim=1, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder(given))
    loss = model({"data": torch.zeros((1, 1), dtype=dtype)}).recon_loss
    return loss.item(), torch.autograd.grad(loss, given)[0].item()


def measure() -> dict[str, float]:
    """In float32 at logits of 20 and 5, in float64 at 20."""
    single, moderate, double = at(20.0, torch.float32), at(5.0, torch.float32), at(20.0, torch.float64)
    numbers = {"single": single, "moderate": moderate, "double": double}
    losses = {f"{name}_loss": loss for name, (loss, _) in numbers.items()}
    return losses | {f"{name}_slope": slope for name, (_, slope) in numbers.items()}


if __name__ == "__main__":
    print(measure())
