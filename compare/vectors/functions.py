"""The functions that the vectors are about: parameters, shapes, formulas, sources, and their values in mpmath."""

from collections.abc import Callable, Mapping
from typing import Any

from elbo_compare.compare.vectors import densities, quadratics, slopes
from elbo_compare.compare.vectors.densities import Term
from elbo_compare.compare.vectors.exact import MP, Nested, Row
from elbo_compare.compare.vectors.quadratics import Decoder
from elbo_compare.compare.vectors.vector import GRADIENT, VALUE, Function

Inputs = Mapping[str, Nested]
Outputs = dict[str, Nested]

LATENT, OBSERVED, NUMBER = "(batch, latent)", "(batch, observed)", "()"
PER_DATUM = "(batch,), nats"
Q = {"mean": LATENT, "log_var": LATENT}
DECODER = {
    "weight": "(observed, latent)",
    "bias": "(observed,)",
    "scale": NUMBER,
    "x": "(observed,)",
    "mean": "(latent,)",
    "log_var": "(latent,)",
}
KINGMA = "Kingma and Welling 2014 (arXiv 1312.6114)"
LUCAS = "Lucas, Tucker, Grosse and Norouzi 2019 (arXiv 1911.02469), section 4"


def _by_datum(function: Callable[..., Term], *names: str) -> Callable[[Inputs], Outputs]:
    """`function` of each datum's rows; a plain number (the likelihood's scale) is the same for every datum."""

    def outputs(inputs: Inputs) -> Outputs:
        return {VALUE: [function(*row) for row in _rows(inputs, names)]}

    return outputs


def _rows(inputs: Inputs, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    columns = [inputs[name] for name in names]
    batch = len(next(column for column in columns if isinstance(column, list)))
    return [tuple(column[i] if isinstance(column, list) else column for column in columns) for i in range(batch)]


def _slopes_by_datum(function: Callable[..., slopes.Slopes], *names: str) -> Callable[[Inputs], Outputs]:
    def outputs(inputs: Inputs) -> Outputs:
        rows = [function(*row) for row in _rows(inputs, names)]
        return {GRADIENT + name: [row[name] for row in rows] for name in rows[0]}

    return outputs


def _negative(likelihood: Callable[..., Term], kl: Callable[..., Term], split: int) -> Callable[..., Term]:
    """KL - log p(x|z) of one datum; the first `split` arguments are the likelihood's."""
    return lambda *row: kl(*row[split:]) - likelihood(*row[:split])


def _slopes(likelihood: Callable[..., slopes.Slopes], kl: Callable[..., slopes.Slopes], split: int) -> Callable:
    return lambda *row: {**likelihood(*row[:split]), **kl(*row[split:])}


def _log_weight(x: Row, logits: Row, z: Row, mean: Row, log_var: Row) -> Term:
    return densities.log_bernoulli(x, logits) - densities.sampled_kl(z, mean, log_var)


def _bound(inputs: Inputs) -> Outputs:
    columns = [list(column) for column in zip(*inputs["log_weight"], strict=True)]
    return {VALUE: [densities.iwae_bound(column) for column in columns]}


def _bound_slopes(inputs: Inputs) -> Outputs:
    columns = [slopes.iwae_bound(list(column)) for column in zip(*inputs["log_weight"], strict=True)]
    return {GRADIENT + "log_weight": [list(row) for row in zip(*columns, strict=True)]}


def _points(mean: Row, log_var: Row, noise: list[Row]) -> list[list[Any]]:
    return [[m + MP.exp(v / 2) * e for m, v, e in zip(mean, log_var, row, strict=True)] for row in noise]


def _kl_over_points(inputs: Inputs) -> Outputs:
    """The mean over the points themselves; that it is the closed form is a claim, which a test holds it against."""
    mean, log_var = inputs["mean"], inputs["log_var"]
    return {VALUE: _average([_kl_at(z, mean, log_var) for z in _points(mean, log_var, inputs["noise"])])}


def _kl_at(z: list[Any], mean: Row, log_var: Row) -> Term:
    """The sampled KL at a z that an implementation computes, and so rounds: |dk/dz| (|mean| + |z - mean|) more."""
    rounded = sum(
        (
            (abs(point) + abs(point - m) / MP.exp(v)) * (abs(m) + (1 + abs(v)) * abs(point - m))
            for point, m, v in zip(z, mean, log_var, strict=True)
        ),
        MP.zero,
    )
    return densities.sampled_kl(z, mean, log_var) + Term(value=MP.zero, scale=rounded)


def _elbo_over_points(inputs: Inputs) -> Outputs:
    mean, log_var, x, decoder = inputs["mean"], inputs["log_var"], inputs["x"], _decoder(inputs)
    terms = []
    for z in _points(mean, log_var, inputs["noise"]):
        location, sizes = decoder.location(z), decoder.sizes(z)
        each = zip(x, location, sizes, strict=True)
        rounded = sum((abs(datum - place) * size for datum, place, size in each), MP.zero) / decoder.scale**2
        likelihood = densities.log_normal(x, location, decoder.scale) + Term(value=MP.zero, scale=2 * rounded)
        terms.append(likelihood - _kl_at(z, mean, log_var))
    return {VALUE: _average(terms)}


def _average(terms: list[Term]) -> Term:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return Term(value=total.value / len(terms), scale=total.scale / len(terms))


def _decoder(inputs: Inputs) -> Decoder:
    return Decoder(weight=inputs["weight"], bias=inputs["bias"], scale=inputs["scale"])


def _closed(form: Callable[[Decoder, Row, Row, Row], Term]) -> Callable[[Inputs], Outputs]:
    return lambda inputs: {VALUE: form(_decoder(inputs), inputs["x"], inputs["mean"], inputs["log_var"])}


def _likelihood_variance(decoder: Decoder, x: Row, mean: Row, log_var: Row) -> Term:
    return quadratics.log_likelihood(decoder, x, mean, log_var).variance()


def _sampled_variance(decoder: Decoder, x: Row, mean: Row, log_var: Row) -> Term:
    form = quadratics.log_likelihood(decoder, x, mean, log_var) + quadratics.minus_sampled_kl(mean, log_var)
    return form.variance()


def _linear_gaussian(
    name: str, formula: str, claim: str | None, outputs: Callable[[Inputs], Outputs], unit: str
) -> Function:
    return Function(
        name=name,
        parameters=DECODER,
        returns=f"(), {unit}",
        formula=formula,
        source=LUCAS,
        claim=claim,
        outputs=outputs,
    )


ANALYTIC_KL = Function(
    name="analytic_kl",
    parameters=Q,
    returns=PER_DATUM,
    formula="sum over latent of (mean^2 + exp(log_var) - 1 - log_var) / 2",
    source=f"{KINGMA}, appendix B",
    claim="KL-001",
    outputs=_by_datum(densities.analytic_kl, *Q),
)
SAMPLED_KL = Function(
    name="sampled_kl",
    parameters={"z": LATENT, **Q},
    returns=PER_DATUM,
    formula="log N(z; mean, exp(log_var)) - log N(z; 0, I)",
    source=f"{KINGMA}, eq. 6",
    claim="KL-002",
    outputs=_by_datum(densities.sampled_kl, "z", *Q),
)
LOG_Q = Function(
    name="log_q",
    parameters={"z": LATENT, **Q},
    returns=PER_DATUM,
    formula="-sum over latent of (log(2 pi) + log_var + (z - mean)^2 / exp(log_var)) / 2",
    source=f"{KINGMA}, appendix B",
    claim="CONST-001",
    outputs=_by_datum(densities.log_q, "z", *Q),
)
LOG_PRIOR = Function(
    name="log_prior",
    parameters={"z": LATENT},
    returns=PER_DATUM,
    formula="-sum over latent of (log(2 pi) + z^2) / 2",
    source=f"{KINGMA}, appendix B",
    claim="CONST-001",
    outputs=_by_datum(densities.log_prior, "z"),
)
LOG_BERNOULLI = Function(
    name="log_bernoulli",
    parameters={"x": OBSERVED, "logits": OBSERVED},
    returns=PER_DATUM,
    formula="sum over observed of x logits - log(1 + exp(logits))",
    source=f"{KINGMA}, appendix C.1",
    claim="ELBO-002",
    outputs=_by_datum(densities.log_bernoulli, "x", "logits"),
)
LOG_NORMAL = Function(
    name="log_normal",
    parameters={"x": OBSERVED, "location": OBSERVED, "scale": NUMBER},
    returns=PER_DATUM,
    formula="-sum over observed of log(2 pi) / 2 + log(scale) + ((x - location) / scale)^2 / 2",
    source=f"{KINGMA}, appendix C.2",
    claim="ELBO-002",
    outputs=_by_datum(densities.log_normal, "x", "location", "scale"),
)
BERNOULLI_ELBO = Function(
    name="negative_elbo_bernoulli",
    parameters={"x": OBSERVED, "logits": OBSERVED, "z": LATENT, **Q},
    returns=PER_DATUM,
    formula="sampled_kl(z, mean, log_var) - log_bernoulli(x, logits)",
    source=f"{KINGMA}, eq. 6 (L^A), one sample",
    claim="ELBO-001",
    outputs=_by_datum(_negative(densities.log_bernoulli, densities.sampled_kl, 2), "x", "logits", "z", *Q),
)
BERNOULLI_ELBO_ANALYTIC = Function(
    name="negative_elbo_bernoulli_analytic",
    parameters={"x": OBSERVED, "logits": OBSERVED, **Q},
    returns=PER_DATUM,
    formula="analytic_kl(mean, log_var) - log_bernoulli(x, logits)",
    source=f"{KINGMA}, eq. 7 (L^B), one sample",
    claim="ELBO-001",
    outputs=_by_datum(_negative(densities.log_bernoulli, densities.analytic_kl, 2), "x", "logits", *Q),
)
NORMAL_ELBO = Function(
    name="negative_elbo_normal",
    parameters={"x": OBSERVED, "location": OBSERVED, "scale": NUMBER, "z": LATENT, **Q},
    returns=PER_DATUM,
    formula="sampled_kl(z, mean, log_var) - log_normal(x, location, scale)",
    source=f"{KINGMA}, eq. 6 (L^A), one sample",
    claim="ELBO-001",
    outputs=_by_datum(_negative(densities.log_normal, densities.sampled_kl, 3), "x", "location", "scale", "z", *Q),
)
LOG_WEIGHT = Function(
    name="log_weight",
    parameters={"x": OBSERVED, "logits": OBSERVED, "z": LATENT, **Q},
    returns=PER_DATUM,
    formula="log_bernoulli(x, logits) + log_prior(z) - log_q(z, mean, log_var)",
    source="Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), eq. 8",
    claim="ELBO-001",
    outputs=_by_datum(_log_weight, "x", "logits", "z", *Q),
)
IWAE_BOUND = Function(
    name="iwae_bound",
    parameters={"log_weight": "(particle, batch)"},
    returns=PER_DATUM,
    formula="log((1 / particle) sum over particle of exp(log_weight))",
    source="Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), eq. 8",
    claim=None,
    outputs=_bound,
)
KL_CUMULANTS = Function(
    name="kl_cumulants",
    parameters={"mean": "(latent,)", "log_var": "(latent,)"},
    returns="(4,), nats, nats^2, nats^3, nats^4",
    formula=(
        "cumulants 1 to 4 of sampled_kl at z ~ q: sum over latent of mean^2/2 - log(sigma) + b, then "
        "2^(n-1) (n-1)! (b^n + n a^2 b^(n-2) / 4) with a = mean sigma, b = (sigma^2 - 1) / 2"
    ),
    source="moments of a quadratic form in normal variables; Mathai and Provost 1992, chapter 3",
    claim="KL-005",
    outputs=lambda inputs: {VALUE: quadratics.kl_cumulants(inputs["mean"], inputs["log_var"])},
)
KL_OVER_POINTS = Function(
    name="kl_over_points",
    parameters={"mean": "(latent,)", "log_var": "(latent,)", "noise": "(point, latent)"},
    returns="(), nats",
    formula="mean over point of sampled_kl at z = mean + exp(log_var / 2) noise",
    source="two-point Gauss-Hermite quadrature, exact to degree 3: Abramowitz and Stegun 1964, 25.4.46",
    claim="KL-003",
    outputs=_kl_over_points,
)
ELBO_OVER_POINTS = Function(
    name="elbo_over_points",
    parameters={**DECODER, "noise": "(point, latent)"},
    returns="(), nats",
    formula="mean over point of log N(x; weight z + bias, scale^2 I) - sampled_kl at z = mean + exp(log_var / 2) noise",
    source="spherical-radial cubature of degree 3: Arasaratnam and Haykin 2009, section IV",
    claim="LG-006",
    outputs=_elbo_over_points,
)
LOG_EVIDENCE = _linear_gaussian(
    "log_evidence",
    "log N(x; bias, weight weight' + scale^2 I); mean and log_var do not enter",
    "ORD-001",
    lambda inputs: {VALUE: quadratics.log_evidence(_decoder(inputs), inputs["x"])},
    "nats",
)
ELBO_MEAN = _linear_gaussian(
    "elbo_mean",
    "E[ELBO] = log N(x; weight mean + bias, scale^2 I) - tr(S weight' weight S) / (2 scale^2) - analytic_kl",
    "LG-001",
    _closed(quadratics.elbo),
    "nats",
)
SAMPLED_VARIANCE = _linear_gaussian(
    "sampled_elbo_variance",
    "Var[ELBO with sampled KL] = |g - a|^2 + tr((A + M)^2) / 2, A = S W'W S / scale^2, "
    "g = S W'(x - b - W mean) / scale^2, a = S mean, M = S^2 - I",
    "LG-002",
    _closed(_sampled_variance),
    "nats^2",
)
ANALYTIC_VARIANCE = _linear_gaussian(
    "analytic_elbo_variance",
    "Var[ELBO with analytic KL] = |g|^2 + tr(A^2) / 2",
    "LG-003",
    _closed(_likelihood_variance),
    "nats^2",
)


def _gradient_of(function: Function, outputs: Callable[[Inputs], Outputs]) -> Function:
    return Function(
        name=function.name,
        parameters=function.parameters,
        returns="d sum(value) / d argument, the argument's shape; z, mean and log_var independent of each other",
        formula=function.formula,
        source=f"{KINGMA}, section 2.4 and appendix B",
        claim="GRAD-001",
        outputs=outputs,
    )


ANALYTIC_KL_GRADIENT = _gradient_of(ANALYTIC_KL, _slopes_by_datum(slopes.analytic_kl, *Q))
SAMPLED_KL_GRADIENT = _gradient_of(SAMPLED_KL, _slopes_by_datum(slopes.sampled_kl, "z", *Q))
BERNOULLI_ELBO_GRADIENT = _gradient_of(
    BERNOULLI_ELBO,
    _slopes_by_datum(_slopes(slopes.minus_log_bernoulli, slopes.sampled_kl, 2), "x", "logits", "z", *Q),
)
NORMAL_ELBO_GRADIENT = _gradient_of(
    NORMAL_ELBO,
    _slopes_by_datum(_slopes(slopes.minus_log_normal, slopes.sampled_kl, 3), "x", "location", "scale", "z", *Q),
)
IWAE_BOUND_GRADIENT = _gradient_of(IWAE_BOUND, _bound_slopes)
