"""Checks of what `compare explain` prints that share nothing with it, and which printed line stands on which check."""

import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from elbo_compare.compare.records import Outcome
from elbo_compare.compare.semantics.explain_text import text

Check = tuple[str, Outcome]


def independently(told: dict, pair: Any, library: str) -> Iterator[Check]:
    """What a class raises or returns when it is made anew, the constants, and shapes and scales."""
    yield from _made_anew(told, pair, library)
    yield from _constants(told, pair, library)
    yield from _shapes(told, pair, library)


def _made_anew(told: dict, pair: Any, library: str) -> Iterator[Check]:
    """A fresh object of each class, called as SVI calls it, under the same seed."""
    for each in told["classes"]:
        try:
            value = made_anew(each["kind"], pair, library)
        except Exception as error:
            said = " ".join(str(error).partition("Trace Shapes:")[0].split())[:60]  # a table that Pyro puts behind
            fits = each["error"].startswith(type(error).__name__) and (said in each["error"] or bool(each["raises_at"]))
            yield f"{each['name']} raises", Outcome.AGREES if fits else Outcome.DIFFERS
            continue
        near = math.isclose(value, float(each["loss"]), rel_tol=1e-9, abs_tol=1e-9) or str(value) == str(each["loss"])
        yield f"{each['name']} loss", Outcome.AGREES if near and not each["error"] else Outcome.DIFFERS


def made_anew(kind: str, pair: Any, library: str) -> float:
    """The loss of a fresh object of a class, called as SVI calls it, under seed 0."""
    backend = import_module(f"elbo_compare.suites.semantics.explaining.{library}_pair")
    return _loss(backend.public_classes()[kind](**getattr(backend, "ARGUMENTS", {}).get(kind, {})), pair, library)


def _loss(elbo: Any, pair: Any, library: str) -> float:
    if library == "numpyro":
        key, held = sys.modules["jax"].random.key(0), pair._started.held(pair._params)
        loss = elbo.loss_with_mutable_state if pair.mutable else elbo.loss
        value = loss(key, held, pair.model, pair.guide, *pair.args, **pair.kwargs)
        value = value["loss"] if pair.mutable else value
        return float(sum(value.values()) if isinstance(value, dict) else value)
    pyro = sys.modules["pyro"]
    trains = any(value.requires_grad for value in pyro.get_param_store().values())
    call = elbo.loss_and_grads if trains or type(elbo).__name__ != "ReweightedWakeSleep" else elbo.loss
    if getattr(elbo, "max_plate_nesting", 0) == math.inf:
        call(pair.model, pair.guide, *pair.args, **pair.kwargs)  # some guess it by a run of the pair, which draws
    pyro.set_rng_seed(0)
    value = call(pair.model, pair.guide, *pair.args, **pair.kwargs)
    return float(value[0] if isinstance(value, tuple) else value)


def _constants(told: dict, pair: Any, library: str) -> Iterator[Check]:
    """½ log 2π, told of classes: by log densities that are computed with 2 π = 1 in the library's own modules."""
    # in the order of the classes: the densities below are those of all sites, as Trace_ELBO adds them, which is first
    kept = dict.fromkeys(each["constants"] for each in told["classes"] if not each["error"] and each["estimates_elbo"])
    sampled = [each for each in kept if "log p holds" in each]
    if not sampled or any("analytic" in roles for each in told["classes"] for roles in each["roles"].values()):
        return  # an analytic term holds none; what is left is told, and added up, by the classes
    sides = import_module(f"elbo_compare.suites.tracing.{library}_trace")
    with one_for_two_pi(library):
        without = _densities(pair, sides, library)
    holding = _densities(pair, sides, library)
    said = [float(part) for part in re.findall(r"holds ([-+0-9.e]+), log q ([-+0-9.e]+)", sampled[0])[0]]
    for said_of, one, other in zip(said, holding, without, strict=True):
        fits = abs(one - other - said_of) <= 1e-5 * (abs(said_of) + 1)
        yield "½ log 2π", Outcome.AGREES if fits else Outcome.DIFFERS


def _densities(pair: Any, sides: Any, library: str) -> tuple[float, float]:
    """log p of all sites of the model, and log q of what the guide draws, at one draw."""
    if library == "pyro":
        sys.modules["pyro"].set_rng_seed(0)
        run = sides.traced(pair.model, pair.guide, pair.args, pair.kwargs)
    else:
        key = sys.modules["jax"].random.key(0)
        run = sides.traced(pair.model, pair.guide, pair.args, pair.kwargs, pair._started.held(pair._params), key)
    observed = {name for name, node in run.model.items() if node.observed}
    return (sum(float(node.log_prob.sum()) for node in run.model.values()),
            sum(float(node.log_prob.sum()) for name, node in run.guide.items() if name not in observed))  # fmt: skip


class _Math:
    """The module math, with a pi of one half."""

    pi = 0.5

    def __getattr__(self, name: str) -> Any:
        return getattr(math, name)


@contextmanager
def one_for_two_pi(library: str) -> Iterator[None]:
    if library == "pyro":
        names = ("normal", "multivariate_normal", "lowrank_multivariate_normal")
        modules = [
            *(sys.modules[f"torch.distributions.{name}"] for name in names),
            sys.modules["pyro.distributions.kl"],
        ]
        kept: Any = [each.math for each in modules]  # pyright: ignore
        for each in modules:
            each.math = _Math()  # pyright: ignore
        try:
            yield
        finally:
            for each, before in zip(modules, kept, strict=True):
                each.math = before  # pyright: ignore
        return
    numbers = sys.modules["jax.numpy"]
    kept, numbers.pi = numbers.pi, 0.5  # pyright: ignore
    try:
        yield
    finally:
        numbers.pi = kept  # pyright: ignore


def _shapes(told: dict, pair: Any, library: str) -> Iterator[Check]:
    """Batch and scale of each side against the library's own trace, read without ours."""
    for role, fn in (("guide", pair.guide), ("model", pair.model)):
        try:
            nodes = _own_trace(fn, pair, library)
        except Exception:  # the model alone refuses values that no guide gives
            continue
        for site in told["sites"]:
            node, side = nodes.get(site["name"]), site[role]
            if node is None or side is None or site["deterministic"]:
                continue
            scale = np.asarray(1.0 if node["scale"] is None else node["scale"], dtype=float)
            fits = (f"batch {tuple(node['fn'].batch_shape)}, event {tuple(node['fn'].event_shape)}" in side["shown"]
                    and np.allclose(side["scale"], (scale.min(), scale.max()), rtol=1e-12))  # fmt: skip
            yield f"site {site['name']} {role}", Outcome.AGREES if fits else Outcome.DIFFERS


def _own_trace(fn: Any, pair: Any, library: str) -> Any:
    if library == "pyro":
        return sys.modules["pyro"].poutine.trace(fn).get_trace(*pair.args, **pair.kwargs).nodes
    handlers, held = sys.modules["numpyro"].handlers, pair._started.held(pair._params)
    seeded = handlers.substitute(handlers.seed(fn, 0), data=held)
    return handlers.trace(seeded).get_trace(*pair.args, **pair.kwargs)


def reached(line: str, told: dict, site: str, checks: list[Check]) -> list[Check]:
    """The checks that a printed line stands on. site: under whose name it is printed."""
    head = line.strip().partition(":")[0]
    names = [each["name"] for each in told["classes"]]
    if line.startswith("  ") and site and head in ("guide", "model"):
        return [each for each in checks if each[0] == f"site {site} {head}"]
    if line.startswith("  ") and site:
        of = [name for name in head.split(", ") if name in names]
        return [
            each
            for each in checks
            if any(each[0] in (f"{name} adds up", f"{name} raises", f"{name} loss") for name in of)
        ]
    if head in names:
        return [each for each in checks if each[0].startswith(f"{head} ")]
    if line.startswith("The reference: exact"):
        return [each for each in checks if each[0] == "The reference"]
    if line.startswith("½ log 2π"):
        return [each for each in checks if each[0] == "½ log 2π"]
    found = re.search(r"FIND-[A-Z]+-\d+", line)
    if found:
        return [each for each in checks if each[0].startswith(found.group())]
    return []


def table(name: str, told: dict, checks: list[Check], said: dict[str, list[Check]]) -> Iterator[tuple[str, ...]]:
    """(pair, line, checks or the reason why there is none, outcome) of each printed line; said: of sentences."""
    site = finding = ""
    for line in text(told):
        if not line:
            site = ""
            continue
        if line.endswith(":") and line[:-1] in {each["name"] for each in told["sites"]}:
            site = line[:-1]
        id_ = re.search(r"FIND-[A-Z]+-\d+", line)
        finding = id_.group() if id_ else finding if line.startswith("    ") else ""
        stands_on = reached(line, told, site, checks) or [each for each in checks if finding and finding in each[0]]
        stands_on = [*stands_on, *said.get(line.strip(), [])]
        worst = next((each for each in (Outcome.DIFFERS, Outcome.INCONCLUSIVE, Outcome.AGREES)
                      if each in {outcome for _, outcome in stands_on}), "")  # fmt: skip
        yield name, line.strip(), "; ".join(dict.fromkeys(check for check, _ in stands_on)), str(worst)
