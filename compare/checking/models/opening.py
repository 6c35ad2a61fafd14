"""A model with one way to its loss, run once: the first feed and way that go through."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.models.aged import became, heard
from elbo_compare.compare.checking.models.calling import labelled, parameters_of
from elbo_compare.compare.checking.models.data import KINDS, Feed, feeds
from elbo_compare.compare.checking.models.descending import descents
from elbo_compare.compare.checking.models.entering import Way, of_keras, text_of, ways
from elbo_compare.compare.checking.models.labels import Labels, labels_for
from elbo_compare.compare.checking.models.lacking import lacks
from elbo_compare.compare.checking.models.making import is_model
from elbo_compare.compare.checking.models.returning import total_of
from elbo_compare.compare.checking.models.scopes import NotKnownError
from elbo_compare.suites.bridge.program import ARRANGING, Program, Run, Setting
from elbo_compare.suites.contract import Array

ROWS = 4
BRIDGES = {"torch": "torch_program", "flax": "jax_program", "equinox": "jax_program", "functions": "jax_program"}
SHOWN = 3
# What a run raises tells what else is worth a run: an error of a name comes at any data, one of a shape at any data of
# that shape, and only one of a type may go away in float32.
OF_NO_FEED = re.compile(
    r"^(NotKnownError|NameError|UnboundLocalError|ImportError|ModuleNotFoundError|OSError|\w*FoundError|SyntaxError)\b"
    r"|missing \d+ required (positional|keyword-only) argument|got an unexpected keyword argument"
)
OF_ITS_SHAPE = re.compile(r"\bsizes?\b|shapes?\b|dimension|channels|\bndim\b|[234]D\b|multiplied|broadcast|divisible")
OF_ITS_VALUES = re.compile(r"\bsupport\b|constraint|between|\bindex|positive|finite", re.IGNORECASE)
OF_ITS_TYPE = re.compile(r"dtype|scalar type|float|double|long|\bint(eger)?s?\b|expected object of", re.IGNORECASE)
LARGE = 4_000_000  # weights, by the same reason
HEAVY_ROW = 4000  # numbers in a datum: never the clock, which would make a verdict depend on the machine


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A program that runs, how it was entered, what it was fed, and its first run."""

    program: Program
    way: Way
    feed: Feed
    run: Run
    notes: tuple[str, ...] = ()  # what torch made of old source
    heavy: bool = False  # its data are wide: fewer runs say the same
    large: bool = False  # its networks are: smaller batches do
    labels: Labels | None = None  # that forward is given
    elsewhere: str = ""  # of what its file takes a gradient, where no way runs that and the loss came apart
    reopen: Callable[[], Program] | None = None  # a fresh program: what one has traced it keeps


def bridge_of(model: Any) -> Any:
    """The module of `suites.bridge` that runs models of this framework. Raises TargetError where there is none."""
    framework = is_model(model)
    if framework == "keras":
        raise TargetError("a Keras model is run whole on Keras's torch backend alone: set KERAS_BACKEND=torch.")
    return import_module(f"elbo_compare.suites.bridge.{BRIDGES[framework]}")


def opened(
    model: Any,
    names: Mapping[str, Any],
    *,
    loss: str | None,
    rows: Array | None,
    constants: Mapping[str, Any],
    batch: int | None = None,
) -> Iterator[Opened]:
    """Every way to the loss that runs, likeliest first; one feed for each.

    Raises FunctionError, with what was seen, where none runs.
    """
    bridge = bridge_of(model)
    fed = [replace(feed, fixed=batch or 0) for feed in feeds(bridge.layer_sizes(model), rows)]
    labels, fed = _labels(bridge, model, fed, constants)
    model = bridge.prepared(model)
    columns = _wants_columns(bridge, model, fed, constants)
    candidates = list(ways(model, names, loss=loss, constants=constants, labels=labels, columns=columns))
    tried = _Tried()
    done: set[str] = set()
    apart: list[Opened] = []  # whose terms nothing adds: only where no loop of the source says what is minimised
    casts = of_keras(model)  # its layers put what they read into the dtype that they were made with
    for single in (True,) if casts else (False, True):
        for way in candidates:
            if way.label.split("(")[0] in done or (single and not casts and way.label not in tried.single):
                continue
            made = _first(bridge, model, way, fed, tried, single=single)
            made = made if made is None else replace(made, labels=labels)
            if tried.ran and not done:  # what forward takes, first
                fed.sort(key=lambda feed: feed.shape != tried.fits)
            if made is not None:
                done.add(way.label.split("(")[0])
                fed = [made.feed, *(feed for feed in fed if feed is not made.feed)]
                if way.chosen.apart and loss is None:
                    apart.append(made)
                else:
                    yield made
        if len(done) > len(apart):
            return
    if apart:
        taken = descents(text_of(names), model, names)
        elsewhere = f"line {taken[0].line} of its file takes the gradient of {taken[0].text}" if taken else ""
        yield from (replace(each, elsewhere=elsewhere) for each in apart)
        return
    _refuse_pairs(model)
    if not fed:
        raise TargetError("what it is fed can't be told from its layers; give rows, as in --data FILE.npy.")
    raise tried.error(fed)


def _wants_columns(bridge: Any, model: Any, fed: Sequence[Feed], constants: Mapping[str, Any]) -> bool:
    """Whether forward takes no plain numbers for what it was given as such."""
    given = {name: each for name, each in constants.items() if name in parameters_of(model)}
    if not fed or not any(isinstance(each, float) for each in given.values()):
        return False
    program = bridge.open_program(model, lambda x: {"out": model(x, **given)})
    return "must be Tensor, not float" in program.run(Setting(x=fed[0].batch(ROWS, 0))).error


def _refuse_pairs(model: Any) -> None:
    """Raises TargetError for a model and a guide."""
    if callable(getattr(model, "model", None)) and callable(getattr(model, "guide", None)):
        raise TargetError(
            "it is a model and a guide, whose loss is the library's own: compare explain MODEL GUIDE says which, "
            "compare match LOSS MODEL GUIDE holds a loss against it."
        )


def _labels(bridge: Any, model: Any, fed: list[Feed], constants: Mapping[str, Any]) -> tuple[Labels | None, list[Feed]]:
    """The labels that a conditional model takes, and the feeds, that which it takes them with first."""
    view = bridge.prepared(model)
    parameters = labelled(view, constants)
    found = labels_for(bridge, view, fed, parameters, constants) if parameters else None
    if found is None:
        return None, fed
    labels, feed = found
    same = [replace(feed, kind=kind) for kind in KINDS] if feed.rows is None else [feed]
    return labels, [*same, *(each for each in fed if each.shape != feed.shape)]


@dataclass
class _Tried:
    """What forward gave and what was raised, for the line that asks."""

    seen: str = ""
    raised: str = ""
    asked: str = ""  # what a trainer lacks
    parts: str = ""  # what came back without its total
    by_loss: str = ""  # what was raised once forward had gone through
    ran: bool = False
    fits: tuple[int, ...] = ()
    single: set[str] = field(default_factory=set)  # the ways that may run in float32, where they do not in float64

    def hear(self, error: str, way: Way, feed: Feed) -> None:
        """What a way raised at a feed."""
        self.raised = self.raised or error
        if error.startswith(NotKnownError.__name__):
            self.asked = self.asked or error
        if OF_ITS_TYPE.search(error):
            self.single.add(way.label)
        if self.ran and self.fits == feed.shape:
            self.by_loss = self.by_loss or f"{error} in {way.label}"

    def hear_no_loss(self, way: Way, feed: Feed, seen: str) -> None:
        """What a way gave at a feed that it runs with."""
        if way.chosen.beside and not self.parts:
            self.parts = f"{way.label} gives {', '.join(way.chosen.beside)} apart"
        if not self.ran:
            self.ran, self.seen, self.fits = True, seen, feed.shape

    def error(self, fed: list[Feed]) -> FunctionError:
        if self.parts:
            return FunctionError(f"{self.parts}, and no loss was found; name what makes it of them, as in --loss NAME.")
        if self.ran and not self.by_loss:
            return FunctionError(f"it runs and gives {self.seen}, but no loss was found; name it, as in --loss NAME.")
        raised = self.asked or self.by_loss or self.raised
        shapes = ", ".join(dict.fromkeys(feed.text for feed in fed[: 3 * SHOWN]))
        return FunctionError(
            f"it raises {raised} (fed x of {shapes}){became(raised)}{lacks(raised)}; give what it takes: "
            "--data FILE.npy, --loss NAME, --set NAME=VALUE."
        )


def _first(bridge: Any, model: Any, way: Way, fed: list[Feed], tried: _Tried, *, single: bool) -> Opened | None:
    unfit: set[tuple[int, ...]] = set()
    for feed in fed:
        if feed.shape in unfit:
            continue
        reopen = partial(bridge.open_program, model, way.enter, single=single)
        program = reopen()
        x = feed.batch(ROWS, 0)
        with heard() as notes:
            run = program.run(Setting(x=x))
            if run.loss is None and way.chosen.beside and (total := _total(program, run)):
                way.told["picked"], program = total, reopen()
                run = program.run(Setting(x=x))
        if run.error:
            tried.hear(run.error, way, feed)
            if OF_NO_FEED.search(run.error):
                return None
            if OF_ITS_SHAPE.search(run.error) and not OF_ITS_VALUES.search(run.error):
                unfit.add(feed.shape)
            continue
        shapes = {(), (1,), (len(x),), (len(x), 1)}
        value = None if run.loss is None else program.value(run, run.loss)
        if value is None or value.shape not in shapes:
            tried.hear_no_loss(way, feed, _seen(program, run))
            return None
        if not np.isfinite(value).all():
            tried.raised = tried.raised or f"no error, but a loss of {value.ravel()[0]}"
            continue
        assert run.loss is not None
        if not (run.of_x[run.loss] or run.draws[run.loss]):
            return None
        held = sum(np.prod(program.shape(run, number)) for number in run.held)
        return Opened(program=program, way=way, feed=feed, run=run, heavy=x[0].size > HEAVY_ROW, large=held > LARGE,
                      notes=tuple(notes), reopen=reopen)  # fmt: skip
    return None


def _total(program: Program, run: Run) -> str:
    """Which of the numbers that came back is the sum of others."""
    under = "parts." if any(name.startswith("parts.") for name in run.outputs) else "out."
    own = {name.removeprefix(under): each for name, each in run.outputs.items() if name.startswith(under)}
    few = {name: each for name, each in own.items() if len(program.shape(run, each)) < 2}  # numbers, or one a datum
    return total_of({name: program.value(run, each) for name, each in few.items()}, program.roundoff)


def _seen(program: Program, run: Run) -> str:
    shapes = [str(program.shape(run, number)) for name, number in run.outputs.items() if name.startswith("out")]
    return ", ".join(shapes[:6]) or "nothing"


COMPARING = frozenset(("ne", "eq", "gt", "ge", "lt", "le", "where", "select_n", "round", "bool"))


def compares_its_data(opened_: Opened) -> bool:
    """Whether x itself is compared with something, or rounded: a loss that is written for data of 0 and 1."""
    run = opened_.run
    plain = {0} if not run.weighs[0] else {n for n, of_x in enumerate(run.of_x) if of_x}
    for step in run.steps:
        if any(each in plain for each in step.reads) and step.op.strip("_") in ARRANGING:
            plain |= set(step.makes)
    return any(step.op.strip("_") in COMPARING and any(each in plain for each in step.reads) for step in run.steps)


def counts_its_data(opened_: Opened) -> bool:
    """Whether it takes a logarithm of a gamma function: a loss that is written for counts."""
    return any(step.op.strip("_") in ("lgamma", "gammaln") for step in opened_.run.steps)


def on_other_data(opened_: Opened) -> Opened | None:
    """The same program, fed with the counts, or the zeros and ones, that it is written for; None where that was its
    feed, rows were given, or it raises."""
    kind = "counts" if counts_its_data(opened_) else "binary" if compares_its_data(opened_) else opened_.feed.kind
    if opened_.feed.kind in (kind, "counts") or opened_.feed.rows is not None:
        return None
    feed = replace(opened_.feed, kind=kind)
    run = opened_.program.run(Setting(x=feed.batch(ROWS, 0)))
    return None if run.error or run.loss is None else replace(opened_, feed=feed, run=run)


def reopened(opened_: Opened) -> Opened:
    """The same in a fresh program: what its way was told since is not what the first one traced."""
    assert opened_.reopen is not None
    anew = replace(opened_, program=opened_.reopen())
    return replace(anew, run=again(anew))


def again(opened_: Opened, **changes: Any) -> Run:
    """Its first run once more, with changes."""
    return opened_.program.run(replace(Setting(x=opened_.feed.batch(ROWS, 0)), **changes))
