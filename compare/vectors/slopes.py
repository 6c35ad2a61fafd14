"""Gradients in mpmath, element by element, each with its scale: partial derivatives, z, mean and log_var independent.

An implementation that differentiates through z = mean + exp(log_var / 2) e gets d/dz times dz/d(mean, log_var) on top.
Kingma and Welling 2014 (arXiv 1312.6114), section 2.4 and appendix B.
"""

from collections.abc import Mapping

from elbo_compare.compare.vectors.densities import Term
from elbo_compare.compare.vectors.exact import MP, Number, Row

Slopes = Mapping[str, list[Term]]


def analytic_kl(mean: Row, log_var: Row) -> Slopes:
    """d/dmean = mean, d/dlog_var = (sigma^2 - 1) / 2. Shapes: (latent,) each."""
    variances = [MP.exp(each) for each in log_var]
    return {
        "mean": [Term(value=centre, scale=2 * abs(centre)) for centre in mean],
        "log_var": [
            Term(value=(variance - 1) / 2, scale=((1 + abs(each)) * variance + 1) / 2)
            for variance, each in zip(variances, log_var, strict=True)
        ],
    }


def sampled_kl(z: Row, mean: Row, log_var: Row) -> Slopes:
    """d/dz = z - s, d/dmean = s, d/dlog_var = ((z - mean)^2 / sigma^2 - 1) / 2 with s = (z - mean) / sigma^2."""
    slopes: dict[str, list[Term]] = {"z": [], "mean": [], "log_var": []}
    for point, centre, each in zip(z, mean, log_var, strict=True):
        variance, shift, size = MP.exp(each), point - centre, abs(point) + abs(centre)
        pull, square = shift / variance, shift**2 / variance
        pull_scale = size / variance + (1 + abs(each)) * abs(pull)
        slopes["z"].append(Term(value=point - pull, scale=2 * abs(point) + pull_scale))
        slopes["mean"].append(Term(value=pull, scale=pull_scale))
        square_scale = 2 * size * abs(pull) + (1 + abs(each)) * square
        slopes["log_var"].append(Term(value=(square - 1) / 2, scale=(square_scale + 1) / 2))
    return slopes


def minus_log_bernoulli(x: Row, logits: Row) -> Slopes:
    """d/dlogits = sigmoid(logits) - x. Shapes: (observed,) each. Appendix C.1."""
    terms = []
    for datum, logit in zip(x, logits, strict=True):
        prob = 1 / (1 + MP.exp(-logit))
        terms.append(Term(value=prob - datum, scale=prob * (1 + abs(logit) * (1 - prob)) + abs(datum)))
    return {"logits": terms}


def minus_log_normal(x: Row, location: Row, likelihood_scale: Number) -> Slopes:
    """d/dlocation = (location - x) / scale^2. Shapes: (observed,) each, and a number. Appendix C.2."""
    variance = likelihood_scale**2
    return {
        "location": [
            Term(value=(centre - datum) / variance, scale=3 * (abs(centre) + abs(datum)) / variance)
            for datum, centre in zip(x, location, strict=True)
        ]
    }


def iwae_bound(log_weight: Row) -> list[Term]:
    """d/dlog_weight = the normalised weights, which sum to 1. Shapes: (particle,). Burda et al. 2016, eq. 14."""
    largest = max(log_weight)
    weights = [MP.exp(weight - largest) for weight in log_weight]
    total = sum(weights, MP.zero)
    return [
        Term(value=weight / total, scale=weight / total * (2 + abs(each) + abs(largest)))
        for weight, each in zip(weights, log_weight, strict=True)
    ]
