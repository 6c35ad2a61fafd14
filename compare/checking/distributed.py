"""Parameters that are distributions: which they are, and what role the mean and the scale of each has."""

import ast
import re

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.followed import asked_through
from elbo_compare.compare.checking.names import WORDS, Role, WrittenAs, read_name, words_of
from elbo_compare.compare.checking.signature import Argument
from elbo_compare.compare.checking.source import asked_with, calls_with, own_nodes

ASKED = {"log_prob", "rsample", "entropy", "stddev", "scale", "base_dist", "loc", "batch_shape", "scale_diag"}
OF_DISTRIBUTIONS = {"kl_divergence", "kl"}
NAMED_Q = {"q", "qz", "posterior", "post", "variational"}
DISTRIBUTED = {"q", "p", "qz", "pz", "prior", "posterior", "dist", "distribution"}
GIVEN_TO = {"kl_divergence", "kl", "kl_div", "kl_normal"}
DECODER = re.compile(r"^p_?x|^px|recon|decoder|^dec_|likelihood|x_?hat|^x_dist|output")


def is_distribution(callee: Callee, name: str) -> bool:
    """Whether it is asked for what a tensor has not (log_prob, scale), or handed to kl_divergence."""
    asked, given = asked_through(callee.function, name)
    hint = read_name(name)
    called = [n.func for n in own_nodes(callee.function) if isinstance(n, ast.Call)]
    if any(isinstance(one, ast.Name) and one.id == name for one in called):  # `model(z)`: a function, or a model
        return False
    if hint is None and asked & {"mean", "variance", "sample"}:
        return True
    if hint is not None and hint[0] is Role.X and DISTRIBUTED & set(words_of(name)):  # `q_target` beside `q_context`
        return bool(asked & ASKED or given & OF_DISTRIBUTIONS)
    q_or_p = name.lower() in DISTRIBUTED and "kl_divergence" in given  # `p` alone may be probabilities elsewhere
    return bool(asked & ASKED or q_or_p or (given & GIVEN_TO and (hint is None or hint[0] is Role.Z)))


def told_from_none(callee: Callee, name: str) -> bool:
    """Whether the body has another way for None: `if p is None`, `p or Normal(0, 1)`, `if p:`."""
    for node in own_nodes(callee.function):
        tests = [node.left] if isinstance(node, ast.Compare) else []
        tests += node.values if isinstance(node, ast.BoolOp) else []
        tests += [node.test] if isinstance(node, ast.If | ast.IfExp) else []
        tests += [node.operand] if isinstance(node, ast.UnaryOp) else []
        if any(isinstance(one, ast.Name) and one.id == name for one in tests):
            return True
    return False


def _of_the_decoder(callee: Callee, name: str) -> bool:
    """Whether a distribution is p(x|z): its name says so, or it is asked for the log probability of the data."""
    data = [read_name(other) for other in asked_with(callee.function, name, "log_prob")]
    return bool(DECODER.search(name.lower())) or any(pair is not None and pair[0] is Role.X for pair in data)


def of_distributions(callee: Callee, names: list[str]) -> list[Argument]:
    """q and p by their names, else the first and the second that `kl_divergence` is given; the decoder's is p(x|z)."""
    made = []
    decoders = [name for name in names if _of_the_decoder(callee, name)][:1]
    for name in decoders:
        made.append(Argument(name=f"{name}.loc", role=Role.OUTPUT, form=WrittenAs.LOCATION))
        made.append(Argument(name=f"{name}.scale", role=Role.OUTPUT_SPREAD, form=WrittenAs.SIGMA))
    names = [name for name in names if name not in decoders]
    first = _q_first(callee, names)[:1]
    for name in names:  # in the order of the parameters: with p in front it may be KL(p || q)
        prior = name not in first
        mean, spread = (Role.PRIOR_MEAN, Role.PRIOR_SPREAD) if prior else (Role.MEAN, Role.SPREAD)
        made.append(Argument(name=f"{name}.loc", role=mean, form=WrittenAs.PLAIN, forms=(WrittenAs.PLAIN,)))
        made.append(Argument(name=f"{name}.scale", role=spread, form=WrittenAs.SIGMA, forms=(WrittenAs.SIGMA,)))
    return made


def _q_first(callee: Callee, names: list[str]) -> list[str]:
    """Two distributions with q in front."""
    if len(names) != 2:
        return names
    for known, front in ((NAMED_Q, True), (WORDS["PRIOR"] - {"2", "second"}, False)):
        named = [name for name in names if words_of(name)[0] in known]
        if len(named) == 1:
            return sorted(names, key=lambda name: (name in named) is not front)
    called = [given for given in calls_with(callee.function, OF_DISTRIBUTIONS) if set(given) == set(names)]
    return list(called[0]) if called else names
