"""How a user's function takes a vector: which vectors it can be held against, and its own arrays from theirs."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import OUTPUTS, Form, Role
from elbo_compare.compare.checking.oracle import log_var_slope, spread_of
from elbo_compare.compare.checking.signature import (
    Argument,
    FunctionKind,
    Signature,
    read_mapping,
    read_signature,
)
from elbo_compare.compare.errors import unknown
from elbo_compare.compare.vectors import functions as f
from elbo_compare.compare.vectors.families import VECTORS
from elbo_compare.compare.vectors.vector import Function
from elbo_compare.suites.contract import Array

# Read by the names and forms of their parameters, as `compare check` does.
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
    form: Form = Form.PLAIN

    def array(self, inputs: Mapping[str, Array]) -> Array:
        """The input in the parameter's form, float64."""
        given = inputs[self.ours]
        if self.ours == "log_var" and self.form is not Form.PLAIN:
            return spread_of(given, self.form)
        return 1 / (1 + np.exp(-given)) if self.form is Form.PROBS else given

    def slope(self, inputs: Mapping[str, Array]) -> Array:
        """d input / d parameter, to turn a vector's gradient into the parameter's."""
        given = self.array(inputs)
        if self.ours == "log_var" and self.form is not Form.PLAIN:
            return log_var_slope(given, self.form)
        return 1 / (given * (1 - given)) if self.form is Form.PROBS else np.ones_like(given)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a function. `functions`: the vectors' functions it is held against; `sign` is -1 for an ELBO."""

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
        if Form.PROBS in forms and np.abs(inputs["logits"]).max() > LARGEST_LOGIT:
            return "float64 holds no such probability (the vector has logits)"
        return ""


def read(function: Callable[..., Any], kind: str | None, mapping: Iterable[str]) -> tuple[Reading, ...]:
    """The possible readings of a function (several where its output may be probabilities, logits or a mean).

    kind: one of `KINDS`, else the function's own name where it is one of them, else from its parameters' names.
    Raises TargetError where no reading is possible.
    """
    if kind is not None and kind not in KINDS:
        raise TargetError(unknown("kind", kind, KINDS))
    name = kind or getattr(function, "__name__", "")
    if name in DIRECT:
        return (_direct(function, DIRECT[name], list(mapping)),)
    chosen = FunctionKind(kind) if kind else None
    signature = read_signature(function, kind=chosen, mapping=read_mapping(mapping))
    output = signature.find(Role.OUTPUT)
    if output is None:
        return (_reading(signature, Form.PLAIN),)
    forms = OUTPUTS if output.form is Form.OUTPUT_UNKNOWN else (output.form,)
    if signature.kind is FunctionKind.LOG_WEIGHT or signature.find(Role.Z) is None:
        forms = tuple(form for form in forms if form is not Form.LOCATION)
    if not forms:
        raise TargetError(
            f"{signature.name}: there is no vector for a normal likelihood without z, or in a log weight."
        )
    return tuple(_reading(signature, form) for form in forms)


def _reading(signature: Signature, output: Form) -> Reading:
    names = [READ[signature.kind]]
    if signature.kind is FunctionKind.SAMPLED_KL:
        names.append(f.KL_OVER_POINTS.name)
    if signature.kind is FunctionKind.NEGATIVE_ELBO and signature.find(Role.Z) is None:
        names = [f.BERNOULLI_ELBO_ANALYTIC.name]
    if output is Form.LOCATION:
        names = [f.NORMAL_ELBO.name]
    parameters = [_parameter(argument, output) for argument in signature.arguments if argument.role is not Role.KEY]
    return Reading(
        label=", ".join(f"{each.name} as {_meaning(each)}" for each in parameters),
        functions=tuple(names),
        parameters=tuple(parameters),
        keys=tuple(argument.name for argument in signature.arguments if argument.role is Role.KEY),
        sign=-1.0 if signature.positive and signature.kind is FunctionKind.NEGATIVE_ELBO else 1.0,
    )


def _parameter(argument: Argument, output: Form) -> Parameter:
    if argument.role is Role.SPREAD:
        return Parameter(name=argument.name, ours="log_var", form=argument.form)
    if argument.role is Role.OUTPUT:
        form = Form.PROBS if output is Form.PROBS else Form.PLAIN
        return Parameter(name=argument.name, ours="location" if output is Form.LOCATION else "logits", form=form)
    return Parameter(name=argument.name, ours=argument.role.value)


def _meaning(parameter: Parameter) -> str:
    return parameter.ours if parameter.form is Form.PLAIN else parameter.form.value


def _direct(function: Callable[..., Any], wanted: Function, pairs: list[str]) -> Reading:
    renamed = {theirs: ours for theirs, _, ours in (pair.partition("=") for pair in pairs)}
    names = _required(function)
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
    return Reading(label=label, functions=(wanted.name,), parameters=parameters)


def _required(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise TargetError(f"The parameters of {function!r} can't be read ({error}).") from error
    return [each.name for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
