"""`elbo_compare.explain`: what an ELBO object does with a model and a guide, as a frame."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.semantics.explain_child import named_elbo, plain
from elbo_compare.compare.semantics.explain_text import text
from elbo_compare.compare.semantics.explained import explained
from elbo_compare.suites.semantics.case import OF_PROGRAMS

if TYPE_CHECKING:
    import pandas

LIBRARIES = tuple(map(str, OF_PROGRAMS))


def explain(
    model: Callable[..., Any], guide: Callable[..., Any], elbo: Any = None, *args: Any, **kwargs: Any
) -> "pandas.DataFrame":
    """What an ELBO object of Pyro or NumPyro does with each site of a pair, at what cost: one row a class and site.

    elbo: an object, `"TraceEnum_ELBO(max_plate_nesting=1)"`, or None for every public class of the library. args and
    kwargs: what model and guide are called with. Columns: class, site, role, term_nats (part of the ELBO at seed 0),
    loss_nats (what the class returned there), bias_nats, bias_low, bias_high (mean ELBO less the exact one, with its
    interval; nan where another objective or nothing was measured, as of the reference itself), n (draws), error (what
    the class raises), findings (those that cost something at the site). `frame.attrs["explanation"]` holds what
    `compare explain --json` prints, `frame.attrs["text"]` the same as text. Runs in this process, up to five seconds
    of drawing; random numbers of the caller go on where they were, a Pyro parameter store keeps what the pair adds.
    Raises UsageError where `elbo` is none of the library's, and whatever the pair raises.

    >>> import pyro
    >>> import pyro.distributions as dist
    >>> from pyro.infer import TraceMeanField_ELBO
    >>> def model():
    ...     pyro.sample("z", dist.Normal(0.0, 1.0))
    >>> def guide():
    ...     pyro.sample("z", dist.Normal(0.7, 0.5))
    >>> frame = explain(model, guide, TraceMeanField_ELBO())
    >>> print(frame[["class", "site", "role", "term_nats"]].round(4).to_string(index=False))
                  class site     role  term_nats
    TraceMeanField_ELBO    z analytic    -0.5631
    """
    import pandas

    backend = import_module(f"elbo_compare.suites.semantics.explaining.{_library(elbo)}_pair")
    pair = backend.prepare(model, guide, args, kwargs, _elbos(elbo, backend))
    told = explained(pair)
    frame = pandas.DataFrame([row for each in told["classes"] for row in _rows(each, told)])
    frame.attrs = {"explanation": plain(told), "text": "\n".join(text(plain(told)))}
    return frame


def _rows(each: Mapping[str, Any], told: Mapping[str, Any]) -> list[dict[str, Any]]:
    bias = (each["difference"] if each["estimates_elbo"] else None) or {}
    bias = {} if bias.get("beside") == each["name"] else bias  # the reference itself, of which nothing is known
    return [
        {
            "class": each["name"], "site": name, "role": " + ".join(roles), "term_nats": each["terms"][name],
            "loss_nats": each["loss"], "bias_nats": bias.get("mean", float("nan")),
            "bias_low": bias.get("low", float("nan")), "bias_high": bias.get("high", float("nan")),
            "n": bias.get("n", 0), "error": each["error"],
            "findings": ", ".join(sorted({found["id"] for found in told["findings"] if found["costs"]
                                          and found["class"] == each["kind"] and name in found["sites"]})),
        }
        for name, roles in each["roles"].items()
    ]  # fmt: skip


def _library(elbo: Any) -> str:
    """The library of an ELBO object; else the one that is imported."""
    roots = [base.__module__.split(".")[0] for base in type(elbo).__mro__]
    found = [name for name in LIBRARIES if name in roots] or [name for name in LIBRARIES if name in sys.modules]
    if isinstance(elbo, type):
        raise UsageError(f"elbo is the class {elbo.__name__}; give an object of it: {elbo.__name__}().")
    if len(found) != 1:
        which = "both pyro and numpyro are" if found else "neither pyro nor numpyro is"
        raise UsageError(f"Which library runs the pair? elbo is {elbo!r} and {which} imported; give an ELBO object.")
    return found[0]


def _elbos(elbo: Any, backend: Any) -> dict[str, Any]:
    if elbo is None:
        return {}
    if isinstance(elbo, str):
        try:
            return named_elbo(elbo, backend)
        except TargetError as error:
            raise UsageError(str(error)) from error
    if not isinstance(elbo, backend.base_class):
        raise UsageError(f"elbo is of type {type(elbo).__name__}, which is no ELBO of {backend.module.__name__}.")
    return {type(elbo).__name__: elbo}
