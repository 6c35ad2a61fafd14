"""What several verdicts say together."""

from collections.abc import Container, Iterable
from enum import StrEnum

from elbo_compare.compare.records import Outcome, Verdict


class Standing(StrEnum):
    """What several verdicts say together: the weakest link decides."""

    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    AGREES = "agrees"


def standing_of(verdicts: Iterable[Verdict]) -> Standing:
    """DIFFERS if any differs, else INCONCLUSIVE if any is; NOT_RUN if none ran."""
    outcomes = {verdict.outcome for verdict in verdicts}
    for outcome, standing in ((Outcome.DIFFERS, Standing.DIFFERS), (Outcome.INCONCLUSIVE, Standing.INCONCLUSIVE)):
        if outcome in outcomes:
            return standing
    return Standing.AGREES if Outcome.AGREES in outcomes else Standing.NOT_RUN


def weakest(standings: Iterable[Standing]) -> Standing:
    """The first of them in the order of `Standing`."""
    present = set(standings)
    return next(standing for standing in Standing if standing in present)


def outcomes_told(present: Container[str]) -> tuple[Outcome, ...]:
    """The outcomes whose number is told, 0 too; a registered deviation where there is one, since few runs can have any.

    >>> [str(each) for each in outcomes_told({"agrees"})]
    ['agrees', 'differs', 'inconclusive', 'not run']
    """
    return tuple(each for each in Outcome if each is not Outcome.REGISTERED or each in present)
