"""Which argument is what: every assignment of roles to parameters that the names allow, likeliest first.

The value decides between them (`identify`); names alone decide only where no assignment is right.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import permutations, product

from elbo_compare.compare.checking.asking import is_number, set_option
from elbo_compare.compare.checking.axis_names import ROW_NAMES, sized_by
from elbo_compare.compare.checking.callee import Callee, Parameter
from elbo_compare.compare.checking.datum import with_datum
from elbo_compare.compare.checking.distributed import is_distribution, of_distributions, told_from_none
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.full_covariance import matrices_in, refuse_full_covariance, told_of_matrices
from elbo_compare.compare.checking.minimised import minimised
from elbo_compare.compare.checking.names import (
    LOOKUP,
    OURS,
    RARE_SPREADS,
    Role,
    WrittenAs,
    forms_of,
    letters_of,
    promises_kl,
    read_by_stem,
    read_name,
)
from elbo_compare.compare.checking.numbered import second_of
from elbo_compare.compare.checking.signature import (
    CANONICAL,
    Argument,
    FunctionKind,
    Signature,
    named_positive,
)
from elbo_compare.compare.checking.source import unused
from elbo_compare.compare.checking.tied import Tie, ties_among, without

DENSITY = re.compile(
    r"log_?(p|prob|normal|density|gaus|pdf|standard|prior|stand|unit)|nll|prior|gaussian_l|std_?normal"
)
OF_A_GAUSSIAN = re.compile(r"log_?(prob|pdf|density|normal|gauss)|(normal|gauss\w*)_?(log_?(prob|pdf)|pdf)")
ALONE = {  # what arguments that stand without others are: log N(x; 0, I), log Bernoulli(x; mean)
    frozenset({Role.X}): (Role.X, Role.Z),
    frozenset({Role.X, Role.MEAN}): (Role.MEAN, Role.OUTPUT),
}
MOST = 24  # assignments that are tried: each costs a few calls
NEEDED = {
    FunctionKind.ANALYTIC_KL: {Role.MEAN, Role.SPREAD},
    FunctionKind.SAMPLED_KL: {Role.Z, Role.MEAN, Role.SPREAD},
    FunctionKind.LOG_DENSITY: {Role.Z, Role.MEAN, Role.SPREAD},
    FunctionKind.NEGATIVE_ELBO: {Role.MEAN, Role.SPREAD},
    FunctionKind.LOG_WEIGHT: {Role.X, Role.OUTPUT, Role.Z, Role.MEAN, Role.SPREAD},
    FunctionKind.RECONSTRUCTION: {Role.X, Role.OUTPUT},
    FunctionKind.LOG_PRIOR: {Role.Z},
}
UNKNOWN_ROLES = (Role.MEAN, Role.SPREAD, Role.X, Role.OUTPUT, Role.Z)
PRIOR_ROLES, PAIRED_SPREADS = (Role.PRIOR_MEAN, Role.PRIOR_SPREAD), (Role.SPREAD, Role.PRIOR_SPREAD)
DEFAULT_FORM = {
    Role.SPREAD: WrittenAs.LOG_VAR,
    Role.PRIOR_SPREAD: WrittenAs.LOG_VAR,
    Role.OUTPUT: WrittenAs.OUTPUT_UNKNOWN,
}
DEFAULT_FORM[Role.OUTPUT_SPREAD] = WrittenAs.LOG_VAR
SPREAD_ROLES = (*PAIRED_SPREADS, Role.OUTPUT_SPREAD)
ALL_SPREADS = (WrittenAs.LOG_VAR, WrittenAs.SIGMA, WrittenAs.LOG_SIGMA, WrittenAs.VAR, *RARE_SPREADS)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One way to read the parameters. `by_value`: a name said nothing, so that only a right value counts."""

    signature: Signature
    callee: Callee
    by_value: bool = False


def assignments(callee: Callee, kind: FunctionKind | None, mapping: Mapping[str, str]) -> tuple[Assignment, ...]:
    """Every way to read the parameters, likeliest first.

    Raises TargetError where there is none; all unknown names stand in one message.
    """
    known = [parameter.name for parameter in callee.parameters]
    for theirs in mapping:
        if theirs not in known:
            raise TargetError(f"{callee.label} has no parameter {theirs!r} (it has {', '.join(known)}).")
    refuse_full_covariance(callee)
    fixed, unread = _named(callee, mapping)
    arrays = {options[0].role: name for name, options in reversed(fixed.items()) if options and options[0]}
    callee = replace(callee, sized=sized_by(arrays, [p.name for p in unread]))
    unread = [parameter for parameter in unread if parameter.name not in callee.sized]
    ignored = _ignored(callee, fixed, unread, mapping)
    unread = [parameter for parameter in unread if parameter.name not in ignored]
    fixed = {name: options for name, options in fixed.items() if name not in ignored}
    callee = callee.given(**dict.fromkeys(ignored))
    callee = replace(callee, distributions=tuple(n for n, options in fixed.items() if options is DISTRIBUTION))
    found: dict[tuple[Signature, tuple[Tie, ...]], Assignment] = {}
    read = {name: options[0] for name, options in fixed.items() if options and options[0]}
    tied = list(ties_among({name: as_stated(argument) for name, argument in read.items()}))
    for ties in tied:
        for one in _combined(replace(callee, ties=ties), without(fixed, ties), unread, kind):
            found.setdefault((one.signature, ties), one)
    apart = bool(found) and Role.OUTPUT not in arrays  # fed apart only right counts; one may be the decoder's
    for one in _combined(callee, fixed, unread, kind):
        found.setdefault((one.signature, ()), replace(one, by_value=one.by_value or apart))
    if not found:
        raise TargetError(_refusal(callee, fixed, unread, kind))
    return tuple(found.values())[:MOST]


Option = Argument | None  # None: the parameter keeps its default
DISTRIBUTION: tuple[Option, ...] = ()


def _named(callee: Callee, mapping: Mapping[str, str]) -> tuple[dict[str, tuple[Option, ...]], list[Parameter]]:
    """What every parameter may be; and the required ones whose names say nothing."""
    fixed: dict[str, tuple[Option, ...]] = {}
    unread = []
    for parameter in callee.parameters:
        name = parameter.name
        if name in callee.constants or (parameter.required and name in ROW_NAMES):
            continue
        asked = parameter.required or (parameter.default is None and not told_from_none(callee, name))
        if asked and name not in mapping and is_distribution(callee, name):
            fixed[name] = DISTRIBUTION
            continue
        pair = read_name(mapping.get(name, name))
        if pair is None:
            unread += [parameter] if parameter.required else []
            continue
        forms = forms_of(mapping.get(name, name), *pair)
        if pair[0] in SPREAD_ROLES and read_by_stem(mapping.get(name, name)):
            forms = tuple(dict.fromkeys((*forms, *ALL_SPREADS)))
        argument = Argument(name=name, role=pair[0], form=pair[1], forms=forms)
        if parameter.required or name in mapping:
            fixed[name] = (argument,)
        elif pair[0] in (Role.Z, Role.KEY):
            fixed[name] = (argument,) if parameter.default is None else (None, argument)
        elif parameter.default is None:
            prior = pair[0] in (Role.PRIOR_MEAN, Role.PRIOR_SPREAD)
            fixed[name] = (None, argument) if prior else (argument, None)
    return fixed, unread


def _ignored(
    callee: Callee, fixed: dict[str, tuple[Option, ...]], unread: list[Parameter], mapping: Mapping[str, str]
) -> set[str]:
    """Required parameters that the body never reads and that no KL or loss is the poorer for: they get None."""
    never = unused(callee.function) - set(mapping)
    roles = {options[0].role for options in fixed.values() if options and options[0]}
    dull = {Role.Z, Role.OUTPUT_SPREAD, *(() if Role.OUTPUT in roles else (Role.X,))}
    found = {parameter.name for parameter in unread} & never
    found |= {n for n, options in fixed.items() if n in never and (options is DISTRIBUTION or _is(options, dull))}
    return found if len(found) < len(fixed) + len(unread) else set()


def _is(options: tuple[Option, ...], roles: set[Role]) -> bool:
    return len(options) == 1 and options[0] is not None and options[0].role in roles


def _combined(
    callee: Callee, fixed: dict[str, tuple[Option, ...]], unread: list[Parameter], kind: FunctionKind | None
) -> Iterable[Assignment]:
    made = of_distributions(callee, [name for name, options in fixed.items() if options is DISTRIBUTION])
    for chosen in product(*(options for options in fixed.values() if options)):
        arguments = with_datum(callee.label, [*made, *(argument for argument in chosen if argument is not None)])
        arrays = [p for p in unread if not (p.number or is_number(p.name))]
        if unread and kind is not None:
            yield from _by_position(callee, arguments, unread, kind)
        elif unread and (len(arrays) < len(unread) or len(unread) > 2):
            continue
        elif unread:
            yield from _by_trying(callee, arguments, unread)
        else:
            for ordered in _distinct(_as_q(arguments)):
                yield from _complete(callee, ordered, kind)
                yield from _complete(callee, _turned(ordered), kind)


def _distinct(arguments: list[Argument]) -> Iterable[list[Argument]]:
    """Where two names read as one role: the readings in which one of them is something else."""
    roles = [argument.role for argument in arguments]
    if frozenset(roles) in ALONE and len(set(roles)) == len(roles):
        one, other = ALONE[frozenset(roles)]
        yield [_moved(a, other) if a.role is one else a for a in arguments]
        return
    of_the_decoder = Role.OUTPUT in roles and roles.count(Role.MEAN) == 1
    for role, other in (
        (Role.X, Role.OUTPUT),
        (Role.OUTPUT, Role.X),
        (Role.MEAN, Role.PRIOR_MEAN),
        (Role.SPREAD, Role.OUTPUT_SPREAD if of_the_decoder else Role.PRIOR_SPREAD),
    ):
        both = [i for i, found in enumerate(roles) if found is role]
        if len(both) == 2 and other not in roles:
            told = second_of(arguments, both) if other in PAIRED else None
            for moved in reversed(both) if told is None else (told,):
                yield from _distinct([_moved(a, other) if i == moved else a for i, a in enumerate(arguments)])
            return
    if {Role.X, Role.OUTPUT, Role.SPREAD} <= set(roles) and not {Role.MEAN, Role.OUTPUT_SPREAD} & set(roles):
        yield [_moved(a, Role.OUTPUT_SPREAD) if a.role is Role.SPREAD else a for a in arguments]
        return
    if roles.count(Role.X) == 1 and Role.OUTPUT not in roles and Role.Z not in roles and Role.MEAN in roles:
        yield [_moved(a, Role.Z) if a.role is Role.X else a for a in arguments]  # log N(x; mean, sigma)
        return
    if roles.count(Role.OUTPUT) == 1 and Role.MEAN not in roles and Role.Z in roles and Role.X not in roles:
        return
    if roles.count(Role.X) == 1 and Role.OUTPUT not in roles and Role.Z in roles:
        yield [_moved(a, Role.OUTPUT) if a.role is Role.Z else a for a in arguments]  # a sample of the decoder
        return
    if len(set(roles)) == len(roles):
        yield arguments


def of_a_stem(argument: Argument) -> bool:
    """Whether every form is tried of a spread that only the stem of its name makes one."""
    return set(ALL_SPREADS) <= set(argument.forms) and argument.role in SPREAD_ROLES and read_by_stem(argument.name)


def as_stated(argument: Argument) -> Argument:
    """In the forms that the stem of its name states."""
    forms = forms_of(argument.name, argument.role, argument.form)
    return replace(argument, forms=forms) if of_a_stem(argument) else argument


PAIRED = {Role.MEAN: Role.PRIOR_MEAN, Role.SPREAD: Role.PRIOR_SPREAD}
PAIRED |= {other: role for role, other in PAIRED.items()}


def _as_q(arguments: list[Argument]) -> list[Argument]:
    """One Gaussian is q, though it is called p."""
    roles = {argument.role for argument in arguments}
    if roles & {Role.MEAN, Role.SPREAD} or not {Role.PRIOR_MEAN, Role.PRIOR_SPREAD} <= roles:
        return arguments
    return [replace(a, role=PAIRED[a.role]) if a.role in PAIRED else a for a in arguments]


def _turned(arguments: list[Argument]) -> list[Argument]:
    """The KL of p from q, where p comes first: `kl(p_mean, p_std, q_mean, q_std)`; [] where nothing says so."""
    roles = [argument.role for argument in arguments]
    if set(roles) != set(PAIRED) or len(roles) != len(PAIRED) or roles[0] not in (Role.PRIOR_MEAN, Role.PRIOR_SPREAD):
        return []
    letters = ["q" if a.role in (Role.MEAN, Role.SPREAD) else "p" for a in arguments]
    if not all(letter in letters_of(a.name) for a, letter in zip(arguments, letters, strict=True)):
        return []
    return [replace(argument, role=PAIRED[argument.role]) for argument in arguments]


def _moved(argument: Argument, role: Role) -> Argument:
    form = argument.form if argument.form is not WrittenAs.PLAIN else DEFAULT_FORM.get(role, WrittenAs.PLAIN)
    kept = (Role.OUTPUT, Role.SPREAD, Role.PRIOR_SPREAD, Role.OUTPUT_SPREAD)
    form = form if role in kept else WrittenAs.PLAIN
    forms = argument.forms if form is argument.form else ()
    return replace(argument, role=role, form=form, forms=forms or (form,))


def _by_trying(callee: Callee, arguments: list[Argument], unread: list[Parameter]) -> Iterable[Assignment]:
    """Names that say nothing: every role that is still free, a prior's too beside a whole q. The last of four is that,
    right or wrong, where a KL is promised; the one beside a mean and a spread is z where their density is."""
    taken = {argument.role for argument in arguments}
    known = UNKNOWN_ROLES if not {Role.MEAN, Role.SPREAD} <= taken else (*UNKNOWN_ROLES, *PRIOR_ROLES)
    free = [role for role in known if role not in taken]
    of_a_density = taken == {Role.MEAN, Role.SPREAD} and bool(OF_A_GAUSSIAN.search(callee.label.lower()))
    last = taken < set(PAIRED) and len(taken) == len(PAIRED) - 1 and promises_kl(callee.label)
    for roles in permutations(free, len(unread)):
        more = [_free(parameter.name, role) for parameter, role in zip(unread, roles, strict=True)]
        for one in _complete(callee, [*arguments, *more], None):
            known_last = (last and taken | set(roles) == set(PAIRED)) or (of_a_density and roles == (Role.Z,))
            yield replace(one, by_value=not known_last)


def _free(name: str, role: Role) -> Argument:
    form = DEFAULT_FORM.get(role, WrittenAs.PLAIN)
    return Argument(name=name, role=role, form=form, forms=ALL_SPREADS if role in PAIRED_SPREADS else (form,))


def _by_position(
    callee: Callee, known: list[Argument], unread: list[Parameter], kind: FunctionKind
) -> Iterable[Assignment]:
    """The kind is given: the unknown names take its canonical parameters in order."""
    taken = {argument.role for argument in known}
    free = [ours for ours in CANONICAL.get(kind, ("x", "output")) if LOOKUP[ours.replace("_", "")][0] not in taken]
    if len(unread) == len(free) - 1 and "z" in free:
        free.remove("z")
    if len(unread) != len(free):
        return
    pairs = [(parameter.name, *LOOKUP[ours.replace("_", "")]) for parameter, ours in zip(unread, free, strict=True)]
    more = [
        Argument(name=name, role=role, form=form, forms=ALL_SPREADS if role is Role.SPREAD else (form,))
        for name, role, form in pairs
    ]
    yield from _complete(callee, [*known, *more], kind)


def _complete(callee: Callee, arguments: list[Argument], kind: FunctionKind | None) -> Iterable[Assignment]:
    roles = {argument.role for argument in arguments}
    chosen = kind or kind_of(callee.label, roles)
    missing = NEEDED[chosen] - roles
    if chosen is FunctionKind.NEGATIVE_ELBO and Role.DATA_TERM not in roles:
        missing |= {Role.X, Role.OUTPUT} - roles
    if missing or len(roles) != len(arguments):
        return
    use = minimised(callee.function) if chosen is FunctionKind.NEGATIVE_ELBO else None
    positive = named_positive(callee.label, chosen) if use is None else use.sign < 0
    signature = Signature(
        name=callee.label,
        kind=chosen,
        arguments=tuple(arguments),
        positive=positive,
        use=use.text if use else "",
        use_sign=use.sign if use else 0,
    )
    squared = tuple(argument.name for argument in arguments if argument.form is WrittenAs.SQUARED)
    yield Assignment(signature=signature, callee=replace(callee, squared=squared))


def kind_of(label: str, roles: set[Role]) -> FunctionKind:
    """The kind that these roles make."""
    if roles == {Role.Z} and DENSITY.search(label.lower()):
        return FunctionKind.LOG_PRIOR
    if not {Role.MEAN, Role.SPREAD} & roles and {Role.X, Role.OUTPUT} <= roles:
        return FunctionKind.RECONSTRUCTION
    if roles & {Role.X, Role.OUTPUT, Role.DATA_TERM}:
        weight = Role.Z in roles and re.search(r"weight|log_?w", label.lower())
        return FunctionKind.LOG_WEIGHT if weight else FunctionKind.NEGATIVE_ELBO
    return FunctionKind.SAMPLED_KL if Role.Z in roles else FunctionKind.ANALYTIC_KL


def _refusal(
    callee: Callee, fixed: dict[str, tuple[Option, ...]], unread: list[Parameter], kind: FunctionKind | None
) -> str:
    """Why no assignment fits, with the one option that would mend it."""
    if matrices_in(callee) and (unread or not fixed):
        return told_of_matrices(callee, _listed([p.name for p in unread]))
    if unread:
        weights = [p.name for p in unread if p.number or is_number(p.name)]
        others = [p.name for p in unread if p.name not in weights]
        parts = []
        if weights:
            parts.append(f"give a value to {_listed(weights)}: {' '.join(map(set_option, weights))}")
        if others:
            parts.append(f"say what {_listed(others)} is, with {' '.join(f'--map {name}=OURS' for name in others)}")
        text = f"{callee.label}: " + "; ".join(parts) + "."
        hint = _kind_hint(fixed, others) if others and not weights else ""
        return text + (f" OURS is one of {', '.join(OURS)}." if others else "") + hint
    read = [options[0] for options in fixed.values() if options and options[0]]
    for role in (Role.X, Role.OUTPUT, Role.MEAN, Role.SPREAD, *PRIOR_ROLES, Role.Z):
        twice = [repr(argument.name) for argument in read if argument.role is role]
        if len(twice) > 1:
            return f"{callee.label}: {' and '.join(twice)} both read as {role}. Use --map theirs=ours."
    got = ", ".join(f"{a.name} as {a.meaning}" for a in read) or "nothing"
    chosen = kind or kind_of(callee.label, {argument.role for argument in read})
    missing = [
        role.value for role in Role if role in NEEDED[chosen] | _data(chosen) and role not in {a.role for a in read}
    ]
    return (
        f"{callee.label}: {chosen} needs {' and '.join(missing)}, which no parameter gives (read: {got}). A loss or a "
        "KL is judged here; if this is one, use --map theirs=ours or --kind."
    )


def _data(kind: FunctionKind) -> set[Role]:
    return {Role.X, Role.OUTPUT} if kind is FunctionKind.NEGATIVE_ELBO else set()


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def _kind_hint(fixed: dict[str, tuple[Option, ...]], others: list[str]) -> str:
    """--kind, where the unknown names in their order are the ones that a kind has left."""
    taken = {options[0].role for options in fixed.values() if options and options[0]}
    for kind, names in CANONICAL.items():
        free = [name for name in names if LOOKUP[name.replace("_", "")][0] not in taken]
        if "z" not in free and len(free) == len(others) and len(taken) + len(free) == len(names):
            return f" Or --kind {kind}, if they are {', '.join(free)} in this order."
    return ""
