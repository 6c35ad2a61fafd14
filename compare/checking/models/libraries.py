"""What the library's own ELBO objects give on the person's networks, beside the person's loss."""

import math
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.models.gradients import LEAST, SLACK, Compared
from elbo_compare.compare.checking.models.objective import Found, roundoff_of, total
from elbo_compare.compare.checking.models.parts import AFAR
from elbo_compare.compare.checking.models.probing import Probe, Probed
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.readings import Floor, Reading, Reduction, kl_elements, value_distance
from elbo_compare.compare.records import Outcome

LIBRARIES = {"torch": ("pyro", "pyro_networks"), "jax": ("numpyro", "numpyro_networks")}
MEAN_FIELD = ("TraceMeanField_ELBO",)  # the KL of a Gaussian site is the analytic one
BOTH = 2.0  # two sums, each within its own rounding
TIMES = {Reduction.SUM: "", Reduction.MEAN: " / batch", Reduction.NONE: ", datum by datum"}


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One ELBO object beside the loss: nats of the whole batch at one noise."""

    name: str
    value: float
    difference: float
    allowed: float
    gradients: float  # the largest difference / allowed over the weights
    left: float = math.inf  # of the difference, without what its KL and the loss's own differ by at this noise

    @property
    def same(self) -> bool:
        """Whether value and gradients are the loss's."""
        return self.difference <= self.allowed and self.gradients <= 1


@dataclass(frozen=True, kw_only=True)
class Library:
    """All of a library's objects; `why_not`: why none was run."""

    name: str
    objects: tuple[Beside, ...] = ()
    constant: float = 0.0
    why_not: str = ""

    def find(self, *, same: bool = True) -> Beside | None:
        """The object that equals the loss."""
        return next((each for each in reversed(self.objects) if each.same is same), None)


def beside(probed: Probed, found: Found, probe: Probe, compared: Compared) -> Library:
    """Run the library's objects at the probe's noise on a model and guide made of the person's networks. compared: the
    loss's own gradient and the right one; weights that are not trained, on purpose, are left out."""
    package, module = LIBRARIES[probed.program.framework]
    if find_spec(package) is None:
        return Library(name=package, why_not=f"{package} is not installed")
    reading = found.identified.reading
    if why_not := _not_made(probed, reading):
        return Library(name=package, why_not=why_not)
    assert reading.data is not None
    bridge = import_module(f"elbo_compare.suites.bridge.{module}")
    known = (reading.data.likelihood, reading.data.form.value)
    if known not in bridge.LIKELIHOODS:
        return Library(name=bridge.NAME, why_not=f"it has no distribution for {reading.data.name}")
    sites = []
    for latent, values in zip(probed.latents, probe.latents, strict=True):
        assert values is not None
        signs = np.sign(values.sigma)
        if (signs != signs.flat[0]).any():
            return Library(name=bridge.NAME, why_not="sigma changes its sign")
        sites.append((latent.at, latent.step, float(signs.flat[0]), values.noise))
    try:
        losses = bridge.losses(
            probed.program,
            probe.setting,
            sites=sites,
            far=AFAR,
            output=found.output,
            likelihood=known,
            weight=reading.weight,
            kl_weight=reading.kl_weight,
        )
    except Exception as error:  # the library on these networks: said, never a verdict
        return Library(name=bridge.NAME, why_not=f"it raises {type(error).__name__}: {str(error)[:100]}")
    return _compared(probed, found, probe, bridge.NAME, losses, compared)


def _not_made(probed: Probed, reading: Reading) -> str:
    """Why no model and guide are made of these networks; "" where they are."""
    if reading.data is None:
        return "the likelihood is not known"
    if any(each.base is not None for each in probed.latents):
        return "a guide with a flow is not made of them"
    if probed.priors:
        return "a prior of its own is not made of them"
    if probed.packed:
        return "a likelihood of several arrays is not made of them"
    if any(each.deep for each in probed.latents):
        return "noise on the data is not made of them"
    return "" if reading.floor is Floor.NONE else "they have no floor under a KL"


def _compared(probed: Probed, found: Found, probe: Probe, name: str, losses: dict, compared: Compared) -> Library:
    roundoff = roundoff_of(found, probed.program.roundoff)
    place = next(number for number, each in enumerate(probed.probes) if each is probe)
    one, reading = found.observations[place], found.identified.reading
    batch = one.batch if found.identified.reduction is Reduction.MEAN else 1
    scale = reading.sign * reading.scale / batch
    data = reading.data
    assert data is not None
    left = (data.constant(reading.weight) if data.weighted else 0.0) - reading.constant
    constant = left * probe.setting.x.size
    distance = value_distance(reading, found.identified.reduction, one.terms[0], one, roundoff)
    extra = BOTH * 64 * roundoff * abs(constant)
    allowed = (BOTH * (distance.tolerance if np.isfinite(distance.tolerance) else 0.0)) / abs(scale) + extra
    if found.identified.reduction is Reduction.NONE:
        allowed *= one.batch
    own, fixed = compared.own, compared.fixed
    largest = max((float(np.linalg.norm(part)) for part in compared.right.values()), default=0.0) or 1.0
    kl_by_kind = {analytic: _kl(one, reading, sampled=not analytic) for analytic in (False, True)}
    objects = []
    for each, (value, gradient) in losses.items():
        off = max(float(np.linalg.norm(own[n] / scale - gradient[n])) for n in own if n not in fixed)
        room = SLACK * LEAST * roundoff * largest / abs(scale)
        difference = abs(total(probe.loss) / scale - (value - constant - _of_x_alone(one, found)))
        by_kl = kl_by_kind[each in MEAN_FIELD] - kl_by_kind[not reading.sampled]
        left = abs(total(probe.loss) / scale - (value - by_kl - constant - _of_x_alone(one, found)))
        objects.append(
            Beside(name=each, value=value, difference=difference, allowed=allowed, gradients=off / room, left=left)
        )
    return Library(name=name, objects=tuple(objects), constant=constant)


def _kl(one: Observation, reading: Reading, *, sampled: bool) -> float:
    """The KL of the person's own q at this noise, weighed as in the loss, in nats of the batch."""
    return reading.kl_weight * float(kl_elements(replace(reading, sampled=sampled, guard=None), one.inputs).value.sum())


def _of_x_alone(one: Observation, found: Found) -> float:
    """What a library's density has beside the recognised term, of x alone: log x! of a Poisson."""
    data = found.identified.reading.data
    if data is None or data.likelihood != "poisson":
        return 0.0
    from scipy.special import gammaln

    return float(gammaln(one.inputs[Role.X] + 1).sum())


def sentence(library: Library, found: Found) -> str:
    """`your loss = TraceMeanField_ELBO of your own networks / batch: off by 3e-13 of 2e-11, gradients too`."""
    if library.why_not:
        return f"{library.name}'s ELBO objects on your own networks: not run, {library.why_not}"
    same = library.find()
    reading, reduction = found.identified.reading, found.identified.reduction
    if same is None:
        seen = ", ".join(f"{each.name} off by {each.difference:.3g} of {each.allowed:.1g}" for each in library.objects)
        return f"your loss is neither ELBO object of {library.name} on your own networks at the same noise: {seen}"
    sign = "-" if reading.sign < 0 else ""
    factor = "" if reading.scale == 1 else f"{reading.scale:.4g} x "
    weight = "" if reading.kl_weight == 1 else f" with its latent site scaled by {reading.kl_weight:.4g}"
    constant = f", up to a constant of {library.constant:.6g} nats" if abs(library.constant) > 1e-9 else ""
    return (
        f"your loss = {sign}{factor}{same.name} of your own networks{weight}{TIMES[reduction]}{constant} "
        f"({library.name}): "
        f"off by {same.difference:.1g} of {same.allowed:.1g}, gradients too"
    )


def claims_of(library: Library, found: Found) -> tuple[ClaimVerdict, ...]:
    """A claim for the object that the loss is to equal. The other one has another KL: it is judged by what is left once
    the sampled and the analytic KL of the person's own q are exchanged; a rest is described, and accuses nobody."""
    wanted = "Trace_ELBO" if found.identified.reading.sampled else "TraceMeanField_ELBO"

    def made(each: Beside) -> ClaimVerdict:
        if each.name != wanted and not each.same:
            return _of_the_other(library, each)
        return ClaimVerdict(
            name=each.name,
            statement=f"the loss is {library.name}'s {each.name} on its own networks, value and gradients",
            outcome=Outcome.AGREES if each.same else Outcome.DIFFERS,
            difference=each.difference,
            tolerance=each.allowed,
            where="its own networks, the same noise",
        )

    return tuple(map(made, library.objects))


def _of_the_other(library: Library, each: Beside) -> ClaimVerdict:
    """The object with the other KL."""
    holds = each.left <= each.allowed
    rest = "" if holds else f"another value at the same noise, {each.left:.3g} nats more than the two KLs differ by"
    return ClaimVerdict(
        name=each.name,
        statement=f"{library.name}'s {each.name} on its own networks is the loss with the other KL",
        outcome=Outcome.AGREES if holds else Outcome.NOT_RUN,
        difference=each.left,
        tolerance=each.allowed,
        where="its own networks, the same noise",
        note=rest or f"{each.difference:.3g} nats from the loss: sampled minus analytic KL",
    )
