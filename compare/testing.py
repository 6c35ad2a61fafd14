"""For tests of one's own: `assert_elbo_claims(my_kl)` fails with the diagnosis of `compare check`."""

from collections.abc import Callable, Mapping
from typing import Any

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.matching.programs import match_programs

__all__ = ["assert_elbo_claims", "assert_same_objective"]


def assert_elbo_claims(
    function: Callable[..., Any] | None = None, *, model: Any = None, data: Any = None, **options: Any
) -> None:
    """Raise AssertionError, with the verdict and its cause, unless the function, or the whole model, is right.

    Runs in this process: a function that hangs, hangs the test. The options are those of `compare check`: kind
    (`analytic_kl`, `sampled_kl`, `negative_elbo`, `log_weight`), mapping (`["h=log_var"]`), framework (`torch`, `jax`,
    `numpy`), likelihood (`bernoulli`, `normal`, …), constants (`{"beta": 1.0}`), and objective (`beta`, …), which lets
    an objective by design pass as what it is. Raises compare.errors.CompareError where they don't fit.

    model: a whole model, as an instance, a class or a factory, in place of a function; data: rows for it, FILE.npy,
    `digits` or `mnist`, else made in the shape that its layers take; its options are those of `check_model`: init
    (its arguments), loss (a name), likelihood, objective, constants, batch, frozen.

        def test_kl():
            assert_elbo_claims(my_vae.kl)

        def test_vae():
            assert_elbo_claims(model=my_vae.VAE(), data=rows)

    >>> import numpy as np
    >>> def half(mean, log_var):
    ...     return (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> try:
    ...     assert_elbo_claims(half, framework="numpy")
    ... except AssertionError as error:
    ...     print(str(error).splitlines()[0])
    WRONG  half
    """
    if (function is None) is (model is None):
        raise TargetError("assert_elbo_claims takes a function or model=..., one of them.")
    result = check_function(function, **options) if function else check_model(model, data=data, **options)
    if result.exit_code:
        raise AssertionError(result.as_text(verbose=True))


def assert_same_objective(
    *programs: Callable[..., Any], data: Any = None, tie: Mapping[str, str] | None = None
) -> None:
    """Raise AssertionError, with the terms that differ, unless a loss is a Pyro or NumPyro pair's objective.

    programs: (loss, model, guide), or (model, guide, model2, guide2) for two pairs; each takes the same rows. Both
    sides run here, in float64, at the same weights, rows and noise: value and gradients must be those of the pair's
    Trace_ELBO or TraceMeanField_ELBO (TraceEnum_ELBO where discrete sites are summed over), up to a factor and a
    constant.
    data: rows first, an array or a tuple of arrays, FILE.npy, `digits`, `mnist`; else random rows of a width that fits.
    tie: the pair's weights, or prefixes of their names -> the loss's, where they are not shared and order and shape
    don't tell. Whatever was not judged fails too. Raises compare.errors.CompareError where the weights can't be tied.

        def test_loss():
            assert_same_objective(loss, model, guide)

    >>> try:
    ...     assert_same_objective(len)
    ... except TargetError as error:
    ...     print(error)
    match wants (loss, model, guide) or (model, guide, model2, guide2); 1 programs arrived.
    """
    result = match_programs(programs, data=data, tie=tie)
    if result.exit_code:
        raise AssertionError(result.as_text(verbose=True))
