"""scale and mask on the latent site: what KL annealing by handlers really anneals.

q = N(0.7, 0.5^2), p = N(0, 1) and B = 0.3 for scale; two data with the second one masked for mask. There is no
likelihood, so that the loss is the KL term itself. Both ELBO objects estimate E_q[w_q log q - w_p log p], where w is
the scale or the mask in force at the guide's and at the model's site.
"""

from collections.abc import Callable, Mapping

import numpy as np

from elbo_compare.suites.semantics.case import Behaviour, Case, Formula, Library, Numbers
from elbo_compare.suites.semantics.gaussian import cross_entropy, entropy, kl_standard, log_normal

SCALE = 0.3
LOC, SIGMA = (0.7, -0.4), (0.5, 1.3)
SOURCE = (
    "pyro.poutine.scale 1.9.2: 'scale the score of all sample and observe sites in the function'; TraceMeanField_ELBO "
    "(pyro.infer 1.9.2, numpyro.infer 0.22.0): 'uses analytic KL divergences when those are available'"
)
Weights = tuple[float, ...]


def _sampled(w_q: Weights, w_p: Weights, draws: tuple[str, ...]) -> Callable[[Numbers], float]:
    """sum_i w_q log q(z_i) - w_p log p(z_i) at the library's own draws."""

    def loss(measured: Numbers) -> float:
        z = [measured[name] for name in draws]
        return sum(w_q[i] * log_normal(z[i], LOC[i], SIGMA[i]) - w_p[i] * log_normal(z[i]) for i in range(len(z)))

    return loss


def _exact(w_q: Weights, w_p: Weights) -> float:
    """sum_i E_q[w_q log q - w_p log p]."""
    return sum(w_p[i] * cross_entropy(LOC[i], SIGMA[i]) - w_q[i] * entropy(SIGMA[i]) for i in range(len(w_q)))


def _kl(weights: Weights) -> float:
    """sum_i w_i KL(q_i || p)."""
    return sum(weights[i] * kl_standard(LOC[i], SIGMA[i]) for i in range(len(weights)))


def _simulate(w_q: Weights, w_p: Weights) -> Mapping[str, tuple[float, float]]:
    """Mean and standard error of 200,000 NumPy draws of w_q log q - w_p log p."""
    size = len(w_q)
    loc, sigma, scale_q, scale_p = (np.array(each[:size]) for each in (LOC, SIGMA, w_q, w_p))
    noise = np.random.default_rng(20).standard_normal((200_000, size))
    z = loc + sigma * noise
    draws = (scale_q * (-np.log(sigma) - noise**2 / 2) + scale_p * z**2 / 2).sum(1)
    constant = 0.5 * np.log(2 * np.pi) * (scale_p - scale_q).sum()
    return {"mean_field": (float(draws.mean() + constant), float(draws.std() / np.sqrt(len(draws))))}


def _case(
    kind: str, number: int, title: str, statement: str, w_q: Weights, w_p: Weights, kl: Mapping[Library, Weights | None]
) -> Case:
    """`kl[library]`: the weights of the analytic KL that its TraceMeanField_ELBO returns; None where it samples."""
    draws = ("z",) if len(w_q) == 1 else ("z0", "z1")
    at_draws = _sampled(w_q, w_p, draws)

    def oracle(measured: Numbers) -> Numbers:
        return {"trace": at_draws(measured), "mean_field": _exact(w_q, w_p)}

    def computes(weights: Weights | None) -> Formula:
        return lambda measured: {"mean_field": at_draws(measured) if weights is None else _kl(weights)}

    behaviours = tuple(
        Behaviour(
            library=library,
            formula=_FORMULAS.get(None if weights is None else ("KL", weights), "sampled: w_q log q - w_p log p"),
            program=f"{kind}/{kind}_{number:03d}_{library}.py",
            computes=computes(weights),
            sampled=("mean_field",) if weights is None else (),
        )
        for library, weights in kl.items()
    )
    return Case(
        id=f"SEM-{kind.upper()}-{number:03d}",
        title=title,
        statement=statement,
        source=SOURCE,
        behaviours=behaviours,
        oracle=oracle,
        given=draws,
        simulate=lambda: _simulate(w_q, w_p),
    )


_ONE, _B, _ALL, _M = (1.0,), (SCALE,), (1.0, 1.0), (1.0, 0.0)
_FORMULAS = {
    ("KL", _ONE): "MeanField = KL: the scale is ignored",
    ("KL", _B): "MeanField = B KL",
    ("KL", _ALL): "MeanField = KL: the mask is ignored",
    ("KL", _M): "MeanField = M KL",
}
_PYRO, _NUMPYRO = Library.PYRO, Library.NUMPYRO

_ZERO = {"trace": 0.0, "mean_field": 0.0}
_SCALE_ZERO = Case(
    id="SEM-SCALE-004",
    title="scale = 0, where KL warm-up starts",
    statement="0 (log q - log p) = 0; both libraries ask for a positive scale",
    source="poutine.scale 1.9.2 and numpyro.handlers.scale 0.22.0: 'a positive scaling factor'",
    behaviours=(
        Behaviour(library=_PYRO, formula="ValueError; a tensor gets through when validation is off, a float never",
                  program="scale/scale_004_pyro.py",
                  computes=lambda _: {"unchecked_float_raises": 1.0, "unchecked_array_raises": 0.0}),
        Behaviour(library=_NUMPYRO, formula="ValueError, unless the scale is traced by jit",
                  program="scale/scale_004_numpyro.py"),
    ),
    oracle=lambda _: {"float_raises": 1.0, "array_raises": 1.0, **_ZERO},
)  # fmt: skip

CASES = (
    _SCALE_ZERO,
    _case("scale", 1, "scale on the model's latent site only", "loss = log q - B log p",
          _ONE, _B, {_PYRO: _ONE, _NUMPYRO: _ONE}),
    _case("scale", 2, "scale on the guide's latent site only", "loss = B log q - log p",
          _B, _ONE, {_PYRO: _B, _NUMPYRO: _B}),
    _case("scale", 3, "scale on the latent site of model and guide", "loss = B (log q - log p)",
          _B, _B, {_PYRO: _B, _NUMPYRO: _B}),
    _case("mask", 1, "the mask handler on the model's latent site only", "loss = log q - M log p",
          _ALL, _M, {_PYRO: _ALL, _NUMPYRO: None}),
    _case("mask", 2, "the mask handler on the guide's latent site only", "loss = M log q - log p",
          _M, _ALL, {_PYRO: _M, _NUMPYRO: None}),
    _case("mask", 3, "the mask handler on the latent site of model and guide", "loss = M (log q - log p)",
          _M, _M, {_PYRO: _M, _NUMPYRO: _M}),
    _case("mask", 4, "dist.mask on the model's latent site only", "loss = log q - M log p",
          _ALL, _M, {_PYRO: None, _NUMPYRO: None}),
    _case("mask", 5, "dist.mask on the guide's latent site only", "loss = M log q - log p",
          _M, _ALL, {_PYRO: None, _NUMPYRO: None}),
    _case("mask", 6, "dist.mask on the latent site of model and guide", "loss = M (log q - log p)",
          _M, _M, {_PYRO: _M, _NUMPYRO: _M}),
    _case("mask", 7, "dist.mask on the latent site of model and guide, with different masks",
          "loss = log q - M log p", _ALL, _M, {_PYRO: _M, _NUMPYRO: _M}),
)  # fmt: skip
