"""Findings that show in how SVI is used, not in one draw: each is tried on the very pair, by NumPyro's public calls."""

import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.infer import SVI

from elbo_compare.suites.semantics.explaining.applying import Candidate
from elbo_compare.suites.semantics.explaining.facts import ClassFacts
from elbo_compare.suites.semantics.explaining.named import one_line
from elbo_compare.suites.semantics.explaining.numbers import changed, numbers_of
from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE

SAME = 1e-6  # of the size of a loss: one key gives one loss, to rounding
UPDATES = 3


def trials(pair: Any) -> tuple[Candidate, ...]:
    """The findings that have their shape under one of the pair's classes, with what was observed."""
    found: list[Candidate] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = [each for each in pair.classes if each.asked and not each.error]
        for facts in runs:
            found += _marked(pair, facts)
        if runs:  # of SVI, whichever class it trains with
            facts = next((each for each in runs if each.kind == "Trace_ELBO"), runs[0])
            found += [*_numbers(pair, facts), *_state(pair, facts)]
    return tuple(found)


def _numbers(pair: Any, facts: ClassFacts) -> Iterator[Candidate]:
    """FIND-NUMPYRO-006."""
    numbers = numbers_of(pair.model, pair.guide)
    if not numbers or not pair.compiles:
        return
    svi = SVI(pair.model, pair.guide, numpyro.optim.SGD(0.0), pair.elbos[facts.name])
    state = svi.init(jax.random.key(0), *pair.args, **pair.kwargs)

    def loss(state: Any) -> Any:
        return svi.evaluate(state, *pair.args, **pair.kwargs)

    compiled = jax.jit(loss).lower(state).compile(compiler_options=QUICK_TO_COMPILE)
    before = float(compiled(state))
    for number in numbers:
        with changed(number) as other:
            due, got = float(loss(state)) - before, float(compiled(state)) - before
        if abs(due) > SAME * (abs(before) + 1):
            yield Candidate(
                id="FIND-NUMPYRO-006", kind=facts.kind, measure="fact", seen=abs(got - due) > SAME * (abs(before) + 1),
                fact=f"from {number.name} = {number.value:g} to {other:g} the loss has to move by {due:.4g} nats; "
                     f"compiled, it moves by {got:.4g}", condition=f"where {number.name} changes after the first step",
            )  # fmt: skip


def _marked(pair: Any, facts: ClassFacts) -> Iterator[Candidate]:
    """FIND-NUMPYRO-011: the mark has to take the draw out of the site's term; its spread says what that would be."""
    marked = [site for site in pair.sites if site.model and site.model.infer_kl == "analytic" and site.kl is not None
              and not (site.guide and site.guide.infer_kl)]  # fmt: skip
    if facts.kind != "TraceEnum_ELBO" or not marked:
        return
    block = pair.block(0, 64, [facts.name], terms=True)
    index = [k for k, site in enumerate(pair.sites) if site in marked]
    spread = float(np.std(block.sampled[:, index].sum(1)))
    left = float(np.std(block.values[facts.name] - block.sampled.sum(1)))
    yield Candidate(
        id="FIND-NUMPYRO-011", kind=facts.kind, sites=tuple(site.name for site in marked), measure="fact",
        seen=spread > 0 and left <= SAME * (spread + 1), condition="in variance alone",
        fact=f"the term is the sampled one at each of {len(block.sampled)} draws, of standard deviation {spread:.3g} "
             "nats, which the mark asks to be 0 given the guide",
    )  # fmt: skip


def _state(pair: Any, facts: ClassFacts) -> Iterator[Candidate]:
    """FIND-NUMPYRO-014 and 015."""
    if not pair.mutable:
        return
    svi = SVI(pair.model, pair.guide, numpyro.optim.SGD(0.0), pair.elbos[facts.name])
    state = svi.init(jax.random.key(0), *pair.args, **pair.kwargs)

    def trained(state: Any) -> Any:
        state = jax.lax.fori_loop(0, UPDATES, lambda _, each: svi.update(each, *pair.args, **pair.kwargs)[0], state)
        held = svi.get_params(state) | dict(state.mutable_state or {})
        key = jax.random.split(state.rng_key)[1]  # which evaluate draws by
        right = pair.elbos[facts.name].loss(key, held, pair.model, pair.guide, *pair.args, **pair.kwargs)
        try:
            evaluated = svi.evaluate(state, *pair.args, **pair.kwargs)
        except Exception as error:  # a flax module without its state
            raised.append(f"raises {one_line(error)}")
            evaluated = jnp.nan
        return state, evaluated, right

    raised: list[str] = []
    state, evaluated, right = jax.jit(trained).lower(state).compile(compiler_options=QUICK_TO_COMPILE)(state)
    evaluated, right = float(evaluated), float(right)
    got = raised[0] if raised else f"returns {evaluated:.6g} nats"
    yield Candidate(
        id="FIND-NUMPYRO-015", kind=facts.kind, measure="fact",
        seen=bool(raised) or abs(evaluated - right) > SAME * (abs(right) + 1),
        fact=f"after {UPDATES} updates SVI.evaluate {got}; right is {right:.6g}",
        condition="where SVI.evaluate is called",
    )  # fmt: skip
    spoilt = [_spoilt(each) for each in pair.args]
    if all(one is other for one, other in zip(spoilt, pair.args, strict=True)):
        return

    def stable(state: Any) -> Any:
        return svi.stable_update(state, *spoilt, **pair.kwargs)[0]

    try:  # compiled as SVI.run does it: otherwise a distribution may refuse its parameters
        after = jax.jit(stable).lower(state).compile(compiler_options=QUICK_TO_COMPILE)(state)
    except Exception:  # the pair refuses such a batch by itself
        return
    finite = all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(after.mutable_state)
                 if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating))  # fmt: skip
    yield Candidate(
        id="FIND-NUMPYRO-014", kind=facts.kind, measure="fact", seen=not finite,
        condition="where a batch is not finite",
        fact="after SVI.stable_update on these arguments with one inf the mutable state is "
             + ("finite" if finite else "not finite"),
    )  # fmt: skip


def _spoilt(value: Any) -> Any:
    """An array of floats with its first element inf; anything else as it is."""
    array = jnp.asarray(value) if isinstance(value, np.ndarray | jax.Array) else None
    if array is None or not jnp.issubdtype(array.dtype, jnp.floating) or not array.size:
        return value
    return array.ravel().at[0].set(jnp.inf).reshape(array.shape)
