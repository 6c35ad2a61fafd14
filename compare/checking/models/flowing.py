"""A flow between the sample z_0 = mean + sigma e and the z that the decoder reads: found by value, not by name.

log q(z_T|x) = log q(z_0|x) - log |det dz_T/dz_0|. The loss of a flow that keeps volumes is the one-sample ELBO with
log q at z_0 and log p at z_T, exactly; any other one's log-determinant is taken from central differences of the flow,
so that its loss is told to their accuracy alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking.models.parts import Latent, affine
from elbo_compare.compare.checking.models.probing import Probe, Probed
from elbo_compare.suites.bridge.program import as_rows
from elbo_compare.suites.bridge.tape import Drawn
from elbo_compare.suites.contract import Array

STEP = 1e-4  # of the noise: the cube root of a roundoff is 5e-6; a flow's third derivatives are of order one
VOLUME = 1e-6  # nats that log |det| may be off from 0 for a flow that keeps volumes
WIDEST = 64  # latents: two runs for each


@dataclass(frozen=True, kw_only=True)
class Flowing:
    """The probes with z_T for z and, for mean, what gives log q(z_0|x) there; log_dets: log |det| of each probe."""

    probed: Probed
    log_dets: tuple[Array, ...]

    @property
    def keeps_volumes(self) -> bool:
        """Whether |det| is 1 at every datum of every probe."""
        return all(np.all(np.abs(each) < VOLUME) for each in self.log_dets)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest log |det|."""
        every = np.concatenate(self.log_dets)
        return float(every.min()), float(every.max())


def flowing(probed: Probed) -> Flowing | None:
    """The flow of a model's one latent, from the sample after which volumes are kept where there is one; None where
    there is none that can be followed."""
    if len(probed.latents) != 1 or probed.heavy:
        return None
    latent, chosen, first = probed.latents[0], None, probed.probes[0]
    if len(latent.draws) != 1 or np.prod(probed.program.shape(first.run, latent.at)) > WIDEST * len(first.setting.x):
        return None
    slopes = [_log_slope(probed, each, latent) for each in probed.probes]
    for base in _bases(probed):
        moved = replace(probed, latents=(base,))
        probes = tuple(replace(each, latents=moved.values(each.setting, each.run, each.ends)) for each in probed.probes)
        values = [each.latents[0] for each in probes]
        with np.errstate(all="ignore"):
            dets = tuple(s - np.log(np.abs(v.sigma)).sum(1) for s, v in zip(slopes, values, strict=True) if v)
        if len(dets) < len(probes) or not all(np.isfinite(each).all() for each in dets):
            continue
        found = Flowing(probed=replace(moved, probes=probes), log_dets=dets)
        if found.keeps_volumes:
            return found
        chosen = chosen or found
    return chosen


def _bases(probed: Probed) -> Iterator[Latent]:
    """The latent with each array before it that is mean + sigma e at every probe, the last one first."""
    latent, first = probed.latents[0], probed.probes[0]
    size = np.prod(probed.program.shape(first.run, latent.at))
    for number in reversed(range(latent.at)):
        same = first.run.draws[number] == frozenset(latent.draws)
        if not same or np.prod(probed.program.shape(first.run, number)) != size:
            continue
        base = replace(latent, at=number)
        values = [replace(probed, latents=(base,)).values(p.setting, p.run, p.ends)[0] for p in probed.probes]
        if all(each is not None and affine(each, probed.program.roundoff) for each in values):
            yield replace(latent, base=number)


def _log_slope(probed: Probed, probe: Probe, latent: Latent) -> Array:
    """log |det dz_T/de| of each datum, (batch,), by central differences in the noise."""
    width = np.prod(probed.program.shape(probe.run, latent.at)) // len(probe.setting.x)
    columns = [
        (_moved(probed, probe, latent, axis, STEP) - _moved(probed, probe, latent, axis, -STEP)) / (2 * STEP)
        for axis in range(width)
    ]
    return np.linalg.slogdet(np.stack(columns, axis=-1))[1]


def _moved(probed: Probed, probe: Probe, latent: Latent, axis: int, by: float) -> Array:
    """z_T with one latent's noise moved in every datum."""
    (number,) = latent.draws
    normal = [draw for draw in probe.run.drawn if draw.kind is Drawn.NORMAL]
    place = normal.index(probe.run.sampled[number])
    noise = [np.array(draw.noise) for draw in normal]
    noise[place].reshape(len(probe.setting.x), -1)[:, axis] += by
    run = probed.program.run(replace(probe.setting, given=tuple(noise), until=latent.step))
    return as_rows(probed.program.value(run, latent.at), len(probe.setting.x))


def with_log_dets(flow: Flowing, *, mean: bool) -> Probed:
    """The probes with the log-determinant put back into the loss: what is left is a loss without a flow."""
    probes = []
    for each, log_det in zip(flow.probed.probes, flow.log_dets, strict=True):
        back = log_det.mean() if mean else log_det.sum()
        added = log_det.reshape(each.loss.shape) if each.loss.size == log_det.size else back
        probes.append(replace(each, loss=each.loss + (-1 if flow.probed.positive else 1) * added))
    return replace(flow.probed, probes=tuple(probes))
