"""The ways from data to the loss: forward alone, forward and then a loss function, a training step; likeliest first.

A way is tried by running it. Names order the ways, and bind what is called `mu`; no name makes a verdict.
"""

import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from elbo_compare.compare.checking.axis_names import BATCH_NAMES
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.calling import Caller, called, named_outputs, parameters_of, zeros
from elbo_compare.compare.checking.models.descending import descents, direction
from elbo_compare.compare.checking.models.labels import NAMES, Labels
from elbo_compare.compare.checking.models.loading import load_model
from elbo_compare.compare.checking.models.making import TREES, is_model
from elbo_compare.compare.checking.models.returning import Terms, loss_of
from elbo_compare.compare.checking.models.scripts import Loop, loops_in, loops_of
from elbo_compare.compare.checking.names import Role, read_name
from elbo_compare.compare.checking.source import surface, unpacked
from elbo_compare.suites.bridge.user_arrays import leaves

LOSS = re.compile(r"loss|elbo|objective|free_energy|lower_?bound|training_step|compute_metrics", re.IGNORECASE)
FIRST = (
    *("loss_function", "loss", "elbo_loss", "vae_loss", "compute_loss", "calculate_loss", "calc_loss", "get_loss"),
    *("loss_fn", "neg_elbo", "negative_elbo", "negative_elbo_bound", "nelbo", "elbo", "training_step", "final_loss"),
)
NOT_LOSS = re.compile(
    r"plot|log_loss|print|save|test|valid|eval|load|history|losses$|register|recon|kl|perceptual|configure",
    re.IGNORECASE,
)
MODEL_NAMES = frozenset(("model", "vae", "net", "network", "module", "m"))
WEIGHTS = re.compile(r"^(M_N|.*weight|beta|lambda_?|alpha|gamma|anneal.*|kl_coeff?|coef|warm_?up|kld?_?w)$")
STEPS = frozenset(("batch_idx", "batch_index", "idx", "i", "batch_nb", "optimizer_idx"))
STEPPING = re.compile(
    r"^(train|update|training|make)?_?(step|batch|update)(_fn)?$|train_step|update_step", re.IGNORECASE
)
MOST_WAYS = 24


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to the loss. enter: x -> {"loss": ..., "out": what forward gave}; `given`: numbers that we chose; terms:
    of the last run, how the loss was chosen among what came back; told: what its values told of that, for `loss_of`.
    descends: 1 where what it gives is minimised, -1 where its negative is, 0 where that is not known."""

    label: str
    enter: Callable[[Any], Mapping[str, Any]]
    given: tuple[str, ...] = ()
    positive: bool = False
    function: Callable[..., Any] | None = None
    terms: list[Terms] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    descends: int = 0

    @property
    def chosen(self) -> Terms:
        """How the loss of the last run was chosen."""
        return self.terms[-1] if self.terms else Terms()


def ways(
    model: Any,
    names: Mapping[str, Any],
    *,
    loss: str | None,
    constants: Mapping[str, Any],
    labels: Labels | None = None,
    columns: bool = False,
) -> Iterator[Way]:
    """Every way, likeliest first. loss: what --loss says. Raises TargetError where there is no such name."""
    extra = {k: v for k, v in constants.items() if k in parameters_of(model)}
    caller = Caller(model=model, extra=extra, labels=labels, columns=columns)
    alone = getattr(type(model), "alone", False)  # what was named is the loss
    named = [] if alone else _candidates(model, names, loss)
    if loss is None and callable(getattr(model, "model", None)) and callable(getattr(model, "guide", None)):
        yield from _of_pair(model, names, constants)
    if loss is None or loss == "forward" or alone:
        yield _returned(caller, 1 if loss == "forward" else direction(descents(text_of(names), model, names)))
    if loss is None and of_keras(model) and getattr(model, "compiled", False):
        yield _fitted(caller)
    for label, function in named:
        around = {**names, **getattr(surface(function), "__globals__", {})}
        yield from (_looped(caller, loop, around, constants) for loop in (loops_in(function) if loss else ()))
        yield from itertools.islice(_bound(caller, label, function, constants), MOST_WAYS)
    if loss is None and not alone:
        yield from _stepped(caller, names, constants)
        loops = sorted(((loop.distance(model, names), n, loop) for n, loop in enumerate(_script(names))))
        yield from (_looped(caller, loop, names, constants) for far, _, loop in loops if math.isfinite(far))


def _script(names: Mapping[str, Any]) -> list[Loop]:
    """The training loops of the model's file."""
    return loops_of(text_of(names), str(names.get("__file__")))


def text_of(names: Mapping[str, Any]) -> str:
    """The text of the model's file; "" where there is none."""
    file = Path(str(names.get("__file__") or ""))
    try:
        return file.read_text(encoding="utf-8") if file.suffix == ".py" else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _looped(caller: Caller, loop: Loop, names: Mapping[str, Any], constants: Mapping[str, Any]) -> Way:
    def enter(x: Any) -> Mapping[str, Any]:
        return {"loss": loop.loss(caller.model, names, x, zeros(x), constants), "out": ()}

    return Way(label=loop.label, enter=enter, given=_ones(loop.chosen(caller.model, names, constants)))


def _ones(names: Iterable[str]) -> tuple[str, ...]:
    """Numbers that nobody gave, and that we chose to be 1."""
    return tuple(f"{name} = 1" for name in names)


def _of_pair(model: Any, names: Mapping[str, Any], constants: Mapping[str, Any]) -> Iterator[Way]:
    """A Pyro model and guide, as methods: by the ELBO object that their file names, else Trace_ELBO."""
    if find_spec("pyro") is None:
        return
    called_there = [name for name in re.findall(r"\b(\w*_ELBO)\(", text_of(names)) if not name.startswith("Jit")]
    name = next(iter(called_there), "Trace_ELBO")
    objective = import_module("elbo_compare.suites.bridge.pyro_networks").objective(model.model, model.guide, name)
    _, *others = [p.name for p in inspect.signature(model.model).parameters.values() if p.default is p.empty]
    weights = [each for each in others if each not in constants and WEIGHTS.match(each)]

    def enter(x: Any) -> Mapping[str, Any]:
        known = dict.fromkeys(others, zeros(x)) | dict.fromkeys(weights, 1.0) | dict(constants)
        return {"loss": objective(x, *(known[each] for each in others)), "out": ()}

    yield Way(label=f"{name}(model, guide)", enter=enter, given=_ones(weights))


def _stepped(caller: Caller, names: Mapping[str, Any], constants: Mapping[str, Any]) -> Iterator[Way]:
    """The training steps of a JAX file: what they differentiate is the loss."""
    captured = getattr(type(caller.model), "captured", None)
    for label, function in names.items() if captured else ():
        if STEPPING.search(label) and callable(function) and not isinstance(function, type):
            yield _step(caller, label, function, captured, constants)


def _step(caller: Caller, label: str, function: Any, captured: Any, constants: Mapping[str, Any]) -> Way:
    plain = inspect.unwrap(function)
    wanted = [p.name for p in inspect.signature(plain).parameters.values() if p.default is p.empty]

    def enter(x: Any) -> Mapping[str, Any]:
        given = [constants[name] if name in constants else _of_step(name, caller, x) for name in wanted]
        return {"loss": captured(plain, given), "out": ()}

    return Way(label=f"what {label} differentiates", enter=enter)


def _of_step(name: str, caller: Caller, x: Any) -> Any:
    simple = _simple(name, caller)
    held = getattr(getattr(caller.model, "module", None), name, None)
    if re.search("^opt|optim", name):
        return ()
    if simple is None and held is None:
        raise TypeError(f"what {name} is can't be told: --set {name}=VALUE")
    return simple(caller, x) if simple is not None and (held is None or name in {"batch", "x"}) else held


def _candidates(model: Any, names: Mapping[str, Any], loss: str | None) -> list[tuple[str, Callable[..., Any]]]:
    if loss is not None:
        if loss == "forward":
            return []
        found = load_model(loss).found if ".py:" in loss else getattr(model, loss, None) or names.get(loss)
        if not callable(found):
            known = [label for label, _ in _candidates(model, names, None)] or ["forward"]
            raise TargetError(f"No loss {loss!r}. Seen: {', '.join(known)}.")
        return [(loss, found)]
    owner = getattr(model, "owner", type(model))
    own = dict.fromkeys(  # in the order of the text: of two losses of one rank the first is tried first
        key
        for base in owner.__mro__
        if base.__module__.split(".")[0] not in {"torch", "flax", "equinox", "keras", "pytorch_lightning", "lightning"}
        for key in vars(base)
        if not key.startswith("__")
    )
    methods = {key: getattr(model, key) for key in own if _is_loss(key) and callable(getattr(model, key, None))}
    functions = {
        key: value
        for key, value in names.items()
        if _is_loss(key)
        and inspect.isfunction(value)
        and (value.__module__ or "").split(".")[0] not in {"torch", "jax"}
    }
    return [*sorted(methods.items(), key=_rank), *sorted(functions.items(), key=_rank)]


def _is_loss(key: str) -> bool:
    return bool(LOSS.search(key)) and (key in FIRST or not NOT_LOSS.search(key))


def _rank(pair: tuple[str, Any]) -> int:
    return FIRST.index(pair[0]) if pair[0] in FIRST else len(FIRST)


def _positive(label: str, function: Any) -> bool:
    """Whether it is named as an ELBO, larger being better."""
    text = f"{label} {getattr(function, '__name__', '')}".lower()
    return ("elbo" in text or "bound" in text) and not re.search(r"neg|nelbo|loss", text)


def of_keras(model: Any) -> bool:
    """Whether it is a Keras model, here on torch."""
    return "keras" in {base.__module__.split(".")[0] for base in type(model).__mro__}


def _fitted(caller: Caller) -> Way:
    """What `fit(x, x)` minimises: the compiled loss and all that `add_loss` was given."""

    def enter(x: Any) -> Mapping[str, Any]:
        out = caller.forward(x)
        return {"loss": caller.model.compute_loss(x=x, y=x, y_pred=out), "out": out}

    return Way(label="compute_loss(x, x, y_pred)", enter=enter, given=caller.given)


def _returned(caller: Caller, descends: int) -> Way:
    """Forward alone."""
    terms: list[Terms] = []
    told: dict[str, Any] = {}

    def enter(x: Any) -> Mapping[str, Any]:
        out = caller.forward(x)
        loss, *terms[:] = loss_of(out, called(caller.model), **told)
        return {"loss": loss, "out": out}

    positive = _positive("", called(caller.model))
    return Way(
        label="forward", enter=enter, given=caller.given, positive=positive, terms=terms, told=told, descends=descends
    )


def _bound(caller: Caller, label: str, function: Callable[..., Any], constants: Mapping[str, Any]) -> Iterator[Way]:
    """One loss function under every plausible binding of its parameters."""
    try:
        shown = inspect.signature(surface(function) if not is_model(function) else function.forward)
    except (TypeError, ValueError):
        return
    parameters = [p for p in shown.parameters.values() if p.name not in ("self", "cls")]
    star = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    double = any(p.kind is p.VAR_KEYWORD for p in parameters)
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    given = {p.name: constants[p.name] for p in plain if p.name in constants}
    keys = unpacked(function)[1] if double else ()
    given |= {
        key: constants[key] for key in constants if double and (key in keys or not keys) and key not in caller.extra
    }
    chosen = [p.name for p in plain if p.default is p.empty and p.name not in given and WEIGHTS.match(p.name)]
    chosen += [key for key in keys if key not in given and WEIGHTS.match(key)]
    keywords = given | dict.fromkeys(chosen, 1.0) | {key: 0 for key in keys if key in STEPS and key not in given}
    wanted = [p for p in plain if p.default is p.empty and p.name not in keywords]
    positive = _positive(label, function)

    def way(arguments: Callable[[Any], list[Any]], how: str) -> Way:
        terms: list[Terms] = []
        told: dict[str, Any] = {}

        def enter(x: Any) -> Mapping[str, Any]:
            args, out = arguments(x)
            result = function(*args, **keywords)
            loss, *terms[:] = loss_of(result, function, **told)
            return {"loss": loss, "out": out, "parts": result}

        return Way(
            label=f"{label}({how})",
            enter=enter,
            given=(*caller.given, *_ones(chosen)),
            positive=positive,
            function=function,
            terms=terms,
            told=told,
        )

    yield from (way(arguments, how) for arguments, how in _arguments(caller, wanted, star=star))


def _arguments(
    caller: Caller, wanted: list[inspect.Parameter], *, star: bool
) -> Iterator[tuple[Callable[[Any], Any], str]]:
    """(x -> positional arguments and forward's outputs, words) for each binding."""
    names = [p.name for p in wanted]
    if names and not star and all(_simple(name, caller) is not None for name in names):
        yield (lambda x: ([_simple(name, caller)(caller, x) for name in names], None)), ", ".join(names)  # type: ignore[misc]

    def by_names(x: Any) -> Any:
        out = caller.forward(x)
        seen = named_outputs(caller, out)
        return [_pick(called_by.get(name, name), caller, x, seen) for name in names], out

    called_by = _as_torch_calls_them(names)
    if names and not star:
        yield by_names, ", ".join(names)

    def placed(order: str) -> Callable[[Any], Any]:
        def arguments(x: Any) -> Any:
            out = caller.forward(x)
            values = [value for _, value in leaves(out)] if isinstance(out, (tuple, list, dict)) else [out]
            if order == "tuple":
                return [out, x][: len(names)], out
            if order == "tuple last":
                return [x, out][: len(names)], out
            chosen = {
                "out": values,
                "out, x": [*values, x],
                "x, out": [x, *values],
                "recon": [values[0], x, *values[1:]],
            }[order]
            if not star and len(chosen) < len(names):
                raise TypeError("not as many values as parameters")
            return (chosen if star else chosen[: len(names)]), out

        return arguments

    for order in ("out", "recon", "x, out", "out, x", "tuple", "tuple last"):
        yield placed(order), f"*{order}" if star else f"{', '.join(names)} by position: {order}"


def _as_torch_calls_them(names: Sequence[str]) -> dict[str, str]:
    """`inputs` beside `targets` is what the decoder gave, as in torch's own losses; an output by name comes first."""
    first = [name for name in names if name in ("input", "inputs")]
    known = any((read := read_name(name)) is not None and read[0] is Role.OUTPUT for name in names)
    return dict.fromkeys(first, "output") if not known and {"target", "targets"} & set(names) else {}


def _simple(name: str, caller: Caller) -> Callable[[Caller, Any], Any] | None:
    """A parameter that needs no forward: x, the model, a batch size, a step's number."""
    if name in MODEL_NAMES:
        return lambda caller, x: caller.model.whole if "merge" in vars(caller.model) else caller.model
    if name in BATCH_NAMES:
        return lambda caller, x: len(x)
    if name in STEPS:
        return lambda caller, x: 0
    read = read_name(name)
    view = getattr(caller.model, "__dict__", {})
    if name in TREES and "weights" in view:
        return lambda caller, x: caller.model.weights
    if name == "state" and "weights" in view:
        return lambda caller, x: caller.model.train_state
    if read is not None and read[0] is Role.KEY and "key" in view:
        return lambda caller, x: caller.model.key
    if name == "batch":
        return lambda caller, x: Pair((x, zeros(x)))
    if caller.labels is not None and NAMES.search(name):
        return lambda caller, x: caller.labels.of(x) if caller.labels else None
    return (lambda caller, x: x) if read is not None and read[0] is Role.X else None


LOG_DET = re.compile(r"(^|_)ldj$|log_?det|log_?abs_?det|jacobian", re.IGNORECASE)  # of a flow


class Pair(tuple):
    """A loader's batch: rows and labels; what takes a tensor gets the rows."""


def _pick(name: str, caller: Caller, x: Any, seen: list[tuple[str, Any]]) -> Any:
    """The value of a parameter by its name: forward's output of that name or role, x, the model."""
    simple = _simple(name, caller)
    for other, value in seen:
        if other == name or other.rsplit(".", 1)[-1] == name:
            return value
    read = read_name(name)
    if read is not None and read[0] is not Role.X:
        for other, value in seen:
            again = read_name(other.rsplit(".", 1)[-1])
            if again is not None and again[0] is read[0]:
                return value
        if read[0] is Role.OUTPUT:
            return seen[0][1]
    for other, value in seen if LOG_DET.search(name) else ():
        if LOG_DET.search(other):
            return value
    if simple is not None:
        return simple(caller, x)
    raise TypeError(f"what {name} is can't be told; forward gave {', '.join(n for n, _ in seen)}")
