"""A NumPyro model and guide made of a person's own JAX networks, and what NumPyro's ELBO objects give on them.

As `pyro_networks`: the numbers are the ELBO objects' own; nothing of them is computed here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.handlers import scale
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

from elbo_compare.suites.bridge.jax_program import JaxProgram, jitted
from elbo_compare.suites.bridge.jax_steps import Steps, traced
from elbo_compare.suites.bridge.jax_views import View
from elbo_compare.suites.bridge.program import Setting
from elbo_compare.suites.contract import Array
from elbo_compare.suites.tracing.numpyro_trace import started

NAME = f"NumPyro {numpyro.__version__}"
LIKELIHOODS: dict[tuple[str, str], Any] = {
    ("bernoulli", "probs"): lambda o, w: dist.Bernoulli(probs=o, validate_args=False),
    ("bernoulli", "logits"): lambda o, w: dist.Bernoulli(logits=o, validate_args=False),
    ("normal", "location"): lambda o, w: dist.Normal(o, w**-0.5),
    ("laplace", "location"): lambda o, w: dist.Laplace(o, 1 / w),
    ("poisson", "plain"): lambda o, w: dist.Poisson(o, validate_args=False),
    ("poisson", "logits"): lambda o, w: dist.Poisson(jnp.exp(o), validate_args=False),
}


def losses(
    program: JaxProgram,
    setting: Setting,
    *,
    sites: Sequence[tuple[int, int, float, Array]],
    far: float,
    output: int,
    likelihood: tuple[str, str],
    weight: float,
    kl_weight: float,
) -> dict[str, tuple[float, dict[str, Array]]]:
    """ELBO object -> (its loss on this batch, its gradient by every weight), in nats of the whole batch.

    The arguments are those of `pyro_networks.losses`. Raises KeyError for a likelihood that NumPyro has no distribution
    of.
    """
    with program.wide():
        return _losses(program, setting, sites, far, output, likelihood, weight, kl_weight)


def _losses(
    program: JaxProgram,
    setting: Setting,
    sites: Sequence[tuple[int, int, float, Array]],
    far: float,
    output: int,
    likelihood: tuple[str, str],
    weight: float,
    kl_weight: float,
) -> dict[str, tuple[float, dict[str, Array]]]:
    observed, rows = LIKELIHOODS[likelihood], len(setting.x)
    run = program.run(replace(setting, restored=None))
    one, inputs, noises, _ = run.asked  # type: ignore[attr-defined]
    rest = inputs[-2:]
    data = jnp.asarray(np.asarray(setting.x).reshape(rows, -1), program.dtype)

    latent, decoded = one.steps.behind(at for at, _, _, _ in sites), one.steps.behind([output])

    def arrays(weights: list[Any], fill: float | None, put: dict[int, Any] | None = None) -> list[Any]:
        noise = noises if fill is None else [jnp.full_like(each, fill) for each in noises]
        only = latent if put is None else decoded
        return one.steps.evaluate([*weights, *rest], noise, restored=None, replaced=put, only=only)

    def encoded(weights: list[Any]) -> list[tuple[Any, Any]]:
        """(mean, sigma) of each latent."""
        none, afar = arrays(weights, 0.0), arrays(weights, far)
        pairs = [(none[at].reshape(rows, -1), afar[at].reshape(rows, -1), sign) for at, _, sign, _ in sites]
        return [(mean, sign * (other - mean) / far) for mean, other, sign in pairs]

    def guide(weights: list[Any], known: list[tuple[Any, Any]]) -> None:
        with numpyro.plate("data", rows):
            for number, (mean, sigma) in enumerate(known):
                with scale(scale=kl_weight):
                    numpyro.sample(f"z{number}", dist.Normal(mean, sigma).to_event(1))

    def model(weights: list[Any], _known: list[tuple[Any, Any]]) -> None:
        with numpyro.plate("data", rows):
            put: dict[int, Any] = {}
            for number, (_, step, _, noise) in enumerate(sites):
                zeros = jnp.zeros((rows, noise.size // rows), program.dtype)
                with scale(scale=kl_weight):
                    put[step] = numpyro.sample(f"z{number}", dist.Normal(zeros, 1.0).to_event(1))
            made = arrays(weights, None, put)[output].reshape(rows, -1)
            numpyro.sample("x", observed(made, weight).to_event(1), obs=data)

    given = [jnp.asarray(sign * np.asarray(noise).reshape(rows, -1), program.dtype) for _, _, sign, noise in sites]
    names = list(program.weights())
    objects = (Trace_ELBO(), TraceMeanField_ELBO())

    def both(weights: list[Any]) -> list[Any]:
        known = encoded(weights)  # the same networks at the same data: once for both objects
        return [each.loss(jax.random.PRNGKey(0), {}, model, guide, weights, known) for each in objects]

    steps = traced(both, inputs[:-2], once=True)
    noises = given * (len(steps.draws) // len(given))  # both draw by one key: the same draws, or each object its own
    values, gradients = jitted(_slopes(steps, noises))(inputs[:-2])
    gradients = [np.asarray(part, np.float64) for part in gradients]
    return {
        type(each).__name__: (float(value), {name: part[place] for name, part in zip(names, gradients, strict=True)})
        for place, (each, value) in enumerate(zip(objects, np.asarray(values), strict=True))
    }


def _slopes(steps: Steps, noises: list[Any]) -> Any:
    """weights -> (what a trace gives, (outputs,); its gradients by each weight, (outputs, ...))."""

    def losses(weights: list[Any]) -> Any:
        found = steps.evaluate(weights, noises)
        return jnp.stack([found[number] for number in steps.outputs])

    def slopes(weights: list[Any]) -> Any:
        values, pull = jax.vjp(losses, weights)
        return values, jax.vmap(lambda one: pull(one)[0])(jnp.eye(len(steps.outputs), dtype=values.dtype))

    return slopes


class PairView(View):
    """A NumPyro model and guide under Trace_ELBO; their parameters are made with the first data."""

    alone = True

    def __init__(self, model: Callable[..., Any], guide: Callable[..., Any], given: Mapping[str, Any]):
        super().__init__()
        self.owner = self.called = model
        self.guide, self.given = guide, dict(given)

    def begin(self, x: Any, key: Any) -> None:
        """See `View`."""
        if self.weights is None or self.made_for != x.shape[1:]:
            began = started(self.called, self.guide, (x,), self.given)
            self.weights = dict(began.constrain(began.params))
            self.key, self.made_for = key, x.shape[1:]

    def __call__(self, x: Any, **given: Any) -> Any:
        """The object's loss of a batch."""
        return Trace_ELBO().loss(self.key, self.weights, self.called, self.guide, x, **self.given, **given)


def holder(
    model: Callable[..., Any], guide: Callable[..., Any], names: Mapping[str, Any], given: Mapping[str, Any]
) -> PairView:
    """The pair as a view. given: arguments beside the data, by name."""
    return PairView(model, guide, given)
