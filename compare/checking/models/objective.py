"""Which objective a whole model's loss is: the recognition of `compare check`, on the values of its own networks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.fitting import EXACT, SINGLE, Columns, Fit
from elbo_compare.compare.checking.identify import Identified, Standing, candidate_readings, identify
from elbo_compare.compare.checking.likelihoods import OF_PROPORTIONS
from elbo_compare.compare.checking.models.probing import Probed
from elbo_compare.compare.checking.names import Role, WrittenAs
from elbo_compare.compare.checking.readings import Distance, Quantity, Reading, farthest, value_distance
from elbo_compare.compare.checking.signature import Argument, FunctionKind, Signature
from elbo_compare.suites.contract import Array

SUMS = 1e-5  # a softmax in float32 sums to one within some hundred roundoffs
NEARLY = 1e-6  # of 1e-7, the largest epsilon that leaves no visible guard, at p = 1/10
MOST_OUTPUTS = 4  # that are tried under the forms of a mistake
WANTED = (Standing.RIGHT, Standing.BETA, Standing.SCALED, Standing.MISREAD)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the loss is. output: the number of the decoder's output; observations: what it was found by."""

    identified: Identified
    output: int
    observations: tuple[Observation, ...]
    signature: Signature
    transformed: str = ""  # what the sampler's sigma had to be taken for
    coarse: bool = False  # it holds to float32's rounding only

    @property
    def standing(self) -> Standing:
        """How it stands to the ELBO of these networks."""
        return self.identified.standing


def signature_of(label: str, *, positive: bool) -> Signature:
    """A whole model's values as `compare check` reads arguments: sigma is a sigma, since the sampler says so."""
    roles = (
        (Role.X, WrittenAs.PLAIN),
        (Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN),
        (Role.MEAN, WrittenAs.PLAIN),
        (Role.Z, WrittenAs.PLAIN),
    )
    arguments = tuple(Argument(name=role.value, role=role, form=form) for role, form in roles)
    spread = Argument(name="sigma", role=Role.SPREAD, form=WrittenAs.SIGMA, forms=(WrittenAs.SIGMA,))
    return Signature(name=label, kind=FunctionKind.NEGATIVE_ELBO, arguments=(*arguments, spread), positive=positive)


def objective_of(
    probed: Probed,
    likelihood: str | None = None,
    outputs: Sequence[int] | None = None,
    tiers: tuple[float, ...] = (),
) -> Found | None:
    """The best standing that some candidate for the decoder's output gives the loss; None where nothing fits. tiers:
    how well, where that is not float64's rounding."""
    best: Found | None = None
    for found in _fits(probed, likelihood, probed.outputs() if outputs is None else outputs, tiers):
        if best is None or _order(found) < _order(best):
            best = found
        if not best.transformed:  # an exact identity over all probes is no accident
            break
    return best


def _order(found: Found) -> tuple[int, int]:
    standing = Standing.MISREAD if found.transformed and found.standing is Standing.RIGHT else found.standing
    return int(standing), int(bool(found.transformed))


def _fits(
    probed: Probed, likelihood: str | None, outputs: Sequence[int], asked: tuple[float, ...] = ()
) -> Iterator[Found]:
    signature = signature_of(probed.label, positive=probed.positive)
    tier = EXACT if probed.program.roundoff < 1e-12 else SINGLE
    readings = candidate_readings(signature, [Quantity.NEGATIVE_ELBO], likelihood)
    plain = [each for each in readings if each.spread is WrittenAs.SIGMA]
    others = [each for each in readings if each.spread is not WrittenAs.SIGMA]
    tiers = asked or ((tier,) if tier == SINGLE else (EXACT, SINGLE))
    for output in outputs:
        observations = tuple(probed.observation(each, output) for each in probed.probes)
        yield from _found(observations, signature, [*plain, *_of_sums(observations, likelihood)], tiers[:1], output)
    for output in outputs[: 1 if probed.heavy else MOST_OUTPUTS]:
        signed = tuple(probed.observation(each, output, signed=True) for each in probed.probes)
        observations = tuple(probed.observation(each, output) for each in probed.probes)
        yield from _found(signed, signature, others, tiers[:1], output)
        yield from _found(observations, signature, [*plain, *_of_sums(observations, likelihood)], tiers[1:], output)
        for word, change in TRANSFORMED.items():
            changed = tuple(_changed(each, change) for each in observations)
            for each in _found(changed, signature, plain, tiers[:1], output):
                if each.standing in WANTED:
                    yield replace(each, transformed=word)


def _of_sums(observations: Sequence[Observation], likelihood: str | None) -> list[Reading]:
    """The readings of -sum x log p, where the output of every probe sums to one over the dimensions of a datum."""
    for one in observations:
        output = one.inputs[Role.OUTPUT]
        if output.shape[1] < 2 or np.any(output <= 0) or not np.allclose(output.sum(1), 1, rtol=0, atol=SUMS):
            return []
    signature = signature_of("", positive=False)
    readings = candidate_readings(signature, [Quantity.NEGATIVE_ELBO], likelihood, proportions=True)
    return [each for each in readings if each.data is OF_PROPORTIONS and each.spread is WrittenAs.SIGMA]


def _found(
    observations: tuple[Observation, ...],
    signature: Signature,
    readings: Sequence[Reading],
    tiers: Sequence[float],
    output: int,
) -> Iterator[Found]:
    with np.errstate(all="ignore"):
        columns = Columns(observations)
        found = identify(columns, 0, signature, readings, tiers) if tiers else None
        if found is not None and found.standing is not Standing.RIGHT and _nearly(found.fit):
            coarse = identify(columns, 0, signature, readings, (SINGLE,))
            found = coarse if coarse is not None and coarse.standing is Standing.RIGHT else found
    if found is not None and found.standing is not Standing.MISSING:
        coarse = found.fit.tier != EXACT
        yield Found(identified=found, output=output, observations=observations, signature=signature, coarse=coarse)


def _nearly(fit: Fit) -> bool:
    """Whether a weight is one but for what an epsilon in a logarithm leaves: where all probabilities are near 1/2, as
    in a network that is not trained, log(p + 1e-8) is (1 - 3e-8) log p to every digit that a sum has."""
    laws = [law for law in (fit.data, fit.kl) if law is not None and law.plain]
    return any(0 < abs(abs(law.factor) - 1) < NEARLY for law in laws)


TRANSFORMED = {"sigma": np.square, "1/sigma": lambda s: 1 / s}


def _changed(one: Observation, change: object) -> Observation:
    inputs = dict(one.inputs)
    inputs[Role.SPREAD] = change(inputs[Role.SPREAD])  # type: ignore[operator]
    return replace(one, inputs=inputs)


def missing_part(probed: Probed) -> str:
    """`the KL` or `the reconstruction term`, where the loss is the other one alone; else ""."""
    signature = signature_of(probed.label, positive=probed.positive)
    for output in probed.outputs()[:4]:
        observations = tuple(probed.observation(each, output) for each in probed.probes)
        for quantity, word in ((Quantity.RECONSTRUCTION, "the KL"), (Quantity.KL, "the reconstruction term")):
            readings = [
                r for r in candidate_readings(signature, [quantity]) if r.spread in (WrittenAs.SIGMA, WrittenAs.LOG_VAR)
            ]
            with np.errstate(all="ignore"):
                found = identify(Columns(observations), 0, signature, readings, (EXACT,))
            if found is not None and found.standing is not Standing.MISSING:
                return word
    return ""


def worst_value(found: Found, roundoff: float) -> Distance:
    """How far the loss is from its formula at its own networks' values, over all probes."""
    one = found.identified
    return farthest(
        [value_distance(one.reading, one.reduction, each.terms[0], each, roundoff) for each in found.observations]
    )


def roundoff_of(found: Found, roundoff: float) -> float:
    """The roundoff to which the loss is judged: the program's own, float32's where only that was reached."""
    return max(roundoff, 2.0**-24) if found.coarse else roundoff


def total(values: Array) -> float:
    """The sum of a loss, whatever its shape."""
    return float(np.sum(values))
