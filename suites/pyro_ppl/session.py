"""One (problem, ELBO class) in Pyro: everybody's noise, and own draws.

Every value comes from the ELBO object's `loss_and_grads` or `loss`. Many separate draws in one call: the plate holds
copies of the one datum, and what the object's gradient says of each copy's weight is that copy's value.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from torch import Tensor

from elbo_compare.suites.bridge.form import Form, blocks, check_datum, check_shapes
from elbo_compare.suites.bridge.torch_arrays import dtype_of, to_array, to_tensor, to_tensors
from elbo_compare.suites.contract import Array, Bound, Draws, DType, Evaluation, GradientDraws, Params, Reduction
from elbo_compare.suites.pyro_ppl.layers import Weights
from elbo_compare.suites.pyro_ppl.vae import compiling, elbo_object, guide, is_compiled, model

HEAD_BIASES = ("encoder.mean.bias", "encoder.log_var.bias")
WEIGHT, SHIFT = "draw.weight", "draw.shift"
Program = Callable[..., None]

# --- programs


@contextmanager
def parameter_store(weights: Weights) -> Iterator[Weights]:
    """A parameter store of its own with these weights in it; yields the unconstrained parameters by name."""
    store = pyro.get_param_store()
    with store.scope():
        for name, tensor in weights.items():
            pyro.param(name, tensor)
        yield dict(store.named_parameters())


def block_seed(seed: int, index: int) -> int:
    """A seed of its own for every block, so that a block's draws do not depend on the blocks before it."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def gradient_of(leaf: Tensor) -> Tensor:
    """The gradient that the library left on a parameter; zero where it left none."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def weighted_copies(program: Program, form: Form, params: Weights, x: Tensor, copies: int) -> None:
    """Model or guide with a weight on every copy's log densities, and under a Renyi bound a shift of its log weight."""
    shift = pyro.param(SHIFT) if form.bound is Bound.RENYI and program is model else None
    with poutine.scale(scale=pyro.param(WEIGHT)):
        program(form, params, x, copies=copies, shift=shift)


def in_particles(program: Program, particles: int) -> Program:
    """The program inside a plate of particles, as the ELBO object's vectorised particles run it."""

    def run(*args: Any) -> None:
        with pyro.plate("particles", particles, dim=-2):
            program(*args)

    return run if particles > 1 else program


# --- session


class PyroEstimates:
    """One (problem, ELBO class) on one device in one dtype: everybody's noise, and own draws."""

    def __init__(self, form: Form, class_name: str, device: torch.device, dtype: DType):
        self.form, self.class_name, self.device, self.dtype = form, class_name, device, dtype

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """loss_and_grads of the ELBO object at everybody's noise, (particle, batch, latent); KL: no observed site."""
        check_shapes(self.form, params, x, noise)
        arguments = self._tensor(x), self._noise(noise)
        kl = float("nan")
        with parameter_store(to_tensors(params, self.device, self.dtype)) as leaves:
            loss = self._loss_and_grads(self.form, self._programs(self.form, {}), *arguments)
            gradients = {name: -to_array(gradient_of(leaf)) / len(x) for name, leaf in leaves.items()}
            if self.form.bound is Bound.ELBO:
                kl = self._returned(self.form.without_likelihood(), {}, *arguments) / len(x)
            log_q, log_prior = self._log_densities({}, *arguments)
        return Evaluation(
            elbo=-loss / len(x),
            kl=kl,
            log_likelihood=kl - loss / len(x),
            log_likelihood_derived=True,
            log_q=log_q.item() / len(x),
            log_prior=log_prior.item() / len(x),
            gradients=gradients,
            raw_loss=loss,
            raw_sign=-1,
            raw_reduction=Reduction.SUM,
            dtype=dtype_of(log_q + log_prior),
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum; every block is tied to what the ELBO object returns."""
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        elbos, kls, ties = [], [], []
        for index, size in blocks(n, self._block(chunk)):
            now = block_seed(seed, index)
            elbo = self._values(self.form, weights, data, size, now)
            elbos.append(elbo)
            if self.form.bound is Bound.ELBO:
                kls.append(-self._values(self.form.without_likelihood(), weights, data, size, now))
            else:
                kls.append(torch.full_like(elbo, torch.nan))
            ties.append((to_array(elbo).mean(), -self._returned_for_copies(weights, data, size, now)))
        elbo = torch.cat(elbos)
        return Draws(elbo=to_array(elbo), kl=to_array(torch.cat(kls)), dtype=dtype_of(elbo), ties=np.array(ties))

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum, by loss_and_grads of the ELBO object.

        The guide's biases of the heads have one row per copy of the datum; the loss is a sum over them. The model keeps
        its own: a prior may be made by the same encoder, at other inputs.
        """
        check_datum(self.form, params, x)
        weights, data = to_tensors(params, self.device, self.dtype), self._tensor(x)
        biases = {name: weights[name] for name in HEAD_BIASES}
        others = {name: weight for name, weight in weights.items() if name not in biases}
        programs = partial(model, self.form, weights), partial(guide, self.form, others)
        rows: list[list[Tensor]] = []
        for index, size in blocks(n, self._block(chunk)):
            per_copy = {name: bias.expand(size, -1).clone() for name, bias in biases.items()}
            with parameter_store(per_copy) as leaves:
                pyro.set_rng_seed(block_seed(seed, index))
                self._loss_and_grads(self.form, programs, data, copies=size)
                rows.append([-gradient_of(leaves[name]) for name in HEAD_BIASES])
        mean, log_var = (torch.cat(column) for column in zip(*rows, strict=True))
        return GradientDraws(mean=to_array(mean), log_var=to_array(log_var), dtype=dtype_of(mean))

    def _values(self, form: Form, weights: Weights, x: Tensor, size: int, seed: int) -> Tensor:
        """The value of every copy of the datum, shape (size,), in nats, from one call of the ELBO object.

        With weights w_i, all 1, on the log densities of copy i in model and guide, the loss is -sum_i w_i ELBO_i: it is
        linear in w, and ELBO_i = -d loss / d w_i is the object's own value for copy i.
        """
        if form.bound is Bound.RENYI:
            return self._renyi_values(form, weights, x, size, seed)
        return -self._slopes(form, weights, x, {WEIGHT: x.new_ones(size)}, size, seed)[WEIGHT]

    def _renyi_values(self, form: Form, weights: Weights, x: Tensor, size: int, seed: int) -> Tensor:
        """The same for RenyiELBO, whose loss is not linear in its weights, from two gradients, (particle, size).

        With a weight v_k and a shift c_k on particle k, -d loss / d c_k = w~_k / K and -d loss / d v_k = w~_k / K log
        w_k, w~_k = w_k^(1 - alpha) / exp((1 - alpha) bound) the object's normalised weight (its mean over k is 1), so
        that bound = log w_k - log(w~_k) / (1 - alpha) for each k. The largest w~_k >= 1 has most digits.
        """
        shape = (form.particles, size) if form.particles > 1 else (size,)
        extra = {WEIGHT: x.new_ones(shape), SHIFT: x.new_zeros(shape)}
        slopes = self._slopes(form, weights, x, extra, size, seed)
        share, weighted = (-slopes[name].reshape(form.particles, size) for name in (SHIFT, WEIGHT))
        best = share.argmax(0, keepdim=True)
        share, weighted = share.gather(0, best)[0], weighted.gather(0, best)[0]
        return weighted / share - torch.log(form.particles * share) / (1.0 - form.alpha)

    def _slopes(
        self, form: Form, weights: Weights, x: Tensor, extra: Weights, size: int, seed: int
    ) -> dict[str, Tensor]:
        """d loss / d extra of the ELBO object under this seed."""
        captured = self._captured(weights)
        programs = partial(weighted_copies, model, form, captured), partial(weighted_copies, guide, form, captured)
        with parameter_store(self._stored(weights) | extra) as leaves:
            pyro.set_rng_seed(seed)
            self._loss_and_grads(form, programs, x, copies=size)
            return {name: gradient_of(leaves[name]) for name in extra}

    def _returned_for_copies(self, weights: Weights, x: Tensor, size: int, seed: int) -> float:
        """What the ELBO object returns under this seed, nothing weighted, averaged over the copies of the datum."""
        with parameter_store(self._stored(weights)):
            pyro.set_rng_seed(seed)
            return self._returned(self.form, self._captured(weights), x, copies=size) / size

    def _returned(self, form: Form, weights: Weights, *args: Tensor, **options: int) -> float:
        """What the object's `loss` returns; where only `loss_and_grads` is compiled, what that returns."""
        programs = self._programs(form, weights)
        if is_compiled(self.class_name):
            return self._loss_and_grads(form, programs, *args, **options)
        with torch.no_grad():
            return float(self._object(form).loss(*programs, *args, **options))

    def _log_densities(self, weights: Weights, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the batch of log q(z|x) and log p(z) in the library's traces, averaged over particles."""
        run_model, run_guide = self._programs(self.form.without_likelihood(), weights)
        inside = partial(in_particles, particles=self.form.particles)
        guide_trace = poutine.trace(inside(run_guide)).get_trace(x, noise)
        model_trace = poutine.trace(poutine.replay(inside(run_model), trace=guide_trace)).get_trace(x, noise)
        log_q, log_prior = (torch.as_tensor(trace.log_prob_sum()) for trace in (guide_trace, model_trace))
        return log_q / self.form.particles, log_prior / self.form.particles

    def _loss_and_grads(self, form: Form, programs: tuple[Program, Program], *args: Tensor, **options: int) -> float:
        with compiling(self.class_name):
            return float(self._object(form).loss_and_grads(*programs, *args, **options))

    def _object(self, form: Form) -> Any:
        """A new object for each use: a compiled one keeps the first model that it was given."""
        return elbo_object(self.class_name, form)

    def _programs(self, form: Form, weights: Weights) -> tuple[Program, Program]:
        return partial(model, form, weights), partial(guide, form, weights)

    def _captured(self, weights: Weights) -> Weights:
        """Weights that need no gradient are passed as they are, except to a compiled object: see `_stored`."""
        return {} if is_compiled(self.class_name) else weights

    def _stored(self, weights: Weights) -> Weights:
        """A compiled object's `loss_and_grads` goes backward, and so needs parameters."""
        return dict(weights) if is_compiled(self.class_name) else {}

    def _noise(self, noise: Array) -> Tensor:
        """(particle, batch, latent), or (batch, latent) for the single particle, to which Pyro gives no plate."""
        return self._particles(self._tensor(noise))

    def _particles(self, noise: Tensor) -> Tensor:
        return noise if self.form.particles > 1 else noise[0]

    def _block(self, chunk: int) -> int:
        """Draws per block: `chunk` samples z, and at least one draw."""
        return max(1, chunk // self.form.particles) if chunk > 0 else chunk

    def _tensor(self, array: Array) -> Tensor:
        return to_tensor(array, self.device, self.dtype)
