"""Rows of a mini-batch that a Pyro model is given, where the guide draws others and replay has those win."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import _Subsample


class _Rows(Messenger):
    """Within a replay: it sees the rows before they are replaced, and after."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, torch.Tensor] = {}
        self.replaced: list[str] = []

    def _pyro_sample(self, msg: Any) -> None:
        if isinstance(msg["fn"], _Subsample) and isinstance(msg["value"], torch.Tensor | np.ndarray | list | tuple):
            self.given[msg["name"]] = torch.as_tensor(msg["value"])

    def _pyro_post_sample(self, msg: Any) -> None:
        name = msg["name"]
        if name in self.given and not torch.equal(torch.as_tensor(msg["value"]), self.given[name]):
            self.replaced.append(name)


def replaced_rows(
    model: Callable[..., Any], guide: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], seed: int
) -> tuple[str, ...]:
    """The plates whose `subsample=` the model does not get, since the guide has drawn other rows for them.

    `poutine.replay` has the guide's rows win (github.com/pyro-ppl/pyro/issues/3468): what is observed then meets the
    latents of other rows, and nothing warns.
    """
    pyro.set_rng_seed(seed)
    rows = _Rows()
    with torch.no_grad():
        guide_trace = poutine.trace(guide).get_trace(*args, **kwargs)
        poutine.replay(rows(model), trace=guide_trace)(*args, **kwargs)
    return tuple(dict.fromkeys(rows.replaced))
