"""What a user's function takes: parameter names -> roles and parametrisations -> the kind of function."""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import LOOKUP, OURS, Form, Role, read_name
from elbo_compare.compare.errors import unknown


class FunctionKind(StrEnum):
    """What the function is meant to compute; the canonical parameters are those of `CANONICAL`."""

    ANALYTIC_KL = "analytic_kl"
    SAMPLED_KL = "sampled_kl"
    NEGATIVE_ELBO = "negative_elbo"
    LOG_WEIGHT = "log_weight"
    RECONSTRUCTION = "reconstruction"
    LOG_DENSITY = "log_density"


PARTS = (Role.PRIOR_MEAN, Role.PRIOR_SPREAD, Role.DATA_TERM)  # read by `roles` alone
CANONICAL = {
    FunctionKind.ANALYTIC_KL: ("mean", "log_var"),
    FunctionKind.SAMPLED_KL: ("z", "mean", "log_var"),
    FunctionKind.NEGATIVE_ELBO: ("x", "logits", "z", "mean", "log_var"),
    FunctionKind.LOG_WEIGHT: ("x", "logits", "z", "mean", "log_var"),
}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One parameter of the function: its own name, and what we read it as; `forms`: what its name may stand for."""

    name: str
    role: Role
    form: Form
    forms: tuple[Form, ...] = ()

    @property
    def meaning(self) -> str:
        """Our name for it: `log_var`, `probs`, `z`, ..."""
        return self.role.value if self.form is Form.PLAIN else self.form.value


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A function as we read it. `positive`: it is named as an ELBO, so that larger is better."""

    name: str
    kind: FunctionKind
    arguments: tuple[Argument, ...]
    positive: bool

    def find(self, role: Role) -> Argument | None:
        """The argument of that role."""
        return next((argument for argument in self.arguments if argument.role is role), None)

    def form(self, role: Role) -> Form:
        """The form of the argument of that role (PLAIN where there is none)."""
        found = self.find(role)
        return found.form if found else Form.PLAIN


def read_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`["h=log_var"]` -> {"h": "log_var"}. Raises TargetError for a pair that is no pair or an unknown name of ours."""
    mapping = {}
    for pair in pairs:
        theirs, separator, ours = pair.partition("=")
        if not separator or not theirs:
            raise TargetError(f"--map wants theirs=ours, as in --map h=log_var; {pair!r} arrived.")
        if read_name(ours) is None:
            raise TargetError(unknown("name of ours", ours, OURS))
        mapping[theirs] = ours
    return mapping


def read_signature(
    function: Callable[..., Any], *, kind: FunctionKind | None = None, mapping: dict[str, str] | None = None
) -> Signature:
    """Read a function's parameters. Those with a default that we don't know keep their default.

    Raises TargetError where a parameter can't be read, one is missing, or the parameters fit no kind.
    """
    mapping, label = mapping or {}, getattr(function, "__name__", type(function).__name__)
    names = _parameters(function, label, mapping)
    arguments, unread = [], []
    for name, required in names:
        found = read_name(mapping.get(name, name))
        found = None if found and found[0] in PARTS else found
        if found is not None and (required or found[0] in (Role.Z, Role.KEY) or name in mapping):
            arguments.append(Argument(name=name, role=found[0], form=found[1]))
        elif required:
            unread.append(name)
    if unread and kind is not None:
        arguments = _by_position(unread, arguments, kind)
        unread = []
    if unread:
        raise TargetError(
            f"{label}: parameter {unread[0]!r} is not a name that we know. Say what it is with --map "
            f"{unread[0]}=OURS, where OURS is one of {', '.join(OURS)}."
        )
    kind = kind or _kind(label, {argument.role for argument in arguments})
    _check_complete(label, kind, arguments)
    return Signature(name=label, kind=kind, arguments=tuple(arguments), positive=named_positive(label, kind))


def _parameters(function: Callable[..., Any], label: str, mapping: dict[str, str]) -> list[tuple[str, bool]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise TargetError(f"{label}: its parameters can't be read ({error}).") from error
    known = [parameter.name for parameter in parameters]
    for theirs in mapping:
        if theirs not in known:
            raise TargetError(f"{label}: {unknown('parameter', theirs, known)}")
    named = []
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TargetError(f"{label}: parameter {parameter.name!r} is positional only; wrap the function.")
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            named.append((parameter.name, parameter.default is parameter.empty))
    return named


def _by_position(unread: list[str], known: list[Argument], kind: FunctionKind) -> list[Argument]:
    taken = {argument.role for argument in known}
    free = [ours for ours in CANONICAL[kind] if LOOKUP[ours.replace("_", "")][0] not in taken]
    if len(unread) == len(free) - 1 and "z" in free:
        free.remove("z")
    if len(unread) != len(free):
        raise TargetError(
            f"Parameters {', '.join(map(repr, unread))} are not names that we know, and {kind} has "
            f"{', '.join(free) or 'no parameter'} left for them. Use --map theirs=ours."
        )
    read = [(name, *LOOKUP[ours.replace("_", "")]) for name, ours in zip(unread, free, strict=True)]
    return known + [Argument(name=name, role=role, form=form) for name, role, form in read]


def _kind(label: str, roles: set[Role]) -> FunctionKind:
    if roles & {Role.X, Role.OUTPUT}:
        weight = Role.Z in roles and re.search(r"weight|log_?w", label.lower())
        return FunctionKind.LOG_WEIGHT if weight else FunctionKind.NEGATIVE_ELBO
    return FunctionKind.SAMPLED_KL if Role.Z in roles else FunctionKind.ANALYTIC_KL


def _check_complete(label: str, kind: FunctionKind, arguments: list[Argument]) -> None:
    roles = [argument.role for argument in arguments]
    needed = {Role.MEAN, Role.SPREAD}
    if kind in (FunctionKind.NEGATIVE_ELBO, FunctionKind.LOG_WEIGHT):
        needed |= {Role.X, Role.OUTPUT}
    if kind is FunctionKind.LOG_WEIGHT:
        needed |= {Role.Z}
    for role in (*Role,):
        if roles.count(role) > 1:
            both = " and ".join(repr(argument.name) for argument in arguments if argument.role is role)
            raise TargetError(f"{label}: {both} both read as {role}. Use --map theirs=ours.")
    missing = [role.value for role in Role if role in needed and role not in roles]
    if missing:
        got = ", ".join(f"{argument.name} as {argument.meaning}" for argument in arguments) or "nothing"
        raise TargetError(
            f"{label}: {kind} needs {' and '.join(missing)}, which no parameter gives (read: {got}). "
            "Use --kind or --map theirs=ours."
        )


def named_positive(label: str, kind: FunctionKind) -> bool:
    """Whether a function's name says that larger is better."""
    named = re.search(r"elbo|lower_?bound|vlb", label.lower()) and not re.search(r"neg|loss|minus|nelbo", label.lower())
    return kind is FunctionKind.LOG_WEIGHT or (kind is FunctionKind.NEGATIVE_ELBO and bool(named))
