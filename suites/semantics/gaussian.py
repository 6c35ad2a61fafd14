"""Closed forms for univariate normals, the oracles' common ground. All in nats."""

from math import e, log, pi

LOG_2_PI = log(2 * pi)


def log_normal(z: float, loc: float = 0.0, scale: float = 1.0) -> float:
    """log N(z | loc, scale^2), fully normalised."""
    return -0.5 * LOG_2_PI - log(scale) - 0.5 * ((z - loc) / scale) ** 2


def entropy(scale: float) -> float:
    """-E log q for q = N(., scale^2): log(2 pi e scale^2) / 2."""
    return 0.5 * log(2 * pi * e * scale**2)


def cross_entropy(loc: float, scale: float) -> float:
    """-E_q log p for q = N(loc, scale^2), p = N(0, 1): (log 2 pi + loc^2 + scale^2) / 2."""
    return 0.5 * (LOG_2_PI + loc**2 + scale**2)


def kl_standard(loc: float, scale: float) -> float:
    """KL(N(loc, scale^2) || N(0, 1)) = (loc^2 + scale^2 - 1) / 2 - log scale.  Kingma and Welling 2014, appendix B."""
    return 0.5 * (loc**2 + scale**2 - 1) - log(scale)
