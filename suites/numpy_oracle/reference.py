"""The oracle's answer with the scale of its rounding: what pointwise tolerances and allowed path distances are made of.

A tolerance is c * u * scale, u the unit roundoff of the compared dtype. A scale is a sum of absolute terms: a sum
computed in any order is within (number of roundings) * u of that (Higham 2002, "Accuracy and stability of numerical
algorithms", eq. 4.4). Roundings are not all of one sign and accumulate like a random walk (Higham and Mary 2019), so
that a small constant c covers sums of hundreds of terms. Where no error is carried along on paper, through flows,
priors and bounds, the oracle's own code in float32 says what rounding does to it (`scales.probes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from elbo_compare.suites.contract import Array, Device, DType, Estimator, Evaluation, Params, Problem, Training
from elbo_compare.suites.numpy_oracle.directions import Direction, directions
from elbo_compare.suites.numpy_oracle.evaluation import one_particle
from elbo_compare.suites.numpy_oracle.gradients import derived_by_hand, gradients, terms_and_backward
from elbo_compare.suites.numpy_oracle.implementation import NumpyOracle
from elbo_compare.suites.numpy_oracle.plain_scales import UNIT_ROUNDOFF_64, plain_gradient_scales, plain_scales
from elbo_compare.suites.numpy_oracle.scales import Point, scales
from elbo_compare.suites.numpy_oracle.vae import encode

TORCH_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The oracle in float64 at inputs rounded to a dtype, and the scale of rounding of each number.

    `mean`, `log_var`: the encoder's outputs (batch, latent). `scales`: nats per datum, by "elbo", "kl",
    "log_likelihood", "log_q", "log_prior". `gradient_scales`: by parameter; u * scale is what |g - g*|_F is held
    against; empty where the gradient is not derived by hand. There `directions` has, by parameter, the derivative along
    one direction instead; it is empty where the whole gradient is known.
    """

    evaluation: Evaluation
    mean: Array
    log_var: Array
    scales: Mapping[str, float]
    gradient_scales: Mapping[str, float]
    directions: Mapping[str, Direction] = field(default_factory=dict)


def reference(
    problem: Problem, estimator: Estimator, params: Params, x: Array, noise: Array, dtype: DType
) -> Reference:
    """The oracle's evaluation at (params, x, noise), each first rounded to `dtype`, and its scales.

    Shapes: x (batch, observed), noise (noise_rows, batch, latent). Raises ValueError for another number of rows, and
    for an analytic KL that has no closed form.
    """
    params, x, noise = _round(params, x, noise, dtype)
    evaluation = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64).evaluate(params, x, noise)
    if not derived_by_hand(problem, estimator):
        mean, log_var, _ = encode(params, problem, x)
        point = Point(problem=problem, estimator=estimator, params=params, x=x, noise=noise)
        return Reference(
            evaluation=evaluation,
            mean=mean,
            log_var=log_var,
            scales=scales(point, dtype),
            gradient_scales={},
            directions=directions(point),
        )
    e = one_particle(noise)
    terms, contractions = terms_and_backward(params, problem, estimator, x, e)
    return Reference(
        evaluation=evaluation,
        mean=terms.mean,
        log_var=terms.log_var,
        scales=plain_scales(params, problem, estimator, x, e, terms, contractions),
        gradient_scales=plain_gradient_scales(params, problem, estimator, x, e, terms, contractions),
    )


def clamped_gradients(
    problem: Problem, estimator: Estimator, params: Params, x: Array, noise: Array, dtype: DType
) -> Params:
    """The gradient of the ELBO where log p(x|z) is torch's `binary_cross_entropy` of probabilities, at the same inputs
    as `reference`; for what is derived by hand. torch 2.13.0, aten/src/ATen/native/Loss.cpp, its EPSILON.
    """
    params, x, noise = _round(params, x, noise, dtype)
    _, contractions = terms_and_backward(params, problem, estimator, x, one_particle(noise), floor=TORCH_FLOOR)
    return gradients(problem, contractions, len(x))


def _round(params: Params, x: Array, noise: Array, dtype: DType) -> tuple[Params, Array, Array]:
    """Everything rounded to `dtype`, back in float64."""
    rounded = {name: value.astype(dtype.value).astype(np.float64) for name, value in params.items()}
    return rounded, x.astype(dtype.value).astype(np.float64), noise.astype(dtype.value).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class PathReference:
    """The oracle's training path and how far it strays from itself when every weight starts one ulp away.

    `elbo`, `elbo_divergence`: (step,), nats per datum; the divergence is the largest so far, over three directions,
    and never below the rounding of the ELBO itself, u * scale: at the same weights two correct values differ by that.
    `params`: the weights at the end; `param_divergence`: by parameter, |.|_2 at the end.
    """

    elbo: Array
    params: Params
    elbo_divergence: Array
    param_divergence: Mapping[str, float]


def path_reference(
    problem: Problem,
    estimator: Estimator,
    params: Params,
    x: Array,
    batches: np.ndarray,
    noise: Array,
    learning_rate: float,
) -> PathReference:
    """Adam from `params` on the given batches and noise, and the same from weights one ulp away.

    Shapes: x (rows, observed), batches (step, batch), noise (step, 1, batch, latent). Three fixed random directions,
    and the running maximum over steps: one lucky direction or step must not shrink the allowance.
    """
    session = NumpyOracle().prepare(problem, estimator, Device.CPU, DType.FLOAT64)
    asked = Training(x=x, batches=batches, learning_rate=learning_rate, seed=0, noise=noise)
    path = session.fit(params, asked)
    start = reference(problem, estimator, params, x[batches[0]], noise[0], DType.FLOAT64)
    elbo_divergence = np.full(len(batches), UNIT_ROUNDOFF_64 * start.scales["elbo"])
    param_divergence = dict.fromkeys(problem.params, 0.0)
    for direction in range(3):
        rng = np.random.default_rng([direction, 754])
        moved = {
            name: np.nextafter(value, rng.choice([-np.inf, np.inf], value.shape)) for name, value in params.items()
        }
        other = session.fit(moved, asked)
        elbo_divergence = np.maximum(elbo_divergence, np.abs(other.elbo - path.elbo))
        for name, value in path.params.items():
            distance = float(np.linalg.norm(other.params[name] - value))
            param_divergence[name] = max(param_divergence[name], distance)
    return PathReference(
        elbo=path.elbo,
        params=path.params,
        elbo_divergence=np.maximum.accumulate(elbo_divergence),
        param_divergence=param_divergence,
    )
