"""The records of the semantics suite: a case, what each library does in it, and a finding where that is not the oracle.

Losses are in nats for the whole (tiny) model with the library's sign: loss = -ELBO, smaller is better.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isinf, isnan
from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(__file__).parent / "cases"

Numbers = Mapping[str, float]
Formula = Callable[[Numbers], Numbers]


class Library(StrEnum):
    """Whose ELBO objects or losses a program runs; its distributions may come from torch or JAX. The last two have
    distributions alone."""

    PYRO = "pyro"
    NUMPYRO = "numpyro"
    TFP = "tfp"
    PYMC = "pymc"
    PYTHAE = "pythae"
    BLACKJAX = "blackjax"
    FLOWJAX = "flowjax"
    NORMFLOWS = "normflows"
    ZUKO = "zuko"
    DISTRAX = "distrax"


# Their models and guides are programs. TensorFlow Probability takes a log density and a distribution instead: it has no
# sites to explain, to search or to scale.
OF_PROGRAMS = (Library.PYRO, Library.NUMPYRO)


class Status(StrEnum):
    """Of a finding: OPEN is a defect or undocumented, BY_DESIGN is documented or a deliberate limit."""

    OPEN = "open"
    BY_DESIGN = "by design"


class Unit(StrEnum):
    """What the quantities of a finding are in: errors of different units are never sorted among each other."""

    NATS = "nats"
    GRADIENT = "gradient"
    COUNT = "runs of the model"
    FLAG = "yes or no"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What one library computes in a case: as text, and in closed form as a function of the library's own draws.

    `program` is a file below `cases/` that runs alone and defines `measure() -> dict[str, float]`.
    `computes` returns the expected number of each judged quantity; None means that the oracle's numbers are expected.
    `sampled` names quantities of which the library returns one unbiased draw where the oracle gives the expectation:
    predicting that draw is then all that can be asked. `requires`: modules beyond the library; without them the
    program is not run. `described`: measured numbers that are shown and never judged (ratios of times), each with its
    quartiles as <name>_low and <name>_high.
    """

    library: Library
    formula: str
    program: str
    computes: Formula | None = None
    sampled: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    described: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the program lies."""
        return PROGRAMS / self.program


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour. `oracle` gives what the definition or the documentation promises, from NumPy and SciPy alone.

    Oracle and behaviours receive the measured numbers, because a sampled term is judged at the draw that the library
    made: `given` names those inputs. |measured - expected| <= tolerance * (1 + |expected|), for the stated reason.
    `simulate` is an independent check of the oracle: quantity -> (mean, standard error) from a seeded simulation.
    """

    id: str
    title: str
    statement: str
    source: str
    behaviours: tuple[Behaviour, ...]
    oracle: Formula
    given: tuple[str, ...] = ()
    tolerance: float = 1e-12
    tolerance_reason: str = "float64: a few dozen roundings of terms of order one"
    simulate: Callable[[], Mapping[str, tuple[float, float]]] | None = None

    @property
    def family(self) -> str:
        """The middle part of the ID: SEM-SCALE-001 -> scale."""
        return self.id.split("-")[1].lower()

    def behaviour(self, library: Library) -> Behaviour | None:
        """What `library` does here, or None where the case does not exist in it."""
        return next((each for each in self.behaviours if each.library is library), None)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A divergence of one library from its documentation or its peer, as the cases reproduce it.

    The library is not `right` on `quantities` of `cases`. `harm` says how wrong, in nats or gradient. `routes`: the two
    independent confirmations. `workaround_case` and `workaround_quantity` name a number on which the library is right.
    `since`: the first release whose source shows it, and what the one before has; empty where nobody has looked.
    `fix`: what a maintainer could do. `extreme`: it shows only at parameters that an ordinary use does not reach (a
    probability of exactly 0, a logit of -500, an infinite loss). `silent`: nothing tells the user, no exception and no
    lost time, that something is wrong.
    """

    id: str
    library: Library
    cases: tuple[str, ...]
    quantities: tuple[str, ...]
    title: str
    documentation: str
    happens: str
    harm: str
    status: Status
    routes: tuple[str, str]
    fix: str
    workaround: str
    unit: Unit = Unit.NATS
    extreme: bool = False
    silent: bool = True
    workaround_case: str = ""
    workaround_quantity: str = ""
    upstream: str = ""
    since: str = ""


class Expectation(NamedTuple):
    """One judged quantity: what was measured, what the library is known to compute, what is right, what is allowed."""

    quantity: str
    measured: float
    behaviour: float
    oracle: float
    tolerance: float
    sampled: bool

    @property
    def reproduces(self) -> bool:
        """The library does what this catalogue says that it does."""
        return _equal(self.measured, self.behaviour, self.tolerance)

    @property
    def right(self) -> bool:
        """The library computes what the definition or its documentation promises, or an unbiased draw of it."""
        return self.reproduces if self.sampled else _equal(self.measured, self.oracle, self.tolerance)


def expectations(case: Case, library: Library, measured: Numbers) -> tuple[Expectation, ...]:
    """Every judged quantity of a case in one library, in the oracle's order.

    Raises KeyError when the program did not return a quantity that the behaviour predicts.
    """
    behaviour = case.behaviour(library)
    if behaviour is None:
        raise KeyError(f"{case.id} does not exist in {library}")
    right = case.oracle(measured)
    does = {**right, **(behaviour.computes(measured) if behaviour.computes else {})}
    return tuple(
        Expectation(
            name, measured[name], does[name], right.get(name, does[name]), case.tolerance, name in behaviour.sampled
        )
        for name in does
    )


def _equal(one: float, other: float, tolerance: float) -> bool:
    if isnan(one) or isnan(other):
        return isnan(one) and isnan(other)
    if isinf(one) or isinf(other):
        return one == other
    return abs(one - other) <= tolerance * (1 + abs(other))
