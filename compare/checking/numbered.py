"""Which of two arguments whose names differ by a number or a letter is q's, and which the prior's."""

from collections.abc import Sequence

from elbo_compare.compare.checking.names import WORDS, Role, words_of
from elbo_compare.compare.checking.signature import Argument

MEANS = (Role.MEAN, Role.PRIOR_MEAN)


def second_of(arguments: Sequence[Argument], both: Sequence[int]) -> int | None:
    """Of two that one name and two numbers or letters make, `mu_0` and `mu_5`, the one with the larger number, else the
    later, of `mu` and `mu_0` too; of spreads beside one mean, not its own. What their value is can't say which of them
    is q, so that q and p must not be turned round to fit."""
    (core, one), (other_core, other) = (_marked(arguments[i].name) for i in both)
    if core != other_core or one == other:
        return None
    means = [_marked(a.name)[1] for i, a in enumerate(arguments) if a.role in MEANS and i not in both]
    if len(means) == 1 and means[0] in (one, other):  # mu1 beside sigma0 and sigma1
        return both[0] if means[0] == other else both[1]
    numbers = [[int(word) for word in words if word.isdigit()] for words in (one, other)]
    return both[0] if all(numbers) and numbers[0] > numbers[1] else both[1]


def _marked(name: str) -> tuple[list[str], list[str]]:
    """The words of a name, and apart from them its numbers, single letters and words for how an array is held."""
    words = words_of(name)
    marks = [w for w in words if w.isdigit() or w in WORDS["HELD"] or (len(w) == 1 and w not in "pqxyz")]
    return [word for word in words if word not in marks], marks
