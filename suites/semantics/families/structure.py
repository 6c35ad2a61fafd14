"""Models and guides that do not fit together: who raises, who warns, and which number comes out."""

from math import log, pi

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Behaviour, Case, Formula, Library, Numbers
from elbo_compare.suites.semantics.gaussian import LOG_2_PI, entropy, kl_standard, log_normal

_B_LOC, _B_SIGMA, _SLOPE, _A_SIGMA = 0.5, 0.7, 0.6, 0.4
_METHODS = ("Trace_ELBO", "TraceEnum_ELBO", "TraceMeanField_ELBO", "TraceTMC_ELBO")
_JIT = ("JitTrace_ELBO", "JitTraceGraph_ELBO", "JitTraceMeanField_ELBO", "JitTraceEnum_ELBO")
_MISSING = ("TraceGraph_ELBO", "RenyiELBO", "ReweightedWakeSleep", *_JIT)


def _second_moments() -> tuple[float, float]:
    """E a^2 and E (b - a)^2 under q(b) q(a | b)."""
    b_square = _B_LOC**2 + _B_SIGMA**2
    return _SLOPE**2 * b_square + _A_SIGMA**2, (1 - _SLOPE) ** 2 * b_square + _A_SIGMA**2


def reversed_loss() -> float:
    """E_q[log q(b) + log q(a | b) - log p(a) - log p(b | a)], what every estimator of SEM-STRUCTURE-002 is after."""
    a_square, difference = _second_moments()
    return log(2 * pi) + (a_square + difference) / 2 - entropy(_B_SIGMA) - entropy(_A_SIGMA)


def reversed_mean_field() -> float:
    """What TraceMeanField_ELBO is on average there: b is integrated as if it did not depend on the drawn a."""
    _, difference = _second_moments()
    a_variance = _SLOPE**2 * _B_SIGMA**2 + _A_SIGMA**2
    independent = _B_SIGMA**2 + a_variance + (_B_LOC - _SLOPE * _B_LOC) ** 2
    return reversed_loss() + (independent - difference) / 2


def _reversed(measured: Numbers) -> Numbers:
    a, b = measured["a"], measured["b"]
    log_q = log_normal(b, _B_LOC, _B_SIGMA) + log_normal(a, _SLOPE * b, _A_SIGMA)
    return {"trace": log_q - log_normal(a) - log_normal(b, a), "mean_field": reversed_loss()}


def _reversed_observed(measured: Numbers) -> Numbers:
    kl_a = kl_standard(_SLOPE * measured["b"], _A_SIGMA)
    return {
        "mean_field": kl_a + kl_standard(_B_LOC - measured["a"], _B_SIGMA),
        "trace_warns": 0.0,
        "mean_field_warns": 1.0,
    }


def _latent_z(measured: Numbers) -> float:
    return log_normal(measured["z"], 0.7, 0.5) - log_normal(measured["z"])


def _warned(extra: Formula) -> Formula:
    """Both libraries: Trace_ELBO warns and goes on, TraceMeanField_ELBO warns and raises."""
    flags = {"trace_raises": 0.0, "trace_warns": 1.0, "mean_field_raises": 1.0, "mean_field_warns": 1.0}
    return lambda measured: {**flags, **extra(measured)}


def _both(number: int, formula: str, computes: Formula) -> tuple[Behaviour, ...]:
    return tuple(
        Behaviour(library=library, formula=formula, computes=computes,
                  program=f"structure/structure_{number:03d}_{library}.py")
        for library in OF_PROGRAMS
    )  # fmt: skip


_SILENT = {"trace_raises": 0.0, "graph_raises": 0.0, "trace_warns": 0.0, "graph_warns": 1.0}
CASES = (
    Case(
        id="SEM-STRUCTURE-001",
        title="A batch dimension without a plate",
        statement="loss = -sum_i log N(x_i | 0, 1), in Pyro only after the error has been switched off",
        source="pyro.util.check_site_shape 1.9.2, numpyro.util._validate_model 0.22.0 (plate_warning)",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="ValueError from both objects",
                      program="structure/structure_001_pyro.py",
                      computes=lambda _: {"trace_raises": 1.0, "graph_raises": 1.0}),
            Behaviour(library=Library.NUMPYRO, formula="Trace_ELBO sums in silence, TraceGraph_ELBO warns",
                      program="structure/structure_001_numpyro.py", computes=lambda _: _SILENT),
        ),
        oracle=lambda _: {"loss": (1 + 4 + 9) / 2 + 1.5 * LOG_2_PI},
    ),
    Case(
        id="SEM-STRUCTURE-002",
        title="TraceMeanField_ELBO where the guide reverses the model's order a -> b",
        statement="right on average: E_q[log q(b) + log q(a | b) - log p(a) - log p(b | a)]",
        source="TraceMeanField_ELBO: 'This estimator may give incorrect results if the mean-field condition is not "
               "satisfied' (pyro.infer 1.9.2, numpyro.infer 0.22.0)",
        behaviours=_both(2, "a warning, and KL(q(a | b) || p(a)) + KL(q(b) || p(b | a)) at the drawn a and b",
                         _reversed_observed),
        oracle=_reversed,
        given=("a", "b"),
    ),
    Case(
        id="SEM-STRUCTURE-003",
        title="A guide site that the model lacks and that is not marked auxiliary",
        statement="loss = log q(u) + log q(z) - log p(z): an ELBO whose model has density 1 for u",
        source="check_model_guide_match in pyro.util 1.9.2 and numpyro.util 0.22.0: 'consider marking these'",
        behaviours=_both(3, "Trace warns and computes as stated; TraceMeanField raises AssertionError",
                         _warned(lambda _: {})),
        oracle=lambda measured: {"trace": log_normal(measured["u"], 0.2, 0.4) + _latent_z(measured)},
        given=("u", "z"),
    ),
    Case(
        id="SEM-STRUCTURE-004",
        title="A latent site that the guide lacks",
        statement="with the prior for a guide, which is what is drawn: loss = log q(z) - log p(z)",
        source="check_model_guide_match, pyro.util 1.9.2 and numpyro.util 0.22.0: 'Found vars in model but not guide'",
        behaviours=_both(
            4, "Trace warns and adds -log p(w); TraceMeanField raises KeyError",
            _warned(lambda measured: {"trace": _latent_z(measured) - log_normal(measured["w"])})),
        oracle=lambda measured: {"trace": _latent_z(measured)},
        given=("z", "w"),
    ),
    Case(
        id="SEM-STRUCTURE-005",
        title="obs_mask with half of the data observed and no guide site for the rest",
        statement="loss = -log p(x_0), the observed half",
        source="pyro.sample 1.9.2 and numpyro.sample 0.22.0, obs_mask: 'This introduces a latent sample site named "
               "name + \"_unobserved\" which should be used by guides'",
        behaviours=_both(
            5, "Trace warns and adds -log p(x_1) of the imputed half; TraceMeanField raises KeyError",
            _warned(lambda measured: {"trace": -log_normal(measured["x0"]) - log_normal(measured["x1"])})),
        oracle=lambda measured: {"trace": -log_normal(measured["x0"])},
        given=("x0", "x1"),
    ),
    Case(
        id="SEM-STRUCTURE-006",
        title="On which ELBO objects elbo(model, guide) can be called",
        statement="all: the base class, which names TraceGraph_ELBO among those to use, documents it",
        source="pyro.infer.ELBO 1.9.2: 'Derived classes now provide a more idiomatic PyTorch interface via __call__'; "
               "ELBOModule.forward calls differentiable_loss",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="AttributeError from four, which lack differentiable_loss; "
                              "RuntimeError from the other three Jit objects",
                      program="structure/structure_006_pyro.py", computes=lambda _: dict.fromkeys(_MISSING, 0.0)),
        ),
        oracle=lambda _: dict.fromkeys((*_METHODS, *_MISSING, "and_grads"), 1.0),
    ),
    Case(
        id="SEM-STRUCTURE-007",
        title="obs_mask with a guide site for the half that is not observed",
        statement="loss = -log p(x_0) + log q(x_1) - log p(x_1), here with q = p",
        source="as SEM-STRUCTURE-005; the workaround for it",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"structure/structure_007_{library}.py")
            for library in OF_PROGRAMS
        ),
        oracle=lambda _: dict.fromkeys(("trace", "mean_field"), -log_normal(1.5)),
    ),
    Case(
        id="SEM-STRUCTURE-008",
        title="The guide declares an event (to_event) where the model has a plate",
        statement="ValueError: 'Model and guide event_dims disagree'",
        source="check_model_guide_match in pyro.util 1.9.2 and numpyro.util 0.22.0",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"structure/structure_008_{library}.py")
            for library in OF_PROGRAMS
        ),
        oracle=lambda _: {"trace": 1.0, "mean_field": 1.0},
    ),
    Case(
        id="SEM-STRUCTURE-009",
        title="A factor in the guide: its part of the gradient",
        statement="0.7 a of the guide adds 0.7 da/dm = 0.7 to d loss / d m, a = m + a draw of N(0, 1)",
        source="numpyro.factor 0.22.0: 'Factor statement to add arbitrary log probability factor'; "
               "numpyro.infer.TraceGraph_ELBO: stop_gradient(log_prob_sum) where the site has no reparameterised "
               "sampler, which Unit has not",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated, with has_rsample=True",
                      program="structure/structure_009_pyro.py"),
            Behaviour(library=Library.NUMPYRO, formula="Trace_ELBO as stated; TraceGraph_ELBO 0",
                      program="structure/structure_009_numpyro.py", computes=lambda _: {"graph_change": 0.0}),
        ),
        oracle=lambda _: {"trace_change": 0.7, "graph_change": 0.7},
    ),
)  # fmt: skip
