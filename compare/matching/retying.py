"""Weights that were tied by order and shape may be tied wrongly: two layers of one shape stand in another order.

Before the program is accused of the difference, each two such layers are exchanged: where both sides are the same then,
nothing is judged, and which is which is asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

from elbo_compare.compare.matching.tying import ORDERED, Tied
from elbo_compare.suites.bridge.pairs.records import Weight

MOST = 6  # exchanges that are tried


def exchanges(tied: Tied, second: list[Weight]) -> Iterator[tuple[Tied, str, str]]:
    """(the ties with two layers of the second side exchanged, one's name, the other's); none where nothing was tied by
    order."""
    if ORDERED not in tied.how:
        return
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for each in second:
        if each.name in tied.names:
            layer, _, part = each.name.rpartition(".")
            layers.setdefault(layer, {})[part] = each.shape
    alike = [pair for pair in combinations(layers, 2) if layers[pair[0]] == layers[pair[1]]]
    for one, other in alike[:MOST]:
        yield replace(tied, names=_exchanged(tied.names, one, other, layers[one])), one, other


def _exchanged(names: Mapping[str, str], one: str, other: str, parts: Mapping[str, object]) -> dict[str, str]:
    made = dict(names)
    for part in parts:
        a, b = (f"{layer}.{part}" if layer else part for layer in (one, other))
        made[a], made[b] = names[b], names[a]
    return made
