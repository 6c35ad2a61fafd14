"""A NumPyro model and guide, run once as NumPyro's own ELBO objects run them, and read site by site.

Everything here is a function of its arguments that JAX can trace: nothing reads a number.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import numpyro
from jax.interpreters.partial_eval import dce_jaxpr
from numpyro import handlers
from numpyro.distributions.kl import kl_divergence
from numpyro.distributions.util import scale_and_mask
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoGuide
from numpyro.primitives import Messenger

from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE
from elbo_compare.suites.tracing.site import Node, Plate, Traced


@dataclass(frozen=True, kw_only=True, eq=False)
class Started:
    """What SVI would train: unconstrained parameters and mutable state (None: none). constrain: to what sites hold.

    values: makes both, where `params` and `mutable` have shapes only.
    """

    params: Any
    mutable: Any
    constrain: Callable[[Any], Mapping[str, Any]]
    values: Callable[[], tuple[Any, Any]] | None = None

    def held(self, params: Any, mutable: Any = None) -> dict[str, Any]:
        """The parameters as SVI hands them to an ELBO object, mutable state included."""
        state = self.mutable if mutable is None else mutable
        held = dict(self.constrain(params))
        return held | dict(jax.lax.stop_gradient(state)) if jax.tree.leaves(state) else held


def started(
    model: Callable[..., Any],
    guide: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    seed: int = 0,
    *,
    shapes: bool = False,
) -> Started:
    """Parameters and state of `SVI.init`, compiled as one where nothing keeps what it computes.

    shapes: their shapes are enough for now, where nothing keeps what it computes: half a second less to compile.
    """
    svi = SVI(model, guide, numpyro.optim.SGD(0.0), Trace_ELBO())

    def init(key: Any) -> tuple[Any, Any]:
        state = svi.init(key, *args, **kwargs)
        return svi.optim.get_params(state.optim_state), state.mutable_state

    keeps, values = any(map(_keeps_values, (model, guide))), None
    if shapes and not keeps:
        params, mutable = jax.eval_shape(lambda: init(jax.random.key(seed)))
        values = functools.partial(_first_values, init, seed, keeps=False)
    else:
        params, mutable = _first_values(init, seed, keeps=keeps)
    return Started(params=params, mutable=mutable, constrain=svi.constrain_fn, values=values)  # pyright: ignore


def traced(
    model: Callable[..., Any],
    guide: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    held: Mapping[str, Any],
    key: Any,
) -> Traced:
    """One run of the guide and of the model against it, with the keys of an ELBO object's single particle.

    held: of `Started.held`; state that the guide moves is passed on to the model.
    """
    model_key, guide_key = jax.random.split(key)
    guided = handlers.substitute(handlers.seed(guide, guide_key), data=dict(held))
    guide_trace = handlers.trace(guided).get_trace(*args, **kwargs)
    moved = {name: node["value"] for name, node in guide_trace.items() if node["type"] == "mutable"}
    marked = _Marks(handlers.seed(model, model_key))
    replayed = handlers.replay(marked, guide_trace)
    model_trace = handlers.trace(handlers.substitute(replayed, data=dict(held) | moved)).get_trace(*args, **kwargs)
    return Traced(model=_nodes(model_trace, marked.found), guide=_nodes(guide_trace, {}))


def divergence(guide: Node, model: Node) -> Any | None:
    """The registered KL over the batch, by the guide's scale, as TraceMeanField_ELBO forms it; None where it samples.

    Masks lie in the distributions. Raises what the library raises while it forms it.
    """
    try:
        return scale_and_mask(kl_divergence(guide.fn, model.fn), scale=guide.record["scale"])
    except NotImplementedError:
        return None


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Marks(Messenger):
    """What the model's sites say of their KL: replay overwrites it by what the guide's say (FIND-NUMPYRO-011)."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__(fn)
        self.found: dict[str, Any] = {}

    def process_message(self, msg: Any) -> None:
        """Note the mark."""
        if msg["type"] == "sample" and "kl" in (msg.get("infer") or {}):
            self.found[msg["name"]] = msg["infer"]["kl"]


def _nodes(trace: Any, marks: Mapping[str, Any]) -> dict[str, Node]:
    # A frame at a site knows the drawn rows alone; the plate's own message has the full size.
    sizes = {name: int(node["args"][0]) for name, node in trace.items() if node["type"] == "plate"}
    return {name: _node(name, node, sizes, marks) for name, node in trace.items() if node["type"] == "sample"}


def _node(name: str, record: Any, sizes: Mapping[str, int], marks: Mapping[str, Any]) -> Node:
    fn, value, frames = record["fn"], record["value"], record["cond_indep_stack"]
    between = [record["intermediates"]] if record["intermediates"] else []
    return Node(
        name=name,
        fn=fn,
        value=value,
        observed=bool(record["is_observed"]),
        log_prob=scale_and_mask(fn.log_prob(value, *between), record["scale"]),
        scale=1.0 if record["scale"] is None else record["scale"],
        infer=dict(record.get("infer") or {}) | ({"kl": marks[name]} if name in marks else {}),
        plates=tuple(Plate(name=f.name, size=sizes.get(f.name, f.size), rows=f.size) for f in frames),
        nesting=max((-frame.dim for frame in frames), default=0),
        record=record,
    )


def _first_values(init: Callable[[Any], Any], seed: int, *, keeps: bool) -> Any:
    key = jax.random.key(seed)
    if not keeps:
        try:
            closed, shape = jax.make_jaxpr(init, return_shape=True)(key)
            jaxpr, _ = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars), instantiate=True)
            run = jax.jit(lambda consts, key: jax.core.eval_jaxpr(jaxpr, consts, key))
            compiled = run.lower(closed.consts, key).compile(compiler_options=QUICK_TO_COMPILE)
            return jax.tree.unflatten(jax.tree.structure(shape), compiled(closed.consts, key))
        except Exception:  # whatever it is, it comes again below if it is the pair's own
            pass
    return init(key)


def _keeps_values(fn: Any) -> bool:
    """An autoguide, or a function that uses one, keeps the values of its first run: they must not be a compiler's."""
    if isinstance(fn, AutoGuide):
        return True
    while isinstance(fn, functools.partial):
        fn = fn.func
    inner = inspect.unwrap(getattr(fn, "__func__", fn))
    held = [*vars(getattr(fn, "__self__", None) or object).values()] if hasattr(fn, "__self__") else []
    held += [cell.cell_contents for cell in getattr(inner, "__closure__", None) or () if cell.cell_contents is not fn]
    names = getattr(getattr(inner, "__code__", None), "co_names", ())
    held += [inner.__globals__[name] for name in names if name in inner.__globals__]
    held += [fn.fn] if isinstance(fn, Messenger) else []
    return not hasattr(inner, "__code__") or any(isinstance(each, AutoGuide) for each in held)
