"""The gradient of every weight: the loss's own, against the one of the formula that it equals, at the same noise.

The right gradient comes from the oracle's slopes by mean, sigma, z and output, pulled back through the person's own
networks with every cut undone. Allowed is 100 times what it changes by when the data move by one roundoff.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.models.objective import Found, roundoff_of
from elbo_compare.compare.checking.models.parts import AFAR, Ends, Prior
from elbo_compare.compare.checking.models.probing import Probe, Probed, last_of
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import log_var_slope
from elbo_compare.compare.checking.readings import Reduction, target
from elbo_compare.suites.bridge.program import Cut, Program, Run, Setting
from elbo_compare.suites.contract import Array

SLACK = 100.0  # times the change under one roundoff: what training paths are allowed, too
LEAST = 256.0  # roundoffs of the largest gradient, where that change happens to be nothing

Gradient = Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """own against right, weight by weight.

    off: name -> (difference, allowed), for those that differ; difference, allowed: where their ratio is largest;
    frozen: not trained as the model stands; fixed: the same, and declared; unread: no slope.
    """

    off: Mapping[str, tuple[float, float]]
    difference: float
    allowed: float
    frozen: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    lost: bool = False  # no gradient at all
    right: Gradient = field(default_factory=dict)
    own: Gradient = field(default_factory=dict)


def right_gradient(probed: Probed, found: Found, probe: Probe, setting: Setting | None = None) -> dict[str, Array]:
    """The gradient of the recognised formula by every weight."""
    program = probed.program
    reread = probe if setting is None and uncut(program, probe) else restored(probed, probe, setting or probe.setting)
    run = reread.run
    if run.error and found.output >= len(run.arrays):
        raise FunctionError(f"with what it detaches undone it raises {run.error}: its gradients can't be judged.")
    one = probed.observation(reread, found.output)
    reading = found.identified.reading
    right = target(reading, one.inputs, found.identified.reduction)
    factor = 1 / one.batch if found.identified.reduction is Reduction.MEAN else 1.0
    slopes = {role: factor * np.asarray(part) for role, part in right.gradients.items()}
    parts = [(run, probed.by_array(run, found.output, slopes[Role.OUTPUT]))]
    sigma = slopes[Role.SPREAD] * probed.signs(reread)
    start = 0
    for place, (latent, values) in enumerate(zip(probed.latents, reread.latents, strict=True)):
        assert values is not None
        here = slice(start, start := start + values.mean.shape[1])
        ends = reread.ends_of(place)
        if probed.priors:
            parts.append((run, _of_prior(probed, run, probed.priors[place], slopes, here)))
        at = latent.at if latent.base is None else latent.base
        if Role.Z in slopes and reading.sampled:
            parts.append((run, {latent.at: slopes[Role.Z][:, here]}))
        if latent.base is not None:  # the mean is z - sample + mean: see `parts.latent_values`
            parts.append((run, {latent.at: slopes[Role.MEAN][:, here]}))
            parts.append((run, {latent.base: -slopes[Role.MEAN][:, here]}))
        parts.append((ends.far, {at: sigma[:, here] / AFAR}))
        parts.append((ends.none, {at: slopes[Role.MEAN][:, here] - sigma[:, here] / AFAR}))
    return pulled_back(program, parts)


def uncut(program: Program, probe: Probe) -> bool:
    """Whether nothing is cut in a probe's runs and every weight is trained: with all restored they are the same."""
    runs = (probe.run, probe.ends.none, probe.ends.far)
    return not any(each.cuts for each in runs) and all(program.weights().values())


def restored(probed: Probed, probe: Probe, setting: Setting) -> Probe:
    """A probe at a setting with every cut undone and every weight trained."""
    setting = replace(setting, restored=None)
    run, ends = probed.program.run(setting), Ends.of(probed.program, setting, last_of(probed.latents))
    return probed.read_again(replace(probe, setting=setting, run=run, ends=ends))


def pulled_back(program: Program, parts: list[tuple[Run, dict[int, Array]]]) -> dict[str, Array]:
    """The gradient by every weight that slopes by arrays of some runs give together."""
    return _sum([program.pull_back(one_run, cotangents) for one_run, cotangents in _by_run(parts)])


def _of_prior(probed: Probed, run: Run, prior: Prior, slopes: Mapping[Role, Array], here: slice) -> dict[int, Array]:
    """The slopes by the arrays that a prior is made of."""
    found: dict[int, Array] = {}
    for number, role in ((prior.mean, Role.PRIOR_MEAN), (prior.spread, Role.PRIOR_SPREAD)):
        if number is None:
            continue
        value, slope = probed.program.value(run, number), slopes[role][:, here]
        own = slope if value.size == slope.size else slope.sum(0)  # one for every datum
        slope = own.reshape(value.shape)
        chain = log_var_slope(value, prior.form) if role is Role.PRIOR_SPREAD else 1.0
        found[number] = found.get(number, 0.0) + slope * chain
    return found


def _sum(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}


def _by_run(parts: list[tuple[Run, dict[int, Array]]]) -> list[tuple[Run, dict[int, Array]]]:
    """The same, one entry for each run: a pull back costs the same for one array as for several."""
    runs: dict[int, tuple[Run, dict[int, Array]]] = {}
    for run, cotangents in parts:
        _, known = runs.setdefault(id(run), (run, {}))
        for number, part in cotangents.items():
            part = np.asarray(part).reshape(-1)
            known[number] = known[number] + part if number in known else part
    return list(runs.values())


def compared(probed: Probed, found: Found, probe: Probe, declared: Sequence[str] = ()) -> Compared:
    """The loss's own gradient against the right one, at one probe. declared: parts that are not to be trained."""
    roundoff = roundoff_of(found, probed.program.roundoff)
    return against(probed, probe, lambda setting: right_gradient(probed, found, probe, setting), roundoff, declared)


def against(
    probed: Probed,
    probe: Probe,
    right_at: Callable[[Setting | None], dict[str, Array]],
    roundoff: float,
    declared: Sequence[str] = (),
) -> Compared:
    """The same for any right gradient: of a setting, None being the probe's own."""
    program = probed.program
    right = right_at(None)
    again = right_at(replace(probe.setting, x=probe.setting.x * (1 + 2 * program.roundoff)))
    own = own_gradient(probed, probe)
    if not all(np.isfinite(part).all() for part in right.values()):
        raise ArithmeticError("the gradient of the recognised formula is no number")  # ours: never an accusation
    largest = max((float(np.linalg.norm(part)) for part in right.values()), default=0.0)
    least = LEAST * roundoff * largest
    allowed = {name: SLACK * float(np.linalg.norm(part - again[name])) + least for name, part in right.items()}
    return judged(program.weights(), own, right, allowed, probe.run.cuts, declared)


def own_gradient(probed: Probed, probe: Probe) -> dict[str, Array]:
    """The gradient of the loss itself; one value per datum is summed."""
    assert probe.run.loss is not None
    return probed.program.pull_back(probe.run, {probe.run.loss: np.ones_like(probe.loss)})


def has_slope(probed: Probed, probe: Probe, output: int) -> bool:
    """Whether any weight moves that array."""
    shape = probed.program.shape(probe.run, output)
    return any(np.any(part) for part in probed.program.pull_back(probe.run, {output: np.ones(shape)}).values())


def within(name: str, parts: Sequence[str]) -> bool:
    """Whether a weight is one of these parts or lies in one."""
    return any(name == part or name.startswith((f"{part}.", f"{part}[", f"{part}/")) for part in parts)


def judged(
    trained: Mapping[str, bool],
    own: Gradient,
    right: Gradient,
    allowed: Mapping[str, float],
    cuts: list[Cut],
    declared: Sequence[str] = (),
) -> Compared:
    """The comparison, weight by weight."""
    fixed = tuple(name for name in right if within(name, declared) and not np.any(own[name]))
    right = {name: part for name, part in right.items() if name not in fixed}
    distance = {name: float(np.linalg.norm(own[name] - part)) for name, part in right.items()}
    frozen = tuple(
        name for name, is_trained in trained.items() if not is_trained and name in right and np.any(right[name])
    )
    off = {
        name: (distance[name], allowed[name])
        for name in right
        if not distance[name] <= allowed[name] and name not in frozen
    }
    worst = max((n for n in right if n not in frozen), key=lambda n: distance[n] / (allowed[n] or 1e-300), default="")
    return Compared(
        off=off,
        difference=distance.get(worst, 0.0),
        allowed=allowed.get(worst, 0.0),
        frozen=frozen,
        fixed=fixed,
        unread=tuple(name for name in right if not np.any(right[name]) and not np.any(own[name])),
        cuts=tuple(cuts),
        lost=bool(right) and not any(np.any(part) for part in own.values()),
        right=right,
        own=own,
    )


def guilty(probed: Probed, probe: Probe, outcome: Compared) -> list[Cut]:
    """The cuts without which the gradient would be right: one alone where that is enough, else all of them."""

    def mended(numbers: frozenset[int]) -> bool:
        run = probed.program.run(replace(probe.setting, restored=numbers))
        if run.error or run.loss is None:
            return False
        own = probed.program.pull_back(run, {run.loss: np.ones_like(probe.loss)})
        return all(
            np.linalg.norm(own[name] - part) <= max(allowed, 1e-9 * float(np.linalg.norm(part)))
            for name, (_, allowed) in outcome.off.items()
            for part in (outcome.right[name],)
        )

    several = list(outcome.cuts)[:12]
    alone = [cut for cut in several if mended(frozenset([cut.number]))]
    if alone or not several:
        return alone[:1]
    return several if mended(frozenset(cut.number for cut in several)) else []
