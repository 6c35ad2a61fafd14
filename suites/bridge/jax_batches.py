"""What every step of a training takes, on the JAX device from the start: rows, noise, KL weights. No maths."""

from typing import NamedTuple

import jax
import numpy as np
from jax import Array as JaxArray

from elbo_compare.suites.bridge.jax_arrays import JaxDevice, to_device
from elbo_compare.suites.bridge.training import training_rows
from elbo_compare.suites.contract import Array, DType, Training


class Step(NamedTuple):
    """One step's batch (batch, observed), noise (noise_rows, batch, latent) and KL weight (): None where not given."""

    x: JaxArray | None
    noise: JaxArray | None
    kl_weight: JaxArray | None


class Whole(NamedTuple):
    """All steps': x (rows, observed), rows (step, batch), noise (step, ...) and KL weights (step,), or None."""

    x: JaxArray | None
    rows: JaxArray
    noise: JaxArray | None
    kl_weights: JaxArray | None


@jax.jit
def taken(whole: Whole, i: JaxArray) -> tuple[Step, JaxArray]:
    """Step i, and the next i. The index lives on the device too: as a Python number it would travel at every step."""

    def at(of: JaxArray | None) -> JaxArray | None:
        return None if of is None else of[i]

    x = None if whole.x is None else whole.x[whole.rows[i]]
    return Step(x, at(whole.noise), at(whole.kl_weights)), i + 1


class Steps:
    """The steps of one training, one after another by `next`. Everything travels once, but for binarised pixels,
    which the host draws anew at every step."""

    def __init__(self, training: Training, device: JaxDevice, dtype: DType):
        def there(array: Array | None) -> JaxArray | None:
            return None if array is None else to_device(array, device, dtype)

        rows = jax.device_put(np.asarray(training.batches, np.int32), device)
        x = there(training.x if training.binarise is None else None)
        self.whole = Whole(x, rows, there(training.noise), there(training.kl_weights))
        self.next_index = jax.device_put(np.int32(0), device)
        self.training, self.device, self.dtype, self.done = training, device, dtype, 0

    def next(self) -> tuple[JaxArray, JaxArray | None, JaxArray | None]:
        """The next step's batch, noise and KL weight."""
        step, self.next_index = taken(self.whole, self.next_index)
        data = step.x
        if data is None:
            rows, seed = self.training.batches[self.done], self.training.binarise
            pixels = training_rows(self.training.x, rows, self.done, seed)
            data = to_device(pixels, self.device, self.dtype)
        self.done += 1
        return data, step.noise, step.kl_weight
