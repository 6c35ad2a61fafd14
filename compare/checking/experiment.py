"""Calls of a user's function: the framework, dtype and layout it can be called with, and what came out of each call."""

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.inputs import ORDINARY, Case, Inputs, Layout, Sizes, observed_sizes, ordinary
from elbo_compare.compare.checking.signature import Role, Signature
from elbo_compare.suites.bridge.user_arrays import ADAPTERS, Call, Term, UserArrays, installed, open_arrays
from elbo_compare.suites.contract import Array, DType

# What a function raises that got another framework's arrays (None: it returned another framework's). Anything else is
# the function's own, and no further framework is imported to see it again.
WRONG_ARRAYS = (AttributeError, TypeError, NotImplementedError, type(None))


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One call and its terms. `inputs`: the very numbers that went in, (batch, axis), by role."""

    label: str
    inputs: Inputs
    terms: tuple[Term, ...]
    dtype: DType

    @property
    def batch(self) -> int:
        """Rows of the batch."""
        return len(self.inputs[Role.MEAN])


@dataclass(kw_only=True)
class Experiment:
    """One function, and how it is called. Every call gets fresh arrays and a fresh random key."""

    function: Callable[..., Any]
    signature: Signature
    arrays: UserArrays
    dtype: DType
    layout: Layout
    calls: int = field(default=0)

    def sizes(self, sizes: Sizes) -> Sizes:
        """The sizes that the layout allows."""
        return observed_sizes(sizes, self.layout)

    def ordinary(self, sizes: Sizes, replicate: int = 0) -> Case:
        """An ordinary case of these sizes."""
        return ordinary(self.sizes(sizes), self.signature.form(Role.OUTPUT), replicate)

    def observe(self, case: Case, *, dtype: DType | None = None, differentiate: bool = True) -> Observation:
        """Call the function on a case. Raises FunctionError for whatever the function raises."""
        dtype = dtype or self.dtype
        inputs = case.inputs(self.signature, dtype)
        arrays = {a.name: self._shaped(a.role, inputs[a.role]) for a in self.signature.arguments if a.role in inputs}
        roles = {a.name: a.role for a in self.signature.arguments if a.role not in (Role.X, Role.KEY)}
        keys = tuple(a.name for a in self.signature.arguments if a.role is Role.KEY)
        self.calls += 1
        call = Call(
            arrays=arrays,
            dtype=dtype,
            differentiate=tuple(roles) if differentiate else (),
            keys=keys,
            seed=self.calls,
        )
        terms = self._call(call, case.label)
        if not terms:
            raise FunctionError(f"{self.signature.name} returned no floating-point number or array.")
        return Observation(
            label=case.label, inputs=inputs, dtype=dtype, terms=tuple(map(_flat_gradients(roles), terms))
        )

    def _shaped(self, role: Role, array: Array) -> Array:
        wide = self.layout is Layout.IMAGE and role in (Role.X, Role.OUTPUT)
        return array.reshape(-1, 1, 28, 28) if wide else array

    def _call(self, call: Call, label: str) -> tuple[Term, ...]:
        where = f"at {label} inputs, " + ", ".join(f"{name} {array.shape}" for name, array in call.arrays.items())
        try:
            # A warning is no verdict, not even where the caller turns warnings into errors.
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return self.arrays.call(self.function, call)
        except Exception as error:
            place = _place(error, self.function)
            text = f"{type(error).__name__}: {_one_line(error)}{place}"
            raise FunctionError(
                f"{self.signature.name} raises {text} ({where}; {self.arrays.name}, {call.dtype})."
            ) from error
        except SystemExit as error:
            raise FunctionError(f"{self.signature.name} ends the process: sys.exit({error.code!r}) {where}.") from error


def _flat_gradients(roles: dict[str, Role]) -> Callable[[Term], Term]:
    def flat(term: Term) -> Term:
        if term.gradients is None:
            return term
        by_role = {roles[name]: part.reshape(len(part), -1) for name, part in term.gradients.items()}
        return Term(name=term.name, value=term.value, dtype=term.dtype, gradients=by_role)

    return flat


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "no message")[:300]


def _place(error: BaseException, function: Callable[..., Any]) -> str:
    """Where in the user's file the error arose."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if file and frame.filename == file]
    return f" in line {lines[-1]} of {Path(file).name}" if file and lines else ""


@contextmanager
def open_experiment(
    function: Callable[..., Any], signature: Signature, framework: str | None = None
) -> Iterator[Experiment]:
    """Find the framework, the dtype and the layout by calling the function, and yield the experiment that works.

    On leaving, the framework's global random numbers and switches are put back.
    Raises FunctionError (what the likeliest framework's call raised) where no call succeeds.
    """
    first: FunctionError | None = None
    for name in candidates(function, framework):
        if first and name not in sys.modules and not isinstance(first.__cause__, WRONG_ARRAYS):
            continue
        arrays = _open(name)
        with arrays.seeded(0):
            for dtype in (DType.FLOAT64, DType.FLOAT32):
                for layout in _layouts(signature):
                    experiment = Experiment(
                        function=function, signature=signature, arrays=arrays, dtype=dtype, layout=layout
                    )
                    try:
                        for sizes in ORDINARY:
                            experiment.observe(experiment.ordinary(sizes))
                    except FunctionError as error:
                        if isinstance(error.__cause__, SystemExit):
                            raise
                        first = first or error
                        continue
                    yield experiment
                    return
    raise first or FunctionError(f"{signature.name} can't be called.")


def _open(name: str) -> UserArrays:
    try:
        return open_arrays(name)
    except KeyError as error:
        raise TargetError(f"No framework {name!r}. Known: {', '.join(ADAPTERS)}.") from error
    except ImportError as error:
        raise TargetError(f"{name} is asked for, but it is not installed here ({error}).") from error


def _layouts(signature: Signature) -> tuple[Layout, ...]:
    return tuple(Layout) if signature.find(Role.X) else (Layout.FLAT,)


def candidates(function: Callable[..., Any], framework: str | None = None) -> tuple[str, ...]:
    """Frameworks to try, likeliest first: those that the function's own globals name, NumPy, those already imported.

    Others that are installed come last, so that a framework is imported only for a function that no other one runs.
    """
    if framework is not None:
        return (framework,)
    names = getattr(function, "__globals__", {}).values()
    modules = [getattr(value, "__name__", None) or getattr(value, "__module__", None) or "" for value in names]
    roots = {module.split(".")[0] for module in modules if isinstance(module, str)}
    used = [name for name in ADAPTERS if name in roots]
    loaded = [name for name in ADAPTERS if name in sys.modules]
    return tuple(dict.fromkeys([*used, "numpy", *loaded, *installed()]))
