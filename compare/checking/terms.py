"""Which of several returned terms is the one that would be minimised, and which stand beside it for the log."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.signature import FunctionKind, Signature
from elbo_compare.compare.checking.source import returned_names

KL_NAME = re.compile(r"kl|regulari[sz]|latent_loss|divergence|^reg(_|$)|rate$|prior_loss")
DATA_NAME = re.compile(
    r"rec|bce|mse|nll|mae|log_?p|like|distortion|^ll$|px|cross_?entropy|xent|_ce|^ce|error|data|gen_loss|img_loss|l1|l2"
)
TOTAL_NAME = re.compile(r"loss|elbo|total|bound|objective|cost|vlb|^out$|result")


class Part(StrEnum):
    """What a returned term is called."""

    TOTAL = "total"
    DATA = "reconstruction"
    KL = "KL"
    UNNAMED = "unnamed"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """position: of the term that would be minimised; named: whether its name says that it is the whole loss.

    apart: (reconstruction, KL) where no total is returned. names: of all terms, as the source or the keys call them.
    """

    position: int
    names: tuple[str, ...]
    named: bool
    apart: tuple[int, int] | None = None


def layout_of(function: Callable[..., Any], signature: Signature, keys: Sequence[str]) -> Layout:
    """Read the terms' names: keys of a dict or fields, else the names in the source's return statement."""
    if len(keys) == 1:
        return Layout(position=0, names=tuple(keys), named=True)
    names = tuple(keys)
    if all(key.isdigit() for key in keys):
        names = returned_names(function, len(keys)) or names
    if keys[0] == "0" and all(key.startswith("1.") for key in keys[1:]):  # the loss, and what is logged of it
        return Layout(position=0, names=names, named=True)
    parts = [part_of(name, signature) for name in names]
    if signature.kind not in (FunctionKind.NEGATIVE_ELBO, FunctionKind.LOG_WEIGHT):
        wanted = Part.DATA if signature.kind is FunctionKind.RECONSTRUCTION else Part.KL
        position = next((parts.index(part) for part in (Part.TOTAL, wanted) if part in parts), 0)
        return Layout(position=position, names=names, named=True)
    if Part.TOTAL in parts:
        best = next(
            (i for i, name in enumerate(names) if name.rsplit(".", 1)[-1] in ("loss", "total_loss", "total")), None
        )
        return Layout(position=parts.index(Part.TOTAL) if best is None else best, names=names, named=True)
    if Part.DATA in parts and Part.KL in parts:
        return Layout(position=len(keys), names=names, named=True, apart=(parts.index(Part.DATA), parts.index(Part.KL)))
    return Layout(position=0, names=names, named=False)


def part_of(name: str, signature: Signature | None = None) -> Part:
    """What a returned name, or expression, is called; signature: of the function whose arguments it may name."""
    last = name if "(" in name or " " in name else name.rsplit(".", 1)[-1]
    lower = last.lower()
    if re.fullmatch(r"\w+", lower):
        if KL_NAME.search(lower):
            return Part.KL
        if DATA_NAME.search(lower):
            return Part.DATA
        return Part.TOTAL if TOTAL_NAME.search(lower) else Part.UNNAMED
    return _of_expression(last, signature)


def _of_expression(text: str, signature: Signature | None) -> Part:
    """What a returned expression is, by the arguments and names in it."""
    text = re.sub(r"\w+\.(size|shape|numel)\b|len\(\w+\)", "", text)  # x.size(0) counts the rows, whatever x is
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    data, kl = False, False
    for argument in signature.arguments if signature else ():
        if argument.name in words:
            data |= argument.role in (Role.X, Role.OUTPUT, Role.DATA_TERM)
            kl |= argument.role in (Role.MEAN, Role.SPREAD)
    named = [part_of(word, signature) for word in words if not hasattr(str, word)]
    data |= Part.DATA in named
    kl |= Part.KL in named
    if data and kl:
        return Part.TOTAL
    if data or kl:
        return Part.DATA if data else Part.KL
    return Part.TOTAL if Part.TOTAL in named else Part.UNNAMED
