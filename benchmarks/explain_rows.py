"""Checks of what `compare explain` says of the rows of a mini-batch, by the library's own traces of model and guide."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.semantics.explain_text import text

SEEDS = range(3, 9)  # none that the product looks at


def rows(told: dict, pair: Any, library: str) -> Iterator[tuple[str, Outcome]]:
    """Each line on a plate's rows with its outcome: whether model and guide do have other rows at some draw."""
    for line in text(told):
        named = re.match(r"Plate '([^']+)': (TraceEnum_ELBO draws other rows|the model is given rows)", line)
        if named:
            found = _of_pyro(pair) if library == "pyro" else _of_numpyro(pair)
            fits = named.group(1) in found and (library == "pyro" or _losses(line, pair))
            yield line, Outcome.AGREES if fits else Outcome.DIFFERS


def _of_pyro(pair: Any) -> set[str]:
    """Plates whose rows in the model alone are the same at each draw, and others against the guide."""
    pyro, poutine = sys.modules["pyro"], sys.modules["pyro.poutine"]
    alone, against = [], []
    for seed in SEEDS:
        pyro.set_rng_seed(seed)
        guide = poutine.trace(pair.guide).get_trace(*pair.args, **pair.kwargs)
        replayed = poutine.trace(poutine.replay(pair.model, trace=guide)).get_trace(*pair.args, **pair.kwargs)
        against.append(replayed.nodes)
        alone.append(poutine.trace(pair.model).get_trace(*pair.args, **pair.kwargs).nodes)
    plates = [name for name, node in alone[0].items() if type(node.get("fn")).__name__ == "_Subsample"]
    value = {name: np.asarray(alone[0][name]["value"]) for name in plates}
    return {name for name in plates if all(np.array_equal(each[name]["value"], value[name]) for each in alone)
            and any(not np.array_equal(each[name]["value"], value[name]) for each in against)}  # fmt: skip


def _losses(line: str, pair: Any) -> bool:
    """Of a pair without an enumerated site: the class's own loss, and with rows alike that of Trace_ELBO, which has the
    same keys."""
    jax, infer = sys.modules["jax"], sys.modules["numpyro"].infer
    seed, own, alike = re.findall(r"At seed (\d+) its loss is (\S+) nats, .* in both it is (\S+)\.$", line)[0]
    held = pair._started.held(pair._params)
    due = [float(elbo.loss(jax.random.key(int(seed)), held, pair.model, pair.guide, *pair.args, **pair.kwargs))
           for elbo in (infer.TraceEnum_ELBO(), infer.Trace_ELBO())]  # fmt: skip
    return bool(np.allclose(due, [float(own), float(alike)], rtol=1e-5))


def _of_numpyro(pair: Any) -> set[str]:
    """Plates of which the trace within TraceEnum_ELBO's own call has other rows in the model than in the guide."""
    jax, numpyro = sys.modules["jax"], sys.modules["numpyro"]
    held, found = pair._started.held(pair._params), set()
    for seed in SEEDS:
        seen: dict[str, dict] = {"model": {}, "guide": {}}

        def traced(role: str, seen: dict = seen) -> Any:
            def run(*args: Any, **kwargs: Any) -> Any:
                nodes = numpyro.handlers.trace(getattr(pair, role)).get_trace(*args, **kwargs)
                seen[role] |= {name: node["value"] for name, node in nodes.items() if node["type"] == "plate"}

            return run

        elbo = numpyro.infer.TraceEnum_ELBO()
        elbo.loss(jax.random.key(seed), held, traced("model"), traced("guide"), *pair.args, **pair.kwargs)
        found |= {name for name, value in seen["model"].items() if name in seen["guide"]
                  and not np.array_equal(value, seen["guide"][name])}  # fmt: skip
    return found
