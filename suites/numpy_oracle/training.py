"""The oracle's training paths: Adam by hand on gradients by hand."""

import numpy as np

from elbo_compare.suites.bridge.training import Checkpoints, training_rows
from elbo_compare.suites.contract import Array, DType, Fit, Params, Stepper, Training
from elbo_compare.suites.numpy_oracle.evaluation import Setting, one_particle, to_float64
from elbo_compare.suites.numpy_oracle.gradients import gradients, terms_and_backward

EPSILON = 1e-8  # the same in every implementation


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) going uphill: beta 0.9, 0.999, epsilon 1e-8.

    w <- w + rate * m_hat / (sqrt(v_hat) + epsilon), the bias-corrected form that torch, optax and NumPyro share.
    """

    def __init__(self, params: Params, learning_rate: float) -> None:
        self.params = {name: value.copy() for name, value in params.items()}
        self.first = {name: np.zeros_like(value) for name, value in params.items()}
        self.second = {name: np.zeros_like(value) for name, value in params.items()}
        self.learning_rate, self.steps = learning_rate, 0

    def step(self, gradients: Params) -> None:
        """One update in place."""
        self.steps += 1
        first_correction, second_correction = 1.0 - 0.9**self.steps, 1.0 - 0.999**self.steps
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            rate = self.learning_rate / first_correction
            self.params[name] += rate * first / (np.sqrt(second / second_correction) + EPSILON)

    def weights(self) -> dict[str, Array]:
        """A copy of the weights as they are now."""
        return {name: value.copy() for name, value in self.params.items()}


def fit(setting: Setting, params: Params, training: Training) -> Fit:
    """Adam on the batch-mean loss. Raises ValueError where no gradient is derived by hand."""
    _require_gradients(setting)
    rng, elbo = np.random.default_rng(training.seed), []
    optimiser, x = Adam(to_float64(params), training.learning_rate), np.asarray(training.x, np.float64)
    looks = Checkpoints(training)
    for step, rows in enumerate(training.batches):
        if looks.end_at(step, optimiser.weights):
            break
        shape = (len(rows), setting.problem.latent)
        e = rng.standard_normal(shape) if training.noise is None else one_particle(training.noise[step])
        weight = 1.0 if training.kl_weights is None else float(training.kl_weights[step])
        elbo.append(_train(setting, optimiser, training_rows(x, rows, step, training.binarise), e, weight))
    else:
        looks.end_at(len(training.batches), optimiser.weights)
    return Fit(elbo=np.array(elbo), params=optimiser.weights(), checkpoints=looks.kept, dtype=DType.FLOAT64)


def stepper(setting: Setting, params: Params, x: Array, seed: int) -> Stepper:
    """Training steps on one batch at learning rate 1e-3; nothing is compiled."""
    _require_gradients(setting)
    rng = np.random.default_rng(seed)
    optimiser, x = Adam(to_float64(params), 1e-3), np.asarray(x, np.float64)

    def step(steps: int) -> None:
        for _ in range(steps):
            _train(setting, optimiser, x, rng.standard_normal((len(x), setting.problem.latent)))

    return Stepper(compile=None, step=step)


def _require_gradients(setting: Setting) -> None:
    if not setting.by_hand:
        raise ValueError(
            f"numpy-oracle does not train {setting.problem.name} under {setting.estimator.name}: gradients by hand are "
            "those of sampled-kl and analytic-kl without flow and with a N(0, I) prior."
        )


def _train(setting: Setting, optimiser: Adam, x: Array, noise: Array, kl_weight: float = 1.0) -> float:
    """One step up log p(x|z) - weight KL; returns the ELBO before it, nats per datum."""
    terms, contractions = terms_and_backward(optimiser.params, setting.problem, setting.estimator, x, noise, kl_weight)
    optimiser.step(gradients(setting.problem, contractions, len(x)))
    return float(terms.elbo.mean())
