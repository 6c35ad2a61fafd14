"""A process that judges planted mutants, one request after another. Started by `mutants`."""

import sys
from typing import Any

from elbo_compare.compare.errors import WorkerError
from elbo_compare.compare.judging.mutants import Bench
from elbo_compare.compare.launching.connected import connected
from elbo_compare.compare.statistics import ErrorBudget
from elbo_compare.suites.mutants.catalogue import CATALOGUE


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What the claims said about one variant: the fields of `sensitivity.Judged`."""
    bench = Bench(budget=ErrorBudget(**request["budget"]), seed=request["seed"])
    judged = bench.judge(CATALOGUE[request["variant"]])
    return {
        "caught": dict(judged.caught),
        "exempted": dict(judged.exempted),
        "undecided": dict(judged.undecided),
        "failures": list(judged.failures),
        "judged": sorted(judged.judged),
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
