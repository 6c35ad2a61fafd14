"""Values outside the support, and probabilities at the edge of what floats hold."""

from math import exp, inf, log, log1p, nan

import numpy as np

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers

_LOGIT = 0.3


def _cross_entropy(_: Numbers) -> Numbers:
    """Binary cross-entropy at x = 1/2 and its derivative: softplus(l) - l/2, sigmoid(l) - 1/2."""
    return {"loss": log1p(exp(_LOGIT)) - _LOGIT / 2, "gradient": 1 / (1 + exp(-_LOGIT)) - 0.5}


def _grey_numpyro(_: Numbers) -> Numbers:
    constant = {"raises": 0.0, "loss": inf, "gradient": 0.0, "warns": 1.0}
    unchecked = {f"unchecked_{name}": value for name, value in _cross_entropy({}).items()}
    return constant | {"jit_loss": inf, "jit_gradient": 0.0, "jit_warns": 0.0} | unchecked


def _saturated(_: Numbers) -> Numbers:
    kinds = ("float32", "float64")
    return {
        f"{name}_{kind}": loss for kind in kinds for name, loss in (("never", inf), ("always", inf), ("logit", 1e3))
    }


def _clamped(never_by_tiny: bool) -> Numbers:
    """-log of the nearest probability that the library admits: eps or the smallest normal number, 1 - eps above."""
    losses = {}
    for kind in (np.float32, np.float64):
        info = np.finfo(kind)
        losses[f"never_{kind.__name__}"] = -log(info.tiny if never_by_tiny else info.eps)
        losses[f"always_{kind.__name__}"] = -log(info.eps)
    return losses


def _infinite(_: Numbers) -> Numbers:
    return {"trace": inf, "mean_field": inf}


def _infinite_pyro(_: Numbers) -> Numbers:
    methods = {f"{name}{method}": inf for name in ("trace", "mean_field") for method in ("", "_and_grads")}
    names = ("trace_differentiable", "mean_field_differentiable", "jit_trace_differentiable")
    return methods | dict.fromkeys(names, nan)


def _infinite_everywhere(_: Numbers) -> Numbers:
    uncompiled = [f"{name}{way}" for name in ("trace", "mean_field") for way in ("", "_and_grads", "_differentiable")]
    compiled = [f"jit_{name}_differentiable" for name in ("trace", "mean_field", "enum")]
    return dict.fromkeys((*uncompiled, *compiled), inf)


CASES = (
    Case(
        id="SEM-SUPPORT-001",
        title="A grey pixel (x = 0.5) under a Bernoulli likelihood",
        statement="the cross-entropy that a hand-written VAE minimises: loss = softplus(l) - x l",
        source=(
            "pyro.distributions.Bernoulli 1.9.2 (validate_args), numpyro.distributions.Bernoulli 0.22.0 "
            "(support = constraints.boolean)"
        ),
        behaviours=(
            Behaviour(library=Library.PYRO, formula="ValueError; with validate_args=False the cross-entropy",
                      program="support/support_001_pyro.py", computes=lambda _: {"raises": 1.0}),
            Behaviour(library=Library.NUMPYRO,
                      formula="loss = inf with gradient 0: a warning outside of jit, none inside; with "
                              "validate_args=False the cross-entropy",
                      program="support/support_001_numpyro.py", computes=_grey_numpyro),
        ),
        oracle=_cross_entropy,
    ),
    Case(
        id="SEM-SUPPORT-002",
        title="A saturated Bernoulli: the impossible value is observed",
        statement="-log 0 = inf for probabilities 0 and 1; -log sigmoid(-1000) = 1000",
        source="torch.distributions.utils.clamp_probs 2.13, numpyro.distributions.util.clamp_probs 0.22.0",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="-log eps of the dtype on both sides",
                      program="support/support_002_pyro.py", computes=lambda _: _clamped(never_by_tiny=False)),
            Behaviour(library=Library.NUMPYRO, formula="-log of the smallest normal number at 0, -log eps at 1",
                      program="support/support_002_numpyro.py", computes=lambda _: _clamped(never_by_tiny=True)),
        ),
        oracle=_saturated,
        tolerance=1e-6,
        tolerance_reason="float32 results: a few unit roundoffs of 6e-8, relative",
    ),
    Case(
        id="SEM-SUPPORT-003",
        title="An infinite loss through loss, loss_and_grads and differentiable_loss",
        statement="-log 0 = inf",
        source="pyro.infer.Trace_ELBO.differentiable_loss 1.9.2: loss + (surrogate_loss - torch_item(surrogate_loss))",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="differentiable_loss = inf + (inf - inf) = nan",
                      program="support/support_003_pyro.py", computes=_infinite_pyro),
            Behaviour(library=Library.NUMPYRO, formula="as stated", program="support/support_003_numpyro.py"),
        ),
        oracle=lambda measured: _infinite_everywhere(measured) if len(measured) > 2 else _infinite(measured),
    ),
)  # fmt: skip
