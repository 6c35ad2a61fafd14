"""The lines of the constants ledger: priors, the likelihood and log q alone, each with a form that drops normalisers.

Four latent dimensions, 64 draws, three sets of parameters. q is a diagonal Gaussian unless the entry says otherwise.
"""

from math import log

import numpy as np

from elbo_compare.suites.complex_step import Dual
from elbo_compare.suites.contract import Array
from elbo_compare.suites.questions.densities import (
    HALF_LOG_TWO_PI,
    KEPT,
    WITHOUT_CONSTANT,
    WITHOUT_NORMALISER,
    absolute,
    generalised_normal,
    laplace,
    normal,
    shape_constant,
)
from elbo_compare.suites.questions.ledger import Density, Effect, Entry, Values

LATENT, OBSERVED, COMPONENTS, DRAWS, SETS = 4, 6, 3, 64, 3
WEIGHTS = (0.5, 0.3, 0.2)
NORMAL_SHARE = 0.6  # of the mixture of a Normal and a Laplace
TAU = 0.3
Q = frozenset({"mean", "log_var"})
DROPPED_CONSTANT = LATENT * HALF_LOG_TWO_PI  # what log q gains: 3.6758 nats

_X = np.random.default_rng(1312).uniform(0.0, 1.0, OBSERVED)
_NOISE = np.random.default_rng(6114).standard_normal((DRAWS, LATENT))


def _posterior(rng: np.random.Generator) -> dict[str, Array]:
    return {"mean": rng.normal(0.0, 1.0, LATENT), "log_var": rng.uniform(-2.0, 0.5, LATENT)}


def _sets(**more: tuple[float, float, tuple[int, ...]]) -> tuple[dict[str, Array], ...]:
    """SETS sets of q's parameters and of others, each uniform between two bounds with a shape."""
    rng = np.random.default_rng(1611_09630)
    return tuple(
        _posterior(rng) | {name: rng.uniform(low, high, shape) for name, (low, high, shape) in more.items()}
        for _ in range(SETS)
    )


def _reparameterised(noise: Array, values: Values) -> Dual:
    return values["mean"] + np.exp(0.5 * values["log_var"]) * noise


def _log_q(dropped: tuple[float, ...] = WITHOUT_CONSTANT) -> Density:
    return Density(sign=1, terms=lambda z, v: normal(z, v["mean"], v["log_var"])[None], dropped=(dropped,))


def _entry(name: str, effect: Effect, *densities: Density, offset: object, **parameters: object) -> Entry:
    """An entry whose q is the diagonal Gaussian. `offset`: a number, or a function of (z, parameters)."""
    constant = offset if callable(offset) else lambda z, v: offset
    return Entry(
        name=name,
        effect=effect,
        parameters=_sets(**parameters),  # type: ignore[arg-type]
        draw=_reparameterised,
        densities=densities,
        offset=constant,  # type: ignore[arg-type]
        noise=_NOISE,
        of_q=Q,
    )


# --- Normal priors and their mixtures ---


def _standard_normal(z: Dual, values: Values) -> Dual:
    return normal(z, np.zeros(LATENT), np.zeros(LATENT))[None]


def _mixture(z: Dual, values: Values) -> Dual:
    return np.stack([normal(z, values["prior_mean"][c], values["prior_log_var"][c]) for c in range(COMPONENTS)])


_MIXTURE = {"prior_mean": (-2.0, 2.0, (COMPONENTS, LATENT)), "prior_log_var": (-1.0, 0.5, (COMPONENTS, LATENT))}


def _encoded(x: Dual, values: Values) -> tuple[Dual, Dual]:
    return values["mean_weight"] @ x + values["mean"], values["log_var_weight"] @ x + values["log_var"]


def _vamp(z: Dual, values: Values) -> Dual:
    return np.stack([normal(z, *_encoded(values["pseudo_inputs"][c], values)) for c in range(COMPONENTS)])


def _vamp_entry() -> Entry:
    """Tomczak and Welling 2018 (arXiv 1705.07120), with a linear encoder: q and prior share its weights."""
    encoder = {"mean_weight": (-1.0, 1.0, (LATENT, OBSERVED)), "log_var_weight": (-0.3, 0.3, (LATENT, OBSERVED))}

    def draw(noise: Array, values: Values) -> Dual:
        mean, log_var = _encoded(_X, values)
        return mean + np.exp(0.5 * log_var) * noise

    q = Density(sign=1, terms=lambda z, v: normal(z, *_encoded(_X, v))[None], dropped=(WITHOUT_CONSTANT,))
    prior = Density(sign=-1, terms=_vamp, dropped=(WITHOUT_CONSTANT,) * COMPONENTS, weights=WEIGHTS)
    return Entry(
        name="VampPrior",
        effect=Effect.CANCELS,
        parameters=_sets(pseudo_inputs=(0.0, 1.0, (COMPONENTS, OBSERVED)), **encoder),
        draw=draw,
        densities=(q, prior),
        offset=lambda z, values: 0.0,
        noise=_NOISE,
        of_q=Q | encoder.keys(),
    )


# --- Laplace priors, and a mixture of two families ---


def _laplace(z: Dual, values: Values) -> Dual:
    return laplace(z, np.zeros(LATENT), values["prior_scale"])[None]


def _unit_laplace(z: Dual, values: Values) -> Dual:
    return laplace(z, np.zeros(LATENT), np.ones(LATENT))[None]


def _two_families(z: Dual, values: Values) -> Dual:
    first = normal(z, values["prior_mean"], np.zeros(LATENT))
    return np.stack([first, laplace(z, np.zeros(LATENT), values["prior_scale"])])


def _reweighted(gain_normal: float, gain_laplace: float) -> object:
    """What dropping the constants of the two components does: another mixture, and a constant.

    w f_1 g_1 + (1 - w) f_2 g_2 = S (w' f_1 + (1 - w') f_2), S = w g_1 + (1 - w) g_2, w' = w g_1 / S, g the dropped
    factors. So KL gains log(g_1), from log q, and loses log S + log of the reweighted over the right mixture.
    """
    first, second = NORMAL_SHARE * np.exp(gain_normal), (1.0 - NORMAL_SHARE) * np.exp(gain_laplace)
    share = first / (first + second)

    def offset(z: Dual, values: Values) -> Dual:
        by_normal = np.exp(-0.5 * (z - values["prior_mean"]) ** 2).prod(-1) / (2.0 * np.pi) ** (LATENT / 2)
        scale = values["prior_scale"]
        by_laplace = (np.exp(-absolute(z) / scale) / (2.0 * scale)).prod(-1)
        meant = NORMAL_SHARE * by_normal + (1.0 - NORMAL_SHARE) * by_laplace
        used = share * by_normal + (1.0 - share) * by_laplace
        return DROPPED_CONSTANT - np.log(first + second) - np.log(used / meant)

    return offset


_FAMILIES = {"prior_mean": (-1.0, 1.0, (LATENT,)), "prior_scale": (0.5, 1.5, (LATENT,))}


def _families_entry(name: str, kept: tuple[float, ...], gain: float) -> Entry:
    prior = Density(
        sign=-1,
        terms=_two_families,
        dropped=(WITHOUT_CONSTANT, kept),
        weights=(NORMAL_SHARE, 1.0 - NORMAL_SHARE),
    )
    offset = _reweighted(DROPPED_CONSTANT, gain)
    return _entry(name, Effect.WRONG_GRADIENT, _log_q(), prior, offset=offset, **_FAMILIES)


# --- Generalised normal q and prior ---


def _generalised_entry(name: str, effect: Effect, *, shared: bool, learned: bool) -> Entry:
    """q of shape 1.5 against a prior of the same shape and scale (`shared`), or of its own, fixed or `learned`."""
    rng, shape = np.random.default_rng(1923), 1.5
    noise = rng.choice([-1.0, 1.0], (DRAWS, LATENT)) * rng.gamma(1.0 / shape, size=(DRAWS, LATENT)) ** (1.0 / shape)
    own = {"prior_alpha": (0.6, 1.8, (LATENT,)), "prior_beta": (0.8, 3.0, (LATENT,))}
    at, beta_of_q = _sets(alpha=(0.5, 1.5, (LATENT,)), **own), np.full(LATENT, shape)
    fixed = {name: value for name, value in at[0].items() if name in own}

    def of_prior(values: Values) -> tuple[Dual, Dual]:
        if shared:
            return values["alpha"], beta_of_q
        source = values if learned else fixed
        return source["prior_alpha"], source["prior_beta"]

    def offset(z: Dual, values: Values) -> Dual | float:
        alpha, beta = of_prior(values)
        gains = np.log(values["alpha"]) - shape_constant(beta_of_q) - np.log(alpha) + shape_constant(beta)
        return 0.0 if shared else (gains if learned else gains - np.log(values["alpha"])).sum(-1)

    # With a prior of its own that is fixed, log q keeps its scale, as log_Normal_diag keeps its log-variance.
    drop_q = WITHOUT_NORMALISER if shared or learned else WITHOUT_CONSTANT
    q = Density(sign=1, terms=lambda z, v: generalised_normal(z, v["mean"], v["alpha"], beta_of_q)[None],
                dropped=(drop_q,))  # fmt: skip
    prior = Density(sign=-1, terms=lambda z, v: generalised_normal(z, np.zeros(LATENT), *of_prior(v))[None],
                    dropped=(WITHOUT_NORMALISER,))  # fmt: skip
    used = {"mean", "alpha"} | (set(own) if learned else set())
    return Entry(
        name=name,
        effect=effect,
        parameters=tuple({name: value for name, value in values.items() if name in used} for values in at),
        draw=lambda noise, values: values["mean"] + values["alpha"] * noise,
        densities=(q, prior),
        offset=offset,
        noise=noise,
        of_q=frozenset({"mean", "alpha"}),
    )


# --- The other densities of an ELBO ---


def _likelihood(z: Dual, values: Values) -> Dual:
    """A Gaussian likelihood of one datum, decoder a linear map of z: -log p(x|z) beside the KL."""
    log_var = 2.0 * np.log(values["tau"]) + np.zeros(OBSERVED)
    terms = normal(_X, z @ values["decoder"].T, log_var)
    return terms[None]


def _likelihood_entry(name: str, effect: Effect, *, learned: bool) -> Entry:
    dropped = WITHOUT_NORMALISER
    likelihood = Density(
        sign=-1,
        terms=_likelihood if learned else lambda z, v: _likelihood(z, {**v, "tau": np.array(TAU)}),
        dropped=(dropped,),
    )
    tau = {"tau": (0.2, 0.9, ())} if learned else {}

    def offset(z: Dual, values: Values) -> Dual | float:
        scale = values["tau"] if learned else TAU
        return -OBSERVED * (HALF_LOG_TWO_PI + np.log(scale))

    decoder = {"decoder": (-1.0, 1.0, (OBSERVED, LATENT))}
    return _entry(name, effect, likelihood, offset=offset, **decoder, **tau)


def _learned_laplace_offset(z: Dual, values: Values) -> Dual:
    return DROPPED_CONSTANT - LATENT * log(2.0) - np.log(values["prior_scale"]).sum()


def entries() -> tuple[Entry, ...]:
    """The ledger's lines, in the order in which they are shown."""
    plain = Density(sign=-1, terms=_standard_normal, dropped=(WITHOUT_CONSTANT,))
    mixture = Density(sign=-1, terms=_mixture, dropped=(WITHOUT_CONSTANT,) * COMPONENTS, weights=WEIGHTS)
    whole = Density(sign=-1, terms=_mixture, dropped=(KEPT,) * COMPONENTS, weights=WEIGHTS)
    unit = {
        keep: Density(sign=-1, terms=_unit_laplace, dropped=(keep,)) for keep in (WITHOUT_CONSTANT, KEPT)
    }  # fmt: skip
    scaled = Density(sign=-1, terms=_laplace, dropped=(WITHOUT_NORMALISER,))
    cancels, constant, wrong = Effect.CANCELS, Effect.CONSTANT, Effect.WRONG_GRADIENT
    d, scale = DROPPED_CONSTANT, {"prior_scale": (0.5, 1.5, (LATENT,))}
    return (
        _entry("standard normal", cancels, _log_q(), plain, offset=0.0),
        _entry("mixture of Gaussians", cancels, _log_q(), mixture, offset=0.0, **_MIXTURE),
        _vamp_entry(),
        _generalised_entry("generalised normal, q's own shape and scale", cancels, shared=True, learned=False),
        _entry("a library's full mixture beside a dropped q", constant, _log_q(), whole, offset=d, **_MIXTURE),
        _entry("Laplace of scale 1", constant, _log_q(), unit[WITHOUT_CONSTANT], offset=d - LATENT * log(2.0)),
        _entry("a library's full Laplace beside a dropped q", constant, _log_q(), unit[KEPT], offset=d),
        _generalised_entry("generalised normal, fixed shape and scale", constant, shared=False, learned=False),
        _entry("log q alone, constant dropped", constant, _log_q(), offset=d),
        _likelihood_entry("Gaussian likelihood of fixed scale", constant, learned=False),
        _entry("Laplace of learned scale", wrong, _log_q(), scaled, offset=_learned_laplace_offset, **scale),
        _families_entry("mixture of a dropped Normal and a full Laplace", KEPT, 0.0),
        _families_entry("mixture of a Normal and a Laplace, both dropped", WITHOUT_CONSTANT, LATENT * log(2.0)),
        _generalised_entry("generalised normal, learned shape and scale", wrong, shared=False, learned=True),
        _entry("standard normal, log σ of q dropped too", wrong, _log_q(WITHOUT_NORMALISER), plain,
               offset=lambda z, v: 0.5 * v["log_var"].sum()),
        _likelihood_entry("Gaussian likelihood of learned scale", wrong, learned=True),
    )  # fmt: skip
