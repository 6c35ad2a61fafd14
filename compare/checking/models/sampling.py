"""The sampler: z = mean + sigma e, one normal noise per datum and latent; and which draws the loss depends on."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from elbo_compare.compare.checking.claims import ClaimVerdict
from elbo_compare.compare.checking.diagnosis import Diagnosis, DifferenceForm
from elbo_compare.compare.checking.models.parts import AFFINE, Latent, Values, affine
from elbo_compare.compare.checking.models.probing import Probe, Probed
from elbo_compare.compare.records import Outcome
from elbo_compare.suites.bridge.program import Run
from elbo_compare.suites.bridge.tape import Drawn

STATEMENT = "z = mean + sigma e, one e ~ N(0, 1) for each datum and latent"


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """What is known of the sampler. cause: why it is wrong; beyond: why it can't be judged."""

    claim: ClaimVerdict | None = None
    cause: Diagnosis | None = None
    beyond: str = ""
    notes: tuple[str, ...] = ()
    transformed: bool = False  # normal noise, and z is no mean + sigma e: a flow may lie between


def unread(run: Run) -> Sampler:
    """No network reads any noise."""
    drawn = [draw for draw in run.sampled if draw.kind is not Drawn.OTHER]
    if not drawn:
        return Sampler(
            beyond="no noise is drawn in training mode, so there is no z to find: an autoencoder, or a sampler that is "
            "never reached"
        )
    shapes = ", ".join(str(draw.shape) for draw in drawn[:3])
    return Sampler(
        beyond=f"noise {shapes} is drawn, and no network reads it: the decoder gets no sample of z (a deterministic "
        "encoder, as in a WAE, or a discrete latent)"
    )


def judge_sampler(probed: Probed) -> Sampler:
    """The sampler of every latent, by value."""
    first = probed.probes[0]
    for place, latent in enumerate(probed.latents):
        values = first.latents[place]
        shapes = [first.run.sampled[d].shape for d in latent.draws]
        kinds = {first.run.sampled[d].kind for d in latent.draws}
        wrong = _shared(probed, latent, first, shapes)
        if wrong is not None:
            return Sampler(cause=wrong)
        if kinds & {Drawn.OTHER, Drawn.BERNOULLI} or values is None:
            words = ", ".join(sorted(first.run.sampled[d].by.removeprefix("aten.") for d in latent.draws))
            return Sampler(
                beyond="what the networks read is no Gaussian sample of one row per datum (drawn by "
                f"{words}, {_list(shapes)})"
            )
        if not all(affine(each, probed.program.roundoff) for each in _all(probed, place)):
            if kinds == {Drawn.NORMAL}:
                return Sampler(
                    beyond="z is not mean + sigma e element by element: a flow, a full covariance or another transform",
                    transformed=True,
                )
            return Sampler(
                beyond="z is made of uniform noise: a relaxed discrete latent (Gumbel), or another transform"
            )
        if Drawn.UNIFORM in kinds:
            text = "the noise of z is uniform on (0, 1), not normal: its mean is 0.5, its variance 1/12"
            return Sampler(
                cause=Diagnosis(
                    form=DifferenceForm.EXPECTATION, text=text, advice="draw with randn_like, not rand_like"
                )
            )
        if all(
            np.allclose(2 * np.log(np.abs(each.sigma)), each.mean, rtol=1e-9, atol=1e-12)
            for each in _all(probed, place)
        ):
            text = "log sigma^2 is the mean, number by number: both come from one head"
            return Sampler(
                cause=Diagnosis(form=DifferenceForm.TERMS, text=text, advice="give log_var a head of its own")
            )
        if not np.any(values.sigma):
            return Sampler(beyond="z does not change with the noise that it is made of")
    every = [values for place in range(len(probed.latents)) for values in _all(probed, place)]
    claim = sampler_claim(every, probed.program.roundoff, "its own networks, every tape")
    return Sampler(claim=claim, notes=_notes(first))


def _list(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _all(probed: Probed, place: int) -> list[Values]:
    return [values for each in probed.probes if (values := each.latents[place]) is not None]


def _shared(probed: Probed, latent: Latent, probe: Probe, shapes: list[tuple[int, ...]]) -> Diagnosis | None:
    """One noise for several data or latents."""
    shape = probed.program.shape(probe.run, latent.at)
    rows, drawn = len(probe.setting.x), int(np.prod(shapes[0])) if shapes else 0
    size = int(np.prod(shape))
    if len(shapes) != 1 or not drawn or drawn >= size or shape[:1] != (rows,):
        return None
    width = size // rows
    if drawn == width:
        text = f"one noise {shapes[0]} is shared by all {rows} data of a batch, where z is {shape}"
    elif drawn == rows:
        text = f"one noise {shapes[0]} is shared by all {width} latents of a datum, where z is {shape}"
    elif drawn == 1:
        text = f"one number of noise is shared by the whole batch, where z is {shape}"
    else:
        return None
    advice = "draw it in the shape of sigma: randn_like(sigma)"
    return Diagnosis(form=DifferenceForm.EXPECTATION, text=text, advice=advice)


def sampler_claim(seen: Iterable[Values], roundoff: float, where: str) -> ClaimVerdict:
    """The worst distance of z from mean + sigma e, of what rounding allows."""
    worst = (0.0, 1.0)
    for values in seen:
        off = np.abs(values.z - values.mean - values.sigma * values.noise).ravel()
        size = (np.abs(values.mean) + np.abs(values.sigma * values.noise) + np.abs(values.z)).ravel()
        allowed = AFFINE * roundoff * size + 1e-300
        at = int(np.argmax(off / allowed))
        worst = max(worst, (float(off[at]), float(allowed[at])), key=lambda pair: pair[0] / pair[1])
    return ClaimVerdict(
        name="sampler",
        statement=STATEMENT,
        outcome=Outcome.AGREES,
        difference=worst[0],
        tolerance=worst[1],
        where=where,
    )


def _notes(probe: Probe) -> tuple[str, ...]:
    widths = [values.mean.shape[1] for values in probe.latents if values is not None]
    notes = [f"{len(widths)} latents, of {' and '.join(map(str, widths))} dimensions"] if len(widths) > 1 else []
    if any((values.sigma < 0).any() for values in probe.latents if values is not None):
        notes.append("sigma is negative in places: z = mean - |sigma| e is as good")
    return tuple(notes)


def second_draw(probed: Probed) -> int | None:
    """The array of a second sample of z that the loss reads and no network does; None where there is none."""
    probe = probed.probes[0]
    run = probe.run
    assert run.loss is not None
    read = {draw for latent in probed.latents for draw in latent.draws}
    extra = run.draws[run.loss] - read
    values = probe.latents[0]
    if not extra or values is None:
        return None
    for number in range(len(run.arrays)):
        if (
            run.draws[number]
            and run.draws[number] <= extra
            and np.prod(probed.program.shape(run, number)) == values.z.size
        ):
            noise = run.sampled[min(run.draws[number])].noise
            z = probed.program.value(run, number).reshape(values.z.shape)
            if noise is not None and noise.size == z.size:
                right = values.mean + values.sigma * noise.reshape(z.shape)
                if np.allclose(z, right, rtol=1e-9, atol=1e-12):
                    return number
    return None
