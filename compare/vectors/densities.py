"""Densities, KL terms and the ELBO of one datum in mpmath, each with the scale of its rounding, from the papers.

A `Term` is a sum with its scale S: the sum of the absolute terms, and of |argument x derivative| for every argument
and every step that rounds on the way (the cancellation in z - mean among them). c u S is what rounding may do to it
(`compare.claims.pointwise`). Sources: Kingma and Welling 2014 (arXiv 1312.6114), eqs. 6 and 7, appendices B and C.
"""

from dataclasses import dataclass

from elbo_compare.compare.vectors.exact import MP, Number, Row


@dataclass(frozen=True, kw_only=True)
class Term:
    """A value and its scale, in nats."""

    value: Number
    scale: Number

    def __add__(self, other: "Term") -> "Term":
        return Term(value=self.value + other.value, scale=self.scale + other.scale)

    def __neg__(self) -> "Term":
        return Term(value=-self.value, scale=self.scale)

    def __sub__(self, other: "Term") -> "Term":
        return self + -other


def half_log_two_pi() -> Number:
    """0.5 log(2 pi), the normaliser of one dimension."""
    return MP.log(2 * MP.pi) / 2


def log_q(z: Row, mean: Row, log_var: Row) -> Term:
    """log N(z; mean, diag exp(log_var)). Shapes: (latent,) each."""
    value = scale = MP.zero
    for point, centre, log_variance in zip(z, mean, log_var, strict=True):
        variance, shift = MP.exp(log_variance), point - centre
        square = shift**2 / variance / 2
        value -= half_log_two_pi() + log_variance / 2 + square
        # z - mean is wrong by u (|z| + |mean|), which sigma^2 divides; exp(log_var) by |log_var| u.
        cancellation = (abs(point) + abs(centre)) * abs(shift) / variance
        scale += half_log_two_pi() + abs(log_variance) + (1 + abs(log_variance)) * square + cancellation
    return Term(value=value, scale=scale)


def log_prior(z: Row) -> Term:
    """log N(z; 0, I). Shapes: (latent,)."""
    squares = sum((point**2 for point in z), MP.zero)
    constants = len(z) * half_log_two_pi()
    return Term(value=-constants - squares / 2, scale=constants + 3 * squares / 2)


def sampled_kl(z: Row, mean: Row, log_var: Row) -> Term:
    """log q(z) - log p(z) at the given z. Shapes: (latent,) each. Eq. 6.

    The normalisers are left out of the value, so that q = p gives exactly 0, and kept in the scale.
    """
    value = MP.zero
    for point, centre, log_variance in zip(z, mean, log_var, strict=True):
        value += (point**2 - (point - centre) ** 2 / MP.exp(log_variance) - log_variance) / 2
    return Term(value=value, scale=(log_q(z, mean, log_var) - log_prior(z)).scale)


def analytic_kl(mean: Row, log_var: Row) -> Term:
    """(mean^2 + sigma^2 - 1 - log sigma^2) / 2, summed. Shapes: (latent,) each. Appendix B."""
    value = scale = MP.zero
    for centre, log_variance in zip(mean, log_var, strict=True):
        variance = MP.exp(log_variance)
        value += (centre**2 + variance - 1 - log_variance) / 2
        scale += 3 * centre**2 / 2 + ((1 + abs(log_variance)) * variance + 1) / 2 + abs(log_variance)
    return Term(value=value, scale=scale)


def log_bernoulli(x: Row, logits: Row) -> Term:
    """sum x l - log(1 + exp l), as -x log(1 + exp -l) - (1 - x) log(1 + exp l), which does not cancel.

    Shapes: (observed,) each. Appendix C.1.
    """
    value = scale = MP.zero
    for datum, logit in zip(x, logits, strict=True):
        softplus = _softplus(logit)
        value -= datum * _softplus(-logit) + (1 - datum) * softplus
        slope = abs(logit * (datum - 1 / (1 + MP.exp(-logit))))
        # A logit on one side of 0 is often written as |l| + log(1 + exp(-|l|)), whose parts may cancel to 0.
        scale += 2 * abs(datum * logit) + softplus + slope + max(abs(logit), MP.one)
    return Term(value=value, scale=scale)


def _softplus(logit: Number) -> Number:
    tail = MP.log1p(MP.exp(-abs(logit)))
    return tail + logit if logit > 0 else tail


def log_normal(x: Row, location: Row, likelihood_scale: Number) -> Term:
    """log N(x; location, likelihood_scale^2 I). Shapes: (observed,) each, and a number. Appendix C.2."""
    value = scale = MP.zero
    log_scale = MP.log(likelihood_scale)
    for datum, centre in zip(x, location, strict=True):
        residual = (datum - centre) / likelihood_scale
        value -= half_log_two_pi() + log_scale + residual**2 / 2
        cancellation = abs(residual) * (abs(datum) + abs(centre)) / likelihood_scale
        scale += half_log_two_pi() + abs(log_scale) + 1 + 3 * residual**2 / 2 + cancellation
    return Term(value=value, scale=scale)


def iwae_bound(log_weight: Row) -> Term:
    """log((1/K) sum_k exp(log_weight_k)). Shapes: (particle,). Burda et al. 2016 (arXiv 1509.00519), eq. 8."""
    largest = max(log_weight)
    total = sum((MP.exp(weight - largest) for weight in log_weight), MP.zero)
    value = largest + MP.log(total) - MP.log(len(log_weight))
    # The bound moves with the log weights by their normalised weights, which sum to 1.
    moved = sum((abs(weight) * MP.exp(weight - largest) / total for weight in log_weight), MP.zero)
    return Term(value=value, scale=abs(largest) + moved + 2 * MP.log(len(log_weight)) + 1)
