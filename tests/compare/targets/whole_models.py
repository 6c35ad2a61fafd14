"""Whole VAEs in torch, right and wrong: each class is the one above it with one thing changed."""

import torch
from torch import nn
from torch.nn import functional

X, H, Z = 13, 7, 3


class VAE(nn.Module):
    """Right: the commonest VAE there is."""

    def __init__(self, width: int = H):
        super().__init__()
        self.first = nn.Linear(X, width)
        self.mean = nn.Linear(width, Z)
        self.log_var = nn.Linear(width, Z)
        self.second = nn.Linear(Z, width)
        self.last = nn.Linear(width, X)

    def encode(self, x):
        hidden = torch.tanh(self.first(x))
        return self.mean(hidden), self.log_var(hidden)

    def reparameterize(self, mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)

    def decode(self, z):
        return torch.sigmoid(self.last(torch.tanh(self.second(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = self.reparameterize(mu, logvar)
        return self.decode(z), x, mu, logvar, z

    def data_term(self, recon_x, x):
        return functional.binary_cross_entropy(recon_x, x, reduction="sum")

    def kl_term(self, mu, logvar, z):
        return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())

    def loss_function(self, recon_x, x, mu, logvar, z):
        return self.data_term(recon_x, x) + self.kl_term(mu, logvar, z)


# ---- right


class Sampled(VAE):
    """log q(z|x) - log p(z) at z, both without 0.5 log 2 pi."""

    def kl_term(self, mu, logvar, z):
        return (-0.5 * logvar - 0.5 * (z - mu) ** 2 / logvar.exp() + 0.5 * z**2).sum()


class ByName(VAE):
    """Returns a dict, and the loss is named by what stands in it."""

    def forward(self, x):
        recon_x, _, mu, logvar, _ = super().forward(x)
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
        data = functional.binary_cross_entropy(recon_x, x, reduction="none").sum(1)
        return {"recon": recon_x, "loss": (data + kl).mean(), "kl": kl.mean()}


class SquaredError(VAE):
    def decode(self, z):
        return self.last(torch.tanh(self.second(z)))

    def data_term(self, recon_x, x):
        return 0.5 * ((recon_x - x) ** 2).sum()


class Softplus(VAE):
    """A sigma of its own making, noise in the old way, and a KL of torch.distributions."""

    def reparameterize(self, mu, logvar):
        return torch.FloatTensor(mu.size()).normal_() * (functional.softplus(logvar) + 1e-3) + mu

    def kl_term(self, mu, logvar, z):
        q = torch.distributions.Normal(mu, functional.softplus(logvar) + 1e-3)
        return torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum()


class Dropout(VAE):
    """Dropout and batch normalisation, which eval() switches."""

    def __init__(self):
        super().__init__()
        self.drop, self.norm = nn.Dropout(0.3), nn.BatchNorm1d(H)

    def encode(self, x):
        hidden = self.drop(torch.relu(self.norm(self.first(x))))
        return self.mean(hidden), self.log_var(hidden)


class Beta(VAE):
    """By design: the weight is an attribute."""

    def __init__(self, beta: float = 4.0):
        super().__init__()
        self.beta = beta

    def kl_term(self, mu, logvar, z):
        return self.beta * super().kl_term(mu, logvar, z)


class Steps(VAE):
    """A training step that returns what it has minimised."""

    loss_function = None

    def training_step(self, batch, batch_idx):
        x, _ = batch
        recon_x, _, mu, logvar, z = self(x)
        return VAE.loss_function(self, recon_x, x, mu, logvar, z)


class TwoLatents(VAE):
    def __init__(self):
        super().__init__()
        self.more = nn.Linear(X, 4)
        self.second = nn.Linear(Z + 2, H)

    def forward(self, x):
        mu, logvar = self.encode(x)
        mu2, logvar2 = self.more(x).chunk(2, dim=1)
        z, z2 = self.reparameterize(mu, logvar), self.reparameterize(mu2, logvar2)
        recon = self.decode(torch.cat([z, z2], dim=1))
        return recon, x, torch.cat([mu, mu2], 1), torch.cat([logvar, logvar2], 1), z


# ---- the sampler


class SigmaSquared(VAE):
    def reparameterize(self, mu, logvar):
        return mu + torch.exp(logvar) * torch.randn_like(mu)


class LogVarAsSigma(VAE):
    def reparameterize(self, mu, logvar):
        return mu + logvar * torch.randn_like(mu)


class SharedOverBatch(VAE):
    def reparameterize(self, mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.randn(Z)


class UniformNoise(VAE):
    def reparameterize(self, mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.rand_like(mu)


class MeanDecoded(VAE):
    """The decoder reads the mean; z is in the KL alone."""

    def forward(self, x):
        _, x, mu, logvar, z = super().forward(x)
        return self.decode(mu), x, mu, logvar, z

    kl_term = Sampled.kl_term


class NeverSampled(VAE):
    def reparameterize(self, mu, logvar):
        return mu


# ---- gradients


class SampleDetached(VAE):
    def reparameterize(self, mu, logvar):
        return super().reparameterize(mu, logvar).detach()


class MeanDetached(VAE):
    def reparameterize(self, mu, logvar):
        return super().reparameterize(mu.detach(), logvar)


class NoGrad(VAE):
    def encode(self, x):
        with torch.no_grad():
            return super().encode(x)


class SampleNotRsample(VAE):
    def reparameterize(self, mu, logvar):
        return torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).sample()


class Frozen(VAE):
    def __init__(self):
        super().__init__()
        self.last.requires_grad_(False)


class Item(VAE):
    def loss_function(self, recon_x, x, mu, logvar, z):
        return self.data_term(recon_x, x) + self.kl_term(mu, logvar, z).item()


# ---- draws and modes


class SecondDraw(VAE):
    def loss_function(self, recon_x, x, mu, logvar, z):
        again = self.reparameterize(mu, logvar)
        return self.data_term(recon_x, x) + Sampled.kl_term(self, mu, logvar, again)


class AlwaysDropout(VAE):
    def encode(self, x):
        hidden = functional.dropout(torch.tanh(self.first(x)), 0.3)
        return self.mean(hidden), self.log_var(hidden)


class AlwaysBatch(VAE):
    def encode(self, x):
        hidden = functional.batch_norm(self.first(x), None, None, training=True)
        return self.mean(hidden), self.log_var(hidden)


# ---- the loss


class DataAveraged(VAE):
    def data_term(self, recon_x, x):
        return functional.binary_cross_entropy(recon_x, x)


class SignOfKl(VAE):
    def kl_term(self, mu, logvar, z):
        return -super().kl_term(mu, logvar, z)


class LogVarSign(VAE):
    def kl_term(self, mu, logvar, z):
        return 0.5 * torch.sum(mu.pow(2) + logvar.exp() + logvar - 1)


class HalfMissing(VAE):
    def kl_term(self, mu, logvar, z):
        return -torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


class NoKl(VAE):
    def loss_function(self, recon_x, x, mu, logvar, z):
        return self.data_term(recon_x, x)


class Epsilon(VAE):
    def data_term(self, recon_x, x):
        return -(x * (recon_x + 1e-8).log() + (1 - x) * (1 - recon_x + 1e-8).log()).sum()


class FloatInside(VAE):
    def data_term(self, recon_x, x):
        return functional.binary_cross_entropy(recon_x.float(), x.float(), reduction="sum")


class Narrow(VAE):
    """A trained posterior: sigma is far below |mean|, and z loses its digits."""

    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.log_var.bias -= 14.0
            self.mean.bias += 30.0


class NearlyLogVar(VAE):
    def kl_term(self, mu, logvar, z):
        return super().kl_term(mu, logvar, z) - 0.5 * (1e-4 * logvar).sum()


class NearlyMean(VAE):
    def kl_term(self, mu, logvar, z):
        return super().kl_term(mu, logvar, z) + 0.5 * (1e-6 * mu**2).sum()


class EpsilonInAWideOne(Epsilon):
    """Its probabilities are near 1/2: the epsilon looks like a weight of 1 - 3e-8."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(784, 400), nn.Linear(400, 784)
        self.mean, self.log_var, self.second = nn.Linear(400, 20), nn.Linear(400, 20), nn.Linear(20, 400)


class OneHead(VAE):
    """log_var read from the head of the mean; the other head is never used."""

    def encode(self, x):
        hidden = torch.tanh(self.first(x))
        return self.mean(hidden), self.mean(hidden)

    def data_term(self, recon_x, x):
        return super().data_term(recon_x, x.roll(1, 0))


class InPlace(Sampled):
    """The sampler of old code: everything in place."""

    def reparameterize(self, mu, logvar):
        std = logvar.mul(0.5).exp_()
        return torch.FloatTensor(std.size()).normal_().mul(std).add_(mu)


class Wasserstein(VAE):
    """A WAE: the encoder is deterministic by design, the noise is the prior's, in an MMD."""

    def forward(self, x):
        code = self.encode(x)[0]
        return self.decode(code), x, code

    def loss_function(self, recon_x, x, code):
        return ((recon_x - x) ** 2).sum() + ((torch.randn_like(code).mean(0) - code.mean(0)) ** 2).sum()


class Scaled(VAE):
    """A KL of something else than a Gaussian's: not judged, and no mistake."""

    def kl_term(self, mu, logvar, z):
        return torch.cosh(mu).sum() + logvar.cos().sum()


class RowByRow(VAE):
    """A Python loop over the data: more operations at a larger batch."""

    def decode(self, z):
        return torch.stack([super(RowByRow, self).decode(row) for row in z])
