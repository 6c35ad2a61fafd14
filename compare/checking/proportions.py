"""Whether the p of -sum x log p is meant to sum to one over the dimensions of a datum, by what the source says.

No value can tell. Of a softmax it is the cross-entropy of a multinomial or categorical x; of independent binary pixels
(1 - x) log(1 - p) is missing. So words decide: the likelihood that was asked for or that the object holds by name, the
function's own names, those of its class. Where nothing tells, or one thing says this and another that, neither is said.
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
from elbo_compare.compare.checking.source import mentioned, surface

ONE_OF_MANY = re.compile(
    r"softmax|multinom|categor|simplex|vocab|bag.?of.?words|word.?(count|dist|prob|freq)|topic.?(model|dist)"
    r"|(?<![a-z])(mult|bow|topics|tokens?|clicks|ratings)(?![a-z])"
)
BINARY = re.compile(
    r"sigmoid|bern(?![a-z])|bernoulli|binary|(?<![a-z])bce|pixel|mnist|(?<![a-z])(images?|imgs?)(?![a-z])"
)
PLAINLY_BINARY = re.compile(r"bern(?![a-z])|bernoulli|binary|(?<![a-z])bce|pixel")
NAMES_IT = re.compile(r"likelihood|distribution|dist$|recon|loss|output|decoder|observ|data")
DECODES = re.compile(
    r"^_?(decode|decoder|forward|generate|reconstruct|get_(beta|theta|topic))"
)  # methods whose softmax may make p
ELSEWHERE = re.compile(r"gumbel|attention|attn")  # a softmax of these makes no p


class Told(StrEnum):
    """What the source says of x and p."""

    SUMS = "p sums to one"
    BINARY = "x is independent and binary"
    NOTHING = "nothing"


def told_of(callee: Callee, likelihood: str | None, *, alone: bool = False) -> Told:
    """What is asked for or chosen by name; else what the function and its class say, where nothing says the other.

    likelihood: what --likelihood names; alone: no KL is there, and a word for images may be said of a classifier. A
    word for one of many counts only where the whole file has none for pixels: a categorical cross-entropy of what a
    sigmoid put out is the mistake itself.
    """
    if likelihood is not None:
        return {"multinomial": Told.SUMS, "bernoulli": Told.BINARY}.get(likelihood, Told.NOTHING)
    chosen, said = _chosen(callee), f"{_own_words(callee)} {_words_of_its_class(callee)}"
    pattern, file = (PLAINLY_BINARY, "") if alone else (BINARY, _file_of(callee))
    for text, around in ((chosen, ""), (said, file)):
        sums, binary = bool(ONE_OF_MANY.search(text)), bool(pattern.search(text))
        if sums or binary:
            contrary = binary or bool(BINARY.search(around))
            return Told.BINARY if not sums else Told.NOTHING if contrary else Told.SUMS
    return Told.NOTHING


def _chosen(callee: Callee) -> str:
    """Likelihoods that are given or held by name: `self.likelihood = "mult"`, `--set distribution=bernoulli`."""
    held = {**getattr(holder_of(callee.function), "__dict__", {}), **callee.constants}
    return " ".join(v.lower() for name, v in held.items() if isinstance(v, str) and NAMES_IT.search(name.lower()))


def _own_words(callee: Callee) -> str:
    """The function's name, its arguments, what its body reads, its docstring."""
    documented = inspect.getdoc(surface(callee.function)) or ""
    names = [callee.label, *(parameter.name for parameter in callee.parameters), mentioned(callee.function), documented]
    return " ".join(names).lower()


def _words_of_its_class(callee: Callee) -> str:
    """The class's name and docstring, what its methods read, a softmax only of those that may make p."""
    holder = holder_of(callee.function)
    words = " ".join(_of_class(type(holder))).lower() if holder is not None else ""
    return ONE_OF_MANY.sub("", words) if ELSEWHERE.search(words) else words


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
        for name, each in vars(kind).items():
            function = getattr(each, "__func__", each)
            if inspect.isfunction(function):
                read = " ".join(function.__code__.co_names)
                yield read if DECODES.search(name) else ONE_OF_MANY.sub("", read.lower())


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
