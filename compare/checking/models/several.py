"""A loss of several samples a datum: the mean of the log weights, IWAE, or a mistaken bound of them.

z is (batch, K, latent) or (K, batch, latent), and the decoder gives K outputs a datum. log w_k = log p(x, z_k) -
log q(z_k|x) is made of the model's own networks; which function of the log weights the loss is, is `k_samples`'s table:
Burda et al. 2016 (arXiv 1509.00519), eq. 8.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.identify import candidate_readings
from elbo_compare.compare.checking.k_samples import AXES, BOUNDS, REDUCED, Fit
from elbo_compare.compare.checking.models import gradients, mistakes
from elbo_compare.compare.checking.models.drafting import ResultDraft
from elbo_compare.compare.checking.models.evaluation import in_evaluation
from elbo_compare.compare.checking.models.objective import signature_of
from elbo_compare.compare.checking.models.parts import AFAR, Ends, Values, affine, outputs_of
from elbo_compare.compare.checking.models.probing import Probe, Probed, last_of
from elbo_compare.compare.checking.models.sampling import sampler_claim
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.objectives import SOURCES, Name
from elbo_compare.compare.checking.readings import Inputs, Quantity, Reading, Target, target
from elbo_compare.compare.checking.result import CheckResult, CheckVerdict
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.bridge.program import Run, Setting
from elbo_compare.suites.contract import Array

MOST_OUTPUTS = 3
STEPS = 4096.0  # roundoffs of the sum of absolute terms: some thousand additions, and a logarithm of a sum
WEIGHTS = (1.0, 2.0)  # of half a squared error: that, and the squared error


@dataclass(frozen=True, kw_only=True)
class Several:
    """count: K; first: whether the samples are the first axis, else the second; outputs: what the decoder may give."""

    probed: Probed
    count: int
    first: bool
    outputs: tuple[int, ...]

    def rows(self, array: Array, batch: int) -> Array:
        """(batch K, everything else), the samples of a datum together."""
        if not self.first:
            return np.asarray(array, float).reshape(batch * self.count, -1)
        return np.asarray(array, float).reshape(self.count, batch, -1).swapaxes(0, 1).reshape(batch * self.count, -1)

    def back(self, rows: Array, batch: int) -> Array:
        """The same numbers in the order of the model's own array, flat."""
        if self.first:
            rows = rows.reshape(batch, self.count, -1).swapaxes(0, 1)
        return rows.reshape(-1)

    def values(self, batch: int, run: Run, ends: Ends) -> Values:
        """mean, sigma, z and noise of every sample."""
        program, latent = self.probed.program, self.probed.latents[0]
        z, mean, far = (self.rows(program.value(each, latent.at), batch) for each in (run, ends.none, ends.far))
        noise = self.rows(np.asarray(run.sampled[latent.draws[0]].noise), batch)
        return Values(mean=mean, sigma=(far - mean) / AFAR, z=z, noise=noise)

    def seen(self) -> list[Values]:
        """Those of every run."""
        return [self.values(len(each.setting.x), each.run, each.ends) for each in self.probed.probes]

    def inputs(self, x: Array, run: Run, values: Values, output: int) -> Inputs:
        """What the reading of one datum and sample takes."""
        batch = len(x)
        return {
            Role.X: np.repeat(x.reshape(batch, -1), self.count, axis=0),
            Role.OUTPUT: self.rows(self.probed.program.value(run, output), batch),
            Role.MEAN: values.mean,
            Role.SPREAD: np.abs(values.sigma),
            Role.Z: values.z,
        }


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """What the loss is: a bound of the log weights that a reading at an output makes."""

    fit: Fit
    reading: Reading
    output: int
    difference: float
    tolerance: float
    constant: float = 0.0
    first: bool = False

    @property
    def text(self) -> str:
        """The bound in words, K along the model's own axis."""
        return self.fit.text.replace(AXES[1], AXES[0]) if self.first else self.fit.text


def several_of(probed: Probed, likelihood: str | None = None) -> Several | None:
    """Whether the one latent has several samples a datum, each decoded; None where it has one."""
    probe = probed.probes[0]
    if len(probed.latents) != 1 or len(probed.latents[0].draws) != 1 or probed.heavy:
        return None
    latent, rows = probed.latents[0], len(probe.setting.x)
    shape, noise = probed.program.shape(probe.run, latent.at), probe.run.sampled[latent.draws[0]].noise
    if len(shape) != 3 or noise is None or noise.size != np.prod(shape) or rows not in shape[:2]:
        return None
    count = shape[1] if shape[0] == rows else shape[0]
    shapes = {probed.program.shape(each.run, latent.at).index(len(each.setting.x)) for each in probed.probes}
    if count == 1 or len(shapes) != 1:
        return None
    last = probed.probes[-1]
    many = outputs_of(probed.program, last.run, np.zeros(count * last.setting.x.size), latent)
    if not many:
        return None
    several = Several(probed=probed, count=count, first=shapes == {1}, outputs=tuple(many[:MOST_OUTPUTS]))
    if outputs_of(probed.program, probe.run, probe.setting.x, latent):  # one of the samples, to be shown: or no samples
        return several if next(_fits(several, several.seen(), likelihood), None) else None
    return several


def on_several(case: ResultDraft, several: Several) -> CheckResult:
    """The verdict on such a loss."""
    probed, said = several.probed, f"{several.count} samples a datum"
    seen = several.seen()
    if not all(affine(each, probed.program.roundoff) for each in seen) or not np.any(seen[0].sigma):
        return case.result(CheckVerdict.NOT_JUDGED, message=f"not judged: {said}, and z is not mean + sigma e")
    case.claims.append(sampler_claim(seen, probed.program.roundoff, "its own networks, every tape and sample"))
    found = next(_fits(several, seen, case.likelihood), None)
    if found is None:
        text = f"the sampler is right (z = mean + sigma e), {said}; not judged: the loss is none of the known bounds of"
        return case.result(CheckVerdict.NOT_JUDGED, message=f"{text} their log weights (ELBO, IWAE)")
    case.title, case.reduction = found.reading.title, found.fit.reduced
    case.claims.append(_valued(several, found))
    cause = _by_gradient(case, several, found)
    evaluation, notes = in_evaluation(probed.program, probed.feed)
    case.notes += [f"{said}: {found.reading.title} makes log w", *notes]
    if abs(found.constant) > found.tolerance:
        case.notes.append(f"up to a constant of {found.constant:.6g} nats a datum")
    case.message = f"the library's ELBO objects on your own networks: not run, {said}"
    if cause or evaluation:
        case.message = ""
        return case.result(CheckVerdict.WRONG, cause or evaluation)
    return _stated(case, found)


def _stated(case: ResultDraft, found: Bounded) -> CheckResult:
    fit, known = found.fit, found.fit.bound.objective
    if fit.sign > 0 and not case.opened.way.positive:
        return _wrong(case, f"equals {found.text}, whose sign is flipped", "minus the bound is minimised")
    if not known:
        return _wrong(case, f"equals {found.text}", fit.bound.advice)
    if known == "elbo":
        case.equation = f"{'-' if fit.sign < 0 else ''}ELBO = {found.text}"
        return case.result(CheckVerdict.RIGHT)
    name = Name(known)
    case.named, case.equation = name, f"{found.text}: {SOURCES[name]}"
    asked = case.objective is not None and str(case.objective).replace("_", "-") == name
    if asked:
        case.by = f"--objective {name}"
        case.notes.insert(0, f"declared by {case.by}")
        return case.result(CheckVerdict.BY_DESIGN)
    text, advice = f"is not the ELBO but a tighter bound: {case.equation}", f"if it is meant: --objective {name}"
    cause = Diagnosis(form=DifferenceForm.OBJECTIVE, text=text, advice=advice)
    return case.result(CheckVerdict.OTHER_OBJECTIVE, cause)


def _wrong(case: ResultDraft, text: str, advice: str) -> CheckResult:
    case.message = ""
    return case.result(CheckVerdict.WRONG, Diagnosis(form=DifferenceForm.FORMULA, text=text, advice=advice))


def _valued(several: Several, found: Bounded) -> ClaimVerdict:
    return ClaimVerdict(
        name="value",
        statement="the loss is its bound of the log weights that its own networks make",
        outcome=Outcome.AGREES,
        difference=found.difference,
        tolerance=found.tolerance,
        where=f"{len(several.probed.probes)} runs",
    )


def _fits(several: Several, seen: list[Values], likelihood: str | None) -> Iterator[Bounded]:
    """Every bound of the log weights of some reading that the loss equals at all runs."""
    probed = several.probed
    signature = signature_of(probed.label, positive=probed.positive)
    readings = [
        each
        for each in candidate_readings(signature, [Quantity.NEGATIVE_ELBO], likelihood)
        if each.spread is WrittenAs.SIGMA and each.data is not None
    ]
    for output, reading in product(several.outputs, readings):
        weighted = reading.data is not None and reading.data.weighted
        inputs = [
            several.inputs(each.setting.x, each.run, values, output)
            for each, values in zip(probed.probes, seen, strict=True)
        ]
        for weight in WEIGHTS if weighted else WEIGHTS[:1]:
            weighed = replace(reading, weight=weight)
            with np.errstate(all="ignore"):
                made = [target(weighed, each) for each in inputs]
                yield from _bounded(several, weighed, output, made)


def _bounded(several: Several, reading: Reading, output: int, made: list[Target]) -> Iterator[Bounded]:
    probes = several.probed.probes
    weights = [
        -np.asarray(each.value).reshape(len(p.setting.x), several.count) for p, each in zip(probes, made, strict=True)
    ]
    if not all(np.isfinite(each).all() for each in weights):
        return
    scale = max(float(np.abs(each).sum()) for each in weights)
    tolerance = STEPS * several.probed.program.roundoff * scale
    for bound, reduced, sign in product(BOUNDS, REDUCED, (-1, 1)):
        fit = Fit(bound=bound, axis=1, reduced=reduced, sign=sign)
        expected = [fit.value(each) for each in weights]
        if any(each.size != probe.loss.size for each, probe in zip(expected, probes, strict=True)):
            continue
        off = [probe.loss.ravel() - each.ravel() for each, probe in zip(expected, probes, strict=True)]
        units = [len(p.setting.x) if reduced == "summed over the batch" else 1 for p in probes]
        each_datum = np.concatenate([part / unit for part, unit in zip(off, units, strict=True)])
        free = reading.data is not None and reading.data.up_to_a_constant
        constant = float(np.median(each_datum)) if free else 0.0
        difference = float(np.abs(each_datum - constant).max())
        if difference <= tolerance:
            yield Bounded(
                fit=fit,
                reading=reading,
                output=output,
                difference=difference,
                tolerance=tolerance,
                constant=constant,
                first=several.first,
            )


def _by_gradient(case: ResultDraft, several: Several, found: Bounded) -> Diagnosis | None:
    """The gradient of every weight against the bound's, pulled back through the networks; what is wrong of it."""
    probe = several.probed.probes[0]
    outcome = gradients.against(
        several.probed,
        probe,
        lambda setting: _right(several, found, probe, setting or probe.setting),
        several.probed.program.roundoff,
        case.frozen,
    )
    case.claims.append(
        ClaimVerdict(
            name="gradient",
            statement="the gradient by every weight is its bound's",
            outcome=Outcome.DIFFERS if outcome.off or outcome.frozen else Outcome.AGREES,
            difference=outcome.difference,
            tolerance=outcome.allowed,
            where=f"{len(several.probed.program.weights())} weights",
        )
    )
    cause = mistakes.of_gradient(several.probed, probe, outcome)
    detached = "detached" in found.fit.bound.text
    if cause is not None and detached and ": " not in cause.text:
        advice = "detach the normalised weights: their own gradient belongs to no bound"
        return replace(cause, advice=advice)
    return cause


def _right(several: Several, found: Bounded, probe: Probe, setting: Setting) -> dict[str, Array]:
    """The gradient of the bound by every weight."""
    probed, setting = several.probed, replace(setting, restored=None)
    program, latent, batch = probed.program, probed.latents[0], len(setting.x)
    run, ends = program.run(setting), Ends.of(program, setting, last_of(probed.latents))
    values = several.values(batch, run, ends)
    made = target(found.reading, several.inputs(setting.x, run, values, found.output))
    log_w = -np.asarray(made.value).reshape(batch, several.count)
    slope = -found.fit.gradient(log_w).reshape(-1, 1)
    slopes = {role: several.back(slope * np.asarray(part), batch) for role, part in made.gradients.items()}
    sigma = slopes[Role.SPREAD] * np.sign(several.back(values.sigma, batch))
    parts = [(run, {found.output: slopes[Role.OUTPUT]})]
    if found.reading.sampled:
        parts.append((run, {latent.at: slopes[Role.Z]}))
    parts.append((ends.far, {latent.at: sigma / AFAR}))
    parts.append((ends.none, {latent.at: slopes[Role.MEAN] - sigma / AFAR}))
    return gradients.pulled_back(program, parts)
