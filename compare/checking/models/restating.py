"""A loss that is an ELBO once its sign, or the prior of given labels, is read as what it is."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import log

from elbo_compare.compare.checking.identify import Standing
from elbo_compare.compare.checking.models.objective import Found, objective_of
from elbo_compare.compare.checking.models.opening import Opened
from elbo_compare.compare.checking.models.probing import Probed

A_LOSS = re.compile(r"loss|neg|cost|energy|nll|objective", re.IGNORECASE)  # is never an ELBO
UPWARD = "it is the ELBO itself, which is to be maximised: no name here says that it is a loss"


def restate(
    probed: Probed, found: Found | None, opened: Opened, likelihood: str | None
) -> tuple[Probed, Found | None, tuple[str, ...]]:
    """The probes read otherwise, where the loss is then right, and how in words; as they were where it is not.

    What forward gives may be the ELBO under no name of its own, all of it with the sign of one; a model that is given
    labels of K classes may have log p(y) = -log K in it, for each datum.
    """
    if found is None or found.standing is Standing.RIGHT:
        return probed, found, ()
    for changed, words in _readings(probed, found, opened):
        other = objective_of(changed, likelihood, outputs=[found.output])
        if other is not None and other.standing is Standing.RIGHT and not other.transformed:
            return changed, other, words
    return probed, found, ()


def _readings(probed: Probed, found: Found, opened: Opened) -> Iterator[tuple[Probed, tuple[str, ...]]]:
    fit, way = found.identified.fit, opened.way
    falls = all(law is not None and law.factor < 0 for law in (fit.data, fit.kl))
    if falls and (way.label != "forward" or A_LOSS.search(way.chosen.name)):
        return
    read = replace(probed, positive=True) if falls else probed
    upward = (UPWARD,) if falls else ()
    if falls:
        yield read, upward
    if opened.labels is not None and fit.constant is not None:
        each = log(opened.labels.classes)
        words = (*upward, f"log p(y) = -log {opened.labels.classes} of the given labels is in it, for each datum")
        for summed in (False, True):
            shifts = [
                each * (len(one.setting.x) if summed else 1) * (-1 if read.positive else 1) for one in read.probes
            ]
            probes = [replace(one, loss=one.loss - shift) for one, shift in zip(read.probes, shifts, strict=True)]
            yield replace(read, probes=tuple(probes)), words
