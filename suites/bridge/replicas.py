"""Trainings of several seeds in one program: what arrives is checked, and what comes out is taken apart. No maths."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from elbo_compare.suites.bridge.form import Form, check_training
from elbo_compare.suites.contract import Array, DType, Fit, Params


def check_replicas(
    form: Form, params: Params, x: Array, batches: NDArray[np.integer], seeds: tuple[int, ...], noise: Array | None
) -> None:
    """As `check_training` for every replica: batches (replica, step, batch), noise (replica, step, noise_rows, batch,
    latent), one seed per replica. Raises ValueError, saying what arrived."""
    if not seeds:
        raise ValueError("at least one seed is needed; none arrived")
    if batches.ndim != 3 or len(batches) != len(seeds):
        raise ValueError(
            f"batches must have axes (replica, step, batch), one replica for each of {len(seeds)} seeds; "
            f"shape {batches.shape} arrived"
        )
    if noise is not None and len(noise) != len(seeds):
        raise ValueError(f"noise must have {len(seeds)} replicas, one for each seed; {len(noise)} arrived")
    check_training(form, params, x, batches[0], None if noise is None else noise[0])


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
