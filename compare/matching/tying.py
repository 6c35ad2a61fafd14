"""Which weight of one side is which of the other: by identity, as said, by name, by order and shape; or refused."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.suites.bridge.pairs.records import Weight

SHOWN = 4  # names in a refusal
ORDERED = "by order and shape"
LEAVES = {"w": "weight", "W": "weight", "kernel": "weight", "b": "bias"}  # what other frameworks call a layer's parts


@dataclass(frozen=True, kw_only=True)
class Tied:
    """names: the second side's weight -> the first side's. how: in words. spare: of the first side, tied to none."""

    names: Mapping[str, str] = field(default_factory=dict)
    how: str = "no weights"
    spare: tuple[str, ...] = ()


def read_ties(texts: Iterable[str]) -> dict[str, str]:
    """`["fc1=encoder.0"]` -> {"fc1": "encoder.0"}: the second side's name or prefix = the first side's."""
    found = {}
    for text in texts:
        theirs, separator, ours = text.partition("=")
        if not separator or not theirs or not ours:
            raise TargetError(f"--tie wants THEIRS=OURS, as in --tie decoder.fc1=dec.0; {text!r} arrived.")
        found[theirs] = ours
    return found


def tie(first: Sequence[Weight], second: Sequence[Weight], said: Mapping[str, str]) -> Tied:
    """Every weight of the second side gets one of the first. Raises TargetError where that can't be told.

    Shapes fit as they are, or turned where one side keeps its matrices as (in, out).
    """
    ours = {each.name: each for each in first}
    names = _said(first, second, said)
    identity = {each.identity: each.name for each in first if each.identity}
    shared = {
        each.name: identity[each.identity] for each in second if each.name not in names and each.identity in identity
    }
    names |= shared
    left = [each for each in second if each.name not in names]
    free = [each for each in first if each.name not in names.values()]
    how = ["as said"] if said else []
    how += [f"{len(shared)} shared"] if shared else []
    if left and not free and names:
        how.append(f"{len(left)} of the second side alone: as they are there")
    elif left:
        found, word = _matched(free, left)
        names |= found
        how.append(word)
    for theirs, mine in names.items():
        one = next(each for each in second if each.name == theirs)
        if not fits(ours[mine], one):
            raise TargetError(f"--tie {theirs}={mine}: {theirs} has the shape {one.shape}, {mine} {ours[mine].shape}.")
    spare = tuple(each.name for each in first if each.name not in names.values())
    return Tied(names=names, how=", ".join(how) or "no weights", spare=spare)


def fits(one: Weight, other: Weight) -> bool:
    """Whether the shapes are the same, or turned where exactly one of them is (in, out)."""
    return one.shape == other.shape or (one.kernel != other.kernel and one.shape == other.shape[::-1])


def _said(first: Sequence[Weight], second: Sequence[Weight], said: Mapping[str, str]) -> dict[str, str]:
    """Whole names, or prefixes: `decoder=dec` ties decoder.fc1.weight to dec.fc1.weight."""
    ours, names = {each.name for each in first}, {}
    for theirs, mine in said.items():
        found = {
            each.name: mine + each.name[len(theirs) :]
            for each in second
            if each.name == theirs or each.name.startswith((f"{theirs}.", f"{theirs}$"))
        }
        if not found:
            known = ", ".join(each.name for each in second)
            raise TargetError(f"--tie {theirs}={mine}: the second side has no weight {theirs!r}; it has: {known}.")
        for name, wanted in found.items():
            target = wanted if wanted in ours else _as_called(wanted, ours)
            if not target:
                raise TargetError(
                    f"--tie {theirs}={mine}: the first side has no weight {wanted!r}; it has: {', '.join(ours)}."
                )
            names[name] = target
    return names


def _as_called(wanted: str, ours: Iterable[str]) -> str:
    """The weight of that layer and part under the first side's own word for the part: weight for kernel."""
    return next((name for name in ours if _tail(name, len(name)) == _tail(wanted, len(wanted))), "")


def _matched(free: Sequence[Weight], left: Sequence[Weight]) -> tuple[dict[str, str], str]:
    """By their names where those are unique on both sides, else by order and shape."""
    by_name = _by_name(free, left)
    if by_name:
        return by_name, f"{len(left)} by name"
    if len(free) == len(left) and all(map(fits, free, left)):
        return {b.name: a.name for a, b in zip(free, left, strict=True)}, f"{len(left)} {ORDERED}"
    in_order = _in_order(free, left)
    if in_order:
        return in_order, f"{len(left)} {ORDERED}"
    unique = _by_shape(free, left)
    if unique:
        return unique, f"{len(left)} by shape"
    raise TargetError(
        f"The weights can't be tied by order and shape: the first side has {_shown(free)}; the second {_shown(left)}. "
        "Share the modules, or name them: --tie THEIRS=OURS."
    )


def _by_name(free: Sequence[Weight], left: Sequence[Weight]) -> dict[str, str]:
    """The same last parts of the name (`encoder$$$fc1.weight` and `fc1.weight`, `params.log_scale` and `log_scale`),
    unique on both sides."""
    whole = _by_suffix(free, left)
    if whole:
        return whole
    for parts in (3, 2):
        ours, theirs = ([_tail(each.name, parts) for each in side] for side in (free, left))
        if max(Counter(ours).values(), default=0) > 1 or max(Counter(theirs).values(), default=0) > 1:
            continue
        place = dict(zip(ours, free, strict=True))
        if all(tail in place and fits(place[tail], each) for tail, each in zip(theirs, left, strict=True)):
            return {each.name: place[tail].name for tail, each in zip(theirs, left, strict=True)}
    return {}


def _by_suffix(free: Sequence[Weight], left: Sequence[Weight]) -> dict[str, str]:
    """Where each whole name of one side ends one name of the other, and one alone."""
    names = {}
    for each in left:
        theirs = "." + _tail(each.name, len(each.name))
        ours = [(one, "." + _tail(one.name, len(one.name))) for one in free]
        fitting = [one for one, mine in ours if (mine.endswith(theirs) or theirs.endswith(mine)) and fits(one, each)]
        if len(fitting) != 1:
            return {}
        names[each.name] = fitting[0].name
    return names if len(set(names.values())) == len(names) else {}


def _tail(name: str, parts: int) -> str:
    *layers, leaf = name.replace("$$$", ".").split(".")
    return ".".join([*layers, LEAVES.get(leaf, leaf)][-parts:])


def _in_order(free: Sequence[Weight], left: Sequence[Weight]) -> dict[str, str]:
    """The first side's order with some left out, where that leaves one choice."""
    names, place, skipped = {}, 0, 0
    for each in left:
        while place < len(free) and not fits(free[place], each):
            place, skipped = place + 1, skipped + 1
        if place == len(free):
            return {}
        names[each.name] = free[place].name
        place += 1
    rest = [each for each in free if each.name not in names.values()]
    return {} if any(fits(a, b) for a in rest for b in left) else names


def _by_shape(free: Sequence[Weight], left: Sequence[Weight]) -> dict[str, str]:
    names = {}
    for each in left:
        fitting = [one for one in free if fits(one, each)]
        if len(fitting) != 1:
            return {}
        names[each.name] = fitting[0].name
    return names if len(set(names.values())) == len(names) else {}


def _shown(weights: Sequence[Weight]) -> str:
    if not weights:
        return "none that is free"
    text = ", ".join(f"{each.name} {each.shape}" for each in weights[:SHOWN])
    return text + (f" and {len(weights) - SHOWN} more" if len(weights) > SHOWN else "")
