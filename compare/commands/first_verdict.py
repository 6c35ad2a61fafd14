"""The first verdict of a run, on the screen while the rest is still being measured."""

from collections.abc import Callable

from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.records import CellResult, Outcome, Procedure, Status
from elbo_compare.suites import roster

DECIDED = (Outcome.AGREES, Outcome.REGISTERED, Outcome.DIFFERS)


class FirstVerdict:
    """Judges cells one by one until a claim on one of them is decided, and says so. What it judges is judged again
    with all the others at the end; nothing is kept."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.told = say, False

    def look(self, result: CellResult) -> None:
        """A cell has ended: its first verdict, where nothing has been told yet and it is no cell of the oracle."""
        cell = result.cell
        if self.told or result.status is not Status.OK or cell.procedure is not Procedure.EVALUATE:
            return
        if cell.implementation == roster.ORACLE:
            return
        try:
            verdicts = judge([result])
        except Exception:  # a fault in judging stops the judge, with its own words; never the measuring before it
            self.told = True
            return
        for verdict in verdicts:
            if verdict.outcome in DECIDED:
                self.told = True
                self.say(f"First verdict: {verdict.claim} {verdict.outcome} at {cell.label}")
                return
