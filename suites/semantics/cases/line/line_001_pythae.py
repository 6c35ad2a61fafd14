"""SEM-LINE-001: `KLD = -(log_p_z - log_q_z)`, word for word, in Pythae's VAMP with one component, at its own draw."""

import torch
from pythae.models import VAMP, VAMPConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder

SLOPE, SHIFT, LOG_VAR = 0.7, -0.2, -1.4
drawn = {}


class Encoder(BaseEncoder):
    def __init__(self):
        BaseEncoder.__init__(self)
        self.latent_dim = 1

    def forward(self, x):
        embedding = SLOPE * x.reshape(-1, 1) + SHIFT
        return ModelOutput(embedding=embedding, log_covariance=torch.full_like(embedding, LOG_VAR))


class Decoder(BaseDecoder):
    def forward(self, z):
        drawn["z"] = z.item()
        return ModelOutput(reconstruction=torch.sigmoid(z))


def measure() -> dict[str, float]:
    """The draw at x = 0.9, the pseudo-input, and the KL term that is returned as `reg_loss`."""
    torch.manual_seed(1)
    config = VAMPConfig(input_dim=(1,), latent_dim=1, reconstruction_loss="bce", number_components=1)
    model = VAMP(config, encoder=Encoder(), decoder=Decoder()).double()
    model.idle_input = model.idle_input.double()
    output = model({"data": torch.full((1, 1), 0.9, dtype=torch.float64)})
    pseudo = model.pseudo_inputs(model.idle_input)
    return {"z": drawn["z"], "pseudo": pseudo.item(), "kl": output.reg_loss.item()}


if __name__ == "__main__":
    print(measure())
