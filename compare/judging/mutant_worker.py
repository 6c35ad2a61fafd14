"""A process that judges planted mutants, one request after another. Started by `mutants`."""

import sys
from typing import Any

from elbo_compare.compare.errors import WorkerError
from elbo_compare.compare.judging.mutants import Bench
from elbo_compare.compare.launching.connected import connected
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.mutants.catalogue import CATALOGUE


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What the claims said about one variant: (claim, outcome, reason) of each, and the cells that failed."""
    bench = Bench(budget=ErrorBudget(**request["budget"]), seed=request["seed"])
    screened = bench.judge(CATALOGUE[request["variant"]])
    return {
        "verdicts": [[each.id, each.outcome, each.reason] for each in screened.verdicts],
        "failures": list(screened.failures),
    }


def main(descriptor: str) -> None:
    """Answer until the other end closes the connection."""
    channel = connected(descriptor)
    while True:
        try:
            request = channel.receive()
        except WorkerError:
            return
        channel.send(answer(request))


if __name__ == "__main__":
    main(sys.argv[1])
