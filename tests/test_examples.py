"""Every public class and function has a printed example, and it prints what it says."""

import doctest
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import elbo_compare
from elbo_compare.suites import exact

ROOT = Path(__file__).resolve().parents[1]
MODULES = (
    "elbo_compare",
    "elbo_compare.suites.choices",
    "elbo_compare.suites.contract",
    "elbo_compare.suites.estimators",
    "elbo_compare.suites.shapes",
    *(f"{exact.__name__}.{module.name}" for module in pkgutil.iter_modules(exact.__path__)),
    "elbo_compare.compare.statistics",
    "elbo_compare.compare.testing",
    "elbo_compare.compare.claims",
    "elbo_compare.compare.claims.claim",
    "elbo_compare.compare.claims.cells",
    "elbo_compare.compare.claims.pointwise",
    "elbo_compare.compare.claims.expectation",
)
# Of these modules one example shows every function: they are predicates and keys on one record.
TOGETHER = {"elbo_compare.compare.claims.cells"}
PARSER = doctest.DocTestParser()


def public(name: str) -> dict:
    """The public classes and functions that a module defines, by name; of the package, those that it exports."""
    module = import_module(name)
    if name == "elbo_compare":
        return {each: getattr(module, each) for each in module.__all__}
    kinds = (inspect.isclass, inspect.isfunction)
    members = {each: value for each, value in vars(module).items() if any(kind(value) for kind in kinds)}
    return {
        each: value
        for each, value in members.items()
        if value.__module__ == name and not any(one.startswith("_") for one in (each, value.__name__))
    }


def documented() -> list:
    found = {}
    for name in MODULES:
        module = import_module(name)
        if name == "elbo_compare" or name in TOGETHER or ">>>" in (module.__doc__ or ""):
            found[name] = module
        if name not in TOGETHER:
            found |= {f"{value.__module__}.{value.__name__}": value for value in public(name).values()}
    return [pytest.param(value, id=name.removeprefix("elbo_compare.")) for name, value in found.items()]


@pytest.mark.parametrize("thing", documented())
def test_the_printed_example(thing, monkeypatch):
    monkeypatch.chdir(ROOT)  # an example may name a file of the checkout
    module = thing if inspect.ismodule(thing) else inspect.getmodule(thing)
    names = {"np": np, **vars(module)}
    test = PARSER.get_doctest(inspect.getdoc(thing) or "", names, thing.__name__, module.__file__, 0)
    assert any(example.want for example in test.examples), f"{thing.__name__} has no printed example"
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert not told, "".join(told)


def test_every_estimator_is_printed():
    from elbo_compare.suites import estimators

    printed = {line.split()[0] for line in (estimators.__doc__ or "").splitlines() if line[:1].isalpha()}
    assert set(estimators.ESTIMATORS) <= printed
    assert len(estimators.ESTIMATORS) == 24


def test_every_predicate_on_cells_is_in_the_example():
    from elbo_compare.compare.claims import cells

    missing = [name for name in public(cells.__name__) if name not in (cells.__doc__ or "")]
    assert not missing


def test_the_package_exports_what_it_says():
    assert set(elbo_compare.__all__) == set(elbo_compare._PLACES)
