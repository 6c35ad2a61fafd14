"""Four axes whose last is the latent one: a sum over it, and a mean over the first two, (batch, time, slot, latent).

An array of four axes is handed over as a feature map, (batch, channels, height, width), every axis but the first being
latent. A function that sums over the last and averages over the first two has other axes in mind, and which of them
are data is nowhere said: it is no average over the latent dimensions.
"""

import ast
from collections.abc import Callable
from typing import Any

from elbo_compare.compare.checking.source import own_nodes

LAST = ("3", "-1")
FIRST_TWO = ("(0, 1)", "[0, 1]")


def averages_the_first_two(function: Callable[..., Any]) -> bool:
    """Whether the body sums over the last of four axes, and averages over the first two."""
    calls = [node for node in own_nodes(function) if isinstance(node, ast.Call)]
    summed = any(_name(one) == "sum" and set(_axes(one)) & set(LAST) for one in calls)
    return summed and any(_name(one) == "mean" and set(_axes(one)) & set(FIRST_TWO) for one in calls)


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _axes(call: ast.Call) -> list[str]:
    return [ast.unparse(k.value) for k in call.keywords if k.arg in ("dim", "axis")] + list(map(ast.unparse, call.args))
