"""Distances of two arrays that are no data and its reconstruction: features, lists of maps, what no name calls data."""

import ast
import re

from elbo_compare.compare.checking.identify import Identified
from elbo_compare.compare.checking.judging import Subject
from elbo_compare.compare.checking.names import Role, read_name
from elbo_compare.compare.checking.signature import FunctionKind
from elbo_compare.compare.checking.source import own_nodes, unused

FEATURES = re.compile(
    r"feat|fmap|perceptual|vgg|lpips|style|gram(_|$)|discrim|adversar|critic|(^|_)gan(_|$)|generator|cycle|triplet"
    r"|contrast|distill|consisten|commit|codebook|embedding"
)
PROMISES = re.compile(
    r"recon|likel|nll|log_?p|mse|l1|l2|mae|bce|error|entropy|elbo|vae|gauss|normal|laplace|poisson|bernoulli"
)
OF_DATA = re.compile(r"recon|likel|nll|log_?p|elbo|vae")  # what no distance of features is called
REBUILT = re.compile(r"recon|(^|_)recs?(_|$)|hat$|decoded")


def of_no_data(subject: Subject) -> str:
    """Why a term of two arrays is no likelihood, in words; "" where nothing says so.

    A distance is a likelihood only of data: between features, or between arrays of unknown names under a name that
    promises none, it is some other loss. A function that is called a reconstruction or a likelihood, or takes x and its
    reconstruction by their names, is held to it, whatever else a name says.
    """
    signature = subject.signature
    if signature.kind is not FunctionKind.RECONSTRUCTION or subject.options.kind or subject.options.likelihood:
        return ""
    label = signature.name.lower()
    names = [argument.name for role in (Role.X, Role.OUTPUT) if (argument := signature.find(role))]
    said = OF_DATA.search(label) or (all(map(read_name, names)) and REBUILT.search(names[-1].lower()))
    for name in () if said else (label, *names):
        if FEATURES.search(name.lower()):
            return f"a distance of features, by the name {name}, and no likelihood of data: not judged"
    looped = _looped_over(subject, names)
    if looped:
        return (
            f"it takes lists of arrays ({looped} in a loop within a loop), not data and its reconstruction: not judged"
        )
    if not PROMISES.search(label) and not any(map(read_name, names)):
        both = " and ".join(names)
        return f"no name says that {both} are data and its reconstruction: not judged; --map says it"
    return ""


def _looped_over(subject: Subject, names: list[str]) -> str:
    """`dr, dg`: what a loop over the arguments gives to a further loop; "" where none does."""
    loops = [node for node in own_nodes(subject.callee.function) if isinstance(node, ast.For)]
    outer = {
        n.id
        for loop in loops
        if _read(loop.iter) & set(names)
        for n in ast.walk(loop.target)
        if isinstance(n, ast.Name)
    }
    inner = sorted(name for loop in loops for name in _read(loop.iter) & outer)
    return ", ".join(inner)


def _read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def one_number(subject: Subject, found: Identified | None) -> str:
    """That a likelihood term has neither x nor its output in it; "" for any other, and where its body never reads one
    of them, which is a mistake of its own."""
    signature = subject.signature
    names = {argument.name for role in (Role.X, Role.OUTPUT) if (argument := signature.find(role))}
    if names & unused(subject.callee.function):
        return ""
    if found is None or found.fit.data is not None or signature.kind is not FunctionKind.RECONSTRUCTION:
        return ""
    return f"{signature.name} is the same number at every input that it was called with: not judged"
