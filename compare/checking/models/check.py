"""Checks one whole model in this process: runs it, finds its parts by value, judges sampler, loss and gradients."""

import inspect
import re
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from elbo_compare.compare.checking.failure import FunctionError, TargetError
from elbo_compare.compare.checking.models.data import checked_rows, given_rows
from elbo_compare.compare.checking.models.drafting import GOOD
from elbo_compare.compare.checking.models.gradients import within
from elbo_compare.compare.checking.models.judging import judged
from elbo_compare.compare.checking.models.making import instance, is_model
from elbo_compare.compare.checking.models.opening import (
    Opened,
    bridge_of,
    on_other_data,
    opened,
    reopened,
)
from elbo_compare.compare.checking.models.returning import is_log_likelihood
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.errors import unknown
from elbo_compare.compare.files import parse_json
from elbo_compare.suites.contract import Array

MOST_WAYS = 4
JUDGED = (CheckVerdict.RIGHT, CheckVerdict.BY_DESIGN, CheckVerdict.OTHER_OBJECTIVE)
AGAIN = (CheckVerdict.NOT_JUDGED, CheckVerdict.FAILED)  # another way to a loss may say more


def check_model(
    model: Any,
    *,
    names: Mapping[str, Any] | None = None,
    init: Any = None,
    loss: str | None = None,
    data: str | Array | None = None,
    likelihood: str | None = None,
    objective: str | None = None,
    constants: Mapping[str, Any] | None = None,
    batch: int | None = None,
    frozen: str | Sequence[str] = (),
    target: str = "",
) -> CheckResult:
    """Judge a whole model as it stands; never raises for what the model does (`CheckResult.message` says it).

    model: a class, an instance, or a function that makes one. names: what stands around it (its module's names), where
    a loss function may be. init: its arguments, a mapping or a list (or JSON). loss: the method or function that
    gives the loss, else found. data: FILE.npy, `digits`, `mnist` or an array of rows; else made, in the shape that its
    layers take. likelihood, objective, constants, batch: as in `check_function`. frozen: parts that are not to be
    trained, by the beginnings of their weights' names. Raises TargetError where it can't be made.
    """
    started = time.perf_counter()
    label = target or getattr(model, "__name__", type(model).__name__)
    if isinstance(init, str):
        init = read_init(init)
    around = dict(names or _around(model))
    made, how = instance(model, label, init, around)
    if not is_model(made):
        raise TargetError(
            f"{label} is of type {type(made).__name__}: no torch, flax or equinox module, and no model is read of it."
        )
    rows = given_rows(data) if isinstance(data, str) else None if data is None else checked_rows(data, "data")
    with bridge_of(made).kept(made), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a test run makes errors of is no verdict on a model
        options = {"likelihood": likelihood, "objective": objective, "constants": constants or {}}
        options["frozen"] = (frozen,) if isinstance(frozen, str) else tuple(frozen)
        chosen = _best(made, around, label, loss, rows, batch, options)
    notes = (*chosen.notes, how) if how else chosen.notes
    return replace(chosen, notes=notes, timings={"checking": time.perf_counter() - started})


def _best(
    model: Any,
    around: Mapping[str, Any],
    label: str,
    loss: str | None,
    rows: Array | None,
    batch: int | None,
    options: dict[str, Any],
) -> CheckResult:
    """The first way to the loss that leaves something to judge."""
    chosen: CheckResult | None = None
    try:
        ways = opened(model, around, loss=loss, rows=rows, constants=options["constants"], batch=batch)
        for number, each in enumerate(ways):
            _known(options["frozen"], each.program.weights())
            other = on_other_data(each)
            result = judged(other or each, model, label, **options)
            if other is not None and result.verdict in AGAIN:
                result = judged(each, model, label, **options)
            if each.way.chosen.apart and result.verdict is CheckVerdict.WRONG:
                result = _by_its_value(result, other or each, model, label, options)
            if chosen is None or (chosen.verdict in AGAIN and result.verdict not in AGAIN):
                chosen = result
            if chosen.verdict not in AGAIN or number + 1 == MOST_WAYS:
                break
    except FunctionError as error:
        chosen = chosen or CheckResult(target=label, verdict=CheckVerdict.FAILED, message=f"{label}: {error}")
    except TargetError:
        raise
    except Exception as error:  # ours, not the model's: that must not read like a verdict on it
        place = f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
        message = f"compare check itself failed, not {label} ({place}). Please report it with the model."
        chosen = chosen or CheckResult(target=label, verdict=CheckVerdict.FAILED, message=message)
    assert chosen is not None
    return chosen


def _by_its_value(result: CheckResult, opened_: Opened, model: Any, label: str, options: dict[str, Any]) -> CheckResult:
    """The verdict on two parts whose difference is wrong and whose sum is right, or the other way round: the values say
    which of the two the reconstruction is. Where its name says otherwise nobody is accused, nor is it right."""
    way = opened_.way
    name = way.chosen.data
    way.told["turned"] = True
    other = judged(reopened(opened_), model, label, **options)
    if other.verdict not in JUDGED:
        del way.told["turned"]
        return result
    called = is_log_likelihood(name)
    value = "a negative log likelihood" if called else "a log likelihood"
    if not called:
        return replace(other, notes=(*other.notes, f"{name} is {value} by its value"))
    text = (
        f"not judged: {name} is {value} by its value, and what adds the KL to it was not seen: rename it, or name that"
    )
    return replace(
        other,
        verdict=CheckVerdict.NOT_JUDGED,
        message=f"{text}, as in --loss FUNCTION",
        equation="",
        diagnosis=None,
        terms=tuple(replace(each, right=False, diagnosis=None) for each in other.terms),
    )


def _known(frozen: Sequence[str], weights: Mapping[str, bool]) -> None:
    """Raises TargetError where a part that is said to be frozen holds no weight."""
    for part in frozen:
        if not any(within(name, [part]) for name in weights):
            parts = list(dict.fromkeys(re.split(r"[.\[/]", name)[0] for name in weights))
            raise TargetError(f"--frozen: {unknown('part', part, parts)}")


def read_init(text: str) -> Any:
    """What --init says. Raises TargetError where it is no JSON."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise TargetError(
            f"--init wants JSON, as in --init '{{\"latent_dim\": 8}}'; {text!r} arrived ({error})."
        ) from error


def _around(model: Any) -> dict[str, Any]:
    owner = model if inspect.isfunction(model) or isinstance(model, type) else type(model)
    module = sys.modules.get(owner.__module__)
    return dict(vars(module)) if module is not None else {}


__all__ = ["GOOD", "check_model"]
