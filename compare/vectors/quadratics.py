"""Closed forms in mpmath: cumulants of the sampled KL, and the linear-Gaussian VAE p(x|z) = N(W z + b, tau^2 I).

With e ~ N(0, I) and z = mean + S e, S = diag sigma, log p(x|z) and the sampled KL are quadratics in e; `Quadratic`
is constant + linear.e + e'matrix e / 2, Var = |linear|^2 + tr(matrix^2) / 2. Lucas et al. 2019 (arXiv 1911.02469),
section 4; Tipping and Bishop 1999 for p(x). Shapes: weight (observed, latent), x and bias (observed,), mean and
log_var (latent,).
"""

from dataclasses import dataclass

from elbo_compare.compare.vectors import densities
from elbo_compare.compare.vectors.densities import Term
from elbo_compare.compare.vectors.exact import MP, Number, Row, Rows

CUMULANTS = 4


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """p(x|z) = N(weight z + bias, scale^2 I)."""

    weight: Rows
    bias: Row
    scale: Number

    def location(self, z: Row) -> list[Number]:
        """weight z + bias, (observed,)."""
        return [_dot(row, z) + offset for row, offset in zip(self.weight, self.bias, strict=True)]

    def sizes(self, z: Row) -> list[Number]:
        """|weight| |z| + |bias|: the absolute terms of `location`, (observed,)."""
        return [_absolute(row, z) + abs(offset) for row, offset in zip(self.weight, self.bias, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """linear.e + e'matrix e / 2, and the same in absolute terms. The constant has no variance and is left out."""

    linear: Row
    matrix: Rows
    absolute_linear: Row
    absolute_matrix: Rows

    def variance(self) -> Term:
        """|linear|^2 + tr(matrix^2) / 2, in nats^2; the scale doubles each square's own terms, as a square does."""
        value = _dot(self.linear, self.linear) + _frobenius(self.matrix) / 2
        absolute = _dot(self.absolute_linear, self.absolute_linear) + _frobenius(self.absolute_matrix) / 2
        return Term(value=value, scale=2 * absolute)

    def __add__(self, other: "Quadratic") -> "Quadratic":
        return Quadratic(
            linear=_plus(self.linear, other.linear),
            matrix=[_plus(*rows) for rows in zip(self.matrix, other.matrix, strict=True)],
            absolute_linear=_plus(self.absolute_linear, other.absolute_linear),
            absolute_matrix=[_plus(*rows) for rows in zip(self.absolute_matrix, other.absolute_matrix, strict=True)],
        )


def kl_cumulants(mean: Row, log_var: Row) -> list[Term]:
    """kappa_1 .. kappa_4 of the sampled KL under z ~ q, in nats^n. Shapes: (latent,) each -> 4.

    Per dimension it is c + a e + b e^2 with a = mean sigma, b = (sigma^2 - 1) / 2; kappa_1 is the KL, and
    kappa_n = 2^(n-1) (n-1)! (b^n + n a^2 b^(n-2) / 4).
    """
    cumulants = [densities.analytic_kl(mean, log_var)]
    for n in range(2, CUMULANTS + 1):
        factor = MP.mpf(2) ** (n - 1) * MP.factorial(n - 1)
        value = scale = MP.zero
        for centre, log_variance in zip(mean, log_var, strict=True):
            variance = MP.exp(log_variance)
            linear, bend = centre**2 * variance, (variance - 1) / 2
            size = (variance + 1) / 2  # sigma^2 - 1 cancels near sigma = 1
            value += factor * (bend**n + n * linear * bend ** (n - 2) / 4)
            scale += n * (1 + abs(log_variance)) * factor * (size**n + n * linear * size ** (n - 2) / 4)
        cumulants.append(Term(value=value, scale=scale))
    return cumulants


def log_evidence(decoder: Decoder, x: Row) -> Term:
    """log N(x; b, W W' + tau^2 I). Tipping and Bishop 1999, eq. 4."""
    size = len(x)
    covariance = MP.matrix(size, size)
    for i in range(size):
        for j in range(size):
            covariance[i, j] = _dot(decoder.weight[i], decoder.weight[j]) + (decoder.scale**2 if i == j else 0)
    residual = MP.matrix([datum - offset for datum, offset in zip(x, decoder.bias, strict=True)])
    log_det = MP.log(MP.det(covariance))
    inverse = covariance**-1
    square = (residual.T * inverse * residual)[0]
    value = -size * densities.half_log_two_pi() - (log_det + square) / 2
    # A symmetric solve is backward stable: its error is of the order of the condition number (Higham 2002, 10).
    condition = _norm(covariance) * _norm(inverse)
    scale = size * densities.half_log_two_pi() + (abs(log_det) + size) / 2 + condition * (square + size)
    return Term(value=value, scale=scale)


def log_likelihood(decoder: Decoder, x: Row, mean: Row, log_var: Row) -> Quadratic:
    """log p(x | mean + S e): linear g = S W'(x - b - W mean) / tau^2, matrix -A = -S W'W S / tau^2."""
    variance, sigma = decoder.scale**2, [MP.exp(each / 2) for each in log_var]
    residual = [datum - place for datum, place in zip(x, decoder.location(mean), strict=True)]
    sizes = [abs(datum) + size for datum, size in zip(x, decoder.sizes(mean), strict=True)]
    columns = [list(column) for column in zip(*decoder.weight, strict=True)]
    bends = [
        [-_dot(first, second) * si * sj / variance for second, sj in zip(columns, sigma, strict=True)]
        for first, si in zip(columns, sigma, strict=True)
    ]
    sums = [
        [_absolute(first, second) * si * sj / variance for second, sj in zip(columns, sigma, strict=True)]
        for first, si in zip(columns, sigma, strict=True)
    ]
    return Quadratic(
        linear=[s * _dot(column, residual) / variance for s, column in zip(sigma, columns, strict=True)],
        matrix=bends,
        absolute_linear=[s * _absolute(column, sizes) / variance for s, column in zip(sigma, columns, strict=True)],
        absolute_matrix=sums,
    )


def minus_sampled_kl(mean: Row, log_var: Row) -> Quadratic:
    """-(log q - log p): linear -a = -S mean, matrix -M = I - S^2."""
    sigma = [MP.exp(each / 2) for each in log_var]
    linear = [-s * m for s, m in zip(sigma, mean, strict=True)]
    return Quadratic(
        linear=linear,
        matrix=_diagonal([1 - s**2 for s in sigma]),
        absolute_linear=[abs(each) for each in linear],
        absolute_matrix=_diagonal([1 + s**2 for s in sigma]),
    )


def elbo(decoder: Decoder, x: Row, mean: Row, log_var: Row) -> Term:
    """E[ELBO] = log p(x | z = mean) - tr(A) / 2 - KL(q || p): of the quadratic, only its trace has a mean."""
    form = log_likelihood(decoder, x, mean, log_var)
    trace = sum((form.matrix[i][i] for i in range(len(mean))), MP.zero) / 2
    location = decoder.location(mean)
    at_mean = densities.log_normal(x, location, decoder.scale)
    # `location` is a sum of products, rounded in its turn.
    each = zip(x, location, decoder.sizes(mean), strict=True)
    rounded = sum((abs(datum - place) * size for datum, place, size in each), MP.zero) / decoder.scale**2
    likelihood = Term(value=at_mean.value + trace, scale=at_mean.scale + rounded + 2 * abs(trace))
    return likelihood - densities.analytic_kl(mean, log_var)


def _dot(first: Row, second: Row) -> Number:
    return sum((a * b for a, b in zip(first, second, strict=True)), MP.zero)


def _absolute(first: Row, second: Row) -> Number:
    return sum((abs(a * b) for a, b in zip(first, second, strict=True)), MP.zero)


def _plus(first: Row, second: Row) -> list[Number]:
    return [a + b for a, b in zip(first, second, strict=True)]


def _frobenius(matrix: Rows) -> Number:
    return sum((entry**2 for row in matrix for entry in row), MP.zero)


def _diagonal(entries: Row) -> list[list[Number]]:
    return [[entry if i == j else MP.zero for j in range(len(entries))] for i, entry in enumerate(entries)]


def _norm(matrix: Number) -> Number:
    return MP.mnorm(matrix, 1)
