"""Rows of a mini-batch that a model is given and does not get, since replay has the guide's win."""

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest


def installed(library):
    return pytest.mark.skipif(find_spec(library) is None, reason=f"{library} is not installed")


@installed("pyro")
def test_rows_of_the_model_that_the_guide_replaces_are_named():
    """The data are those of rows 8 to 11; the model's own prior mean is the row's number, as it sees it."""
    import pyro
    import pyro.distributions as dist
    import torch

    from elbo_compare.suites.tracing.pyro_rows import replaced_rows

    given, seen = torch.arange(8, 12), []

    def model():
        with pyro.plate("rows", 12, subsample=given) as rows:
            seen.append(rows)
            pyro.sample("z", dist.Normal(torch.as_tensor(rows) * 1.0, 1.0))

    def guide(**rows):
        with pyro.plate("rows", 12, **rows):
            pyro.sample("z", dist.Normal(torch.zeros(4), 1.0))

    assert replaced_rows(model, lambda: guide(subsample_size=4), (), {}, 0) == ("rows",)
    assert not torch.equal(seen.pop(), given)
    assert replaced_rows(model, lambda: guide(subsample=given), (), {}, 0) == ()
    assert torch.equal(seen.pop(), given)
    assert replaced_rows(model, lambda: None, (), {}, 0) == ()  # the model's own rows stand


@installed("numpyro")
def test_trace_enum_s_model_draws_rows_of_its_own():
    """The gradient along a of q(z | y) = Normal(a y, 1) is off by -N Var(y), since z and its datum are independent:
    E sum over rows of (y_j - a y_i) y_i is N (mean(y)^2 - a mean(y^2)), and N (1 - a) mean(y^2) with j = i."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import Trace_ELBO, TraceEnum_ELBO

    from elbo_compare.suites.semantics.explaining.numpyro_rows import other_rows

    y = jnp.array([0.0, 0.0, 6.0, 6.0])

    def model():
        with numpyro.plate("rows", 4, subsample_size=2) as rows:
            z = numpyro.sample("z", dist.Normal(0.0, 1e3))  # whose gradient is nothing
            numpyro.sample("x", dist.Normal(z, 1.0), obs=y[rows])

    def guide():
        with numpyro.plate("rows", 4, subsample_size=2) as rows:
            numpyro.sample("z", dist.Normal(numpyro.param("a", 0.5) * y[rows], 1.0))

    pair = SimpleNamespace(model=model, guide=guide, args=(), kwargs={})
    (said,) = other_rows(pair, TraceEnum_ELBO(), {"a": jnp.array(0.5)})
    assert said.startswith("Plate 'rows': TraceEnum_ELBO draws other rows for the model than for the guide")
    assert other_rows(pair, Trace_ELBO(), {"a": jnp.array(0.5)}) == ()

    def passed():  # the mini-batch is passed as it is: nothing is chosen by the plate's rows
        with numpyro.plate("rows", 4, subsample_size=2):
            z = numpyro.sample("z", dist.Normal(0.0, 1.0))
            numpyro.sample("x", dist.Normal(z, 1.0), obs=y[:2])

    pair.model = passed
    assert other_rows(pair, TraceEnum_ELBO(), {"a": jnp.array(0.5)}) == ()
    keys = jax.random.split(jax.random.key(0), 4000)

    def slopes(elbo):
        loss = jax.grad(lambda a, key: elbo.loss(key, {"a": a}, model, guide))
        return -np.asarray(jax.jit(jax.vmap(loss, (None, 0)))(jnp.array(0.5), keys), dtype=float)

    found = slopes(TraceEnum_ELBO()) - slopes(Trace_ELBO())
    error = found.std() / len(found) ** 0.5
    assert abs(found.mean() + 4 * 9.0) < 5 * error  # 6e-7 by chance
    assert error < 2.0
