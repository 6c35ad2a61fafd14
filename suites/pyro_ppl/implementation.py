"""Pyro as an implementation; shapes and units: `suites.contract`."""

from elbo_compare.suites.bridge.form import form_of, no_analytic_kl
from elbo_compare.suites.bridge.torch_arrays import open_device
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
    KLTerm,
    Params,
    Problem,
    Stepper,
    Training,
)
from elbo_compare.suites.pyro_ppl import draws, evaluation
from elbo_compare.suites.pyro_ppl import training as train
from elbo_compare.suites.pyro_ppl.vae import is_compiled


class PyroSession:
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
        """`SVI.step` on the batch-mean loss."""
        return train.fit(self.setting, params, training)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch."""
        return train.stepper(self.setting, params, x, seed)


class Pyro:
    """The VAE in Pyro."""

    name = "pyro"
    framework = "pyro"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no class of Pyro's computes it, or no closed form exists."""
        if self.framework not in estimator.library_classes:
            return f"no ELBO class of Pyro computes {estimator.name}"
        if estimator.gradient is not GradientForm.REPARAMETERISED and problem.flow is not Flow.NONE:
            return "Pyro's transforms have no public way to be scored with detached parameters"
        if is_compiled(estimator.library_classes[self.framework]) and (
            estimator.kl_term is KLTerm.ANALYTIC and problem.flow is not Flow.NONE
        ):
            return "torch.jit.trace can't follow torch's KL of two multivariate normals"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> PyroSession:
        """A session; its weights come with each call."""
        return PyroSession(
            evaluation.Setting(
                form=form_of(problem, estimator),
                class_name=estimator.library_classes[self.framework],
                device=open_device(device),
                dtype=dtype,
            )
        )
