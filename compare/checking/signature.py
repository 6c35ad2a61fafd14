"""What a user's function takes: parameter names -> roles and parametrisations -> the kind of function."""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.errors import unknown


class FunctionKind(StrEnum):
    """What the function is meant to compute; the canonical parameters are those of `CANONICAL`."""

    ANALYTIC_KL = "analytic_kl"
    SAMPLED_KL = "sampled_kl"
    NEGATIVE_ELBO = "negative_elbo"
    LOG_WEIGHT = "log_weight"


class Role(StrEnum):
    """What a parameter is."""

    X = "x"
    OUTPUT = "output"
    Z = "z"
    MEAN = "mean"
    SPREAD = "spread"
    KEY = "key"


class Form(StrEnum):
    """How a parameter writes its quantity. OUTPUT_UNKNOWN: probabilities, logits or a mean; found out by trying."""

    PLAIN = "plain"
    LOG_VAR = "log_var"
    LOG_SIGMA = "log_sigma"
    SIGMA = "sigma"
    VAR = "var"
    LOGITS = "logits"
    PROBS = "probs"
    LOCATION = "location"
    OUTPUT_UNKNOWN = "output"


SPREADS = (Form.LOG_VAR, Form.LOG_SIGMA, Form.SIGMA, Form.VAR)
OUTPUTS = (Form.LOGITS, Form.PROBS, Form.LOCATION)

# Each name in lower case without underscores and digits' separators; "ours" comes first.
NAMES: dict[tuple[Role, Form], str] = {
    (
        Role.X,
        Form.PLAIN,
    ): "x data target targets input inputs image images img imgs xtrue ytrue xin original y xs",
    (Role.OUTPUT, Form.LOGITS): "logits logit xlogits xlogit logitsx reconlogits outputlogits decoderlogits "
    "reconxlogits xreconlogits logitsp",
    (Role.OUTPUT, Form.PROBS): "probs prob probabilities probability xprobs p xprob reconprobs",
    (Role.OUTPUT, Form.LOCATION): "location xmean meanx mux xmu xloc locx reconmean meanrecon xlocation decodermean "
    "outputmean",
    (Role.OUTPUT, Form.OUTPUT_UNKNOWN): "output reconx recon xrecon reconstruction reconstructions reconstructed "
    "reconstructedx xreconstructed xhat outputs out decoded decoderoutput ypred yhat pred prediction recons xrec recx "
    "rec xprime xtilde xout reconbatch xdecoded xdecodedmean",
    (Role.Z, Form.PLAIN): "z sample samples zs zsample zsamples latent latents zq code",
    (Role.MEAN, Form.PLAIN): "mean mu loc means mus m",
    (Role.SPREAD, Form.LOG_VAR): "logvar logvariance logvars lnvar lv logsigma2 logsigmasq logsigmasquared logstd2 "
    "logsigmasqr logv",
    (Role.SPREAD, Form.LOG_SIGMA): "logsigma logstd logscale logsd logstddev lnsigma logstds lnstd logs",
    (Role.SPREAD, Form.SIGMA): "sigma std scale sd stddev stdev sigmas stds scales standarddeviation s",
    (Role.SPREAD, Form.VAR): "var variance vars sigma2 sigmasq sigmasquared std2 variances",
    (Role.KEY, Form.PLAIN): "key rng rngkey prngkey generator gen seed",
}
LOOKUP = {name: pair for pair, names in NAMES.items() for name in names.split()}
OURS = ("x", "logits", "probs", "location", "output", "z", "mean", "log_var", "log_sigma", "sigma", "var", "key")
LATENT_AFFIXES = ("qz", "z", "q", "latent", "encoder", "enc", "posterior", "post", "phi")
CANONICAL = {
    FunctionKind.ANALYTIC_KL: ("mean", "log_var"),
    FunctionKind.SAMPLED_KL: ("z", "mean", "log_var"),
    FunctionKind.NEGATIVE_ELBO: ("x", "logits", "z", "mean", "log_var"),
    FunctionKind.LOG_WEIGHT: ("x", "logits", "z", "mean", "log_var"),
}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One parameter of the function: its own name, and what we read it as."""

    name: str
    role: Role
    form: Form

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


def read_name(name: str) -> tuple[Role, Form] | None:
    """The role and form that a parameter's name says, or None: `z_mu` -> mean, `logstd` -> log sigma."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in LOOKUP:
        return LOOKUP[plain]
    for affix in LATENT_AFFIXES:
        for rest in (plain.removeprefix(affix), plain.removesuffix(affix)):
            found = LOOKUP.get(rest)
            if rest != plain and found and found[0] in (Role.MEAN, Role.SPREAD, Role.Z):
                return found
    return None


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
    return Signature(name=label, kind=kind, arguments=tuple(arguments), positive=_positive(label, kind))


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


def _positive(label: str, kind: FunctionKind) -> bool:
    named = re.search(r"elbo|lower_?bound|vlb", label.lower()) and not re.search(r"neg|loss|minus|nelbo", label.lower())
    return kind is FunctionKind.LOG_WEIGHT or (kind is FunctionKind.NEGATIVE_ELBO and bool(named))
