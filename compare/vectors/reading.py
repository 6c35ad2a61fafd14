"""How a user's function takes a vector: which vectors it can be held against, and its own arrays from theirs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbo_compare.compare.checking.callee import Callee, callee_of
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import OURS, OUTPUTS, Role, WrittenAs
from elbo_compare.compare.checking.oracle import log_var_slope, spread_of
from elbo_compare.compare.checking.roles import Assignment, assignments
from elbo_compare.compare.checking.signature import Argument, FunctionKind, read_mapping
from elbo_compare.compare.errors import unknown
from elbo_compare.compare.vectors import functions as f
from elbo_compare.compare.vectors.families import VECTORS
from elbo_compare.compare.vectors.vector import Function
from elbo_compare.suites.contract import Array

# Read by `compare check`'s own reading of parameters.
READ = {
    FunctionKind.ANALYTIC_KL: f.ANALYTIC_KL.name,
    FunctionKind.SAMPLED_KL: f.SAMPLED_KL.name,
    FunctionKind.NEGATIVE_ELBO: f.BERNOULLI_ELBO.name,
    FunctionKind.LOG_WEIGHT: f.LOG_WEIGHT.name,
}
# Taken as they are, by the vector's own parameter names or by position.
DIRECT: Mapping[str, Function] = {
    vector.function.name: vector.function for vector in VECTORS if vector.function.name not in READ.values()
}
KINDS = (*map(str, READ), *DIRECT)
LARGEST_LOGIT = 15.0  # beyond it 1 - sigmoid(logit) has lost half of float64's digits: no such probability is an input


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: its own name, the vector's input that it is made of, and in which form."""

    name: str
    ours: str
    form: WrittenAs = WrittenAs.PLAIN

    def array(self, inputs: Mapping[str, Array]) -> Array:
        """The input in the parameter's form, float64."""
        given = inputs[self.ours]
        if self.ours == "log_var" and self.form is not WrittenAs.PLAIN:
            return spread_of(given, self.form)
        return 1 / (1 + np.exp(-given)) if self.form is WrittenAs.PROBS else given

    def slope(self, inputs: Mapping[str, Array]) -> Array:
        """d input / d parameter, to turn a vector's gradient into the parameter's."""
        given = self.array(inputs)
        if self.ours == "log_var" and self.form is not WrittenAs.PLAIN:
            return log_var_slope(given, self.form)
        return 1 / (given * (1 - given)) if self.form is WrittenAs.PROBS else np.ones_like(given)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a function. `functions`: the vectors' functions it is held against; `sign` is -1 for an ELBO."""

    callee: Callee
    label: str
    functions: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    keys: tuple[str, ...] = ()
    sign: float = 1.0

    def lacks(self, inputs: Mapping[str, Array]) -> str:
        """Why these inputs can't be given to the function, or ""."""
        names = {parameter.ours for parameter in self.parameters}
        if "scale" in inputs and "scale" not in names and float(inputs["scale"]) != 1:
            return "the function has no parameter for the likelihood's scale, which is not 1 here"
        forms = {parameter.form for parameter in self.parameters}
        if WrittenAs.PROBS in forms and np.abs(inputs["logits"]).max() > LARGEST_LOGIT:
            return "float64 holds no such probability (the vector has logits)"
        return ""


def read(function: Callable[..., Any], kind: str | None, mapping: Iterable[str]) -> tuple[Reading, ...]:
    """The possible readings of a function, `compare check`'s, as far as there are vectors for them.

    kind: one of `KINDS`, else the function's own name where it is one of them, else from its parameters' names.
    Raises TargetError where no reading is possible.
    """
    if kind is not None and kind not in KINDS:
        raise TargetError(unknown("kind", kind, KINDS))
    callee, pairs = callee_of(function, {}), list(mapping)
    name = kind or callee.label
    if name in DIRECT:
        return (_direct(callee, DIRECT[name], pairs),)
    found = assignments(callee, FunctionKind(kind) if kind else None, read_mapping(pairs))
    readings = [each for assignment in found if not assignment.by_value for each in _readings(assignment)]
    if not readings:
        kinds = ", ".join(dict.fromkeys(str(assignment.signature.kind) for assignment in found))
        why = "the names of its parameters say nothing" if all(each.by_value for each in found) else f"read as {kinds}"
        raise TargetError(
            f"{callee.label}: there is no vector for it ({why}). Use --kind, one of {', '.join(KINDS)}, or "
            f"--map theirs=ours, where ours is one of {', '.join(OURS)}."
        )
    return tuple(readings)


def _readings(assignment: Assignment) -> Iterator[Reading]:
    """One for each form that a name leaves open; none where no vector has such parameters."""
    signature = assignment.signature
    roles = {argument.role for argument in signature.arguments}
    if signature.kind not in READ or roles & {Role.PRIOR_MEAN, Role.PRIOR_SPREAD, Role.OUTPUT_SPREAD, Role.DATA_TERM}:
        return
    spread, output = signature.find(Role.SPREAD), signature.find(Role.OUTPUT)
    outputs = (
        (WrittenAs.PLAIN,) if output is None else OUTPUTS if output.form is WrittenAs.OUTPUT_UNKNOWN else (output.form,)
    )
    for form in outputs:
        if form is WrittenAs.LOCATION and (signature.kind is FunctionKind.LOG_WEIGHT or Role.Z not in roles):
            continue  # there is no vector for a normal likelihood without z, or in a log weight
        for other in (spread.forms or (spread.form,)) if spread else (WrittenAs.PLAIN,):
            yield _reading(assignment, form, other)


def _reading(assignment: Assignment, output: WrittenAs, spread: WrittenAs) -> Reading:
    signature = assignment.signature
    names = [READ[signature.kind]]
    if signature.kind is FunctionKind.SAMPLED_KL:
        names.append(f.KL_OVER_POINTS.name)
    if signature.kind is FunctionKind.NEGATIVE_ELBO and signature.find(Role.Z) is None:
        names = [f.BERNOULLI_ELBO_ANALYTIC.name]
    if output is WrittenAs.LOCATION:
        names = [f.NORMAL_ELBO.name]
    parameters = [_parameter(each, output, spread) for each in signature.arguments if each.role is not Role.KEY]
    return Reading(
        callee=assignment.callee,
        label=", ".join(f"{each.name} as {_meaning(each)}" for each in parameters),
        functions=tuple(names),
        parameters=tuple(parameters),
        keys=tuple(argument.name for argument in signature.arguments if argument.role is Role.KEY),
        sign=-1.0 if signature.positive and signature.kind is FunctionKind.NEGATIVE_ELBO else 1.0,
    )


def _parameter(argument: Argument, output: WrittenAs, spread: WrittenAs) -> Parameter:
    if argument.role is Role.SPREAD:
        return Parameter(name=argument.name, ours="log_var", form=spread)
    if argument.role is Role.OUTPUT:
        form = WrittenAs.PROBS if output is WrittenAs.PROBS else WrittenAs.PLAIN
        return Parameter(name=argument.name, ours="location" if output is WrittenAs.LOCATION else "logits", form=form)
    return Parameter(name=argument.name, ours=argument.role.value)


def _meaning(parameter: Parameter) -> str:
    return parameter.ours if parameter.form is WrittenAs.PLAIN else parameter.form.value


def _direct(callee: Callee, wanted: Function, pairs: list[str]) -> Reading:
    renamed = {theirs: ours for theirs, _, ours in (pair.partition("=") for pair in pairs)}
    names = [parameter.name for parameter in callee.parameters if parameter.required]
    ours = [renamed.get(name, name) for name in names]
    if set(ours) != set(wanted.parameters):
        if len(names) != len(wanted.parameters) or renamed:
            raise TargetError(
                f"{wanted.name} takes {', '.join(wanted.parameters)}; the function takes "
                f"{', '.join(names) or 'nothing'}. Use --map theirs=ours."
            )
        ours = list(wanted.parameters)
    parameters = tuple(Parameter(name=name, ours=each) for name, each in zip(names, ours, strict=True))
    label = ", ".join(f"{each.name} as {each.ours}" for each in parameters)
    return Reading(callee=callee, label=label, functions=(wanted.name,), parameters=parameters)
