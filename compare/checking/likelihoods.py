"""The reconstruction terms that are recognised by value: -log p(x|z) of each family, up to what no gradient sees.

Every elementwise family is one complex-safe formula: its gradient is a complex step, its conditioning the second
derivative. `weighted`: a positive factor before the term is a parameter of the family (1/variance, 1/scale), not a
mistake; `constant`: the normaliser that a loss may drop, per observed dimension, as a function of that factor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import erf, exp, log, pi, sqrt
from typing import Any

import numpy as np

from elbo_compare.compare.checking.names import SPREADS, Role, WrittenAs
from elbo_compare.compare.checking.oracle import HALF_LOG_2PI, Elements, log_var_of, log_var_slope
from elbo_compare.suites.complex_step import STEP, softplus
from elbo_compare.suites.contract import Array

CURVATURE_STEP = 1e-6


class Domain(StrEnum):
    """Where a family's x and output live."""

    UNIT = "x in {0, 1}, output in (0, 1)"
    LOGIT = "x in {0, 1}, output real"
    REAL = "x and output real"
    POSITIVE = "x in {0, 1}, output positive"
    COUNTS = "x in {0, 1, 2, ...}, several outputs"


@dataclass(frozen=True, kw_only=True, eq=False)
class DataTerm:
    """One family. `name`: of the term itself; `likelihood`: what --likelihood calls it."""

    name: str
    likelihood: str
    form: WrittenAs
    domain: Domain
    elements: Callable[[Array, Array], Elements]
    weighted: bool = False
    constant: Callable[[float], float] = lambda weight: 0.0
    spread: WrittenAs | None = None  # of the decoder's own variance, where it is an argument
    law: str = ""  # the distribution for weight w, "{}" being the parameter 1/w
    source: str = ""
    arrays: int = 1  # that stand side by side in the output: see `counts`

    @property
    def up_to_a_constant(self) -> bool:
        """Whether a loss may drop its normaliser."""
        return self.weighted or self.spread is not None

    def of(self, inputs: Mapping[Role, Array]) -> Elements:
        """The elements from what a call was given."""
        if self.spread is None:
            return self.elements(inputs[Role.X], inputs[Role.OUTPUT])
        return own_variance(inputs[Role.X], inputs[Role.OUTPUT], inputs[Role.OUTPUT_SPREAD], self.spread)


def own_variance(x: Array, output: Array, spread: Array, form: WrittenAs) -> Elements:
    """-log N(x; output, s^2) - log(2 pi)/2 by element: (x - output)^2 / (2 s^2) + log s, s from the decoder."""
    log_var, chain = log_var_of(spread, form), log_var_slope(spread, form)
    precision, residual, size = np.exp(-log_var), output - x, np.abs(output) + np.abs(x)
    square = residual**2 * precision / 2
    return Elements(
        value=square + log_var / 2,
        scale=(2 + np.abs(log_var)) * square + np.abs(residual) * size * precision + np.abs(log_var) + HALF_LOG_2PI,
        gradients={Role.OUTPUT: residual * precision, Role.OUTPUT_SPREAD: (0.5 - square) * chain},
        gradient_scales={
            Role.OUTPUT: (2 + np.abs(log_var)) * size * precision,
            Role.OUTPUT_SPREAD: (0.5 + (2 + np.abs(log_var)) * square + np.abs(residual) * size * precision)
            * np.abs(chain),
        },
    )


def _of(
    formula: Callable[[Any, Any], Any],
    size: Callable[[Any, Any], Any],
    magnified: Callable[[Array], Any] = lambda output: 0.0,
) -> Callable[[Array, Array], Elements]:
    """Elements of an elementwise formula. size: the sum of the absolute parts that are added up; magnified: what one
    roundoff of a step on the way (a probability near 1) comes to in the value."""

    def slope(x: Array, output: Array) -> Array:
        return np.imag(formula(x, output + 1j * STEP)) / STEP

    def elements(x: Array, output: Array) -> Elements:
        gradient = slope(x, output)
        step = CURVATURE_STEP * np.maximum(np.abs(output), 1e-3)
        curvature = np.abs(slope(x, output + step) - slope(x, output - step)) / (2 * step)
        return Elements(
            value=np.real(formula(x, output)),
            scale=size(x, output) + np.abs(output * gradient) + magnified(output),
            gradients={Role.OUTPUT: gradient},
            gradient_scales={Role.OUTPUT: np.abs(gradient) + np.abs(output) * curvature + 1.0 + magnified(output)},
        )

    return elements


def _bernoulli_logits(x: Array, logits: Array) -> Elements:
    positive = np.logaddexp(0, logits)
    probs = np.exp(-np.logaddexp(0, -logits))
    gradient = probs - x
    return Elements(
        value=positive - x * logits,
        scale=positive + 2 * np.abs(x * logits) + np.abs(logits * gradient) + 1,
        gradients={Role.OUTPUT: gradient},
        gradient_scales={Role.OUTPUT: probs * (1 + np.abs(logits) * (1 - probs)) + np.abs(x)},
    )


def _bernoulli_probs(x: Array, probs: Array) -> Elements:
    rest = 1 - probs
    ones, zeros = -x * np.log(probs), -(1 - x) * np.log1p(-probs)
    # 1 - p is only known to a roundoff of p, which 1/(1 - p) and 1/p magnify.
    magnified = np.abs(1 - x) / rest + np.abs(x) / probs
    return Elements(
        value=ones + zeros,
        scale=np.abs(ones) + np.abs(zeros) + magnified,
        gradients={Role.OUTPUT: (1 - x) / rest - x / probs},
        gradient_scales={Role.OUTPUT: magnified * (1 + 1 / rest + 1 / probs)},
    )


def _squared_error(x: Array, location: Array) -> Elements:
    residual = location - x
    size = np.abs(location) + np.abs(x)
    return Elements(
        value=residual**2 / 2,
        scale=residual**2 + np.abs(residual) * size + HALF_LOG_2PI,
        gradients={Role.OUTPUT: residual},
        gradient_scales={Role.OUTPUT: 2 * size},
    )


def _multinomial(x: Array, logits: Array) -> Elements:
    shift = logits - logits.max(-1, keepdims=True)
    log_p = shift - np.log(np.exp(shift).sum(-1, keepdims=True))
    gradient = np.exp(log_p) * x.sum(-1, keepdims=True) - x
    size = np.abs(x * log_p) + np.abs(x * logits) + np.abs(x) * np.abs(logits).max(-1, keepdims=True)
    return Elements(
        value=-x * log_p,
        scale=size + np.abs(logits * gradient) + 1,
        gradients={Role.OUTPUT: gradient},
        gradient_scales={Role.OUTPUT: (np.abs(x) + x.sum(-1, keepdims=True)) * (1 + np.abs(logits))},
    )


def _absolute(a: Any) -> Any:
    return np.where(np.real(a) < 0, -a, a)


def _huber(x: Any, location: Any) -> Any:
    size = _absolute(location - x)
    return np.where(np.real(size) < 1, size**2 / 2, size - 0.5)


def _log_cosh(x: Any, location: Any) -> Any:
    size = _absolute(location - x)
    return size + np.log1p(np.exp(-2 * size)) - log(2)


def _continuous_normaliser(probs: Any) -> Any:
    """log C(p) of the continuous Bernoulli: log(2 artanh(1 - 2p) / (1 - 2p)), log 2 at 1/2 (by its series nearby)."""
    near = np.abs(np.real(probs) - 0.5) < 0.01
    away = np.where(near, 0.1, probs)
    exact = np.log((np.log1p(-away) - np.log(away)) / (1 - 2 * away))
    square = (probs - 0.5) ** 2
    series = log(2) + (4 / 3 + (104 / 45 + 15808 / 2835 * square) * square) * square
    return np.where(near, series, exact)


def _continuous_bernoulli(x: Any, probs: Any) -> Any:
    return -x * np.log(probs) - (1 - x) * np.log(1 - probs) - _continuous_normaliser(probs)


def _continuous_bernoulli_logits(x: Any, logits: Any) -> Any:
    """log C = log(l / tanh(l / 2)) for p = sigmoid(l): nothing overflows; its series near 0."""
    near = np.abs(np.real(logits)) < 0.05
    away = np.where(near, 1.0, logits)
    square = logits**2
    series = log(2) + (1 / 12 - (7 / 1440 - 31 / 90720 * square) * square) * square
    normaliser = np.where(near, series, np.log(away / np.tanh(away / 2)))
    return softplus(logits) - x * logits - normaliser


def _parts(formula: Callable[[Any, Any], Any], **more: Any) -> Callable[[Array, Array], Elements]:
    return _of(formula, lambda x, o: np.abs(np.real(formula(x, o))) + np.abs(x) + np.abs(o) + 1, **more)


DATA_TERMS = (
    DataTerm(
        name="Bernoulli cross-entropy of probabilities",
        likelihood="bernoulli",
        form=WrittenAs.PROBS,
        domain=Domain.UNIT,
        elements=_bernoulli_probs,
        law="Bernoulli(output)",
    ),
    DataTerm(
        name="Bernoulli cross-entropy of logits",
        likelihood="bernoulli",
        form=WrittenAs.LOGITS,
        domain=Domain.LOGIT,
        elements=_bernoulli_logits,
        law="Bernoulli(sigmoid(output))",
    ),
    DataTerm(
        name="half squared error",
        likelihood="normal",
        form=WrittenAs.LOCATION,
        domain=Domain.REAL,
        elements=_squared_error,
        weighted=True,
        constant=lambda w: HALF_LOG_2PI - 0.5 * log(w),
        law="N(x | output, {})",
    ),
    DataTerm(
        name="absolute error",
        likelihood="laplace",
        form=WrittenAs.LOCATION,
        domain=Domain.REAL,
        elements=_of(lambda x, o: _absolute(o - x), lambda x, o: np.abs(x) + np.abs(o) + log(2)),
        weighted=True,
        constant=lambda w: log(2) - log(w),
        law="Laplace(x | output, {})",
    ),
    DataTerm(
        name="multinomial cross-entropy (log softmax)",
        likelihood="multinomial",
        form=WrittenAs.LOGITS,
        domain=Domain.LOGIT,
        elements=_multinomial,
        law="Multinomial(softmax(output))",
        source="Liang et al. 2018, arXiv 1802.05814",
    ),
    DataTerm(
        name="Poisson loss of a rate",
        likelihood="poisson",
        form=WrittenAs.PLAIN,
        domain=Domain.POSITIVE,
        elements=_parts(lambda x, o: o - x * np.log(o)),
        law="Poisson(output)",
    ),
    DataTerm(
        name="Poisson loss of a log rate",
        likelihood="poisson",
        form=WrittenAs.LOGITS,
        domain=Domain.LOGIT,
        elements=_parts(lambda x, o: np.exp(o) - x * o),
        law="Poisson(exp(output))",
    ),
    DataTerm(
        name="continuous Bernoulli cross-entropy of probabilities",
        likelihood="continuous_bernoulli",
        form=WrittenAs.PROBS,
        domain=Domain.UNIT,
        elements=_parts(_continuous_bernoulli),
        law="ContinuousBernoulli(output)",
        source="Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845",
    ),
    DataTerm(
        name="continuous Bernoulli cross-entropy of logits",
        likelihood="continuous_bernoulli",
        form=WrittenAs.LOGITS,
        domain=Domain.LOGIT,
        # log C is commonly taken from p = sigmoid(l): 1 - p is known to a roundoff of 1, which e^|l| magnifies, and
        # log(1 - p) - log p is divided by 1 - 2p, about l / 2, in the value, by its square in the gradient.
        elements=_parts(
            _continuous_bernoulli_logits, magnified=lambda o: np.exp(np.abs(o)) + 1 / np.maximum(o**2 / 4, 1e-6)
        ),
        law="ContinuousBernoulli(sigmoid(output))",
        source="Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845",
    ),
    DataTerm(
        name="Huber error",
        likelihood="huber",
        form=WrittenAs.LOCATION,
        domain=Domain.REAL,
        elements=_of(_huber, lambda x, o: (np.abs(x) + np.abs(o)) * (1 + np.abs(x - o)) + 1),
        weighted=True,
        constant=lambda w: log(sqrt(2 * pi / w) * erf(sqrt(w / 2)) + 2 * exp(-w / 2) / w),
        law="the Huber density around output",
        source="Huber 1964, doi 10.1214/aoms/1177703732",
    ),
    DataTerm(
        name="log-cosh error",
        likelihood="log_cosh",
        form=WrittenAs.LOCATION,
        domain=Domain.REAL,
        elements=_parts(_log_cosh),
        weighted=True,
        constant=lambda w: log(pi),
        law="the hyperbolic secant density around output",
    ),
)
LIKELIHOODS = tuple(dict.fromkeys(term.likelihood for term in DATA_TERMS))

# Right where p sums to one over the dimensions of a datum, which no value shows: tried only where `proportions` allows.
OF_PROPORTIONS = DataTerm(
    name="multinomial cross-entropy of probabilities",
    likelihood="multinomial",
    form=WrittenAs.PROBS,
    domain=Domain.UNIT,
    elements=_of(lambda x, o: -x * np.log(o), lambda x, o: np.abs(x * np.log(o)) + np.abs(x)),
    law="Multinomial(output)",
    source="Liang et al. 2018, arXiv 1802.05814",
)

# Of an output that the loss itself brings into its domain. Only of an output whose name says neither logits nor
# probabilities: the squared error of sigmoid(logits) beside a Bernoulli decoder is a known mistake.
OF_RAW_OUTPUTS = (
    DataTerm(
        name="Poisson loss of a softplus",
        likelihood="poisson",
        form=WrittenAs.PLAIN,
        domain=Domain.LOGIT,
        # log(1 + e^o) is mostly written so, and known to a roundoff of 1 beside e^o.
        elements=_parts(lambda x, o: softplus(o) - x * np.log(softplus(o)), magnified=lambda o: np.exp(np.abs(o))),
        law="Poisson(softplus(output))",
    ),
    DataTerm(
        name="half squared error of a sigmoid",
        likelihood="normal",
        form=WrittenAs.PLAIN,
        domain=Domain.LOGIT,
        elements=_parts(lambda x, o: (x - 1 / (1 + np.exp(-o))) ** 2 / 2),
        weighted=True,
        constant=lambda w: HALF_LOG_2PI - 0.5 * log(w),
        law="N(x | sigmoid(output), {})",
    ),
)


OWN_VARIANCE = tuple(
    DataTerm(
        name="Gaussian error with a variance of its own",
        likelihood="normal",
        form=WrittenAs.LOCATION,
        domain=Domain.REAL,
        elements=_squared_error,
        constant=lambda w: HALF_LOG_2PI,
        law="N(x | output, {})",
        spread=form,
    )
    for form in SPREADS
)


def data_terms(likelihood: str | None = None, *, proportions: bool = False) -> tuple[DataTerm, ...]:
    """Those of one likelihood, or all of them. proportions: the output may sum to one over the dimensions."""
    terms = (*DATA_TERMS, OF_PROPORTIONS) if proportions else DATA_TERMS
    return tuple(term for term in terms if likelihood in (None, term.likelihood))
