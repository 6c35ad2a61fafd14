"""TensorFlow Probability as an implementation; shapes and units: `suites.contract`."""

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
from elbo_compare.suites.tfp_ppl import draws, evaluation
from elbo_compare.suites.tfp_ppl import training as train


class TFPSession:
    """One (problem, estimator) on one device in one dtype: evaluation, draws, training."""

    def __init__(self, setting: evaluation.Setting) -> None:
        self.setting = setting

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The losses and their gradient at everybody's noise."""
        return evaluation.evaluate(self.setting, params, x, noise)

    def draw(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> Draws:
        """n draws of ELBO and KL at one datum."""
        return draws.draw(self.setting, params, x, n, seed, chunk)

    def draw_gradients(self, params: Params, x: Array, n: int, seed: int, chunk: int) -> GradientDraws:
        """n draws of d ELBO / d(mean, log-variance) at one datum."""
        return draws.draw_gradients(self.setting, params, x, n, seed, chunk)

    def fit(self, params: Params, training: Training) -> Fit:
        """Adam on the batch-mean loss."""
        return train.fit(self.setting, params, training)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch."""
        return train.stepper(self.setting, params, x, seed)


class TFP:
    """The VAE in TensorFlow Probability on JAX."""

    name = "tfp"
    framework = "tensorflow_probability"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None where a public function of the library computes the estimator, else the reason why not."""
        if self.name not in estimator.library_classes:
            return f"no public function of TensorFlow Probability computes {estimator.name}"
        if estimator.gradient is not GradientForm.REPARAMETERISED and problem.flow is Flow.PLANAR:
            return "TensorFlow Probability scores the sample under a stopped copy of q: a planar flow can't be inverted"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> TFPSession:
        """A session; its weights come with each call."""
        form, where = form_of(problem, estimator), open_device(device, dtype)
        return TFPSession(evaluation.Setting(form=form, device=where, dtype=dtype))
