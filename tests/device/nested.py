"""An operation's arguments and results: they nest tuples, lists and dictionaries only.

With torch's own pytree a step on the pretend device takes twice as long.
"""

from collections.abc import Callable
from typing import Any

import torch


def tensors_in(tree: Any) -> list[torch.Tensor]:
    """The tensors among them, in order."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (tuple, list)):
        return []
    return [tensor for each in tree for tensor in tensors_in(each)]


def mapped(change: Callable[[Any], Any], tree: Any) -> Any:
    """A copy, every leaf changed."""
    if isinstance(tree, (tuple, list)):
        return type(tree)([mapped(change, each) for each in tree])
    if isinstance(tree, dict):
        return {name: mapped(change, each) for name, each in tree.items()}
    return change(tree)
