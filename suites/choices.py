"""The choices that the contract names: what a problem, an estimator and a session may be."""

from enum import StrEnum


class Likelihood(StrEnum):
    """p(x | z). NONE: there is no data term, so that ELBO = -KL.

    >>> print(*Likelihood)
    none normal bernoulli
    """

    NONE = "none"
    NORMAL = "normal"
    BERNOULLI = "bernoulli"


class Flow(StrEnum):
    """The map z_T = f(z_0; x) from z_0 ~ N(mean, diag exp(log_var)). See `Problem` for each one's parameters.

    >>> print(*(flow for flow in Flow if flow.is_linear))
    none householder linear-iaf convex-linear-iaf
    """

    NONE = "none"
    HOUSEHOLDER = "householder"
    LINEAR_IAF = "linear-iaf"
    CONVEX_LINEAR_IAF = "convex-linear-iaf"
    PLANAR = "planar"
    AUTOREGRESSIVE = "inverse-autoregressive"

    @property
    def is_linear(self) -> bool:
        """Given x, f is linear and |det| = 1, so that q(z_T|x) is a Gaussian with full covariance."""
        return self in (Flow.NONE, Flow.HOUSEHOLDER, Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF)


class Prior(StrEnum):
    """p(z). See `Problem` for each one's parameters.

    >>> print(*Prior)
    standard-normal mixture vamp laplace
    """

    STANDARD_NORMAL = "standard-normal"
    MIXTURE = "mixture"
    VAMP = "vamp"
    LAPLACE = "laplace"


class KLTerm(StrEnum):
    """How an estimator obtains the KL term of the ELBO, from k1 = log q(z|x) - log p(z) at its sample(s).

    >>> print(*KLTerm)
    sampled analytic half-square ratio control-variate
    """

    SAMPLED = "sampled"  # k1, the questioned line
    ANALYTIC = "analytic"
    HALF_SQUARE = "half-square"  # k2 = k1^2 / 2
    RATIO = "ratio"  # k3 = r - 1 - log r, r = p(z) / q(z|x)
    CONTROL_VARIATE = "control-variate"  # k1 + l (r - 1), l the variance-minimising constant, not differentiated


class Bound(StrEnum):
    """What is made of the particles' log weights log p(x|z) + log p(z) - log q(z|x).

    >>> print(*Bound)
    elbo renyi
    """

    ELBO = "elbo"  # the mean of log p(x|z) - KL term
    RENYI = "renyi"  # log mean exp((1 - alpha) log w) / (1 - alpha); alpha = 0: IWAE


class GradientForm(StrEnum):
    """Which estimator of the gradient; the value is the same.

    >>> print(*GradientForm)
    reparameterised sticking-the-landing doubly-reparameterised
    """

    REPARAMETERISED = "reparameterised"  # the derivative of the value
    STICKING_THE_LANDING = "sticking-the-landing"  # the parameters of log q are not differentiated
    DOUBLY_REPARAMETERISED = "doubly-reparameterised"  # squared normalised weights for q's parameters


class Noise(StrEnum):
    """How the particles' base noise is drawn.

    >>> print(*Noise)
    independent antithetic sobol
    """

    INDEPENDENT = "independent"
    ANTITHETIC = "antithetic"  # e and -e
    SOBOL = "sobol"  # normal quantiles of scrambled Sobol points


class Kind(StrEnum):
    """Where an implementation's numbers come from, which decides the claims that it is given.

    >>> print(*Kind, sep=', ')
    oracle, by hand, library, peer
    """

    ORACLE = "oracle"  # the reference that the others are held against
    HAND = "by hand"
    LIBRARY = "library"  # through a library's own public ELBO object
    PEER = "peer"  # somebody else's training loop: timed by the bench, no implementation


class Reduction(StrEnum):
    """How a raw loss combines the batch.

    >>> print(*Reduction)
    sum mean
    """

    SUM = "sum"
    MEAN = "mean"


class DType(StrEnum):
    """What a session computes in.

    >>> print(*DType)
    float32 float64
    """

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class Device(StrEnum):
    """Where a session computes.

    >>> print(*Device)
    cpu cuda
    """

    CPU = "cpu"
    CUDA = "cuda"
