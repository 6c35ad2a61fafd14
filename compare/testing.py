"""For tests of one's own: `assert_elbo_claims(my_kl)` fails with the diagnosis of `compare check`."""

from collections.abc import Callable, Iterable
from typing import Any

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckVerdict

__all__ = ["assert_elbo_claims"]


def assert_elbo_claims(
    function: Callable[..., Any],
    *,
    kind: str | None = None,
    mapping: Iterable[str] = (),
    framework: str | None = None,
    likelihood: str | None = None,
) -> None:
    """Raise AssertionError, with the verdict and its diagnosis, unless the function is right.

    Runs in this process: a function that hangs, hangs the test. The arguments are those of `compare check`: kind
    (`analytic_kl`, `sampled_kl`, `negative_elbo`, `log_weight`), mapping (`["h=log_var"]`), framework (`torch`, `jax`,
    `numpy`), likelihood (`bernoulli`, `normal`). Raises compare.errors.CompareError where they don't fit.

        def test_kl():
            assert_elbo_claims(my_vae.kl)

    >>> def kl(mean, log_var):
    ...     return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> assert_elbo_claims(kl, framework='numpy')
    >>> def half(mean, log_var):
    ...     return (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> try:
    ...     assert_elbo_claims(half, framework='numpy')
    ... except AssertionError as error:
    ...     print(str(error).splitlines()[0])
    WRONG  half
    """
    result = check_function(function, kind=kind, mapping=mapping, framework=framework, likelihood=likelihood)
    if result.verdict is not CheckVerdict.RIGHT:
        raise AssertionError(result.as_text())
