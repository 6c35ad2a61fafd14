"""Adam by hand, for the oracle's training paths."""

import numpy as np

from elbo_compare.suites.contract import Array, Params

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
