"""Arrays that every worker of one run would compute alike: computed by the first that needs them, read by the others.

The oracle's training path is the case in point: 200 steps of NumPy, the same for every implementation. The files live
in a folder that the run makes and removes; nothing is ever unpickled.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from elbo_compare.suites.contract import Array

FOLDER = "ELBO_COMPARE_SHARED"  # environment variable with the run's folder; unset: nothing is shared


def shared(name: str, compute: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of `compute()`, from the run's folder where another worker has left them under this name.

    `name` must hold everything that the arrays depend on within one run. A file is whole or absent, so that two workers
    that compute at the same time do no harm.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return dict(compute())
    path = Path(folder) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(temporary, **dict(compute()))  # type: ignore[arg-type]  # no array is named allow_pickle
        temporary.replace(path)
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}
