"""Training in Pyro by `SVI.step`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.infer
import pyro.optim
import torch
from pyro import poutine
from torch import Tensor

from elbo_compare.suites.bridge.form import check_shapes
from elbo_compare.suites.bridge.torch_arrays import dtype_of, numbers_drawn_again, synchronise, to_arrays
from elbo_compare.suites.bridge.torch_optimizers import steps_alone
from elbo_compare.suites.bridge.training import Checkpoints, check_training, training_rows
from elbo_compare.suites.contract import Array, Bound, Fit, Params, Stepper, Training
from elbo_compare.suites.pyro_ppl.evaluation import Setting, parameter_store, programs_of
from elbo_compare.suites.pyro_ppl.vae import compiling, is_compiled


def fit(setting: Setting, params: Params, training: Training) -> Fit:
    """Adam on the batch-mean loss, with everybody's noise or own random numbers.

    The noise is an argument of model and guide and not captured: a compiled object would freeze it. A KL weight is a
    keyword: a compiled object compiles again for each new one.
    """
    check_training(setting.form, params, training)
    steps_alone(torch.optim.Adam)
    batch_of, (steps, batch) = _batches(setting, training), training.batches.shape
    looks, elbos = Checkpoints(training), []
    shared = None if training.noise is None else setting.tensor(training.noise)
    with parameter_store(setting.weights(params)) as leaves:
        svi = _svi(setting, batch, training.learning_rate)
        pyro.set_rng_seed(training.seed)
        for i in range(steps):
            if looks.end_at(i, lambda: to_arrays(leaves)):
                break
            noise = () if shared is None else (setting.particles(shared[i]),)
            weight = None if training.kl_weights is None else float(training.kl_weights[i])
            elbos.append(_step(setting, svi, batch, (batch_of(i), *noise), weight))
        else:
            looks.end_at(steps, lambda: to_arrays(leaves))
        dtype = dtype_of(next(iter(leaves.values())))
        return Fit(elbo=np.array(elbos), params=to_arrays(leaves), checkpoints=looks.kept, dtype=dtype)


def stepper(setting: Setting, params: Params, x: Array, seed: int) -> Stepper:
    """`SVI.step` on one batch; a Jit class compiles at its first step."""
    check_shapes(setting.form, params, x)
    data, svi = setting.tensor(x), _svi(setting, len(x), 1e-3)
    store = pyro.get_param_store()
    with parameter_store(setting.weights(params)):
        state = store.get_state()
    pyro.set_rng_seed(seed)

    def step(k: int) -> None:
        with store.scope(state):
            for _ in range(k):
                _svi_step(setting, svi, data)
        synchronise(setting.device)

    return Stepper(compile=None, step=step)


def _step(
    setting: Setting, svi: pyro.infer.SVI, batch: int, arguments: tuple[Tensor, ...], kl_weight: float | None
) -> float:
    """One step; the ELBO before it, per datum.

    SVI returns KL weight * KL - log p(x|z). The KL of the same sample, from the object on the model without the
    likelihood, makes that the unweighted ELBO: -loss - (1 - weight) * KL.
    """
    if setting.form.bound is Bound.RENYI:
        return -_svi_step(setting, svi, *arguments) / batch
    if kl_weight is None or kl_weight == 1.0:
        return -_svi_step(setting, svi, *arguments)
    with torch.no_grad(), numbers_drawn_again(setting.device):
        kl = _kl(setting, arguments) / batch
    return -_svi_step(setting, svi, *arguments, kl_weight=kl_weight) - (1.0 - kl_weight) * kl


def _svi_step(setting: Setting, svi: pyro.infer.SVI, *args: Tensor, **options: float) -> float:
    with compiling(setting.class_name):
        return float(svi.step(*args, **options))  # pyright: ignore[reportArgumentType]


def _kl(setting: Setting, arguments: tuple[Tensor, ...]) -> float:
    """The object's loss on the model without the likelihood, from the parameters in the store."""
    without = setting.form.without_likelihood()
    return float(setting.elbo_object(without).loss(*programs_of(without, {}), *arguments))


def _batches(setting: Setting, training: Training) -> Callable[[int], Tensor]:
    """The i-th batch on the device; without binarisation the whole x is there from the start."""
    x, batches = training.x, training.batches
    if training.binarise is not None:
        return lambda i: setting.tensor(training_rows(x, batches[i], i, training.binarise))
    data, rows = setting.tensor(x), torch.as_tensor(batches, device=setting.device)
    return lambda i: data[rows[i]]


def _svi(setting: Setting, batch: int, learning_rate: float) -> pyro.infer.SVI:
    """SVI whose `step(x, noise)` takes one step on the batch mean: model and guide are scaled by 1/batch.

    Under a Renyi bound the scale would go inside the log-sum-exp and make another bound. There the loss stays a
    sum, and Adam takes the same steps on it with batch times the epsilon.
    """
    renyi = setting.form.bound is Bound.RENYI
    scale: Any = 1.0 / batch
    if is_compiled(setting.class_name):  # a traced Python number would become a float32 constant
        scale = setting.tensor(np.asarray(scale))
    settings = {"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-8 * batch if renyi else 1e-8}
    programs: list[Any] = list(programs_of(setting.form, {}))
    if not renyi:
        programs = [poutine.scale(program, scale=scale) for program in programs]
    optimiser = pyro.optim.Adam(settings)  # pyright: ignore[reportAttributeAccessIssue]
    return pyro.infer.SVI(programs[0], programs[1], optimiser, setting.elbo_object(setting.form))
