"""SEM-JIT-004: what a training step costs under jax.jit (named Jit...) beside an uncompiled one (NumPyro)."""

from statistics import quantiles
from time import perf_counter

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.experimental.compilation_cache import compilation_cache
from numpyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from numpyro.optim import Adam

jax.config.update("jax_enable_x64", True)
# A step is timed with what it compiles: nothing that an earlier run has kept is found again.
jax.config.update("jax_enable_compilation_cache", False)
compilation_cache.reset_cache()
ROUNDS, STEPS = 7, 2
X = jnp.linspace(-1.0, 1.0, 40)
runs = []


def model():
    runs.append("model")
    z = numpyro.sample("z", dist.Normal(jnp.zeros(40), 1.0).to_event(1))
    numpyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=X)


def guide():
    loc = numpyro.param("loc", jnp.zeros(40))
    numpyro.sample("z", dist.Normal(loc, 0.5).to_event(1))


def measure() -> dict[str, float]:
    """Runs of the model per step after the first, and each step's time over plain Trace_ELBO's in the same round."""
    updates, states = {}, {}
    for kind in (Trace_ELBO, TraceMeanField_ELBO):
        trainer = SVI(model, guide, Adam(1e-3), kind())
        for name, update in ((kind.__name__, trainer.update), (f"Jit{kind.__name__}", jax.jit(trainer.update))):
            updates[name], states[name] = update, trainer.init(jax.random.key(0))
    counts, elapsed = dict.fromkeys(updates, 0), {name: [] for name in updates}
    for name, update in updates.items():
        states[name] = jax.block_until_ready(update(states[name])[0])
    for _ in range(ROUNDS):
        for name, update in updates.items():
            runs.clear()
            began = perf_counter()
            for _ in range(STEPS):
                states[name] = jax.block_until_ready(update(states[name])[0])
            elapsed[name].append(perf_counter() - began)
            counts[name] += len(runs)
    numbers = {name: count / (ROUNDS * STEPS) for name, count in counts.items()}
    for name, times in elapsed.items():
        if name != "Trace_ELBO":
            ratios = [mine / base for mine, base in zip(times, elapsed["Trace_ELBO"], strict=True)]
            low, median, high = quantiles(ratios, n=4)
            numbers |= {f"{name}_time": median, f"{name}_time_low": low, f"{name}_time_high": high}
    return numbers


if __name__ == "__main__":
    print(measure())
