"""Checks one function object in this process: reads it, calls it, judges what would be minimised, names what it is."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking.another_size import held
from elbo_compare.compare.checking.attributes import holder_of, missing_of
from elbo_compare.compare.checking.callee import Callee, callee_of, rows_guessed
from elbo_compare.compare.checking.counted import of_counts
from elbo_compare.compare.checking.diagnosis import DifferenceForm
from elbo_compare.compare.checking.expectation import judge_drawing
from elbo_compare.compare.checking.experiment import Experiment, open_experiment, shapes_of
from elbo_compare.compare.checking.failure import FunctionError, LackingError, TargetError
from elbo_compare.compare.checking.finding import Finding
from elbo_compare.compare.checking.inputs import ORDINARY, Layout, Shapes
from elbo_compare.compare.checking.joint_events import of_joint
from elbo_compare.compare.checking.judging import Options
from elbo_compare.compare.checking.k_arguments import check_k_arguments
from elbo_compare.compare.checking.k_samples import check_bound, log_weights_of
from elbo_compare.compare.checking.lacking import judged_with
from elbo_compare.compare.checking.likelihoods import LIKELIHOODS
from elbo_compare.compare.checking.misfed import raised
from elbo_compare.compare.checking.names import OURS, OWN, Role, read_name
from elbo_compare.compare.checking.objectives import Name
from elbo_compare.compare.checking.result import GOOD, CheckResult, CheckVerdict
from elbo_compare.compare.checking.roles import Assignment, assignments
from elbo_compare.compare.checking.several_samples import not_averaged, samples_said, wants_samples
from elbo_compare.compare.checking.signature import FunctionKind, Signature, read_mapping
from elbo_compare.compare.checking.sizes_named import held_latents, only_there, said_of_sizes, sizes_named, written_for
from elbo_compare.compare.checking.source import (
    divides_by_an_axis,
    handed_to,
    mentioned,
    methods_called,
    names_samples_of,
    numbers,
    reshaped_to_signals,
    sums_an_axis_before_the_last,
    time_comes_first,
)
from elbo_compare.compare.checking.tied import may_weigh
from elbo_compare.compare.checking.untold import not_told, variances_not_read
from elbo_compare.compare.checking.verdict import examined
from elbo_compare.suites.contract import Likelihood

PICTURES_TRIED = (Layout.LAST, Layout.IMAGE, Layout.COLOUR)
ORDER = (
    *GOOD,
    CheckVerdict.OTHER_OBJECTIVE,
    CheckVerdict.WRONG,
    CheckVerdict.INCONCLUSIVE,
    CheckVerdict.NOT_JUDGED,
    CheckVerdict.FAILED,
)
BOUND_OF_K = re.compile(r"iwae|logsumexp|log_mean_exp|logmeanexp|renyi|vimco|dreg")
EXPLAINED = (  # right at ordinary inputs; a known mistake; a formula; nothing
    (DifferenceForm.EXTREME, DifferenceForm.LIMIT, DifferenceForm.GRADIENT, DifferenceForm.SINGLE, DifferenceForm.SIZE,
     DifferenceForm.ADDITIVITY, DifferenceForm.GUARD),
    (DifferenceForm.MUTANT, DifferenceForm.LINEAR, DifferenceForm.MISREAD, DifferenceForm.OBJECTIVE),
    (DifferenceForm.FORMULA, DifferenceForm.TERMS, DifferenceForm.SHAPE, DifferenceForm.EXPECTATION),
)  # fmt: skip


def check_function(
    function: Callable[..., Any],
    *,
    kind: FunctionKind | str | None = None,
    mapping: Iterable[str] = (),
    framework: str | None = None,
    likelihood: Likelihood | str | None = None,
    objective: str | None = None,
    constants: Mapping[str, Any] | None = None,
    args: Sequence[str] = (),
    batch: int | None = None,
    latent: int | None = None,
    observed: int | None = None,
    target: str = "",
) -> CheckResult:
    """Judge one function; never raises for what the function does (`CheckResult.message` says it).

    kind: what it is meant to compute, else read from its parameter names. mapping: `theirs=ours` pairs. likelihood:
    one of `LIKELIHOODS`, else found by value. objective: what declares another objective than the ELBO (`Name`).
    constants: values of parameters that are no arrays. args: what `*args` takes, in order. batch, latent, observed:
    fixed sizes. Raises nothing but what is a mistake of the caller: TargetError for an unknown kind, framework,
    likelihood, objective or name, or a parameter that nothing says what it is.

    >>> import numpy as np
    >>> def kl(mean, log_var):
    ...     return 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> print(check_function(kl, framework='numpy').verdict)
    right
    >>> def half(mean, log_var):
    ...     return (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    >>> print(check_function(half, framework='numpy').verdict)
    wrong
    """
    started = time.perf_counter()
    label = target or getattr(function, "__name__", type(function).__name__)
    chosen = _choice(FunctionKind, kind, "kind")
    options = Options(
        kind=chosen,
        likelihood=_among(LIKELIHOODS, likelihood, "likelihood"),
        objective=_choice(Name, objective, "objective"),
        shapes=Shapes(batch=batch, latent=latent, observed=observed),
    )
    pairs = tuple(mapping)

    def once(one: Callable[..., Any]) -> CheckResult:
        return _once(callee_of(one, constants or {}, tuple(args)), options, pairs, framework, label)

    result = judged_with(function, constants or {}, once)
    return replace(result, timings={"checking": time.perf_counter() - started})


def _once(callee: Callee, options: Options, mapping: Sequence[str], framework: str | None, label: str) -> CheckResult:
    function, chosen = callee.function, options.kind
    log_weights = log_weights_of(callee) if chosen is None else ""
    try:
        options_read = () if log_weights else assignments(callee, chosen, read_mapping(mapping))
        if log_weights:
            return _bound(callee, log_weights, options, framework, label)
        result = _best(options_read, options, framework, label)
        if result.verdict not in GOOD:
            result = _in_another_order(callee, result, options, mapping, framework, label)
        result = of_joint(result, options_read, lambda read: _best(read, options, framework, label))
        name = may_weigh(tie for one in options_read for tie in one.callee.ties)
        log_of_it = handed_to(function, name) or methods_called(function, name)  # a spread's, no weight's
        if name and result.verdict is CheckVerdict.WRONG and not log_of_it:
            read = assignments(callee.given(**{name: 1.0}), chosen, read_mapping(mapping))
            return _asked(result, _best(read, options, framework, label), name)
    except TargetError:
        counted = of_counts(callee)
        if not counted:
            raise
        return CheckResult(target=label, verdict=CheckVerdict.NOT_JUDGED, message=counted)
    except FunctionError:
        raise
    except Exception as error:  # ours, not the function's: that must not read like a verdict on it
        place = f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}"
        message = f"compare check itself failed, not {label} ({place}). Please report it with the function."
        return CheckResult(target=label, verdict=CheckVerdict.FAILED, message=message)
    return result


def _in_another_order(
    callee: Callee, result: CheckResult, options: Options, mapping: Sequence[str], framework: str | None, label: str
) -> CheckResult:
    """A parameter that holds arrays in an order that is guessed: in another one it may be right, and is not accused."""
    for place, packed in enumerate(callee.packed):
        for turned in packed.other_orders:
            others = (*callee.packed[:place], turned, *callee.packed[place + 1 :])
            try:
                read = assignments(replace(callee, packed=others), options.kind, read_mapping(mapping))
                one = _best(read, options, framework, label)
            except TargetError:
                continue
            if one.verdict in GOOD:
                note = f"right where {packed.name} holds, in this order, {', '.join(turned.parts)}"
                return replace(one, notes=(note, *one.notes))
    return result


def _bound(callee: Callee, name: str, options: Options, framework: str | None, label: str) -> CheckResult:
    try:
        return check_bound(callee, name, options.objective, framework, label)
    except FunctionError as error:
        return CheckResult(target=label, verdict=CheckVerdict.FAILED, message=str(error))


def _asked(result: CheckResult, weighed: CheckResult, name: str) -> CheckResult:
    """A function that is wrong with the parameter as a spread, and right with it as a weight of 1: it is asked for."""
    if weighed.verdict not in GOOD:
        return result
    text = f"{name} may be a weight or a spread, and only a weight is right here: --set {name}=1, or --map {name}=sigma"
    return CheckResult(
        target=result.target,
        verdict=CheckVerdict.NOT_JUDGED,
        message=text,
        kind=result.kind,
        framework=result.framework,
    )


def _choice(choices: Any, value: Any, label: str) -> Any:
    if value is None or isinstance(value, choices):
        return value
    for text in (str(value), str(value).replace("-", "_"), str(value).replace("_", "-")):
        if text in list(choices):
            return choices(text)
    raise TargetError(f"No {label} {value!r}. Known: {', '.join(choices)}.")


def _among(known: Sequence[str], value: str | None, label: str) -> str | None:
    text = None if value is None else str(value).replace("-", "_")
    if text is not None and text not in known:
        raise TargetError(f"No {label} {value!r}. Known: {', '.join(known)}.")
    return text


def _best(options_read: Sequence[Assignment], options: Options, framework: str | None, label: str) -> CheckResult:
    """The best verdict over the ways to read the parameters; one by value alone counts only where it is right."""
    for assignment in options_read:
        of_samples = check_k_arguments(assignment, options.objective, framework, label)
        if of_samples is not None and of_samples.verdict is not CheckVerdict.RIGHT:
            return of_samples  # a mean of log weights is judged below, on the whole battery
    results, withheld = [], []
    for assignment in options_read:
        result = _checked(assignment, options, framework, label)
        if result.verdict in GOOD:
            unsaid = not_told(result, assignment)
            if not unsaid:
                return result
            withheld.append(replace(result, verdict=CheckVerdict.NOT_JUDGED, message=unsaid, equation="", notes=()))
        elif not assignment.by_value:
            results.append(result)
    if withheld:
        return withheld[0]
    if not results:
        first = options_read[0].signature
        names = [a.name for a in first.arguments if read_name(a.name) is None]
        maps = " ".join(f"--map {name}=OURS" for name in names)
        raise TargetError(
            f"{first.name}: what {', '.join(map(repr, names))} is can't be told from the name, and under no reading is "
            f"it right. Say what it is, with {maps}; OURS is one of {', '.join(OURS)}."
        )
    return min(results, key=_rank)


def _rank(result: CheckResult) -> tuple[int, int]:
    """The best verdict; of two, the one that is right but somewhere, else the one that is explained by fewer words."""
    form = result.diagnosis.form if result.diagnosis else DifferenceForm.UNKNOWN
    return ORDER.index(result.verdict), next((i for i, forms in enumerate(EXPLAINED) if form in forms), len(EXPLAINED))


def _checked(assignment: Assignment, options: Options, framework: str | None, label: str) -> CheckResult:
    """One reading: called at free sizes first, then at those that the source or the fit names; what is right there,
    at a second size of the axes that had one."""
    result, finding = _tried(assignment, options, framework, label)
    if result.verdict not in GOOD and wants_samples(assignment.signature, assignment.callee.function):
        given = shapes_of(assignment.signature, replace(options.shapes, samples=1), sizes_named(assignment.callee))
        of_samples = _at(assignment, options, framework, label, given)
        if of_samples[0].verdict in GOOD:
            return samples_said(of_samples[0], assignment.callee.function)
    function = assignment.callee.function
    own = () if divides_by_an_axis(function) else (*numbers(function), *assignment.callee.scalars.values())
    return held(result, finding, lambda shapes: _at(assignment, options, framework, label, (shapes,)), own)


def _tried(
    assignment: Assignment, options: Options, framework: str | None, label: str
) -> tuple[CheckResult, Finding | None]:
    named = sizes_named(assignment.callee)
    time_first = time_comes_first(assignment.callee.function)
    z = assignment.signature.find(Role.Z)
    of_samples = z is not None and names_samples_of(assignment.callee.function, z.name)
    given = replace(options.shapes, samples=int(of_samples))
    shapes = shapes_of(assignment.signature, given, named, time_first=time_first)
    result, finding = _at(assignment, options, framework, label, shapes)
    if finding is None or result.verdict in GOOD:
        return result, finding
    if result.verdict is CheckVerdict.NOT_JUDGED and reshaped_to_signals(assignment.callee.function):
        signals = tuple(replace(options.shapes, layout=Layout.SIGNAL, observed=n) for n in (*named, None))
        other = _at(assignment, options, framework, label, signals)
        result = min((other[0], result), key=lambda one: ORDER.index(one.verdict))
    used = finding.shapes
    if used is not None and sums_an_axis_before_the_last(assignment.callee.function) and not used.latent_map:
        other = _at(assignment, options, framework, label, (replace(used, latent_steps=True),))
        if other[0].verdict in GOOD:
            return other
    if used is not None and (used.layout is Layout.STEPS or used.latent_steps):
        if not _all_have_steps(used, assignment.signature):
            return result, finding
        other = _at(assignment, options, framework, label, (replace(used, by_step=True),))
        return other if other[0].verdict in GOOD else (result, finding)
    pictures = PICTURES_TRIED if result.layout == Layout.MAP.value else ()
    for shape in (
        *written_for(finding, options.shapes, assignment.callee),
        *held_latents(result, options.shapes, assignment.callee),
        *(replace(options.shapes, layout=each) for each in pictures),
    ):
        other, there = _at(assignment, options, framework, label, (shape,))
        if other.verdict in GOOD:
            return replace(other, notes=(only_there(shape), *other.notes)), there
    return result, finding


def _all_have_steps(used: Shapes, signature: Signature) -> bool:
    """Whether each step can be a datum: a datum has its own x and its own latents, or the function takes one of them
    alone."""
    data = signature.find(Role.X) or signature.find(Role.OUTPUT)
    latents = signature.find(Role.MEAN) or signature.find(Role.Z)
    return (not data or used.layout is Layout.STEPS) and (not latents or used.latent_steps)


def _at(
    assignment: Assignment, options: Options, framework: str | None, label: str, shapes: Sequence[Shapes]
) -> tuple[CheckResult, Finding | None]:
    signature = assignment.signature
    described: dict[str, Any] = {
        "target": label,
        "kind": signature.kind.value,
        "parameters": {argument.name: argument.meaning for argument in signature.arguments},
    }
    try:
        with open_experiment(assignment.callee, signature, framework, shapes) as experiment:
            described |= {
                "framework": experiment.arrays.name,
                "dtype": experiment.dtype.value,
                "layout": experiment.shapes.text if signature.find(Role.X) else "",
            }
            finding, drawn = _found(experiment, assignment.callee, options)
            finding = replace(_of_one_sample(finding, experiment, label), shapes=experiment.shapes)
            if experiment.shapes.layout not in (Layout.FLAT, Layout.MAP, Layout.STEPS):
                note = f"called with x {experiment.shapes.layout}, the first shape that it takes"
                finding = replace(finding, notes=(*finding.notes, note))
            named = said_of_sizes(experiment.shapes, options.shapes)
            said = [f"called with the {named} that the source names"] if named else []
            said += [experiment.shapes.steps_text] if experiment.shapes.steps_text else []
            said += [tie.text for tie in assignment.callee.ties]
            sized = assignment.callee.sized
            said += [f"{name} is not read: a fixed variance" for name in variances_not_read(assignment.callee)]
            fed = [a.name for a in signature.arguments if a.name.startswith(OWN)]
            said += [f"fed as they stand: {', '.join(fed)}; what sets them is not run"] if fed else []
            said += [f"{name} is given the width of {array}" for name, array in sized.items()]
            said += [f"{name} is given the size of the batch" for name in rows_guessed(assignment.callee)]
            finding = replace(finding, notes=(*said, *finding.notes))
    except FunctionError as error:
        attribute = missing_of(assignment.callee.function, error.__cause__)
        if attribute:
            owner = type(holder_of(assignment.callee.function)).__name__
            raise LackingError(attribute, label, owner, assignment.callee.label) from error
        return raised(error, assignment, described, lambda one: _at(one, options, framework, label, shapes)[0]), None
    described["parameters"] = finding.parameters or described["parameters"]
    return (
        CheckResult(
            verdict=finding.verdict,
            message=finding.message,
            equation=finding.equation,
            diagnosis=finding.diagnosis,
            terms=finding.terms,
            notes=finding.notes,
            objective=finding.objective,
            declared_by=finding.declared_by,
            draws=drawn,
            **described,
        ),
        finding,
    )


def _of_one_sample(finding: Finding, experiment: Experiment, label: str) -> Finding:
    """What one sample of several says: all of a mean over them, nothing of a K-sample bound."""
    if not experiment.shapes.samples:
        return finding
    function = getattr(experiment.function, "function", experiment.function)
    if BOUND_OF_K.search(f"{label} {mentioned(function)}".lower()) and finding.verdict in GOOD:
        text = "a K-sample bound, called with one sample, (batch, 1, latent), where it is the ELBO: K are not judged"
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{label}: {text}")
    why = not_averaged(experiment) if finding.verdict in GOOD else ""
    if why:
        text = f"right with one sample of each datum, (batch, 1, latent), and {why}: not judged"
        return Finding(verdict=CheckVerdict.NOT_JUDGED, message=f"{label}: {text}")
    return replace(finding, notes=("called with one sample of each datum, (batch, 1, latent)", *finding.notes))


def _found(experiment: Experiment, callee: Callee, options: Options) -> tuple[Finding, bool]:
    """Deterministic, drawing, or keeping count of its calls; and the finding."""
    if not _varies(experiment, same_seed=False):
        return examined(experiment, callee, options, changing=False), False
    if not _varies(experiment, same_seed=True):
        return judge_drawing(experiment, callee, options), True
    fresh = replace(callee, fresh=True)
    experiment = replace(experiment, function=fresh)
    if _varies(experiment, same_seed=True):
        raise FunctionError(
            f"{callee.label} gives another value at every call, with the same arguments and random seed: it keeps a "
            "state outside of itself, which can't be judged."
        )
    return examined(experiment, fresh, options, changing=True), False


def _varies(experiment: Experiment, *, same_seed: bool) -> bool:
    """Whether the same arguments give another value."""
    case, values = experiment.ordinary(ORDINARY[0]), []
    for call in range(3):
        if same_seed:
            experiment.calls = 0
        with experiment.arrays.seeded(0 if same_seed else call + 1):
            values.append([term.value for term in experiment.observe(case, differentiate=False).terms])
    first, *others = values
    return any(
        not np.allclose(value, again, rtol=1e-9, atol=0, equal_nan=True)
        for other in others
        for value, again in zip(first, other, strict=False)
    )
