"""`compare list`: profiles, problems, estimators, implementations, protocols, and everything that has an ID."""

from collections.abc import Iterator

from elbo_compare.compare.citing.identifiers import Sort, listed
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.planning.spec import SHIPPED
from elbo_compare.compare.records import Procedure
from elbo_compare.suites import problems, registry
from elbo_compare.suites.datasets import RECIPES
from elbo_compare.suites.estimators import ESTIMATORS
from elbo_compare.suites.protocol import PROTOCOLS


def list_command(sort: str | None) -> Iterator[str]:
    """Lines about what there is; of one sort of IDs alone where it is named. Raises UsageError for an unknown sort."""
    if sort is None:
        yield from catalogue()
        yield from listed()
        return
    if sort not in list(Sort):
        raise UsageError(unknown("sort of ID", sort, map(str, Sort)))
    yield from listed([Sort(sort)])


def catalogue() -> Iterator[str]:
    """Lines about what has a name and no ID: profiles, problems with their weights, estimators, implementations."""
    yield f"Profiles: {', '.join(SHIPPED)} (or a TOML file)"
    yield "Problems:"
    for name, weights in problems.WEIGHTS.items():
        yield f"  {name} on {problems.DATASET[name]}: {', '.join(weights)}"
    yield "Estimators:"
    for name, estimator in ESTIMATORS.items():
        yield f"  {name}: {estimator.formula} [{estimator.source}]"
    yield f"Implementations: {', '.join(registry.installed())}"
    yield f"Procedures: {', '.join(Procedure)}"
    yield f"Data sets of files (`compare data list`): {', '.join(RECIPES)}"
    yield "Protocols of training:"
    for name, protocol in PROTOCOLS.items():
        rows = "anew at every step" if protocol.dynamic else "once"
        warm_up, patience = f"{protocol.warm_up_epochs:g}", f"{protocol.patience_epochs:g}"
        yield f"  {name}: warm-up of {warm_up} epochs, patience of {patience} epochs, rows binarised {rows}"
