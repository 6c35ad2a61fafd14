"""Parameters that are called like the size of an axis (`batch_size`, `input_dim`): taken from the arrays."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from elbo_compare.compare.checking.names import OWN, Role

BATCH_NAMES = frozenset({"batch_size", "batchsize", "bs", "n_batch", "num_batch"})
ROW_NAMES = (
    BATCH_NAMES
    | {"num_samples", "n_samples", "n_data", "num_data", "n_examples", "num_examples"}
    | {
        "n_nodes",
        "num_nodes",
    }
)
OBSERVED_NAMES = re.compile(
    r"^((input|x|data|img|image|feature|features|original|orig|obs|output|in)_?(dim|dims|size|shape|dimension|features)"
    r"|n_?(pixels|features|inputs|genes)|num_?(pixels|features|inputs|genes)|(in|input)_?features|vocab_?size)$"
)
LATENT_NAMES = re.compile(
    r"^((latent|z|hidden|h|code|topic|embed|embedding|bottleneck)_?(dim|dims|size|shape|dimension|features)|nz"
    r"|(n|num)_?(latents?|topics)|n_?dims?)$"
)
OF_AN_OBJECT = re.compile(r"^(dims?|dimension)$")  # of a plain function it may be the axis that is summed over


def sized_by(arrays: Mapping[Role, str], required: Iterable[str]) -> dict[str, str]:
    """Required sizes of the observed or the latent axis, each with the array that has it."""
    data, latent = arrays.get(Role.X) or arrays.get(Role.OUTPUT), arrays.get(Role.MEAN) or arrays.get(Role.Z)
    kinds = ((OBSERVED_NAMES, data), (LATENT_NAMES, latent))
    found: dict[str, str] = {}
    for name in required:
        bare = name.removeprefix(OWN).lower()
        of = next((of for names, of in kinds if of and names.search(bare)), None)
        if of:
            found[name] = of
        elif latent and bare != name and OF_AN_OBJECT.search(bare):
            found[name] = latent
    return found


def width(array: Any) -> int:
    """How many numbers a datum of an array has."""
    return math.prod(int(n) for n in getattr(array, "shape", ())[1:])
