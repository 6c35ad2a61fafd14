"""PyMC's variational inference on the problems of this comparison: `KLqp` on a mean-field group whose mean and spread
are an encoder's. It runs in the environment `pymc`.

The group's `rho` is softplus^-1(sigma). Without a likelihood the KL term is `KLqp`'s own loss. Salvatier et al. 2016.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# No C compiler is needed: values are computed by NumPy, draws are compiled by Numba.
os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, (os.environ.get("PYTENSOR_FLAGS"), "cxx=")))

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc import pytensorf
from pymc.pytensorf import find_rng_nodes, reseed_rngs
from pytensor.compile.mode import Mode

from elbo_compare.suites.bridge.form import Form, blocks, check_datum, check_shapes, form_of, no_analytic_kl
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
    Likelihood,
    Params,
    Prior,
    Problem,
    Reduction,
    Stepper,
    Training,
)

compiled = getattr(pytensorf, "compile", None) or pytensorf.compile_pymc  # its name before PyMC 5.17
BY_NUMPY = Mode(linker="vm", optimizer="fast_run")
BY_NUMBA = "NUMBA"
PRIORS = {Prior.STANDARD_NORMAL: pm.Normal, Prior.LAPLACE: pm.Laplace}


def network(form: Form, weights: Mapping[str, Any], part: str, h: Any) -> Any:
    """The gated layers of a part. Formula: `Problem`."""
    for i in range(form.gated_layers):
        gate = affine(weights, f"{part}.{i}.gate", h)
        h = affine(weights, f"{part}.{i}.linear", h) * pt.sigmoid(gate)
    return h


def affine(weights: Mapping[str, Any], name: str, h: Any) -> Any:
    """h W' + b."""
    return h @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The symbols of a batch of `rows`: weights and data that are set before each call, and a shift of both heads."""

    form: Form
    rows: int
    weights: Mapping[str, Any]
    data: Any
    shift: Any

    @cached_property
    def inference(self) -> Any:
        """`KLqp` of the whole model."""
        return self._inference(likelihood=True)

    @cached_property
    def prior_alone(self) -> Any:
        """`KLqp` of the same model with no observed site."""
        return self._inference(likelihood=False)

    def loss(self, inference: Any, samples: Any = 1, noise: Any = None) -> Any:
        """What the library minimises, at given noise (samples, rows * latent) or its own."""
        given = {} if noise is None else {inference.approx.groups[0].symbolic_initial: noise}
        return inference.objective(samples, more_replacements=given)

    def sized(self, samples: Any) -> list[Any]:
        """Of each sample the library's log densities: log p(x, z) - log q(z) and log q(z) - log p(z)."""
        approx = self.inference.approx
        log_q, prior, likelihood = approx.symbolic_logq, approx.sized_symbolic_varlogp, approx.sized_symbolic_datalogp
        return approx.set_size_and_deterministic([prior + likelihood - log_q, log_q - prior], samples, 0)

    def densities(self, noise: Any) -> list[Any]:
        """Sums over the batch of log q(z), log p(z) and log p(x|z)."""
        approx = self.inference.approx
        nodes = [approx.logq, approx.varlogp, approx.datalogp]
        given = {approx.groups[0].symbolic_initial: noise}
        return approx.set_size_and_deterministic(nodes, 1, 0, more_replacements=given)

    def _inference(self, *, likelihood: bool) -> Any:
        form = self.form
        h = network(form, self.weights, "encoder", self.data)
        mean = affine(self.weights, "encoder.mean", h) + self.shift[0]
        log_var = affine(self.weights, "encoder.log_var", h) + self.shift[1]
        rho = pt.log(pt.expm1(pt.exp(log_var / 2)))
        with pm.Model():
            z = PRIORS[form.prior]("z", 0.0, 1.0, shape=(self.rows, form.latent))
            if likelihood and form.likelihood is not Likelihood.NONE:
                output = affine(self.weights, "decoder.output", network(form, self.weights, "decoder", z))
                if form.likelihood is Likelihood.BERNOULLI:
                    pm.Bernoulli("x", logit_p=output, observed=self.data)
                else:
                    scale = np.asarray(form.likelihood_scale, pytensor.config.floatX)  # a float may become float32
                    pm.Normal("x", output, scale, observed=self.data)
            group = pm.Group([z], params={"mu": mean.flatten(), "rho": rho.flatten()})
            return pm.KLqp(pm.Approximation([group]))


@dataclass
class PyMCSession:
    """One (problem, estimator) in one dtype; a graph and its functions for each size of batch."""

    problem: Problem
    form: Form
    dtype: DType
    made: dict[Any, Any] = field(default_factory=dict)

    def array(self, array: Array) -> Any:
        """In the dtype."""
        return np.asarray(array, self.dtype)

    def graph(self, rows: int) -> Graph:
        """The symbols of a batch."""
        return self._once(("graph", rows), lambda: self._graph(rows))

    def _graph(self, rows: int) -> Graph:
        shared = {name: pytensor.shared(self.array(value), name) for name, value in self.problem.params.items()}
        data = pytensor.shared(self.array(np.zeros((rows, self.problem.observed))), "data")
        shift = pytensor.shared(self.array(np.zeros((2, self.form.latent))), "shift")
        return Graph(form=self.form, rows=rows, weights=shared, data=data, shift=shift)

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def _at(self, params: Params, x: Array) -> Graph:
        graph = self.graph(len(x))
        for name, value in params.items():
            graph.weights[name].set_value(self.array(value))
        graph.data.set_value(self.array(x))
        return graph

    def _slopes(self, rows: int) -> Callable[[Any], list[Any]]:
        """Noise (1, rows * latent) -> loss, its gradients by the weights, KL term, densities."""

        def make() -> Callable[[Any], list[Any]]:
            graph, noise = self.graph(rows), pt.matrix("noise")
            loss = graph.loss(graph.inference, noise=noise)
            slopes = pt.grad(loss, list(graph.weights.values()), disconnected_inputs="ignore")
            return compiled([noise], [loss, *slopes], mode=BY_NUMPY)

        return self._once(("slopes", rows), make)

    def _terms(self, rows: int) -> Callable[[Any], list[Any]]:
        def make() -> Callable[[Any], list[Any]]:
            graph, noise = self.graph(rows), pt.matrix("noise")
            kl = graph.loss(graph.prior_alone, noise=noise)
            return compiled([noise], [kl, *graph.densities(noise)], mode=BY_NUMPY)

        return self._once(("terms", rows), make)

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The loss and its gradient at everybody's noise."""
        check_shapes(self.form, params, x, noise)
        self._at(params, x)
        given = self.array(noise).reshape(1, -1)
        loss, *slopes = self._slopes(len(x))(given)
        kl, log_q, log_prior, log_likelihood = (float(each) / len(x) for each in self._terms(len(x))(given))
        return Evaluation(
            elbo=-float(loss) / len(x),
            kl=kl,
            log_likelihood=log_likelihood,
            log_likelihood_derived=False,
            log_q=log_q,
            log_prior=log_prior,
            gradients={name: -np.asarray(each, np.float64) / len(x) for name, each in zip(params, slopes, strict=True)},
            raw_loss=float(loss),
            raw_sign=-1,
            raw_reduction=Reduction.SUM,
            dtype=DType(str(np.asarray(loss).dtype)),
        )

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of the library's log densities at one datum; each block's mean is tied to `KLqp`'s loss."""
        check_datum(self.form, params, x)
        self._at(params, x)
        rows, object_of = self._once("draw", self._drawing)
        found, ties = [], []
        for index, size in blocks(n, chunk):
            elbo, kl = rows(size, seed, index)
            found.append((elbo, kl))
            ties.append((float(elbo.mean()), -float(object_of(size, seed, index)[0])))
        elbo, kl = (np.concatenate(column) for column in zip(*found, strict=True))
        dtype = DType(str(elbo.dtype))
        return Draws(elbo=elbo.astype(np.float64), kl=kl.astype(np.float64), dtype=dtype, ties=np.array(ties))

    def _drawing(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        graph, size = self.graph(1), pt.lscalar("size")
        return _seeded([size], graph.sized(size)), _seeded([size], [graph.loss(graph.inference, size)])

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n gradients of minus the loss by a shift of the encoder's heads, one call each."""
        check_datum(self.form, params, x)
        graph = self._at(params, x)

        def make() -> Callable[..., Any]:
            return _seeded([], [pt.grad(graph.loss(graph.inference), graph.shift)])

        one = self._once("gradient", make)
        found = [-one(seed if i == 0 else None, 0)[0] for i in range(n)]
        both = np.stack(found)
        dtype = DType(str(both.dtype))
        return GradientDraws(mean=both[:, 0].astype(np.float64), log_var=both[:, 1].astype(np.float64), dtype=dtype)

    def fit(self, params: Params, training: Training) -> Fit:
        """Adam on the library's gradients of its loss over the batch."""
        training.refuse_all_but("noise", "checkpoints")
        check_training(self.form, params, training)
        own = np.random.default_rng(training.seed)
        weights = {name: self.array(value) for name, value in params.items()}
        looks, elbo, adam = Checkpoints(training), [], Adam(training.learning_rate)
        for i, rows in enumerate(training.batches):
            looks.end_at(i, lambda: dict(weights))
            shape = (1, len(rows), self.form.latent)
            noise = own.standard_normal(shape) if training.noise is None else training.noise[i]
            elbo.append(self._step(weights, adam, training.x[rows], noise))
        looks.end_at(len(training.batches), lambda: dict(weights))
        found = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        dtype = DType(str(next(iter(weights.values())).dtype))
        return Fit(elbo=np.array(elbo), params=found, checkpoints=looks.kept, dtype=dtype)

    def _step(self, weights: dict[str, Array], adam: "Adam", x: Array, noise: Array) -> float:
        self._at(weights, x)
        loss, *slopes = self._slopes(len(x))(self.array(noise).reshape(1, -1))
        adam.step(weights, {name: slope / len(x) for name, slope in zip(weights, slopes, strict=True)})
        return -float(loss) / len(x)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Steps on one batch; the graph is compiled ahead."""
        check_shapes(self.form, params, x)
        weights, adam = {name: self.array(value) for name, value in params.items()}, Adam(1e-3)
        own, shape = np.random.default_rng(seed), (1, len(x), self.form.latent)

        def step(k: int) -> None:
            for _ in range(k):
                self._step(weights, adam, x, own.standard_normal(shape))

        return Stepper(compile=lambda: self._slopes(len(x)) and None, step=step)


def _seeded(inputs: list[Any], outputs: list[Any]) -> Callable[..., Any]:
    """A function of the inputs, a seed (None: go on) and a block, that draws from the library's generators."""
    function = compiled(inputs, outputs, mode=BY_NUMBA)
    generators = find_rng_nodes(outputs)

    def call(*given: Any) -> Any:
        *values, seed, block = given
        if seed is not None:
            reseed_rngs(generators, [seed, block])
        return function(*values)

    return call


@dataclass
class Adam:
    """Kingma and Ba 2015, algorithm 1, with epsilon 1e-8."""

    learning_rate: float
    first: dict[str, Array] = field(default_factory=dict)
    second: dict[str, Array] = field(default_factory=dict)
    steps: int = 0

    def step(self, weights: dict[str, Array], slopes: Mapping[str, Array]) -> None:
        """Move every weight."""
        self.steps += 1
        for name, slope in slopes.items():
            m = self.first[name] = 0.9 * self.first.get(name, np.zeros_like(slope)) + 0.1 * slope
            v = self.second[name] = 0.999 * self.second.get(name, np.zeros_like(slope)) + 0.001 * slope**2
            root = np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8
            moved = weights[name] - self.learning_rate * m / (1 - 0.9**self.steps) / root
            weights[name] = moved.astype(slope.dtype)


class PyMC:
    """PyMC's KLqp with a mean-field group: the sampled KL."""

    name = "pymc"
    framework = "pymc"
    kind = Kind.LIBRARY
    devices = (Device.CPU,)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why its objective is not this one's."""
        if estimator.name != "sampled-kl":
            return f"PyMC's KLqp samples the KL term, one loss for all: it is not {estimator.name}"
        if problem.flow is not Flow.NONE:
            return "PyMC has no normalising flows since version 5"
        if problem.prior not in PRIORS:
            return f"a {problem.prior} prior is not written for PyMC here"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> PyMCSession:
        """A session; its weights come with each call."""
        pytensor.config.floatX = str(dtype)
        return PyMCSession(problem=problem, form=form_of(problem, estimator), dtype=dtype)
