"""Whether the p of -sum x log p is meant to sum to one over the dimensions of a datum, by what the source does.

No value can tell. Of a softmax it is the cross-entropy of a multinomial or categorical x; of independent binary pixels
(1 - x) log(1 - p) is missing. So it is said by the likelihood that was asked for or that the object or the function
names, or by the softmax that a decoder ends in. A word in a docstring or in another name is never enough for it; it is
enough for doubt. A sigmoid in a decoder, and words for pixels where nothing speaks against them, say the other.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from enum import StrEnum

from elbo_compare.compare.checking.attributes import holder_of
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.followed import FRAMEWORKS
from elbo_compare.compare.checking.identify import Identified, Standing
from elbo_compare.compare.checking.likelihoods import OF_PROPORTIONS
from elbo_compare.compare.checking.names import Role, promises_kl
from elbo_compare.compare.checking.signature import Signature
from elbo_compare.compare.checking.softmaxes import decoders_of, ends_of, text_of
from elbo_compare.compare.checking.source import mentioned, surface

ONE_OF_MANY = re.compile(
    r"softmax|multinom|categor|simplex|vocab|bag.?of.?words|word.?(count|dist|prob|freq)|topic.?(model|dist)"
    r"|(?<![a-z])(mult|bow|topics|tokens?|clicks|ratings)(?![a-z])"
)
BINARY = re.compile(
    r"sigmoid|bern(?![a-z])|bernoulli|binary|(?<![a-z])bce|pixel|mnist|(?<![a-z])(images?|imgs?)(?![a-z])"
)
PLAINLY_BINARY = re.compile(r"bern(?![a-z])|bernoulli|binary|(?<![a-z])bce|pixel")
# An attribute or argument that is there to choose the likelihood of x, and the names that it is given by.
CHOOSES = re.compile(
    r"^_?((x|data|obs\w*|out(put)?|dec(oder)?|recon\w*)_?)?likelihood(_?(type|name|fn))?$"
    r"|^_?(x|data|obs\w*|out(put)?|dec(oder)?|recon\w*)_?dist(ribution)?(_?(type|name))?$"
    r"|^_?(recon\w*_)?loss(_?(type|name|fn|func|function))?$"
)
MULTINOMIAL = re.compile(r"^(mult|multinomial|categorical|softmax)([_ -]?(nll|loss|cross[_ -]?entropy))?$")
BERNOULLI = re.compile(r"^(bern|bernoulli|binary|bce|sigmoid)([_ -]?(nll|loss|cross[_ -]?entropy))?$")
NAMED = re.compile(
    r"multinom|categorical_?(nll|cross_?entropy|likelihood|log_?(prob|lik))"
)  # of a function, an argument
OF_LATENTS = re.compile(r"kl|kld|latent|prior|gumbel|attention|attn")  # a multinomial of these is none of x
SIGMOID = re.compile(r"sigmoid|expit|logistic|bernoulli|1(\.0)? / \(1(\.0)? \+ [\w.]*exp\(-")


class Told(StrEnum):
    """What the source says of x and p."""

    SUMS = "p sums to one"
    BINARY = "x is independent and binary"
    NOTHING = "nothing"


def told_of(callee: Callee, likelihood: str | None, *, alone: bool = False) -> Told:
    """What is asked for or chosen by name; else what the decoder ends in; else what words say, doubt at most for a sum.

    likelihood: what --likelihood names; alone: no KL is there, and a word for images may be said of a classifier.
    """
    if likelihood is not None:
        return {"multinomial": Told.SUMS, "bernoulli": Told.BINARY}.get(likelihood, Told.NOTHING)
    decoders, chosen = decoders_of(holder_of(callee.function)), _chosen(callee)
    ends = {end for decoder in decoders for end in ends_of(decoder)}
    softmax, sigmoid = ends == {"softmax"}, any(SIGMOID.search(text_of(decoder)) for decoder in decoders)
    if (sigmoid and "softmax" not in ends) or chosen == {Told.BINARY}:
        return Told.BINARY
    if chosen:
        return Told.SUMS if chosen == {Told.SUMS} else Told.NOTHING
    said = f"{_own_words(callee)} {_words_of_its_class(callee)}"
    pattern, file = (PLAINLY_BINARY, "") if alone else (BINARY, _file_of(callee))
    binary = bool(pattern.search(said))
    if softmax or _named(callee):
        return Told.NOTHING if sigmoid or binary or BINARY.search(file) else Told.SUMS
    return Told.BINARY if binary and not ONE_OF_MANY.search(said) else Told.NOTHING


def _chosen(callee: Callee) -> set[Told]:
    """Likelihoods that are given or held by name: `self.likelihood = "mult"`, `--set likelihood=bernoulli`."""
    held = {**getattr(holder_of(callee.function), "__dict__", {}), **callee.constants}
    values = {v.lower() for name, v in held.items() if isinstance(v, str) and CHOOSES.search(name.lower())}
    kinds = ((MULTINOMIAL, Told.SUMS), (BERNOULLI, Told.BINARY))
    return {told for pattern, told in kinds for value in values if pattern.search(value)}


def _named(callee: Callee) -> bool:
    """Whether the function or an argument carries the likelihood in its own name, and says nothing of latents."""
    names = " ".join([callee.label.rsplit(".", 1)[-1], *(parameter.name for parameter in callee.parameters)]).lower()
    named = [name for name in names.split() if NAMED.search(name)]
    return bool(named) and not any(OF_LATENTS.search(name) for name in named)


def _own_words(callee: Callee) -> str:
    """The function's name, its arguments, what its body reads, its docstring."""
    documented = inspect.getdoc(surface(callee.function)) or ""
    names = [callee.label, *(parameter.name for parameter in callee.parameters), mentioned(callee.function), documented]
    return " ".join(names).lower()


def _words_of_its_class(callee: Callee) -> str:
    """The class's name and docstring, what its methods read."""
    holder = holder_of(callee.function)
    return " ".join(_of_class(type(holder))).lower() if holder is not None else ""


def _file_of(callee: Callee) -> str:
    """The whole text of the file that the function stands in."""
    holder = holder_of(callee.function)
    name = type(holder).__module__ if holder is not None else getattr(surface(callee.function), "__module__", "")
    try:
        return inspect.getsource(sys.modules[name]).lower()
    except (OSError, TypeError, KeyError):
        return ""


def _of_class(owner: type) -> Iterator[str]:
    for kind in owner.__mro__:
        if kind.__module__.split(".")[0] in {*FRAMEWORKS, "builtins", "abc", "typing"}:
            continue
        yield kind.__name__
        yield kind.__dict__.get("__doc__") or ""
        for each in vars(kind).values():
            function = getattr(each, "__func__", each)
            if inspect.isfunction(function):
                yield " ".join(function.__code__.co_names)


def sums_untold(signature: Signature, found: Identified | None, told: Told) -> str:
    """Why -sum x log p is not judged where nothing says whether p sums to one; "" where something does, or where
    another mistake is there too. A divergence of two arrays of proportions is one only where x is 0 or 1."""
    alone = found is not None and found.reading.data is OF_PROPORTIONS and not found.reading.has_kl
    if alone and promises_kl(signature.name):
        return f"{signature.name}: a divergence of two arrays of proportions, and no KL of Gaussians: not judged"
    right = found is not None and found.standing in (Standing.RIGHT, Standing.BETA)
    if found is None or not right or found.reading.data is not OF_PROPORTIONS or told is not Told.NOTHING:
        return ""
    output = signature.find(Role.OUTPUT)
    name = output.name if output else "p"
    weight = f"{found.reading.kl_weight:g} x " if found.standing is Standing.BETA else ""
    kl = f" + {weight}KL" if found.reading.has_kl else ""
    return (
        f"{signature.name}: equals -sum x log {name}{kl}: a multinomial's, if {name} sums to one over the dimensions "
        "of a datum; of independent binary pixels (1 - x) log(1 - p) is missing; nothing says which it is: not judged; "
        "--likelihood multinomial or --likelihood bernoulli does"
    )
