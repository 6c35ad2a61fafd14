"""Losses of small inference libraries, each in an environment of its own, at their own draws: blackjax, flowjax and
normflows.

None of them takes an encoder's heads, so that none is an implementation of our problems: a case each says what its
numbers mean. The oracles are closed forms.
"""

from math import exp, log, pi

import numpy as np

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import log_normal

_X, _MU, _SIGMA, _K = 1.2, 0.7, 0.6, 3
_LOC, _LOG_SCALE = 0.7, 0.4


def _step(measured: Numbers) -> Numbers:
    """z ~ N(0, 1), x ~ N(z, 1), x = 1.2; at each draw z = mu + sigma e the log ratio log p(x, z) - log q(z) and its
    derivatives: along z alone (Roeder et al. 2017), and with q's own, 0 by mu and -1 by rho = log sigma."""
    z = np.array([measured[f"z{k}"] for k in range(_K)])
    ratio = np.array([log_normal(each) + log_normal(_X - each) - log_normal(each, _MU, _SIGMA) for each in z])
    by_target, by_guide = _X - 2 * z, -(z - _MU) / _SIGMA**2
    path = by_guide - by_target
    evidence = -(_X**2) / 4 - log(4 * pi) / 2  # x ~ N(0, 2): at the exact posterior every ratio is this
    return {
        "elbo": float(ratio.mean()),
        "by_mu": float(path.mean()),
        "by_rho": float((path * (z - _MU)).mean()),
        "total_by_mu": -float(by_target.mean()),
        "total_by_rho": -1 - float((by_target * (z - _MU)).mean()),
        "posterior_elbo": evidence,
    }


def _loss(measured: Numbers) -> Numbers:
    """Minus the mean ratio of `_step`, and its gradient by q's location."""
    right = _step(measured)
    loss = -right["elbo"]
    return {"total": loss, "path": loss, "total_by_loc": right["total_by_mu"], "path_by_loc": right["by_mu"]}


def _negative(measured: Numbers) -> Numbers:
    right = _step(measured)
    return {**right, "elbo": -right["elbo"], "posterior_elbo": -right["posterior_elbo"]}


def _reverse(measured: Numbers) -> Numbers:
    """log q(z) + z^2 / 2 at the draw. Its slope by q's location: with log q's own that of z^2 / 2 alone, since log q(z)
    does not change when both move; without, what log q changes by the draw is added."""
    z, scale = measured["z"], exp(_LOG_SCALE)
    loss = log_normal(z, _LOC, scale) + z**2 / 2
    return {"score": loss, "path": loss, "score_by_loc": z, "path_by_loc": z - (z - _LOC) / scale**2}


def _single(measured: Numbers) -> Numbers:
    """log q(z) in float32."""
    z = measured["z"]
    rounded = float(np.float32(log_normal(z, _LOC, exp(_LOG_SCALE))))
    return {**_reverse(measured), "path": rounded + z**2 / 2}


CASES: tuple[Case, ...] = (
    Case(
        id="SEM-SIGN-001",
        title="What a step of mean-field inference calls elbo",
        statement="elbo is the mean of log p(x, z) - log q(z) over the step's draws; the step goes down the gradient "
        "of minus that, by default along the draws alone (stl_estimator)",
        source="blackjax.meanfield_vi, blackjax 1.7.1; MFVIInfo, 'containing the ELBO value'; Roeder et al. 2017",
        behaviours=(
            Behaviour(
                library=Library.BLACKJAX,
                formula="elbo is minus the ELBO; the gradients are as stated",
                program="sign/sign_001_blackjax.py",
                computes=_negative,
            ),
        ),
        oracle=_step,
        given=tuple(f"z{k}" for k in range(_K)),
    ),
    Case(
        id="SEM-LOSSES-001",
        title="The loss of 3 draws and its gradient, with and without stick_the_landing",
        statement="the mean of log q(z) - log p(x, z) over the draws, both ways; its gradient by all of q, or along "
        "the draws alone",
        source="flowjax.train.losses.ElboLoss, flowjax 19.1.2; Roeder et al. 2017 (arXiv 1703.09194)",
        behaviours=(Behaviour(library=Library.FLOWJAX, formula="as stated", program="losses/losses_001_flowjax.py"),),
        oracle=_loss,
        given=tuple(f"z{k}" for k in range(_K)),
    ),
    Case(
        id="SEM-DTYPE-004",
        title="The reverse KL of a model in float64, by the whole gradient and by the path's",
        statement="log q(z) - log p(z) at one draw in float64, whichever gradient is asked for",
        source="normflows.NormalizingFlow.reverse_kld, normflows 1.7.3, with no flow and score_fn=True, False",
        behaviours=(
            Behaviour(
                library=Library.NORMFLOWS,
                formula="with score_fn=False log q is added up in float32; the gradients are right",
                program="dtype/dtype_004_normflows.py",
                computes=_single,
            ),
        ),
        oracle=_reverse,
        given=("z",),
    ),
)
