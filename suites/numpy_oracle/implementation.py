"""The oracle as an implementation; shapes and units: `suites.contract`."""

from elbo_compare.suites.bridge.form import no_analytic_kl
from elbo_compare.suites.contract import (
    Array,
    Device,
    Draws,
    DType,
    Estimator,
    Evaluation,
    Fit,
    GradientDraws,
    Params,
    Problem,
    Stepper,
    Training,
)
from elbo_compare.suites.estimators import LIBRARY_VARIANTS
from elbo_compare.suites.numpy_oracle import draws, evaluation
from elbo_compare.suites.numpy_oracle import training as train

_LIBRARY_VARIANTS = frozenset(estimator.name for estimator in LIBRARY_VARIANTS)


class OracleSession:
    """One (problem, estimator): evaluation, draws, training."""

    def __init__(self, problem: Problem, estimator: Estimator) -> None:
        self.setting = evaluation.Setting(problem=problem, estimator=estimator)

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator at everybody's noise; gradients where they are derived by hand."""
        return evaluation.evaluate(self.setting, params, x, noise)

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum."""
        return draws.draw(self.setting, params, x, n, seed, chunk)

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum."""
        return draws.draw_gradients(self.setting, params, x, n, seed, chunk)

    def fit(self, params: Params, training: Training) -> Fit:
        """Adam on the batch-mean loss. Raises ValueError where no gradient is derived by hand."""
        return train.fit(self.setting, params, training)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch."""
        return train.stepper(self.setting, params, x, seed)


class NumpyOracle:
    """The oracle as an implementation: float64 on the CPU."""

    name = "numpy-oracle"
    framework = "numpy"
    devices = (Device.CPU,)
    dtypes = (DType.FLOAT64,)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no known KL term, or the estimator is a library's class and no other function."""
        if estimator.name in _LIBRARY_VARIANTS:
            return f"{estimator.name} is {estimator.kl_term} KL through another class of a library"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> OracleSession:
        """A session. Raises ValueError for another device or dtype than float64 on the CPU."""
        if device not in self.devices or dtype not in self.dtypes:
            raise ValueError(f"numpy-oracle computes in float64 on the CPU only; {dtype} on {device} was asked for.")
        return OracleSession(problem, estimator)
