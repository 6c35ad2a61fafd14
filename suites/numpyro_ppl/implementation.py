"""NumPyro as an implementation; shapes and units: `suites.contract`."""

import jax

from elbo_compare.suites.bridge.form import form_of, no_analytic_kl
from elbo_compare.suites.bridge.jax_arrays import open_device
from elbo_compare.suites.contract import (
    Array,
    Device,
    Draws,
    DType,
    Estimator,
    Evaluation,
    Fit,
    Flow,
    GradientDraws,
    GradientForm,
    Params,
    Problem,
    Stepper,
    Training,
)
from elbo_compare.suites.numpyro_ppl import draws, evaluation
from elbo_compare.suites.numpyro_ppl import training as train
from elbo_compare.suites.numpyro_ppl.layers import NUMPYRO

# NumPyro 0.21 traces with a private function of JAX that counts closed-over arrays as inputs from JAX 0.11 on.
TRACE_GRAPH_RAISES = NUMPYRO < (0, 22) and tuple(int(part) for part in jax.__version__.split(".")[:2]) >= (0, 11)


class NumPyroSession:
    """One (problem, ELBO class) on one device in one dtype: evaluation, draws, training."""

    def __init__(self, setting: evaluation.Setting) -> None:
        self.setting = setting

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The ELBO object's loss and gradient at everybody's noise."""
        return evaluation.evaluate(self.setting, params, x, noise)

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum."""
        return draws.draw(self.setting, params, x, n, seed, chunk)

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum."""
        return draws.draw_gradients(self.setting, params, x, n, seed, chunk)

    def fit(self, params: Params, training: Training) -> Fit:
        """`SVI.update` on the batch-mean loss."""
        return train.fit(self.setting, params, training)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch."""
        return train.stepper(self.setting, params, x, seed)


class NumPyro:
    """The VAE in NumPyro."""

    name = "numpyro"
    framework = "numpyro"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None where a public ELBO class of NumPyro computes the estimator, else the reason why not."""
        if self.framework not in estimator.library_classes:
            return f"no public ELBO class of NumPyro computes {estimator.name}"
        if TRACE_GRAPH_RAISES and estimator.library_classes[self.framework] == "TraceGraph_ELBO":
            return "NumPyro before 0.22 under JAX 0.11: TraceGraph_ELBO raises 'length mismatch' in its provenance"
        if estimator.gradient is GradientForm.STICKING_THE_LANDING and problem.flow is not Flow.NONE:
            return "NumPyro scores a flow at its stored samples: its parameters cannot be held fixed in log q alone"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> NumPyroSession:
        """A session; its weights come with each call."""
        return NumPyroSession(
            evaluation.Setting(
                form=form_of(problem, estimator),
                class_name=estimator.library_classes[self.framework],
                device=open_device(device, dtype),
                dtype=dtype,
            )
        )
