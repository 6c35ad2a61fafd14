"""Models whose loss comes back in two parts, and models that want labels: right and wrong, written for the tests."""

import torch
from torch import nn
from torch.nn import functional
from whole_models import VAE, H, X, Z

K = 4


class Halves(VAE):
    """A reconstruction and a KL, and nothing in this file that adds them."""

    def loss_function(self, recon_x, x, mu, logvar, z):
        return self.data_term(recon_x, x), self.kl_term(mu, logvar, z)


class LogLikelihood(VAE):
    """log p(x|z) and the KL: their difference is minimised."""

    def loss_function(self, recon_x, x, mu, logvar, z):
        log_likelihood, kl = -self.data_term(recon_x, x), self.kl_term(mu, logvar, z)
        return log_likelihood, kl


class WrongHalf(Halves):
    """The KL that comes back is twice too large in one piece."""

    def kl_term(self, mu, logvar, z):
        return -0.5 * torch.sum(1 + logvar - 2 * mu.pow(2) - logvar.exp())


class HalfOnly(VAE):
    """The whole loss is the reconstruction: here the KL is missing."""

    def loss_function(self, recon_x, x, mu, logvar, z):
        return {"loss": self.data_term(recon_x, x), "kl": self.kl_term(mu, logvar, z)}


class Thirds(Halves):
    """A third part, that no name explains: how the three are added nobody says."""

    def loss_function(self, recon_x, x, mu, logvar, z):
        reconstruction, kl = super().loss_function(recon_x, x, mu, logvar, z)
        penalty = z.pow(4).sum()
        return reconstruction, kl, penalty


class Unnamed(Halves):
    """Two values without a name that says what they are."""

    def loss_function(self, recon_x, x, mu, logvar, z):
        first, second = super().loss_function(recon_x, x, mu, logvar, z)
        return first, second


class KlBeside(VAE):
    """forward returns its output and the KL, and the loss is nowhere."""

    loss_function = None

    def forward(self, x):
        recon_x, _, mu, logvar, z = super().forward(x)
        return recon_x, self.kl_term(mu, logvar, z)


class OneHot(nn.Module):
    """Encoder and decoder read one-hot labels."""

    def __init__(self):
        super().__init__()
        self.first, self.mean, self.log_var = nn.Linear(X + K, H), nn.Linear(H, Z), nn.Linear(H, Z)
        self.second, self.last = nn.Linear(Z + K, H), nn.Linear(H, X)

    def read(self, y):
        return y

    def forward(self, x, y):
        y = self.read(y)
        hidden = torch.tanh(self.first(torch.cat([x, y], 1)))
        mu, logvar = self.mean(hidden), self.log_var(hidden)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return torch.sigmoid(self.last(torch.tanh(self.second(torch.cat([z, y], 1))))), mu, logvar

    def loss_function(self, recon_x, x, mu, logvar):
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        return functional.binary_cross_entropy(recon_x, x, reduction="sum") + kl


class Numbered(OneHot):
    """Labels are whole numbers, and it makes them one-hot."""

    def read(self, y):
        return functional.one_hot(y, K).to(self.last.weight.dtype)


class Averaged(OneHot):
    """The KL is averaged over the latent dimensions."""

    def loss_function(self, recon_x, x, mu, logvar):
        kl = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
        return functional.binary_cross_entropy(recon_x, x, reduction="sum") + kl


class Dead(VAE):
    """A ReLU holds every output at 0 here: no weight moves it."""

    def decode(self, z):
        return functional.relu(self.last(torch.tanh(self.second(z))) - 100)

    def data_term(self, recon_x, x):
        return functional.mse_loss(recon_x, x, reduction="sum")


class Upward(VAE):
    """forward gives the ELBO, under a name that says nothing."""

    loss_function = None

    def forward(self, x):
        recon_x, _, mu, logvar, z = super().forward(x)
        bound = self.data_term(recon_x, x) + self.kl_term(mu, logvar, z)
        return -bound / len(x)


class UpwardLoss(Upward):
    """The same under the name of a loss: it would be minimised."""

    def forward(self, x):
        return {"loss": super().forward(x)}


class Joint(OneHot):
    """-log p(x, y): the prior of the labels, 1 / K, is in it."""

    def loss_function(self, recon_x, x, mu, logvar):
        return super().loss_function(recon_x, x, mu, logvar) + len(x) * torch.log(torch.tensor(float(K)))


class JointOfOthers(OneHot):
    """Another constant for each datum, that no label explains."""

    def loss_function(self, recon_x, x, mu, logvar):
        return super().loss_function(recon_x, x, mu, logvar) + len(x) * 1.4


class Counting(VAE):
    """A parameter of whole numbers, which nobody can train."""

    def __init__(self):
        super().__init__()
        self.seed = nn.Parameter(torch.zeros(2, dtype=torch.long), requires_grad=False)


class Columned(VAE):
    """Its prior is handed to forward, a number for each datum."""

    def forward(self, x, prior_mean, prior_var):
        recon_x, _, mu, logvar, _ = super().forward(x)
        return recon_x, x, mu, logvar, torch.log(prior_var) + prior_mean

    def kl_term(self, mu, logvar, z):
        return 0.5 * torch.sum(z - logvar - 1 + (logvar.exp() + mu**2) / z.exp())
