"""A VAE written with torch.distributions, and the five verbs that elbo-compare asks of it."""

from dataclasses import dataclass

import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from elbo_compare.suites.contract import (
    Device,
    Draws,
    DType,
    Evaluation,
    Fit,
    GradientDraws,
    KLTerm,
    Likelihood,
    Reduction,
    Stepper,
)

# --- the model, as its author has it


def network(weights, part, layers, h):
    for i in range(layers):
        linear = h @ weights[f"{part}.{i}.linear.weight"].T + weights[f"{part}.{i}.linear.bias"]
        gate = h @ weights[f"{part}.{i}.gate.weight"].T + weights[f"{part}.{i}.gate.bias"]
        h = linear * gate.sigmoid()
    return h


def posterior_heads(problem, weights, x):
    h = network(weights, "encoder", problem.gated_layers, x)
    return (h @ weights[f"encoder.{head}.weight"].T + weights[f"encoder.{head}.bias"] for head in ("mean", "log_var"))


def likelihood(problem, weights, z):
    h = network(weights, "decoder", problem.gated_layers, z)
    output = h @ weights["decoder.output.weight"].T + weights["decoder.output.bias"]
    if problem.likelihood is Likelihood.BERNOULLI:
        return Independent(Bernoulli(logits=output, validate_args=False), 1)
    return Independent(Normal(output, problem.likelihood_scale), 1)


def terms(problem, estimator, weights, x, mean, log_var, noise):
    """Log likelihood, KL, log q, log p(z), each (..., batch)."""
    posterior = Independent(Normal(mean, (0.5 * log_var).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    z = mean + (0.5 * log_var).exp() * noise
    log_q, log_prior = posterior.log_prob(z), prior.log_prob(z)
    kl = log_q - log_prior
    if estimator.kl_term is KLTerm.ANALYTIC:
        kl = kl_divergence(posterior, prior).expand(log_q.shape)
    if problem.likelihood is Likelihood.NONE:
        return torch.zeros_like(kl), kl, log_q, log_prior
    return likelihood(problem, weights, z).log_prob(x), kl, log_q, log_prior


# --- the contract


@dataclass
class Session:
    problem: object
    estimator: object
    device: torch.device
    dtype: DType

    def tensor(self, array):
        return torch.as_tensor(array, dtype=getattr(torch, self.dtype)).to(self.device)

    def weights(self, params):
        return {name: self.tensor(array).clone().requires_grad_() for name, array in params.items()}

    def noise(self, generator, *shape):
        shape = (*shape, self.problem.latent)
        return torch.randn(shape, generator=generator, dtype=getattr(torch, self.dtype), device=self.device)

    def generator(self, seed):
        return torch.Generator(self.device).manual_seed(seed)

    def terms(self, weights, x, noise):
        return terms(self.problem, self.estimator, weights, x, *posterior_heads(self.problem, weights, x), noise)

    def loss(self, weights, x, noise):
        log_likelihood, kl, *_ = self.terms(weights, x, noise)
        return (kl - log_likelihood).sum()

    def evaluate(self, params, x, noise):
        weights = self.weights(params)
        log_likelihood, kl, log_q, log_prior = self.terms(weights, self.tensor(x), self.tensor(noise))
        loss = (kl - log_likelihood).sum()
        gradients = torch.autograd.grad(-loss / len(x), list(weights.values()))
        return Evaluation(
            elbo=-loss.item() / len(x),
            kl=kl.mean().item(),
            log_likelihood=log_likelihood.mean().item(),
            log_likelihood_derived=False,
            log_q=log_q.mean().item(),
            log_prior=log_prior.mean().item(),
            gradients={name: numbers(gradient) for name, gradient in zip(weights, gradients, strict=True)},
            raw_loss=loss.item(),
            raw_sign=-1,
            raw_reduction=Reduction.SUM,
            dtype=dtype_of(loss),
        )

    def draw(self, params, x, n, seed, chunk):
        weights, x, generator = self.weights(params), self.tensor(x), self.generator(seed)
        elbo, kl = [], []
        with torch.no_grad():
            for start in range(0, n, chunk):
                noise = self.noise(generator, min(chunk, n - start), 1)
                log_likelihood, one_kl, *_ = self.terms(weights, x, noise)
                elbo.append((log_likelihood - one_kl)[:, 0])
                kl.append(one_kl[:, 0])
        return Draws(elbo=numbers(torch.cat(elbo)), kl=numbers(torch.cat(kl)), dtype=dtype_of(kl[0]))

    def draw_gradients(self, params, x, n, seed, chunk):
        weights, x, generator = self.weights(params), self.tensor(x), self.generator(seed)
        heads = [head.detach() for head in posterior_heads(self.problem, weights, x)]
        rows = []
        for start in range(0, n, chunk):
            size = min(chunk, n - start)
            leaves = [head.expand(size, 1, -1).clone().requires_grad_() for head in heads]
            noise = self.noise(generator, size, 1)
            log_likelihood, kl, *_ = terms(self.problem, self.estimator, weights, x, *leaves, noise)
            rows.append(torch.autograd.grad((log_likelihood - kl).sum(), leaves))
        mean, log_var = (torch.cat(column)[:, 0] for column in zip(*rows, strict=True))
        return GradientDraws(mean=numbers(mean), log_var=numbers(log_var), dtype=dtype_of(mean))

    def fit(self, params, training):
        training.refuse_all_but("noise", "checkpoints")  # warm-up, binarisation and early stopping are not written here
        weights, x, generator = self.weights(params), self.tensor(training.x), self.generator(training.seed)
        optimiser = torch.optim.Adam(weights.values(), lr=training.learning_rate)
        kept, elbo = {0: as_params(weights)} if 0 in training.checkpoints else {}, []
        for i, rows in enumerate(torch.as_tensor(training.batches, device=self.device)):
            own = self.noise(generator, 1, len(rows)) if training.noise is None else self.tensor(training.noise[i])
            elbo.append(-self.step(weights, optimiser, x[rows], own))
            if i + 1 in training.checkpoints:
                kept[i + 1] = as_params(weights)
        path = torch.stack(elbo)
        return Fit(elbo=numbers(path), params=as_params(weights), checkpoints=kept, dtype=dtype_of(path))

    def stepper(self, params, x, seed):
        weights, x, generator = self.weights(params), self.tensor(x), self.generator(seed)
        optimiser = torch.optim.Adam(weights.values(), lr=1e-3)

        def step(k):
            for _ in range(k):
                self.step(weights, optimiser, x, self.noise(generator, 1, len(x)))
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)

        return Stepper(compile=None, step=step)

    def step(self, weights, optimiser, x, noise):
        optimiser.zero_grad()
        loss = self.loss(weights, x, noise) / len(x)
        loss.backward()
        optimiser.step()
        return loss.detach()


class ThirdParty:
    name = "third-party"
    framework = "torch"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem, estimator):
        known = estimator.name in ("sampled-kl", "analytic-kl")
        return None if known else f"third-party has sampled-kl and analytic-kl, not {estimator.name}"

    def prepare(self, problem, estimator, device, dtype):
        return Session(problem, estimator, torch.device(str(device)), dtype)


def numbers(tensor):
    return tensor.detach().to("cpu", torch.float64).numpy().copy()


def as_params(weights):
    return {name: numbers(tensor) for name, tensor in weights.items()}


def dtype_of(tensor):
    return DType(str(tensor.dtype).removeprefix("torch."))
