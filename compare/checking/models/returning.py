"""What of a loss function's result is minimised: a total beside its parts, or a reconstruction and a KL to be added."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from elbo_compare.compare.checking.source import returned_name, returned_names
from elbo_compare.compare.checking.terms import Part, part_of
from elbo_compare.suites.bridge.user_arrays import leaves
from elbo_compare.suites.contract import Array

RETURNED_LOSS = (
    "loss",
    "total_loss",
    "elbo_loss",
    "neg_elbo",
    "nelbo",
    "negative_elbo",
    "vae_loss",
    "elbo",
    "total",
    "objective",
)
LOG_LIKELIHOOD = re.compile(
    r"^(?!.*(neg|minus|nll|loss|err)).*(likelihood|log_?lik|log_?p|mll$|\bll$|^ll)", re.IGNORECASE
)
SURELY_KL = re.compile(r"kl|divergence|latent|rate$|prior", re.IGNORECASE)  # not `reg`, which penalises anything
MOST_SUMMED = 8


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How the loss was chosen among what came back.

    name: of the loss, as the source or the keys call it; apart: what was added, in words, where a reconstruction and a
    KL came without their total; data: the name of that reconstruction; beside: the names of the other terms, where no
    name says that the chosen one is the loss.
    """

    name: str = ""
    apart: str = ""
    data: str = ""
    beside: tuple[str, ...] = ()


def loss_of(
    result: Any, function: Callable[..., Any] | None = None, *, picked: str = "", turned: bool = False
) -> tuple[Any, Terms]:
    """The loss of a result and how it was chosen; None for the loss where nothing in it is one.

    A single value is the loss; of several the one that is named so, else reconstruction + KL where the names say that
    these two came back, else the first scalar. A KL beside arrays alone is no loss. picked: the place of the loss,
    where its value told it; turned: the reconstruction has the other sign than its name says.
    """
    parts = list(leaves(result))
    names = [name for name, _ in parts]
    if picked and picked in names:
        return parts[names.index(picked)][1], Terms(name=picked)
    if len(parts) == 1:
        name = names[0] or ("" if function is None else returned_name(function))
        return parts[0][1], Terms(name=name)
    if function is not None and all(re.fullmatch(r"[\d.]*", name) for name in names):
        names = list(returned_names(function, len(parts))) or names
    by_name = {name.rsplit(".", 1)[-1].lower(): value for name, (_, value) in zip(names, parts, strict=True)}
    for name in RETURNED_LOSS:
        if name in by_name:
            return by_name[name], Terms(name=name)
    terms = [(name, value) for name, (_, value) in zip(names, parts, strict=True) if _few(value)]
    return _of_terms(terms, turned=turned)


def _of_terms(terms: Sequence[tuple[str, Any]], *, turned: bool) -> tuple[Any, Terms]:
    """The loss among the scalars and the values per datum."""
    kinds = _kinds([name for name, _ in terms])
    if Part.TOTAL in kinds:
        name, value = terms[kinds.index(Part.TOTAL)]
        return value, Terms(name=name)
    scalars = [value for _, value in terms if tuple(value.shape) in ((), (1,))]
    if kinds == [Part.KL] or (Part.KL in kinds and Part.DATA in kinds and len(terms) > 2):
        return None, Terms(beside=tuple(name for name, _ in terms))
    if sorted(kinds) == sorted((Part.DATA, Part.KL)) and _alike(terms):
        return _added(dict(zip(kinds, terms, strict=True)), turned=turned)
    beside = tuple(name for name, value in terms if not (scalars and value is scalars[0]))
    return (scalars[0] if scalars else None), Terms(beside=beside)


def _kinds(names: Sequence[str]) -> list[Part]:
    """What each is; a sum that leaves a KL out which stands beside it is no total: `recon + kl_l, kl_z`. What is called
    a regulariser there is none, since the sum has its KL: `recon + kl, recon, reg`."""
    kinds = [part_of(name) for name in names]
    beside = {name for name, kind in zip(names, kinds, strict=True) if kind is Part.KL and SURELY_KL.search(name)}
    for place, name in enumerate(names):
        read = set(re.findall(r"\w+", name))
        if kinds[place] is Part.TOTAL and not name.isidentifier() and "+" in name and beside - read:
            kinds[place] = Part.DATA
    return kinds


def _added(pair: dict[Part, tuple[str, Any]], *, turned: bool) -> tuple[Any, Terms]:
    """Reconstruction + KL; KL - log likelihood, where that is what its name says."""
    (data_name, data), (kl_name, kl) = pair[Part.DATA], pair[Part.KL]
    if is_log_likelihood(data_name) != turned:
        return kl - data, Terms(apart=f"{kl_name} - {data_name}", data=data_name)
    return data + kl, Terms(apart=f"{data_name} + {kl_name}", data=data_name)


def is_log_likelihood(name: str) -> bool:
    """Whether a reconstruction is called one that grows with the likelihood."""
    return bool(LOG_LIKELIHOOD.search(name)) and not name.startswith("-")


def total_of(values: Mapping[str, Array], roundoff: float) -> str:
    """The first of some values that is the sum of others of its shape, to rounding; "" where none is. No sum is an
    accident at random numbers."""
    for name, value in values.items():
        others = [one for other, one in values.items() if other != name and one.shape == value.shape and one.any()]
        others = others[:MOST_SUMMED]
        for count in range(2, len(others) + 1):
            for some in combinations(others, count):
                if (abs(sum(some) - value) <= 8 * roundoff * sum(map(abs, some))).all():
                    return name
    return ""


def _few(value: Any) -> bool:
    """A scalar or one value for each datum."""
    return hasattr(value, "shape") and len(value.shape) < 2


def _alike(terms: Sequence[tuple[str, Any]]) -> bool:
    shapes = [tuple(each for each in value.shape if each != 1) for _, value in terms]
    return shapes[0] == shapes[1]
