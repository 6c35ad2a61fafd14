"""One VAE as a Pyro pair, and hand-written losses on networks of its own: right ones, and one difference each."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

DATA, LATENT = 7, 3


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.mean, self.log_var = nn.Linear(DATA, 5), nn.Linear(5, LATENT), nn.Linear(5, LATENT)

    def forward(self, x):
        h = torch.tanh(self.hidden(x))
        return self.mean(h), self.log_var(h)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.output = nn.Linear(LATENT, 5), nn.Linear(5, DATA)

    def forward(self, z):
        return torch.sigmoid(self.output(torch.tanh(self.hidden(z))))


torch.manual_seed(1)
encoder, decoder = Encoder(), Decoder()  # of the losses
guide_net, model_net = Encoder(), Decoder()  # of the pair: other weights until they are tied


def model(x):
    pyro.module("decoder", model_net)
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), LATENT), 1.0).to_event(1))
        pyro.sample("x", dist.Bernoulli(model_net(z), validate_args=False).to_event(1), obs=x)


def model_scaled(x):
    pyro.module("decoder", model_net)
    with pyro.plate("data", len(x)):
        with pyro.poutine.scale(scale=0.1):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), LATENT), 1.0).to_event(1))
        pyro.sample("x", dist.Bernoulli(model_net(z), validate_args=False).to_event(1), obs=x)


def guide(x):
    pyro.module("encoder", guide_net)
    with pyro.plate("data", len(x)):
        mean, log_var = guide_net(x)
        pyro.sample("z", dist.Normal(mean, (0.5 * log_var).exp()).to_event(1))


def networks(x):
    mean, log_var = encoder(x)
    z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
    return mean, log_var, z, decoder(z)


def data_term(p, x):
    return F.binary_cross_entropy(p, x, reduction="sum")


def kl(mean, log_var):
    return -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()


def sampled(z, mean, log_var):
    return (-0.5 * (log_var + (z - mean) ** 2 / log_var.exp()) + 0.5 * z**2).sum()


def analytic_mean(x):
    mean, log_var, _, p = networks(x)
    return (data_term(p, x) + kl(mean, log_var)) / len(x)


def sampled_sum(x):
    mean, log_var, z, p = networks(x)
    return data_term(p, x) + sampled(z, mean, log_var)


def constant_dropped(x):
    mean, log_var, z, p = networks(x)
    log_q = torch.distributions.Normal(mean, (0.5 * log_var).exp()).log_prob(z)
    return data_term(p, x) + (log_q + 0.5 * z**2).sum()


def beta(x):
    mean, log_var, _, p = networks(x)
    return data_term(p, x) + 4 * kl(mean, log_var)


def beta_of_a_hundred_millionth(x):
    mean, log_var, _, p = networks(x)
    return data_term(p, x) + (1 + 1e-8) * kl(mean, log_var)


def over_pixels(x):
    mean, log_var, _, p = networks(x)
    return F.binary_cross_entropy(p, x) + kl(mean, log_var) / len(x)


def squared_error(x):
    mean, log_var, _, p = networks(x)
    return F.mse_loss(p, x, reduction="sum") + kl(mean, log_var)


def log_var_absent(x):
    mean, log_var, _, p = networks(x)
    return data_term(p, x) - 0.5 * (1 - mean**2 - log_var.exp()).sum()


def second_draw(x):
    mean, log_var, _, p = networks(x)
    return data_term(p, x) + sampled(mean + (0.5 * log_var).exp() * torch.randn_like(mean), mean, log_var)


def variance_as_sigma(x):
    mean, log_var = encoder(x)
    return data_term(decoder(mean + log_var.exp() * torch.randn_like(mean)), x) + kl(mean, log_var)


def eps_in_the_log(x):
    mean, log_var, _, p = networks(x)
    return -(x * (p + 1e-3).log() + (1 - x) * (1 - p + 1e-3).log()).sum() + kl(mean, log_var)


def z_detached(x):
    mean, log_var = encoder(x)
    z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
    return data_term(decoder(z.detach()), x) + kl(mean, log_var)


def landing(x):
    mean, log_var, z, p = networks(x)
    return data_term(p, x) + sampled(z, mean.detach(), log_var.detach())


def iwae(x):
    weights = []
    for _ in range(2):
        mean, log_var, z, p = networks(x)
        nll = F.binary_cross_entropy(p, x, reduction="none").sum(-1)
        weights.append(-nll - (-0.5 * (log_var + (z - mean) ** 2 / log_var.exp()) + 0.5 * z**2).sum(-1))
    return -(torch.logsumexp(torch.stack(weights), 0) - np.log(2)).sum()


def one_latent_alone(x):
    mean, log_var, _, p = networks(x)
    return data_term(p, x) + kl(mean[:, :1], log_var[:, :1])


def another_law(x):
    mean, log_var, _, p = networks(x)
    return data_term(p, x) + kl(mean, log_var) + mean.abs().sum()


def numpy_noise(x):
    mean, log_var = encoder(x)
    z = mean + (0.5 * log_var).exp() * torch.from_numpy(np.random.default_rng().normal(size=mean.shape))
    return data_term(decoder(z), x) + kl(mean, log_var)


class Smaller(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(DATA, 2)


smaller = Smaller()


def other_weights(x):
    return smaller.layer(x).sum()


def raising(x):
    raise RuntimeError("no data set here")


def noisy_input(x):
    mean, log_var, _, p = networks(x + 0.1 * torch.randn_like(x))
    return data_term(p, x) + kl(mean, log_var)


# A discrete latent beside the Gaussian one: one label in three.
classifier, labelled_encoder, labelled_decoder = nn.Linear(DATA, 3), nn.Linear(DATA + 3, 4), nn.Linear(5, DATA)


def joined(a, b):
    shape = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    return torch.cat([a.expand(*shape, a.shape[-1]), b.expand(*shape, b.shape[-1])], -1)


def labelled_model(x):
    pyro.module("decoder", labelled_decoder)
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.OneHotCategorical(logits=x.new_zeros(len(x), 3)))
        z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 2), 1.0).to_event(1))
        logits = labelled_decoder(joined(z, y))
        pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(1), obs=x)


def labelled_guide(x):
    pyro.module("classifier", classifier)
    pyro.module("encoder", labelled_encoder)
    with pyro.plate("data", len(x)):
        y = pyro.sample("y", dist.OneHotCategorical(logits=classifier(x)))
        h = labelled_encoder(joined(x, y))
        pyro.sample("z", dist.Normal(h[..., :2], (0.5 * h[..., 2:]).exp()).to_event(1))


def given_label(x, y):
    h = labelled_encoder(joined(x, y))
    mean, log_var = h[:, :2], h[:, 2:]
    z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
    nll = F.binary_cross_entropy_with_logits(labelled_decoder(joined(z, y)), x, reduction="none").sum(-1)
    return nll + (-0.5 * (log_var + (z - mean) ** 2 / log_var.exp()) + 0.5 * z**2).sum(-1)


def over_labels(x):
    log_q = F.log_softmax(classifier(x), -1)
    losses = [given_label(x, F.one_hot(torch.full((len(x),), k), 3).to(x.dtype)) for k in range(3)]
    return (log_q.exp() * (torch.stack(losses, -1) + log_q + np.log(3))).sum()


def one_label(x):
    log_q = F.log_softmax(classifier(x), -1)
    y = dist.OneHotCategorical(logits=classifier(x)).sample()
    return (given_label(x, y) + (y * log_q).sum(-1) + np.log(3)).sum()


def relaxed_label(x):
    log_q = F.log_softmax(classifier(x), -1)
    y = F.gumbel_softmax(classifier(x), hard=True)
    return (given_label(x, y) + (y * log_q).sum(-1) + np.log(3)).sum()
