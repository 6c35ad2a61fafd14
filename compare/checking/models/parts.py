"""What a model's arrays are, by value: z is what a network reads of the noise, its mean and sigma come from the tape.

z with all noise at 0 is the mean, and (z with all noise at E, less that) / E is sigma: no name is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elbo_compare.compare.checking.names import WrittenAs
from elbo_compare.suites.bridge.program import (
    CONTRACTIONS,
    Program,
    Run,
    Setting,
    as_rows,
    readers,
    source_of,
)
from elbo_compare.suites.bridge.tape import Drawn
from elbo_compare.suites.contract import Array

AFAR = 1024.0  # noise at which z is read for its spread: what is lost of sigma by cancellation is a thousandth
AFFINE = 64  # roundoffs of |mean| + sigma |e| that z may be off


@dataclass(frozen=True, kw_only=True)
class Latent:
    """One latent: the array that networks read, by its number `at`; the step that makes it; the draws it is made of."""

    at: int
    step: int
    draws: tuple[int, ...]
    deep: bool  # it depends on another latent through a network
    base: int | None = None  # where a flow lies between: the sample mean + sigma e


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The prior of one latent: the arrays of a run that are its mean and spread, in that form; None: zeros, ones.
    mixture: their rows are the components of an even mixture."""

    mean: int | None = None
    spread: int | None = None
    form: WrittenAs = WrittenAs.LOG_VAR
    mixture: bool = False


@dataclass(frozen=True, kw_only=True)
class Values:
    """One latent's values in one run. mean, sigma, z, noise: (batch, latent); sigma keeps its sign."""

    mean: Array
    sigma: Array
    z: Array
    noise: Array


def find_latents(run: Run) -> list[Latent]:
    """Every array that networks read of the noise, each once, in order."""
    found: dict[int, Latent] = {}
    deep, encoded = _deep(run), _encoded(run)
    corrupting: frozenset[int] = frozenset()  # noise on the data themselves: a denoising VAE, dynamic binarisation
    for number in readers(run):
        for operand in run.steps[number].reads:
            if not run.draws[operand] or run.weighs[operand]:
                continue
            for at in _sources(run, operand):
                if run.of_x[at] and not encoded[at]:
                    corrupting |= run.draws[at]
                    continue
                before = deep[at]
                known = corrupting.union(*(one.draws for one in found.values()))
                draws = run.draws[at] - known
                if at not in found and draws:
                    step = max((n for n, each in enumerate(run.steps) if at in each.makes), default=-1)
                    found[at] = Latent(at=at, step=step, draws=tuple(sorted(draws)), deep=before)
    return list(found.values())


def _sources(run: Run, operand: int) -> list[int]:
    """The arrays behind an operand: of a concatenation, each noisy part."""
    at = source_of(run, operand)
    maker = next((step for step in reversed(run.steps) if at in step.makes), None)
    if maker is not None and maker.op in {"cat", "concat", "concatenate", "stack"}:
        return [one for each in maker.reads if run.draws[each] for one in _sources(run, each)]
    return [at]


def corrupted(run: Run) -> list[int]:
    """The arrays that networks read for data: noise on x, made without any weight."""
    encoded = _encoded(run)
    read = [each for number in readers(run) for each in run.steps[number].reads if run.draws[each]]
    found = [at for each in read for at in _sources(run, each) if run.of_x[at] and not encoded[at]]
    return list(dict.fromkeys(found))


def _encoded(run: Run) -> list[bool]:
    """Which arrays a weight has a part in."""
    encoded = list(run.weighs)
    for step in run.steps:
        if any(encoded[each] for each in step.reads):
            for made in step.makes:
                encoded[made] = True
    return encoded


def _deep(run: Run) -> list[bool]:
    """Which arrays depend on noise through a network."""
    deep = [False] * len(run.arrays)
    for step in run.steps:
        through = step.op in CONTRACTIONS and any(run.draws[each] for each in step.reads)
        if through or any(deep[each] for each in step.reads):
            for made in step.makes:
                deep[made] = True
    return deep


def latent_values(program: Program, setting: Setting, run: Run, latent: Latent, ends: "Ends") -> Values | None:
    """The latent's values; None where it has no rows for the data."""
    rows = len(setting.x)
    at = latent.at if latent.base is None else latent.base
    z, mean, afar = (_value(program, each, at) for each in (run, ends.none, ends.far))
    if z is None or mean is None or afar is None or z.shape[:1] != (rows,):
        return None
    noise = [drawn for d in latent.draws if (drawn := run.sampled[d].noise) is not None]
    if len(noise) != 1:
        return None
    sigma = (afar - mean) / AFAR
    e = np.broadcast_to(noise[0], z.shape) if _broadcasts(noise[0].shape, z.shape) else None
    if e is None and noise[0].size == z.size:
        e = noise[0].reshape(z.shape)
    if e is None:
        return None
    if latent.base is not None:  # log q at the sample, log p at z: the mean moves along with z
        flowed = program.value(run, latent.at)
        if flowed.size != z.size:
            return None
        z, mean = as_rows(flowed, rows), as_rows(flowed, rows) - as_rows(z, rows) + as_rows(mean, rows)
    return Values(mean=as_rows(mean, rows), sigma=as_rows(sigma, rows), z=as_rows(z, rows), noise=as_rows(e, rows))


def _broadcasts(shape: Sequence[int], target: Sequence[int]) -> bool:
    try:
        return np.broadcast_shapes(tuple(shape), tuple(target)) == tuple(target)
    except ValueError:
        return False


def _value(program: Program, run: Run, number: int) -> Array | None:
    return program.value(run, number) if number < len(run.arrays) else None


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The two runs that say mean and sigma: all noise at 0, all of it at AFAR."""

    none: Run
    far: Run

    @classmethod
    def of(cls, program: Program, setting: Setting, until: int = -1) -> "Ends":
        """Run the program twice, until that array is there."""
        return cls(
            none=program.run(replace(setting, filled=0.0, until=until)),
            far=program.run(replace(setting, filled=AFAR, until=until)),
        )

    @classmethod
    def alone(cls, program: Program, setting: Setting, run: Run, latent: Latent) -> "Ends":
        """The two runs at one latent's noise, all other noise being that of a run."""
        normal = [draw for draw in run.drawn if draw.kind is Drawn.NORMAL and draw.noise is not None]
        own = [run.sampled[each] for each in latent.draws]

        def filled(level: float) -> Run:
            given = [np.full(d.shape, level) if any(d is o for o in own) else np.asarray(d.noise) for d in normal]
            return program.run(replace(setting, given=tuple(given), until=latent.step))

        return cls(none=filled(0.0), far=filled(AFAR))


def affine(values: Values, roundoff: float) -> bool:
    """Whether z = mean + sigma e, element by element, to within rounding."""
    if not (np.isfinite(values.sigma).all() and np.isfinite(values.mean).all()):
        return False  # a flow that overflows at the noise afar
    right = values.mean + values.sigma * values.noise
    size = np.abs(values.mean) + np.abs(values.sigma * values.noise) + np.abs(values.z)
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(values.z - right) <= AFFINE * roundoff * size + 1e-300))


def outputs_of(program: Program, run: Run, x: Array, latent: Latent) -> list[int]:
    """What may be the decoder's output: as many numbers as x, made of the latent by a network; returned ones first."""
    deep = _deep(run)
    sized = [
        number
        for number in range(len(run.arrays))
        if deep[number] and set(latent.draws) & run.draws[number] and np.prod(program.shape(run, number)) == x.size
    ]
    returned = [number for name, number in run.outputs.items() if name != "loss" and number in sized]
    read = [number for number in readers(run) if number < len(run.steps)]
    last = max((made for number in read for made in run.steps[number].makes if made in sized), default=0)
    after = [number for number in sized if number >= last]  # the last layer's result, and what is made of it
    ordered = list(dict.fromkeys([*returned, *after, *reversed(sized)]))
    found, seen = [], []
    for number in ordered:
        value = program.value(run, number).reshape(-1)
        if not np.isfinite(value).all() or any(np.array_equal(value, other) for other in seen):
            continue
        seen.append(value)
        found.append(number)
    return found[:12]
