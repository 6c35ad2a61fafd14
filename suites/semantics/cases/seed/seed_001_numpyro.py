"""SEM-SEED-001: looped and vectorised particles under one key (NumPyro)."""

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import Trace_ELBO

jax.config.update("jax_enable_x64", True)
drawn = []


def model():
    numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(0.0, 1.0))


def guide():
    a = numpyro.sample("a", dist.Normal(0.7, 0.5))
    b = numpyro.sample("b", dist.Normal(-0.4, 1.3))
    jax.debug.callback(lambda *values: drawn.append([float(each) for each in values]), a, b)


def measure() -> dict[str, float]:
    """Both losses with two particles and the draws a_<k>, b_<k> behind them."""
    numbers = {}
    for name, vectorise in (("looped", False), ("vectorised", True)):
        elbo = Trace_ELBO(num_particles=2, vectorize_particles=vectorise)
        drawn.clear()
        numbers[name] = float(elbo.loss(jax.random.key(0), {}, model, guide))
        jax.effects_barrier()
        (a0, b0), (a1, b1) = sorted(drawn)
        numbers |= {f"{name}_a0": a0, f"{name}_a1": a1, f"{name}_b0": b0, f"{name}_b1": b1}
    numbers["same"] = float(abs(numbers["looped"] - numbers["vectorised"]) < 1e-12)
    return numbers


if __name__ == "__main__":
    print(measure())
