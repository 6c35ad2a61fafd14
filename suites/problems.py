"""The problems by name, each with its named weights: model and numbers, no framework.

- `gaussian-kl`: the KL term alone, KL(N(mean, diag exp(log_var)) || N(0, I)), from a point to extremes.
- `linear-gaussian`: x = W z + b + tau e. W has orthogonal columns: only then can a diagonal q equal the posterior.
- `vae-small`, `vae`: the gated VAE of Tomczak and Welling 2016 (arXiv 1611.09630), small and at full size.
- `householder`, `linear-iaf`, `convex-linear-iaf`, each also `-small`: the same with a volume-preserving flow.
- `planar-small`, `iaf-small`: flows whose log-determinant matters, as a contrast.
- `mixture-small`, `vamp-small`, `laplace-small`: the VAE under another prior.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from math import log

import numpy as np

from elbo_compare.suites.contract import Array, Flow, Likelihood, Params, Prior, Problem
from elbo_compare.suites.weights import read_weights

CASES = ("equal", "typical", "shifted", "narrow", "wide", "mixed", "collapsed", "near")

WEIGHTS: dict[str, tuple[str, ...]] = {
    "gaussian-kl": tuple(f"{latent}-{case}" for latent in (2, 40) for case in CASES),
    "linear-gaussian": ("generic", "posterior"),
    "vae-small": ("initial", "trained"),
    "vae": ("initial", "trained"),
    "householder-small": ("initial",),
    "linear-iaf-small": ("initial",),
    "convex-linear-iaf-small": ("initial",),
    "planar-small": ("initial",),
    "iaf-small": ("initial",),
    "mixture-small": ("initial",),
    "vamp-small": ("initial",),
    "laplace-small": ("initial",),
    "householder": ("initial",),
    "linear-iaf": ("initial",),
    "convex-linear-iaf": ("initial",),
}

DATASET: dict[str, str] = {
    "gaussian-kl": "none",
    "linear-gaussian": "linear-gaussian",
    "vae-small": "digits",
    "vae": "mnist-5k",
    "householder-small": "digits",
    "linear-iaf-small": "digits",
    "convex-linear-iaf-small": "digits",
    "planar-small": "digits",
    "iaf-small": "digits",
    "mixture-small": "digits",
    "vamp-small": "digits",
    "laplace-small": "digits",
    "householder": "mnist-5k",
    "linear-iaf": "mnist-5k",
    "convex-linear-iaf": "mnist-5k",
}


@cache
def load(name: str, weights: str) -> Problem:
    """The named problem at the named weights. Raises ValueError with the nearest names, or for a damaged file."""
    _known("problem", name, tuple(WEIGHTS))
    _known(f"weights for {name!r} named", weights, WEIGHTS[name])
    problem = _MAKERS[name](weights)
    check_params(problem, problem.params)
    for value in problem.params.values():
        value.setflags(write=False)
    return problem


def check_params(problem: Problem, params: Params) -> None:
    """Raise ValueError unless `params` has the problem's names and shapes and holds finite numbers only."""
    missing, unknown = problem.params.keys() - params.keys(), params.keys() - problem.params.keys()
    if missing or unknown:
        raise ValueError(
            f"Weights for {problem.name!r}: missing {', '.join(sorted(missing)) or 'none'}; "
            f"unknown {', '.join(sorted(unknown)) or 'none'}."
        )
    for name, value in problem.params.items():
        if params[name].shape != value.shape:
            raise ValueError(
                f"Weights for {problem.name!r}: {name} has shape {params[name].shape}, expected {value.shape}."
            )
        if not np.isfinite(params[name]).all():
            raise ValueError(f"Weights for {problem.name!r}: {name} holds a number that is not finite.")


def gaussian_moments(latent: int, case: str) -> tuple[Array, Array]:
    """(mean, log_var) of q, each (latent,), of one case of `gaussian-kl`.

    equal: q = p. typical: as in a trained VAE. shifted: far from p at unit scale. narrow: sigma = 1e-3, where
    z - mean loses nine bits and a sampled KL is dominated by log q. wide: sigma = 10, where (sigma^2 - 1) / 2 is large.
    mixed: sigma from 1e-3 to 10 within one q. collapsed: half of the dimensions equal the prior (posterior collapse).
    near: sigma^2 from 0.8 to 1.25 and small means, where every moment of r = p / q up to the fourth exists.
    """
    rng = np.random.default_rng([latent, 1312, 6114])
    mean, log_var = np.round(rng.normal(0.0, 1.0, latent), 4), np.round(rng.uniform(-3.0, -0.1, latent), 4)
    spread = np.linspace(-1.0, 1.0, latent)
    if case == "equal":
        return np.zeros(latent), np.zeros(latent)
    if case == "shifted":
        return np.where(np.arange(latent) % 2, -3.0, 3.0) + 0.25 * spread, np.zeros(latent)
    if case == "narrow":
        return mean, np.full(latent, 2.0 * log(1e-3))
    if case == "wide":
        return mean, np.full(latent, 2.0 * log(10.0))
    if case == "mixed":
        return 2.0 * mean, 2.0 * (log(1e-3) + (log(10.0) - log(1e-3)) * (spread + 1.0) / 2.0)
    if case == "collapsed":
        informative = np.arange(latent) % 2 == 1
        return np.where(informative, 2.0 * mean, 0.0), np.where(informative, log_var - 1.0, 0.0)
    if case == "near":
        return np.round(mean / latent**0.5 / 4.0, 4), np.round(log(1.25) * spread, 4)
    return mean, log_var


def _gaussian_kl(weights: str) -> Problem:
    latent, case = weights.split("-")
    mean, log_var = gaussian_moments(int(latent), case)
    params = {
        "encoder.mean.weight": np.zeros((int(latent), 1)),
        "encoder.mean.bias": mean,
        "encoder.log_var.weight": np.zeros((int(latent), 1)),
        "encoder.log_var.bias": log_var,
    }
    return Problem(
        name="gaussian-kl",
        weights=weights,
        likelihood=Likelihood.NONE,
        gated_layers=0,
        latent=int(latent),
        observed=1,
        params=params,
        note="The biases of the heads are the mean and log-variance of q; x is ignored. ELBO = -KL.",
    )


def _linear_gaussian(weights: str) -> Problem:
    latent, observed, tau = 3, 8, 0.5
    # Columns of a Householder reflection with a rational axis: orthogonal on every machine, with no LAPACK call.
    axis = np.array([1.0, -2.0, 3.0, -1.0, 2.0, 1.0, -3.0, 2.0])
    reflection = np.eye(observed) - 2.0 * np.outer(axis, axis) / (axis @ axis)
    w = reflection[:, :latent] * np.array([1.5, 0.8, 0.4])
    b = np.array([0.3, -0.2, 0.1, 0.0, -0.4, 0.25, 0.15, -0.05])
    precision = 1.0 + (w**2).sum(0) / tau**2  # I + W'W / tau^2 is diagonal, because the columns are orthogonal
    mean_weight = w.T / (tau**2 * precision[:, None])
    params = {
        "encoder.mean.weight": mean_weight,
        "encoder.mean.bias": -mean_weight @ b,
        "encoder.log_var.weight": np.zeros((latent, observed)),
        "encoder.log_var.bias": -np.log(precision),
        "decoder.output.weight": w,
        "decoder.output.bias": b,
    }
    if weights == "generic":
        rng = np.random.default_rng(1983)
        params["encoder.mean.weight"] = mean_weight + np.round(rng.normal(0.0, 0.1, (latent, observed)), 4)
        params["encoder.mean.bias"] = np.array([0.5, -0.3, 0.2])
        params["encoder.log_var.weight"] = np.round(rng.normal(0.0, 0.05, (latent, observed)), 4)
        params["encoder.log_var.bias"] = np.array([-1.0, -0.5, 0.3])
    return Problem(
        name="linear-gaussian",
        weights=weights,
        likelihood=Likelihood.NORMAL,
        gated_layers=0,
        latent=latent,
        observed=observed,
        params=params,
        likelihood_scale=tau,
        note="posterior: q(z|x) is the exact posterior of every x; generic: an amortised linear q that is not.",
    )


@dataclass(frozen=True, kw_only=True)
class Size:
    """Widths of a gated VAE's layers, and the seed of its initial weights."""

    observed: int
    hidden: int
    latent: int
    seed: int


SMALL = Size(observed=64, hidden=32, latent=8, seed=10)
FULL = Size(observed=784, hidden=300, latent=40, seed=11)
AUTOREGRESSIVE_WIDTH = 16  # units of each inverse-autoregressive layer
COMPONENTS = 5  # of the mixture and VampPrior


def _vae(
    name: str, size: Size, *, flow: Flow = Flow.NONE, flow_length: int = 0, prior: Prior = Prior.STANDARD_NORMAL
) -> Callable[[str], Problem]:
    """A maker of the gated VAE with two hidden layers on each side and Bernoulli pixels."""

    def make(weights: str) -> Problem:
        initial = _xavier(size) | _flow_params(size, flow, flow_length) | _prior_params(size, prior)
        return Problem(
            name=name,
            weights=weights,
            likelihood=Likelihood.BERNOULLI,
            gated_layers=2,
            latent=size.latent,
            observed=size.observed,
            flow=flow,
            flow_length=flow_length,
            prior=prior,
            params=initial if weights == "initial" else read_weights(name, initial),
            note="initial: Xavier-normal weights, zero biases; trained: the file in suites/weights, see its record.",
        )

    return make


def _xavier(size: Size) -> dict[str, Array]:
    """The encoder's and the decoder's weights."""
    hidden, latent = size.hidden, size.latent
    layers: dict[str, tuple[int, int]] = {}
    for side, inputs in (("encoder", size.observed), ("decoder", latent)):
        for index, width in enumerate((inputs, hidden)):
            layers[f"{side}.{index}.linear"] = layers[f"{side}.{index}.gate"] = (hidden, width)
        heads = {"encoder": {"mean": latent, "log_var": latent}, "decoder": {"output": size.observed}}[side]
        layers |= {f"{side}.{head}": (width, hidden) for head, width in heads.items()}
    return _drawn(layers, np.random.default_rng(size.seed))


def _flow_params(size: Size, flow: Flow, length: int) -> dict[str, Array]:
    """A flow's weights; see `Problem`. Only what an autoregressive layer feeds back from z has no bias."""
    hidden, latent, width = size.hidden, size.latent, AUTOREGRESSIVE_WIDTH
    layers: dict[str, tuple[int, int]] = {}
    if flow is Flow.HOUSEHOLDER:
        layers = {f"flow.{t}": (latent, latent if t else hidden) for t in range(length)}
    elif flow in (Flow.LINEAR_IAF, Flow.CONVEX_LINEAR_IAF):
        layers["flow.lower"] = (length * latent * (latent - 1) // 2, hidden)
        if flow is Flow.CONVEX_LINEAR_IAF:
            layers["flow.combination"] = (length, hidden)
    elif flow is Flow.PLANAR:
        layers = {f"flow.{t}.{name}": (out, hidden) for t in range(length) for name, out in _planar_layers(latent)}
    elif flow is Flow.AUTOREGRESSIVE:
        for t in range(length):
            layers |= {f"flow.{t}.hidden": (width, latent), f"flow.{t}.context": (width, hidden)}
            layers |= {f"flow.{t}.{head}": (latent, width) for head in ("mean", "log_scale")}
    params = _drawn(layers, np.random.default_rng([size.seed, 1706, 2326]))
    return {name: value for name, value in params.items() if not name.endswith(".hidden.bias")}


def _planar_layers(latent: int) -> tuple[tuple[str, int], ...]:
    return ("u", latent), ("w", latent), ("b", 1)


def _prior_params(size: Size, prior: Prior) -> dict[str, Array]:
    """Component means spread like N(0, 1) with variances around one; pseudo-inputs that are digits-like grey values."""
    rng, shape = np.random.default_rng([size.seed, 1705, 7120]), (COMPONENTS, size.latent)
    if prior is Prior.MIXTURE:
        return {"prior.mean": rng.standard_normal(shape), "prior.log_var": rng.uniform(-1.0, 0.5, shape)}
    if prior is Prior.VAMP:
        return {"prior.pseudo_inputs": rng.uniform(0.0, 1.0, (COMPONENTS, size.observed))}
    return {}


def _drawn(layers: Mapping[str, tuple[int, int]], rng: np.random.Generator) -> dict[str, Array]:
    """Weights N(0, 2 / (in + out)), biases 0 (Glorot and Bengio 2010, eq. 16, as a normal)."""
    params: dict[str, Array] = {}
    for layer, (out, width) in layers.items():
        params[f"{layer}.weight"] = np.sqrt(2.0 / (width + out)) * rng.standard_normal((out, width))
        params[f"{layer}.bias"] = np.zeros(out)
    return params


def _known(kind: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.3)
        raise ValueError(f"No {kind} {name!r}. Nearest: {', '.join(near or names)}.")


_MAKERS: dict[str, Callable[[str], Problem]] = {
    "gaussian-kl": _gaussian_kl,
    "linear-gaussian": _linear_gaussian,
    "vae-small": _vae("vae-small", SMALL),
    "vae": _vae("vae", FULL),
    "householder-small": _vae("householder-small", SMALL, flow=Flow.HOUSEHOLDER, flow_length=4),
    "linear-iaf-small": _vae("linear-iaf-small", SMALL, flow=Flow.LINEAR_IAF, flow_length=1),
    "convex-linear-iaf-small": _vae("convex-linear-iaf-small", SMALL, flow=Flow.CONVEX_LINEAR_IAF, flow_length=3),
    "planar-small": _vae("planar-small", SMALL, flow=Flow.PLANAR, flow_length=4),
    "iaf-small": _vae("iaf-small", SMALL, flow=Flow.AUTOREGRESSIVE, flow_length=2),
    "mixture-small": _vae("mixture-small", SMALL, prior=Prior.MIXTURE),
    "vamp-small": _vae("vamp-small", SMALL, prior=Prior.VAMP),
    "laplace-small": _vae("laplace-small", SMALL, prior=Prior.LAPLACE),
    "householder": _vae("householder", FULL, flow=Flow.HOUSEHOLDER, flow_length=10),
    "linear-iaf": _vae("linear-iaf", FULL, flow=Flow.LINEAR_IAF, flow_length=1),
    "convex-linear-iaf": _vae("convex-linear-iaf", FULL, flow=Flow.CONVEX_LINEAR_IAF, flow_length=5),
}
