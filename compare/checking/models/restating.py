"""A loss that is an ELBO once its sign, or the prior of given labels, is read as what it is."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import log

from elbo_compare.compare.checking.identify import Standing
from elbo_compare.compare.checking.models.entering import Way
from elbo_compare.compare.checking.models.objective import Found, objective_of
from elbo_compare.compare.checking.models.opening import Opened
from elbo_compare.compare.checking.models.probing import Probed

A_LOSS = re.compile(r"loss|neg|cost|energy|nll|objective", re.IGNORECASE)  # is never an ELBO
AN_ELBO = re.compile(r"elbo|bound|vlb", re.IGNORECASE)  # where A_LOSS finds nothing
UPWARD = "it is the ELBO itself, which is to be maximised"
ASKED = (
    "not judged: what forward gives is the ELBO itself, and what was read does not say whether it is minimised, its "
    "sign flipped, or its negative is; say --loss forward for the one, or name the loop that trains it, as in --loss "
    "FILE.py:FUNCTION"
)


def restate(
    probed: Probed, found: Found | None, opened: Opened, likelihood: str | None
) -> tuple[Probed, Found | None, tuple[str, ...]]:
    """The probes read otherwise, where the loss is then right, and how in words; as they were where it is not.

    What forward gives may be the ELBO, all of it with the sign of one: right where its file minimises its negative or
    its name says so, wrong where its file minimises it as it stands, and else `ASKED`. A model that is given labels of
    K classes may have log p(y) = -log K in it, for each datum.
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
    if falls and (way.label != "forward" or way.descends > 0 or A_LOSS.search(way.chosen.name)):
        return
    read = replace(probed, positive=True) if falls else probed
    upward = (_upward(way),) if falls else ()
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


def _upward(way: Way) -> str:
    """What says that an ELBO is maximised."""
    if way.descends < 0:
        return f"{UPWARD}: its file minimises the negative"
    named = way.chosen.name.isidentifier() and AN_ELBO.search(way.chosen.name)  # `-bound` is none
    return f"{UPWARD}: it is called {way.chosen.name}" if named else ASKED
