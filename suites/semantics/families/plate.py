"""Plates that subsample: mismatched plates, Renyi bounds, and several samples from one guide.

x_b | z_b ~ N(z_b, 1), z_b ~ N(0, 1), and B of N data in the mini-batch, so that every term counts N / B times.
"""

from itertools import product
from math import log

import numpy as np

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import kl_standard, log_normal

SIZE, BATCH, PARTICLES = 6, 2, 3
X = (1.2, -0.3)
FACTOR = SIZE / BATCH
SIGMA_PLATE, SIGMA_RENYI = 0.7, 0.9


def _log_q(measured: Numbers) -> float:
    return sum(log_normal(measured[f"z{b}"], 0.5 * X[b], SIGMA_PLATE) for b in range(BATCH))


def _log_prior(measured: Numbers) -> float:
    return sum(log_normal(measured[f"z{b}"]) for b in range(BATCH))


def _log_likelihood(measured: Numbers) -> float:
    return sum(log_normal(X[b], measured[f"z{b}"]) for b in range(BATCH))


def _kl() -> float:
    return sum(kl_standard(0.5 * x, SIGMA_PLATE) for x in X)


def _same_plate(measured: Numbers) -> Numbers:
    log_ratio = _log_q(measured) - _log_prior(measured)
    return {
        "trace": FACTOR * (log_ratio - _log_likelihood(measured)),
        "mean_field": FACTOR * (_kl() - _log_likelihood(measured)),
    }


def _guide_unscaled(measured: Numbers) -> Numbers:
    log_joint = _log_prior(measured) + _log_likelihood(measured)
    return {"trace": _log_q(measured) - FACTOR * log_joint, "mean_field": _kl() - FACTOR * _log_likelihood(measured)}


def _log_weights(measured: Numbers, drawn: str = "z") -> np.ndarray:
    """log p(x, z) - log q(z) of each particle and datum, shape (particle, batch)."""
    weights = np.empty((PARTICLES, BATCH))
    for k, b in product(range(PARTICLES), range(BATCH)):
        z = measured[f"{drawn}_{k}_{b}"]
        weights[k, b] = log_normal(X[b], z) + log_normal(z) - log_normal(z, 0.5 * X[b], SIGMA_RENYI)
    return weights


def _log_mean_exp(values: np.ndarray) -> np.ndarray:
    shift = values.max(0)
    return shift + np.log(np.exp(values - shift).mean(0))


def _factor_outside(measured: Numbers) -> Numbers:
    draws = {"loss": "z"} | ({"tmc": "t"} if "tmc" in measured else {})
    return {name: float(-FACTOR * _log_mean_exp(_log_weights(measured, z)).sum()) for name, z in draws.items()}


def _factor_inside(measured: Numbers) -> Numbers:
    return {
        name: float(-_log_mean_exp(FACTOR * _log_weights(measured, z)).sum())
        for name, z in (("loss", "z"), ("tmc", "t"))
    }


def _joint(measured: Numbers) -> Numbers:
    """One weight per particle for the whole batch."""
    weights = _log_weights(measured).sum(1)
    half = float(-_log_mean_exp(0.5 * weights) / 0.5)
    return {"iwae": float(-_log_mean_exp(weights)), "half": half, "one_raises": 1.0}


def _log_evidence() -> float:
    """log p(x) of the mini-batch: x ~ N(0, 2), independently."""
    return sum(log_normal(x, 0.0, 2**0.5) for x in X)


def renyi_gap() -> tuple[float, float]:
    """log p(x) of the full data set as the mini-batch scales it, and the limit of the bound with N/B inside.

    As particles grow the inner form tends to sum_b log E_q[w^(N/B)], which exceeds (N/B) log p(x) by Jensen.
    Here E_q[w^c] is a Gaussian integral: log w^c + log q is a quadratic in z with curvature below.
    """
    total = 0.0
    for x in X:
        curvature = FACTOR * (2 - 1 / SIGMA_RENYI**2) + 1 / SIGMA_RENYI**2
        slope = FACTOR * (x - 0.5 * x / SIGMA_RENYI**2) + 0.5 * x / SIGMA_RENYI**2
        at_zero = FACTOR * (log_normal(x) + log_normal(0.0) - log_normal(0.0, 0.5 * x, SIGMA_RENYI))
        at_zero += log_normal(0.0, 0.5 * x, SIGMA_RENYI)
        total += at_zero + slope**2 / (2 * curvature) + 0.5 * log(2 * np.pi / curvature)
    return FACTOR * _log_evidence(), total


def hierarchy_log_evidence() -> float:
    """log int p(mu) prod_b p(x_b | mu)^(N/B) dmu, p(x_b | mu) = N(mu, 2): the subsampled ELBO at its optimum.

    The integrand is exp(-A mu^2 / 2 + c mu + k): A = 1 + N/2, c = N/B sum x_b / 2, k the value at mu = 0.
    """
    precision, slope = 1 + SIZE / 2, FACTOR * sum(X) / 2
    at_zero = log_normal(0.0) + FACTOR * sum(log_normal(x, 0.0, 2**0.5) for x in X)
    return at_zero + slope**2 / (2 * precision) + 0.5 * log(2 * np.pi / precision)


def hierarchy_mean_field(measured: Numbers) -> float:
    """KL(q(mu) || p(mu)) + N/B sum_b [KL(q(z_b | mu) || p(z_b | mu)) - log p(x_b | z_b)] at the draws."""
    precision, mu = 1 + SIZE / 2, measured["mu"]
    local = sum(kl_standard((mu + x) / 2 - mu, 0.5**0.5) for x in X)  # both shifted by mu: p has mean 0
    total = kl_standard(FACTOR * sum(X) / 2 / precision, precision**-0.5)
    return total + FACTOR * (local - _log_likelihood(measured))


def _multi(measured: Numbers) -> float:
    """The mean over the three samples of log q(z) - log p(x, z)."""
    z = [measured[f"z{s}"] for s in range(3)]
    return sum(log_normal(each, 0.7, 0.5) - log_normal(each) - log_normal(1.2, each) for each in z) / 3


def _one_sample(measured: Numbers) -> Numbers:
    """q = N(0.7, 0.5^2), p = N(0, 1), x = 1.2: d(log q - log p(x, z))/d loc at fixed e is z + z - x."""
    z = measured["z"]
    loss = log_normal(z, 0.7, 0.5) - log_normal(z) - log_normal(1.2, z)
    return {"trace": loss, "tmc": loss, "trace_gradient": 2 * z - 1.2, "tmc_gradient": 2 * z - 1.2}


_Z = ("z0", "z1")
_DATA = (1.2, -0.3, 0.8, -1.5, 0.4, -0.6)
_SLOPE = 0.4


def _rows(measured: Numbers, of: str) -> Numbers:
    """Minus the ELBO of q(z_b) = N(0.4 y, 0.7^2), y the datum of the guide's row, and its derivative by 0.4 at fixed
    noise, with the data at the rows of `of`, which are the guide's (g) or others (m)."""
    loss = slope = 0.0
    for b in range(BATCH):
        z, y, x = measured[f"z{b}"], _DATA[int(measured[f"g{b}"])], _DATA[int(measured[f"{of}{b}"])]
        loss += log_normal(z, _SLOPE * y, SIGMA_PLATE) - log_normal(z) - log_normal(x, z)
        slope += (z + z - x) * y
    return {"enum": FACTOR * loss, "enum_gradient": FACTOR * slope}


def _same_rows(measured: Numbers) -> Numbers:
    """The data of the rows that the guide has drawn; `outside`: rows 0 and 2, chosen before both."""
    if "outside" not in measured:
        return {**_rows(measured, "g"), "one_raises": 0.0}
    given = {"g0": 0.0, "g1": 2.0, "z0": measured["o0"], "z1": measured["o1"]}
    return {**_rows(measured, "g"), "one_raises": 0.0, "outside": _rows(given, "g")["enum"]}


def _kept_apart(measured: Numbers) -> Numbers:
    """Refused; where a guide is not refused it has a latent per datum, and training on one moves no other."""
    return {
        "raises": 1.0,
        **({"latents": 4.0, "moved": 0.0} if "latents" in measured else {}),
        **({"normal_raises": 0.0, "normal_latents": 4.0, "normal_moved": 0.0} if "normal_raises" in measured else {}),
    }


CASES = (
    Case(
        id="SEM-PLATE-001",
        title="A guide plate of the mini-batch's size against a model plate that subsamples",
        statement="right: loss = N/B (log q - log p(x, z))",
        source="pyro.plate 1.9.2: 'scales all log likelihood terms by size/batch_size'; plates are matched by name",
        behaviours=tuple(
            Behaviour(library=library, formula="Trace = log q - N/B log p(x, z); MeanField = KL - N/B log p(x | z)",
                      program=f"plate/plate_001_{library}.py", computes=_guide_unscaled)
            for library in OF_PROGRAMS
        ),
        oracle=_same_plate,
        given=_Z,
    ),
    Case(
        id="SEM-PLATE-002",
        title="Model and guide subsample the same plate",
        statement="loss = N/B (log q - log p(x, z)), with KL for log q - log p(z) in TraceMeanField_ELBO",
        source="pyro.plate 1.9.2, numpyro.plate 0.22.0",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"plate/plate_002_{library}.py")
            for library in OF_PROGRAMS
        ),
        oracle=_same_plate,
        given=_Z,
    ),
    Case(
        id="SEM-PLATE-003",
        title="A global latent outside a subsampled plate of local latents: mu ~ N(0, 1), z_b | mu ~ N(mu, 1)",
        statement="the global term counts once, each local one N/B times; with q(mu) q(z_b | mu) the posterior, Trace "
                  "= -log int p(mu) prod_b p(x_b | mu)^(N/B) dmu at every draw, and MeanField's mean is that, too",
        source="Hoffman et al. 2013, section 2.1 (global and local latents); pyro.plate 1.9.2, numpyro.plate 0.22.0",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"plate/plate_003_{library}.py")
            for library in OF_PROGRAMS
        ),
        oracle=lambda measured: {"trace": -hierarchy_log_evidence(), "mean_field": hierarchy_mean_field(measured)},
        given=("mu", *_Z),
    ),
    Case(
        id="SEM-PLATE-004",
        title="A continuous autoguide (AutoDiagonalNormal) for local latents in a subsampled plate",
        statement="right: refuse (raises = 1), or keep a latent for each of the 4 data, so that training on datum 0 "
                  "does not move datum 2 (moved = 0)",
        source="numpyro.infer.autoguide.AutoContinuous 0.22.0 raises 'AutoContinuous guide does not support local "
               "latent variables'; pyro.infer.autoguide.AutoNormal 1.9.2 keeps a value per datum",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="accepted; a latent for each position in the batch, not each datum",
                      program="plate/plate_004_pyro.py",
                      computes=lambda _: {"raises": 0.0, "latents": 2.0, "moved": -1.5, "normal_raises": 0.0}),
            Behaviour(library=Library.NUMPYRO, formula="refused", program="plate/plate_004_numpyro.py",
                      computes=lambda _: {"raises": 1.0}),
        ),
        oracle=_kept_apart,
    ),
    Case(
        id="SEM-PLATE-005",
        title="TraceEnum_ELBO where a plate draws the rows of model and guide",
        statement="both sides see the rows that the guide has drawn: loss = N/B (log q(z) - log p(y, z)) there, and "
                  "its derivative by the slope of q(z | y) = N(slope y, 0.7^2); one row is as good as two",
        source="pyro.plate 1.9.2 and numpyro.plate 0.22.0, of subsample_size; Trace_ELBO of both gives it so",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated", program="plate/plate_005_pyro.py"),
            Behaviour(library=Library.NUMPYRO,
                      formula="the model draws rows of its own: latents meet data of others; one row raises",
                      program="plate/plate_005_numpyro.py", requires=("funsor",),
                      computes=lambda measured: {**_rows(measured, "m"), "one_raises": 1.0}),
        ),
        oracle=_same_rows,
        given=(*_Z, "g0", "g1", "m0", "m1"),
    ),
    Case(
        id="SEM-TMC-001",
        title="TraceTMC_ELBO without a site that is enumerated or sampled in parallel is Trace_ELBO",
        statement="loss = log q(z) - log p(x, z) and its derivative under the same seed, z = loc + 0.5 e",
        source="Aitchison 2019 (Tensor Monte Carlo) at K = 1; pyro.infer.TraceTMC_ELBO 1.9.2: 'To take multiple "
               "samples, mark the site'",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated; the mark num_samples=1 raises UnboundLocalError",
                      program="tmc/tmc_001_pyro.py", computes=lambda _: {"marked_raises": 1.0}),
        ),
        oracle=_one_sample,
        given=("z",),
    ),
    Case(
        id="SEM-RENYI-001",
        title="RenyiELBO with a subsampled plate",
        statement="right: loss = -N/B sum_b log mean_k w_kb with w_kb = p(x_b, z_kb) / q(z_kb)",
        source="Burda et al. 2016, eq. 8, for each datum; pyro.infer.RenyiELBO 1.9.2, numpyro.infer.RenyiELBO 0.22.0, "
        "whose docstring subsamples local latents in its example",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="-sum_b log mean_k w_kb^(N/B): the factor stands inside",
                      program="renyi/renyi_001_pyro.py", computes=_factor_inside),
            Behaviour(library=Library.NUMPYRO, formula="as stated", program="renyi/renyi_001_numpyro.py"),
        ),
        oracle=_factor_outside,
        given=tuple(f"{name}_{k}_{b}" for name in "zt" for k in range(PARTICLES) for b in range(BATCH)),
    ),
    Case(
        id="SEM-RENYI-002",
        title="The per-datum bound of a mini-batch by a plate of its own size, times N/B outside",
        statement="loss = -N/B sum_b log mean_k w_kb",
        source="as SEM-RENYI-001; the workaround for it",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated", program="renyi/renyi_002_pyro.py"),
        ),
        oracle=_factor_outside,
        given=tuple(f"z_{k}_{b}" for k in range(PARTICLES) for b in range(BATCH)),
    ),
    Case(
        id="SEM-RENYI-003",
        title="RenyiELBO without a plate bounds the batch jointly, and refuses alpha = 1",
        statement="loss = -log mean_k (prod_b w_kb)^(1 - alpha) / (1 - alpha)",
        source="Li and Turner 2016, eq. 6; pyro.infer.RenyiELBO 1.9.2, numpyro.infer.RenyiELBO 0.22.0",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"renyi/renyi_003_{library}.py")
            for library in OF_PROGRAMS
        ),
        oracle=_joint,
        given=tuple(f"z_{k}_{b}" for k in range(PARTICLES) for b in range(BATCH)),
    ),
    Case(
        id="SEM-MULTI-001",
        title="Trace_ELBO(multi_sample_guide=True) with a guide that proposes S samples",
        statement="right: loss = mean_s [log q(z_s) - log p(x, z_s)]",
        source="numpyro.infer.ELBO.loss 0.22.0: 'negative of the Evidence Lower Bound (ELBO) to be minimized'; numpyro "
        "pull request 1728 divides by S",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula="sum_s [log q(z_s) - log p(x, z_s)]: S times too large",
                      program="multi/multi_001_numpyro.py", computes=lambda measured: {"loss": 3 * _multi(measured)}),
        ),
        oracle=lambda measured: {"loss": _multi(measured)},
        given=("z0", "z1", "z2"),
    ),
    Case(
        id="SEM-MULTI-002",
        title="S samples by num_particles=S and a guide that proposes one",
        statement="loss = mean_s [log q(z_s) - log p(x, z_s)]",
        source="numpyro.infer.Trace_ELBO 0.22.0",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula="as stated", program="multi/multi_002_numpyro.py"),
        ),
        oracle=lambda measured: {"loss": _multi(measured)},
        given=("z0", "z1", "z2"),
    ),
)  # fmt: skip
