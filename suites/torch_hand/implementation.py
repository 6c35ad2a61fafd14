"""The hand-written torch VAE as an implementation; shapes and units: `suites.contract`."""

from functools import partial

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
    GradientDraws,
    KLTerm,
    Params,
    Problem,
    Stepper,
    Training,
)
from elbo_compare.suites.estimators import LIBRARY_VARIANTS
from elbo_compare.suites.torch_hand import draws, evaluation, replicas
from elbo_compare.suites.torch_hand import training as train


class TorchHandSession:
    """One (problem, estimator) on one device in one dtype: evaluation, draws, training, replicas."""

    def __init__(self, setting: evaluation.Setting) -> None:
        self.setting = setting
        if replicas.can_be_batched(setting.form):
            self.fit_replicas = partial(replicas.fit_replicas, setting)

    def evaluate(self, params: Params, x: Array, noise: Array) -> Evaluation:
        """The estimator and its gradient at everybody's noise."""
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


class TorchHand:
    """The hand-written torch VAE."""

    name = "torch-hand"
    framework = "torch"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no closed form, or a library's variant of what is here under another name."""
        if any(estimator.name == variant.name for variant in LIBRARY_VARIANTS):
            core = "analytic-kl" if estimator.kl_term is KLTerm.ANALYTIC else "sampled-kl"
            return f"a library's own class; by hand this is {core} itself"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> TorchHandSession:
        """A session; its weights come with each call."""
        form = form_of(problem, estimator)
        return TorchHandSession(evaluation.Setting(form=form, device=open_device(device), dtype=dtype))
