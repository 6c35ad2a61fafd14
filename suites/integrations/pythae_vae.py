"""Pythae's models on the problems of this comparison, by their public losses. It runs in the environment `pythae`.

`VAE` has the analytic KL; `VAE_LinNF` without a flow has the questioned line, log_prob_z0 - log_prob_zk. Networks of
ours are handed to them as `BaseEncoder` and `BaseDecoder`. Chadebec et al. 2022 (arXiv 2206.08309).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from pythae.models import VAE, VAE_LinNF, VAE_LinNF_Config, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from torch import Tensor
from torch.overrides import TorchFunctionMode

from elbo_compare.suites.bridge.form import Form, blocks, check_datum, check_shapes, form_of, no_analytic_kl
from elbo_compare.suites.bridge.torch_arrays import (
    TORCH_DTYPES,
    dtype_of,
    numbers_drawn_again,
    open_device,
    synchronise,
    to_array,
    to_arrays,
    to_tensor,
    to_tensors,
)
from elbo_compare.suites.bridge.training import Checkpoints, check_training
from elbo_compare.suites.contract import (
    Array,
    Device,
    Draws,
    DType,
    Estimator,
    Evaluation,
    Fit,
    Flow,
    GradientDraws,
    Kind,
    KLTerm,
    Likelihood,
    Params,
    Prior,
    Problem,
    Reduction,
    Stepper,
    Training,
)
from elbo_compare.suites.integrations.torch_networks import Weights, decoded, encoded

NOUGHT = torch.zeros(())


class Encoder(BaseEncoder):
    """Ours at the weights of the moment; `shift`: added to both heads, for a gradient by them."""

    def __init__(self, form: Form):
        BaseEncoder.__init__(self)
        self.form, self.latent_dim = form, form.latent
        self.weights: Weights = {}
        self.shift: tuple[Tensor, Tensor] = (NOUGHT, NOUGHT)

    def forward(self, x: Tensor) -> Any:
        """Pythae's record of mean and log-variance."""
        heads = encoded(self.form, self.weights, x)
        mean, log_var = (head + more for head, more in zip(heads, self.shift, strict=True))
        return ModelOutput(embedding=mean, log_covariance=log_var)


class Decoder(BaseDecoder):
    """Ours, with a sigmoid: the losses take probabilities. Without a likelihood the data, all zero, themselves."""

    def __init__(self, form: Form, observed: int):
        BaseDecoder.__init__(self)
        self.form, self.observed = form, observed
        self.weights: Weights = {}

    def forward(self, z: Tensor) -> Any:
        """Pythae's record of what is reconstructed."""
        if self.form.likelihood is Likelihood.NONE:
            return ModelOutput(reconstruction=z.new_zeros(*z.shape[:-1], self.observed))
        return ModelOutput(reconstruction=torch.sigmoid(decoded(self.form, self.weights, z)))


class Given(TorchFunctionMode):
    """Within it `torch.randn_like`, by which these models draw, returns the next of the noises that are given."""

    def __init__(self, *noises: Tensor):
        super().__init__()
        self.left = list(noises)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.randn_like:
            return self.left.pop(0)
        return func(*args, **(kwargs or {}))


class PythaeSession:
    """One (problem, estimator) on one device in one dtype."""

    def __init__(self, form: Form, observed: int, device: torch.device, dtype: DType):
        self.form, self.device, self.dtype = form, device, dtype
        self.encoder, self.decoder = Encoder(form), Decoder(form, observed)
        loss = "mse" if form.likelihood is Likelihood.NONE else "bce"
        what = {"input_dim": (observed,), "latent_dim": form.latent, "reconstruction_loss": loss}
        networks = {"encoder": self.encoder, "decoder": self.decoder}
        self.sampled = VAE_LinNF(VAE_LinNF_Config(flows=[], **what), **networks)
        self.model = VAE(VAEConfig(**what), **networks) if form.kl_term is KLTerm.ANALYTIC else self.sampled

    def tensor(self, array: Array) -> Tensor:
        """In the dtype, on the device."""
        return to_tensor(array, self.device, self.dtype)

    def use(self, params: Params) -> Weights:
        """Hand weights to the networks."""
        self.encoder.weights = self.decoder.weights = to_tensors(params, self.device, self.dtype)
        return self.encoder.weights

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The model's output and its gradient at everybody's noise."""
        check_shapes(self.form, params, x, noise)
        weights, data = self.use(params), self.tensor(x)
        for each in weights.values():
            each.requires_grad_()
        with Given(self.tensor(noise)[0]):
            output = self.model({"data": data})
        gradients = torch.autograd.grad(-output.loss, list(weights.values()), materialize_grads=True)
        log_q, log_prior = self._densities(data, output.z.detach())
        return Evaluation(
            elbo=-output.loss.item(),
            kl=output.reg_loss.item(),
            log_likelihood=-output.recon_loss.item(),
            log_likelihood_derived=False,
            log_q=log_q,
            log_prior=log_prior,
            gradients=to_arrays(dict(zip(weights, gradients, strict=True))),
            raw_loss=output.loss.item(),
            raw_sign=-1,
            raw_reduction=Reduction.MEAN,
            dtype=dtype_of(output.loss),
        )

    @torch.no_grad()
    def _densities(self, x: Tensor, z: Tensor) -> tuple[float, float]:
        """Each by the loss of `VAE_LinNF` with zeros for what belongs to the other: both without log(2 pi) / 2."""
        heads, zero = self.encoder(x), torch.zeros_like(z)
        of = self.sampled.loss_function
        log_q = of(x, x, heads.embedding, heads.log_covariance, z, zero, 0.0)[2]
        return log_q.item(), -of(x, x, zero, zero, zero, z, 0.0)[2].item()

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n outputs at one datum, each a return value of the model, mapped over its own random numbers."""
        check_datum(self.form, params, x)
        self.use(params)
        data = self.tensor(x)

        def one(_: Tensor) -> tuple[Tensor, Tensor]:
            output = self.model({"data": data})
            return -output.loss, output.reg_loss

        elbo, kl = self._mapped(one, n, seed, chunk)
        return Draws(elbo=to_array(elbo), kl=to_array(kl), dtype=dtype_of(elbo))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n gradients of minus the loss by a shift of the encoder's heads."""
        check_datum(self.form, params, x)
        self.use(params)
        data, latent = self.tensor(x), self.form.latent
        nowhere = torch.zeros((2, latent), dtype=TORCH_DTYPES[self.dtype], device=self.device)

        def elbo(shift: Tensor) -> Tensor:
            self.encoder.shift = shift[0], shift[1]
            try:
                return -self.model({"data": data}).loss
            finally:
                self.encoder.shift = NOUGHT, NOUGHT

        (both,) = self._mapped(lambda _: (torch.func.grad(elbo)(nowhere),), n, seed, chunk)
        return GradientDraws(mean=to_array(both[:, 0]), log_var=to_array(both[:, 1]), dtype=dtype_of(both))

    def _mapped(self, one: Callable[[Tensor], tuple[Tensor, ...]], n: int, seed: int, chunk: int) -> Iterator[Tensor]:
        with numbers_drawn_again(self.device):
            torch.manual_seed(seed)
            columns = [torch.func.vmap(one, randomness="different")(torch.zeros(k)) for _, k in blocks(n, chunk)]
        return iter([torch.cat(column) for column in zip(*columns, strict=True)])

    def fit(self, params: Params, training: Training) -> Fit:
        """Adam on the model's loss, which is a batch mean."""
        training.refuse_all_but("noise", "checkpoints")
        check_training(self.form, params, training)
        weights, data = self.use(params), self.tensor(training.x)
        step = self._step(weights, training.learning_rate)
        looks, elbo = Checkpoints(training), []
        with numbers_drawn_again(self.device):
            torch.manual_seed(training.seed)
            for i, rows in enumerate(torch.as_tensor(training.batches, device=self.device)):
                looks.end_at(i, lambda: to_arrays(weights))
                elbo.append(step(data[rows], None if training.noise is None else training.noise[i]))
            looks.end_at(len(training.batches), lambda: to_arrays(weights))
        path = torch.stack(elbo)
        return Fit(elbo=to_array(path), params=to_arrays(weights), checkpoints=looks.kept, dtype=dtype_of(path))

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Eager steps on one batch."""
        check_shapes(self.form, params, x)
        data, one = self.tensor(x), self._step(self.use(params), 1e-3)
        torch.manual_seed(seed)

        def step(k: int) -> None:
            for _ in range(k):
                one(data, None)
            synchronise(self.device)

        return Stepper(compile=None, step=step)

    def _step(self, weights: Weights, learning_rate: float) -> Callable[[Tensor, Array | None], Tensor]:
        leaves = [each.requires_grad_() for each in weights.values()]
        optimiser = torch.optim.Adam(leaves, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8)

        def step(x: Tensor, noise: Array | None) -> Tensor:
            self.encoder.weights = self.decoder.weights = weights
            optimiser.zero_grad()
            if noise is None:
                loss = self.model({"data": x}).loss
            else:
                with Given(self.tensor(noise)[0]):
                    loss = self.model({"data": x}).loss
            loss.backward()
            optimiser.step()
            return -loss.detach()

        return step


class Pythae:
    """Pythae's VAE (analytic KL) and VAE_LinNF without a flow (sampled KL)."""

    name = "pythae"
    framework = "pythae"
    kind = Kind.LIBRARY
    devices = (Device.CPU,)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why none of its losses is this one's."""
        if estimator.name not in ("sampled-kl", "analytic-kl"):
            more = "; its IWAE's loss is no bound (FIND-PYTHAE-001)" if estimator.name.startswith("iwae") else ""
            return f"no loss of Pythae is {estimator.name}{more}"
        if problem.likelihood is Likelihood.NORMAL:
            return "Pythae's squared error is -log N(x; ., I) without its constant, and has no scale"
        if problem.flow is not Flow.NONE:
            return "Pythae's flows have weights of their own, none from the encoder"
        if problem.prior is Prior.VAMP:
            return "Pythae's VAMP rounds log C to float32 in every dtype"
        if problem.prior is not Prior.STANDARD_NORMAL:
            return f"Pythae has no {problem.prior} prior"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> PythaeSession:
        """A session; its weights come with each call."""
        return PythaeSession(form_of(problem, estimator), problem.observed, open_device(device), dtype)
