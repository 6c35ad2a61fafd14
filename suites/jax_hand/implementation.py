"""The hand-written JAX VAE as an implementation; shapes and units: `suites.contract`."""

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
    GradientDraws,
    KLTerm,
    Params,
    Problem,
    Stepper,
    Training,
)
from elbo_compare.suites.estimators import LIBRARY_VARIANTS
from elbo_compare.suites.jax_hand import draws, evaluation, replicas
from elbo_compare.suites.jax_hand import training as train


class JaxHandSession:
    """One (problem, estimator) on one device in one dtype: evaluation, draws, training, replicas."""

    def __init__(self, setting: evaluation.Setting) -> None:
        self.setting = setting

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

    def fit_replicas(self, params: Params, trainings: tuple[Training, ...]) -> tuple[Fit, ...]:
        """`fit` of several seeds in one program."""
        return replicas.fit_replicas(self.setting, params, trainings)

    def stepper(self, params: Params, x: Array, seed: int) -> Stepper:
        """Training steps on one batch."""
        return train.stepper(self.setting, params, x, seed)


class JaxHand:
    """The hand-written JAX VAE."""

    name = "jax-hand"
    framework = "jax"
    devices = (Device.CPU, Device.CUDA)
    dtypes = (DType.FLOAT32, DType.FLOAT64)

    def supports(self, problem: Problem, estimator: Estimator) -> str | None:
        """None, or why not: no closed form, or a library's variant of what is here under another name."""
        if any(estimator.name == variant.name for variant in LIBRARY_VARIANTS):
            core = "analytic-kl" if estimator.kl_term is KLTerm.ANALYTIC else "sampled-kl"
            return f"by hand this is {core} itself"
        return no_analytic_kl(problem, estimator)

    def prepare(self, problem: Problem, estimator: Estimator, device: Device, dtype: DType) -> JaxHandSession:
        """A session; its weights come with each call."""
        form = form_of(problem, estimator)
        return JaxHandSession(evaluation.Setting(form=form, device=open_device(device, dtype), dtype=dtype))
