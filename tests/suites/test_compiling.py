"""A program of JAX in which what is computed twice stands once: the same numbers, to the bit."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy

from elbo_compare.suites.tracing.compiling import each_once  # noqa: E402

X = np.linspace(0.1, 2.0, 6, dtype=np.float32).reshape(2, 3)


def both(function, *given):
    """(equations before and after, values before and after)."""
    closed = jax.make_jaxpr(function)(*given)
    fewer = each_once(closed.jaxpr)
    values = [jax.core.eval_jaxpr(each, closed.consts, *given) for each in (closed.jaxpr, fewer)]
    return (len(closed.jaxpr.eqns), len(fewer.eqns)), values


def same(values):
    return all(np.array_equal(one, other) for one, other in zip(*values, strict=True))


def test_two_losses_that_share_their_draw_share_its_equations():
    def loss(x, key):
        return jnp.sum(jax.nn.softplus(x * jax.random.normal(key, x.shape)))

    def losses(x):
        key = jax.random.key(0)
        return jax.value_and_grad(loss)(x, key), jax.value_and_grad(loss)(x, jax.random.key(0)), 2 * loss(x, key)

    (before, after), values = both(losses, X)
    assert after < 0.6 * before
    assert same(values)


def test_what_differs_in_a_parameter_an_input_or_a_constant_is_kept():
    def losses(x):
        first, second = jax.random.split(jax.random.key(0))
        return (
            x.sum(0),
            x.sum(1),
            x + 1.0,
            x + 2.0,
            jax.random.normal(first),
            jax.random.normal(second),
            x * x[0],
            x * x,
        )

    (_, _), values = both(losses, X)
    assert same(values)
    assert not np.array_equal(values[1][4], values[1][5])


def test_effects_are_not_left_out(capfd):
    def shown(x):
        jax.debug.print("{}", x.sum())
        jax.debug.print("{}", x.sum())
        return x

    closed = jax.make_jaxpr(shown)(X)
    count = sum(str(each.primitive).startswith("debug") for each in each_once(closed.jaxpr).eqns)
    assert count == 2
