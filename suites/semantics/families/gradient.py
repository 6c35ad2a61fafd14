"""Pathwise gradients of the KL term: with the score of log q (the default), analytic, and sticking the landing.

q = N(m, s^2) with m = 0.7, s = 0.5, p = N(0, 1), z = m + s e.  Roeder et al. 2017 (arXiv 1703.09194), eq. 5 to 7.
"""

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Behaviour, Case, Library, Numbers

_M, _S = 0.7, 0.5


def _gradients(measured: Numbers) -> Numbers:
    z = measured["z"]
    noise = (z - _M) / _S
    return {
        "trace_loc": z,
        "trace_sigma": z * noise - 1 / _S,
        "mean_field_loc": _M,
        "mean_field_sigma": _S - 1 / _S,
        "sticking_loc": z - noise / _S,
        "sticking_sigma": z * noise - noise**2 / _S,
    }


CASES = (
    Case(
        id="SEM-GRADIENT-001",
        title="The pathwise gradient with and without the score of log q",
        statement="Trace: (z, z e - 1/s); MeanField: (m, s - 1/s); sticking the landing: (z - e/s, z e - e^2/s)",
        source="pyro.infer.Trace_ELBO 1.9.2 (entropy_term = log q), numpyro.infer.Trace_ELBO 0.22.0; neither offers "
        "the third, which takes a guide distribution that detaches its parameters in log_prob; TensorFlow "
        "Probability's is GradientEstimators.DOUBLY_REPARAMETERIZED with one sample",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"gradient/gradient_001_{library}.py")
            for library in (*OF_PROGRAMS, Library.TFP)
        ),
        oracle=_gradients,
        given=("z",),
    ),
)
