"""Which argument of a density is the datum, where its name says a mean or a sample: `logpdf(mean, logstd, loc)`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from elbo_compare.compare.checking.names import Role, WrittenAs, promises_kl, words_of
from elbo_compare.compare.checking.signature import Argument

OF_A_DENSITY = re.compile(r"pdf|log_?(prob|density|lik|normal|gauss|bern|categ|multin)|likelihood|nll")
PLACES = frozenset(["loc", "location"])  # where the density is taken, beside what is called a mean
MEANS = frozenset(["mean", "mu", "means"])


def with_datum(label: str, arguments: Sequence[Argument]) -> list[Argument]:
    """The arguments of a density with the one that is its datum; the same where the name promises none or nothing else
    can be meant."""
    roles = sorted(argument.role for argument in arguments)
    if promises_kl(label) or not OF_A_DENSITY.search(label.lower()):
        return list(arguments)
    if roles == sorted((Role.MEAN, Role.MEAN, Role.SPREAD)):
        places = [a for a in arguments if a.role is Role.MEAN and set(words_of(a.name)) <= PLACES]
        means = [a for a in arguments if a.role is Role.MEAN and set(words_of(a.name)) & MEANS]
        moved = places[0] if len(places) == len(means) == 1 else None
        return [_of(a, Role.Z) if a is moved else a for a in arguments]
    if roles == sorted((Role.Z, Role.OUTPUT)):  # of a Bernoulli, which has no latents
        return [_of(a, Role.X) if a.role is Role.Z else a for a in arguments]
    return list(arguments)


def _of(argument: Argument, role: Role) -> Argument:
    return replace(argument, role=role, form=WrittenAs.PLAIN, forms=(WrittenAs.PLAIN,))
