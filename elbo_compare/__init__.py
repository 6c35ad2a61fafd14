"""Is a hand-written sampled KL what Pyro and NumPyro compute? The one import name over the checkout's three folders.

`load(DIR)` gives a run's results as frames; `check(FUNCTION)` judges a KL or loss function and returns the verdict with
its diagnosis; `assert_elbo_claims(FUNCTION)` is the same as an assertion for a test of one's own;
`explain(MODEL, GUIDE, ELBO, *ARGS)` says what an ELBO object of Pyro or NumPyro does with a pair, site by site.

>>> import numpy as np
>>> from elbo_compare import check
>>> def kl(mean, log_var):
...     return 0.5 * np.mean(mean**2 + np.exp(log_var) - 1 - log_var)
>>> result = check(kl, framework="numpy")
>>> print(result.verdict, result.diagnosis.id)
wrong MUT-002
"""

# Nothing is imported here: `python -m elbo_compare` comes through before it can heed a signal.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from elbo_compare.compare.checking.check import check_function as check
    from elbo_compare.compare.judging.frames import Results, load
    from elbo_compare.compare.semantics.explain_frame import explain
    from elbo_compare.compare.testing import assert_elbo_claims, assert_same_objective

__all__ = ["Results", "assert_elbo_claims", "assert_same_objective", "check", "explain", "load"]

# Imported when they are first asked for: they bring pandas, or a framework.
_PLACES = {
    "Results": ("judging.frames", "Results"),
    "assert_elbo_claims": ("testing", "assert_elbo_claims"),
    "assert_same_objective": ("testing", "assert_same_objective"),
    "check": ("checking.check", "check_function"),
    "explain": ("semantics.explain_frame", "explain"),
    "load": ("judging.frames", "load"),
}


def __getattr__(name: str) -> "Any":
    """A public name, from the module that defines it."""
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module 'elbo_compare' has no attribute {name!r}. It has: {', '.join(__all__)}.")
    module, attribute = _PLACES[name]
    return getattr(import_module(f"elbo_compare.compare.{module}"), attribute)
