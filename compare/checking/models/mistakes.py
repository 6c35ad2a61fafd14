"""From a loss or gradient that is off to the cause: named only where the named thing equals what was seen."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.fitting import EXACT, short, solve
from elbo_compare.compare.checking.likelihoods import DATA_TERMS, DataTerm
from elbo_compare.compare.checking.models.gradients import Compared, guilty
from elbo_compare.compare.checking.models.objective import WANTED, Found, missing_part, objective_of
from elbo_compare.compare.checking.models.probing import Probe, Probed
from elbo_compare.compare.checking.models.sampling import second_draw
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.readings import Distance
from elbo_compare.suites.bridge.program import as_rows

TAKEN = {  # the form that the KL takes the sampler's sigma for
    WrittenAs.VAR: "the sampler multiplies the noise by sigma^2, the variance of the KL, where sigma belongs",
    WrittenAs.LOG_VAR: "the sampler multiplies the noise by log sigma^2 of the KL, where sigma belongs",
    WrittenAs.LOG_SIGMA: "the sampler multiplies the noise by log sigma of the KL, where sigma belongs",
}
CHANGED = {
    "sigma": "the sampler multiplies the noise by the root of the KL's sigma, where sigma belongs",
    "1/sigma": "the sampler divides the noise by the KL's sigma, where it multiplies",
}


def of_value(probed: Probed, found: Found | None) -> Diagnosis | None:
    """Why the loss is no ELBO of these networks; None where nothing known equals it."""
    if found is not None:
        form = found.identified.reading.spread
        text = CHANGED.get(found.transformed) or TAKEN.get(form, "")
        if text and found.standing in WANTED:
            return Diagnosis(form=DifferenceForm.MISREAD, text=text, advice="write z = mean + exp(0.5 * log_var) * e")
    again = second_draw(probed)
    if again is not None and (other := _at_second(probed, again)) is not None:
        return other
    if _of_the_mean(probed) is not None:
        text = "the reconstruction is decoded from the mean: its output does not change with z, which the KL alone has"
        return Diagnosis(form=DifferenceForm.TERMS, text=text, advice="decode z, the sample, not the mean")
    missing = missing_part(probed)
    if missing:
        text = f"{missing} is missing: the loss is the other term alone"
        return Diagnosis(form=DifferenceForm.TERMS, text=text, advice="add it to what is minimised")
    return _formula(probed)


def of_nearness(probed: Probed, found: Found, distance: Distance) -> Diagnosis:
    """Why the loss is near its formula and not it: a piece's weight where one explains it, else by how much."""
    named = _formula(probed, NEARLY)
    if named is not None:
        return named
    text = (
        f"is {found.identified.reading.title} only to {distance.difference:.2g} nats, where {distance.tolerance:.1g} "
        "is rounding; no float32, no epsilon and no clamp in it explains that"
    )
    return Diagnosis(form=DifferenceForm.SINGLE, text=text, advice="a factor or a constant that is nearly right")


def _of_the_mean(probed: Probed) -> Found | None:
    """The loss with an output that no noise reaches, where that equals it."""
    run = probed.probes[0].run
    size = probed.probes[0].setting.x.size
    still = [
        number
        for name, number in run.outputs.items()
        if not run.draws[number] and run.of_x[number] and np.prod(probed.program.shape(run, number)) == size
    ]
    found = objective_of(probed, outputs=still[:3]) if still else None
    return found if found is not None and found.standing in WANTED and not found.transformed else None


def _at_second(probed: Probed, number: int) -> Diagnosis | None:
    """The KL at a second draw, where that equals the loss."""
    changed = []
    for each in probed.probes:
        values = each.latents[0]
        if values is None:
            return None
        z = as_rows(probed.program.value(each.run, number), len(each.setting.x))
        changed.append(replace(each, latents=(replace(values, z=z),)))
    found = objective_of(replace(probed, probes=tuple(changed)))
    if found is None or found.standing not in WANTED or not found.identified.reading.sampled:
        return None
    text = (
        "is not the one-sample ELBO: the KL is taken at a second draw of z, which the decoder never sees (right in "
        "expectation, at a larger variance)"
    )
    return Diagnosis(form=DifferenceForm.OBJECTIVE, text=text, advice="use the z that is decoded in the KL, too")


def of_gradient(probed: Probed, probe: Probe, outcome: Compared) -> Diagnosis | None:
    """Why the gradient is off where the value is right; None where it is not off."""
    if outcome.lost:
        text = "has the right value and no gradient at all: nothing would be trained"
        return Diagnosis(
            form=DifferenceForm.GRADIENT, text=text, advice="look for .item(), no_grad or a detach of the loss"
        )
    if outcome.off:
        cuts = guilty(probed, probe, outcome) or [cut for cut in outcome.cuts if cut.op in LOSING][:1]
        cuts = [cut for cut in cuts if cut.op == "sample()"] or cuts
        names = list(outcome.off)
        first = max(names, key=lambda n: outcome.off[n][0])
        much = f"off by {outcome.off[first][0]:.2g} where {outcome.off[first][1]:.1g} is rounding"
        which = f"{first} ({much})" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        why = f": {cuts[0].op} in {cuts[0].place}" if cuts and cuts[0].place else ""
        text = f"has the right value, but not the gradient by {which}{why}"
        advice = "leave that out" if why else "look for detach, .data, no_grad, .item(), or a second forward pass"
        advice = "rsample() keeps the gradient" if cuts and cuts[0].op == "sample()" else advice
        return Diagnosis(form=DifferenceForm.GRADIENT, text=text, advice=advice)
    if outcome.frozen:
        more = f" and {len(outcome.frozen) - 1} more" if len(outcome.frozen) > 1 else ""
        frozen = next(iter(outcome.frozen))
        text = f"has the right value, but {frozen}{more} would not be trained: requires_grad is False"
        return Diagnosis(
            form=DifferenceForm.GRADIENT, text=text, advice=f"train them; if it is meant: --frozen {_part(frozen)}"
        )
    return None


def _part(weight: str) -> str:
    """The part of a model that a weight lies in: what `--frozen` takes."""
    return re.split(r"[.\[/]", weight)[0]


LOSING = ("item", "tolist", "numpy", "__float__")

# The Gaussian KL's pieces, and what each weighs in the analytic and in the sampled one.
PIECES = ("log sigma^2", "mean^2", "sigma^2", "z^2", "e^2", "sigma", "|mean|")
ANALYTIC = (-0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0)
APART, NEARLY = 1e-6, 3e-8  # what a weight is off by that is told: in a wrong loss, in one that is nearly right
SAMPLED = (-0.5, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0)


def _formula(probed: Probed, apart: float = APART) -> Diagnosis | None:
    """The loss as reconstruction + weights of the KL's pieces, where that holds on every probe."""
    for output in () if probed.heavy else probed.outputs()[:4]:
        observations = [probed.observation(each, output) for each in probed.probes]
        for data in DATA_TERMS:
            for per_datum in ((0, 0), (1, 1), (0, 1), (1, 0)):
                weights = _weights(observations, data, per_datum)
                if weights is not None:
                    return _named(weights, data, apart)
    return None


def _weights(observations: Sequence[Observation], data: DataTerm, per_datum: tuple[int, int]) -> np.ndarray | None:
    rows, values = [], []
    for one in observations:
        with np.errstate(all="ignore"):
            term = data.elements(one.inputs[Role.X], one.inputs[Role.OUTPUT]).value.sum(1)
            pieces = _pieces(one)
        value = one.terms[0].value
        batch = one.batch
        if value.size == batch:
            rows += list(np.column_stack([term, *pieces, np.ones(batch)]))
            values += list(value.ravel())
        else:
            first, second = (batch if each else 1 for each in per_datum)
            rows.append(np.array([term.sum() / first, *(p.sum() / second for p in pieces), batch / second]))
            values.append(float(value.sum()))
    matrix = np.array(rows)
    if len(matrix) < matrix.shape[1] + 3:
        return None
    return solve(matrix, np.array(values), EXACT)


def _pieces(one: Observation) -> list[np.ndarray]:
    mean, sigma, z = one.inputs[Role.MEAN], one.inputs[Role.SPREAD], one.inputs[Role.Z]
    parts = [2 * np.log(sigma), mean**2, sigma**2, z**2, ((z - mean) / sigma) ** 2, sigma, np.abs(mean)]
    return [part.sum(1) for part in parts]


def _named(weights: np.ndarray, data: DataTerm, apart: float) -> Diagnosis | None:
    """`the weight of sigma^2 is 1, where 0.5 is right`."""
    own, constant = weights[1:-1], weights[-1]
    if not weights[0]:
        return None
    scale = 1.0 if data.weighted else weights[0]
    pieces = own / scale
    laws: tuple[tuple[float, ...], ...] = (ANALYTIC, SAMPLED)
    near = min(laws, key=lambda right: float(np.sum(np.abs(pieces - right) > apart)))
    off = [
        f"{name} weighs {float(got):.8g}, where {short(right)} is right"
        for name, got, right in zip(PIECES, pieces, near, strict=True)
        if abs(got - right) > apart
    ]
    if not off or len(off) > 3:
        return None
    kind = "analytic" if near is ANALYTIC else "sampled"
    text = f"is {data.name} + the {kind} KL with a mistake: {'; '.join(off)}"
    del constant
    return Diagnosis(
        form=DifferenceForm.FORMULA, text=text, advice="the KL is 0.5 sum(mean^2 + sigma^2 - 1 - log sigma^2)"
    )
