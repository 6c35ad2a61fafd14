"""What every training does alike: it checks what arrives, takes a step's rows, keeps weights on the way. No maths."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.bridge.form import Form, check_shapes
from elbo_compare.suites.contract import Array, Bound, DType, Fit, Params, Training


def check_training(form: Form, params: Params, training: Training) -> None:
    """As `check_shapes`, with batches (step, batch) of row indices, noise (step, noise_rows, batch, latent) and
    kl_weights (step,), which a bound that is no sum of terms can't have. An index beyond x would be no error on every
    device."""
    batches, noise, kl_weights = training.batches, training.noise, training.kl_weights
    check_shapes(form, params, training.x)
    if batches.ndim != 2 or batches.size == 0:
        raise ValueError(f"batches must have axes (step, batch), none of them empty; shape {batches.shape} arrived")
    if batches.min() < 0 or batches.max() >= len(training.x):
        last = len(training.x) - 1
        raise ValueError(f"batches hold rows of x, 0 to {last}; {batches.min()} to {batches.max()} arrived")
    expected = (len(batches), form.noise_rows, batches.shape[1], form.latent)
    if noise is not None and noise.shape != expected:
        raise ValueError(f"noise must have axes (step, particle, batch, latent) = {expected}; {noise.shape} arrived")
    if kl_weights is not None and form.bound is not Bound.ELBO:
        raise ValueError(f"KL weights need a KL term; the bound is {form.bound}")
    if kl_weights is not None and kl_weights.shape != (len(batches),):
        raise ValueError(f"kl_weights must have the axis (step,) = ({len(batches)},); shape {kl_weights.shape} arrived")


def training_rows(x: Array, rows: NDArray[np.integer], step: int, binarise: int | None) -> Array:
    """x[rows], or with a seed in `binarise` one Bernoulli draw per pixel with x as its probability, new at every step.

    Shapes: x (rows, observed), rows (batch,) -> (batch, observed). Dynamic binarisation: Salakhutdinov and Murray 2008.
    """
    batch = np.asarray(x[rows], np.float64)
    if binarise is None:
        return batch
    return (np.random.default_rng([binarise, step]).random(batch.shape) < batch).astype(np.float64)


class Checkpoints:
    """The weights after the steps that are asked for, `kept` by number of completed steps, and the word of `stop`."""

    def __init__(self, training: Training):
        self.training = training
        self.kept: dict[int, Params] = {}

    def end_at(self, step: int, weights: Callable[[], Params]) -> bool:
        """Keep the weights after `step` steps where asked for; whether the training ends here."""
        if step not in self.training.checkpoints:
            return False
        self.kept[step] = weights()
        return self.training.stop is not None and self.training.stop(step, self.kept[step])


def check_replicas(form: Form, params: Params, trainings: tuple[Training, ...]) -> None:
    """As `check_training` for every replica; they differ in `batches`, `seed` and `noise` alone, and not in shapes.

    Raises ValueError, saying what arrived, and NotImplementedError for options that single trainings only have.
    """
    if not trainings:
        raise ValueError("at least one training is needed; none arrived")
    for each in trainings:
        each.refuse_all_but("noise", "checkpoints")
        check_training(form, params, each)
    first = trainings[0]
    for name in ("batches", "noise"):
        shapes = [None if (array := getattr(each, name)) is None else array.shape for each in trainings]
        if len(set(shapes)) > 1:
            raise ValueError(f"replicas must have {name} of one shape; {', '.join(map(str, shapes))} arrived")
    for name in ("learning_rate", "checkpoints"):
        if len(values := dict.fromkeys(getattr(each, name) for each in trainings)) > 1:
            raise ValueError(f"replicas must share {name}; {', '.join(map(str, values))} arrived")
    if not all(each.x is first.x or np.array_equal(each.x, first.x) for each in trainings):
        raise ValueError("replicas must share x; several arrived")


def taken_apart(elbo: Array, params: Params, checkpoints: Mapping[int, Params], dtype: DType) -> tuple[Fit, ...]:
    """One Fit per replica from arrays whose first axis is the replica: elbo (replica, step), the weights stacked.

    The weights are views of the stacks: taking them apart costs no memory.
    """
    return tuple(
        Fit(
            elbo=elbo[i],
            params=_one(params, i),
            checkpoints={step: _one(kept, i) for step, kept in checkpoints.items()},
            dtype=dtype,
        )
        for i in range(len(elbo))
    )


def _one(stacks: Params, replica: int) -> Params:
    return {name: stack[replica] for name, stack in stacks.items()}
