"""A program run at several batches, weights and tapes: what the loss is identified by."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from elbo_compare.compare.checking.experiment import Observation
from elbo_compare.compare.checking.failure import FunctionError
from elbo_compare.compare.checking.models.aged import became
from elbo_compare.compare.checking.models.data import Feed
from elbo_compare.compare.checking.models.parts import (
    Ends,
    Latent,
    Prior,
    Values,
    find_latents,
    latent_values,
    outputs_of,
)
from elbo_compare.compare.checking.names import Role
from elbo_compare.compare.checking.oracle import log_var_of
from elbo_compare.suites.bridge.program import Program, Run, Setting, as_rows
from elbo_compare.suites.bridge.user_arrays import Term
from elbo_compare.suites.contract import Array, DType

SIZES = (4, 7)
FEW = (2, 3)  # of wide data
LESS = (3, 4)  # of large networks: the fewest that differ and that batch normalisation does not turn into signs
MOVED = (0.0, 0.3)  # the weights as they stand, and moved: a fresh model's KL hardly varies
BATCHES, TAPES = 2, 2


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One run with its loss and the latents' values."""

    setting: Setting
    run: Run
    ends: Ends
    loss: Array
    latents: tuple[Values | None, ...]
    deep: tuple[Ends | None, ...] = ()  # of each latent that depends on another: its own two runs

    def ends_of(self, place: int) -> Ends:
        """The two runs that say a latent's mean and sigma."""
        return (self.deep[place] if self.deep else None) or self.ends


@dataclass(frozen=True, kw_only=True)
class Probed:
    """All probes of one program."""

    program: Program
    feed: Feed
    first: Run
    latents: tuple[Latent, ...]
    probes: tuple[Probe, ...] = ()
    positive: bool = False
    label: str = ""
    heavy: bool = False
    given: tuple[str, ...] = field(default=())
    priors: tuple[Prior, ...] = ()  # of each latent, where one is not N(0, I)
    data: int | None = None  # the array that is modelled, where that is x with noise on it
    packed: tuple[int, ...] = ()  # arrays of the likelihood beside the output: dispersion, dropout logits
    held: tuple[float, ...] = ()  # numbers that a person gave, which a prior may be made of

    def outputs(self) -> list[int]:
        """Candidates for the decoder's output: at moved weights, where a bias of 0 hides nothing."""
        last = self.probes[-1]
        found = outputs_of(self.program, last.run, last.setting.x, self.latents[0])
        return found[:2] if self.heavy else found

    def values(self, setting: Setting, run: Run, ends: Ends) -> tuple[Values | None, ...]:
        """Every latent's values in a run."""
        return tuple(latent_values(self.program, setting, run, latent, ends) for latent in self.latents)

    def with_latents(self, latents: Sequence[Latent]) -> "Probed":
        """The same probes for these latents; one that depends on another is read at the other's own noise."""
        made = replace(self, latents=tuple(latents))
        return replace(made, probes=tuple(made.read_again(each) for each in self.probes))

    def read_again(self, probe: Probe) -> Probe:
        """A probe with the values of these latents."""
        if not any(each.deep for each in self.latents):
            return replace(probe, latents=self.values(probe.setting, probe.run, probe.ends))
        deep = tuple(
            Ends.alone(self.program, probe.setting, probe.run, each) if each.deep else None for each in self.latents
        )
        values = tuple(
            latent_values(self.program, probe.setting, probe.run, latent, own or probe.ends)
            for latent, own in zip(self.latents, deep, strict=True)
        )
        return replace(probe, deep=deep, latents=values)

    def prior_values(self, run: Run, prior: Prior, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """(mean, log sigma^2) of a prior, broadcast to that shape; of a mixture (components, latent)."""
        mean = np.zeros(shape) if prior.mean is None else self.program.value(run, prior.mean)
        spread = None if prior.spread is None else self.program.value(run, prior.spread)
        with np.errstate(all="ignore"):
            log_var = np.zeros(shape) if spread is None else log_var_of(spread, prior.form)
        if prior.mixture:
            return mean.reshape(-1, shape[1]), log_var.reshape(-1, shape[1])
        return np.broadcast_to(mean, shape), np.broadcast_to(log_var, shape)

    def observed(self, probe: Probe) -> Array:
        """The data that the loss models: x, or what noise made of it."""
        return probe.setting.x if self.data is None else self.program.value(probe.run, self.data)

    def output_of(self, probe: Probe, output: int) -> Array:
        """(batch, observed) of the decoder's output, beside it what is packed; one row holds for every datum."""
        first = as_rows(self.program.value(probe.run, output), len(probe.setting.x))
        more = [self.program.value(probe.run, each) for each in self.packed]
        return np.concatenate(
            [first, *(np.broadcast_to(each.reshape(-1, first.shape[1]), first.shape) for each in more)], axis=1
        )

    def by_array(self, run: Run, output: int, slope: Array) -> dict[int, Array]:
        """Slopes by `output_of`, array by array."""
        found: dict[int, Array] = {}
        parts = np.split(slope, 1 + len(self.packed), axis=1)
        for number, part in zip((output, *self.packed), parts, strict=True):
            shape = self.program.shape(run, number)
            found[number] = (part if np.prod(shape) == part.size else part.sum(0)).reshape(shape)
        return found

    def signs(self, probe: Probe) -> Array:
        """The signs of sigma, (batch, latent): z = mean - sigma e is as good a sampler."""
        return np.concatenate([np.sign(v.sigma) for v in probe.latents if v is not None], axis=1)

    def observation(self, probe: Probe, output: int, *, signed: bool = False) -> Observation:
        """One probe as `compare check` sees a call: arrays by role, all latents side by side, the loss as its term.

        signed: sigma with its sign, for a sampler that takes something else for it.
        """
        rows = len(probe.setting.x)
        known = [each for each in probe.latents if each is not None]
        sigma = np.concatenate([each.sigma for each in known], axis=1)
        inputs = {
            Role.X: as_rows(self.observed(probe), rows),
            Role.OUTPUT: self.output_of(probe, output),
            Role.MEAN: np.concatenate([each.mean for each in known], axis=1),
            Role.SPREAD: sigma if signed else np.abs(sigma),
            Role.Z: np.concatenate([each.z for each in known], axis=1),
        }
        if self.priors:
            pairs = [
                self.prior_values(probe.run, prior, each.mean.shape)
                for prior, each in zip(self.priors, known, strict=True)
            ]
            inputs[Role.PRIOR_MEAN] = np.concatenate([mean for mean, _ in pairs], axis=1)
            inputs[Role.PRIOR_SPREAD] = np.concatenate([log_var for _, log_var in pairs], axis=1)
        term = Term(name="loss", value=probe.loss, dtype="float64")
        return Observation(label="its own networks'", inputs=inputs, terms=(term,), dtype=DType.FLOAT64)


def probe(
    program: Program, feed: Feed, latents: Sequence[Latent], *, heavy: bool = False, large: bool = False, steps: int = 0
) -> tuple[Probe, ...]:
    """Run it at `SIZES` x `MOVED` x `BATCHES` x `TAPES`; heavy: at fewer; large: at smaller batches.

    Raises FunctionError where it raises or gives no number.
    """
    found, number = [], 0
    for size in FEW if heavy else LESS if large else SIZES:
        for moved in MOVED:
            for _ in range(BATCHES):
                number += 1
                base = Setting(x=feed.batch(size, number), seed=100 * number, masks=number, moved=moved)
                ends = Ends.of(program, base, last_of(latents))
                for tape in range(1 if heavy else TAPES):
                    setting = replace(base, seed=base.seed + tape)
                    found.append(one_probe(program, setting, latents, ends, steps))
    return tuple(found)


class ShiftingError(FunctionError):
    """The operations of two runs are not the same ones: a Python loop over the data of a batch."""


def one_probe(
    program: Program, setting: Setting, latents: Sequence[Latent], ends: Ends | None = None, steps: int = 0
) -> Probe:
    """One run, checked. steps: how many the first run had, and arrays."""
    ends = ends or Ends.of(program, setting, last_of(latents))
    run = program.run(setting)
    if run.error:
        raise FunctionError(f"the model raises {run.error} (x {setting.x.shape}){became(run.error)}.")
    if run.loss is None:
        raise FunctionError("its loss came out once, and then no more.")
    if steps and len(run.steps) + len(run.arrays) != steps:
        raise ShiftingError("its operations differ from one batch to another, so its parts can't be followed.")
    loss = program.value(run, run.loss)
    if not np.isfinite(loss).all():
        raise FunctionError(f"the loss is {loss.ravel()[0]} at x {setting.x.shape}: no number, nothing to judge.")
    values = tuple(latent_values(program, setting, run, latent, ends) for latent in latents)
    return Probe(setting=setting, run=run, ends=ends, loss=loss, latents=values)


def latents_of(run: Run) -> tuple[Latent, ...]:
    """The latents of a run."""
    return tuple(find_latents(run))


def last_of(latents: Sequence[Latent]) -> int:
    """The step that makes the last latent: where a run for their values may end."""
    return max((latent.step for latent in latents), default=-1)
