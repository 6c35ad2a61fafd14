"""Free bits and capacities in whole models: the loss with a floor under its KL, on the values of its own networks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from elbo_compare.compare.checking.by_design import FLOORED
from elbo_compare.compare.checking.fitting import EXACT, Columns, Fit, Law, by_size
from elbo_compare.compare.checking.identify import Identified, Standing, candidate_readings
from elbo_compare.compare.checking.models.objective import Found, signature_of
from elbo_compare.compare.checking.models.probing import SIZES, Probed, one_probe
from elbo_compare.compare.checking.names import WrittenAs
from elbo_compare.compare.checking.objectives import Objective, find_floors
from elbo_compare.compare.checking.readings import Quantity, kl_elements
from elbo_compare.suites.bridge.program import Setting

MOST_OUTPUTS = 2
LEVEL = 1e-6  # relative: of a level that is read off a fit, at each batch size
FARTHER = (1.0, 2.0, 4.0, 8.0)  # by how much weights are moved for a KL beyond a level


def floors(probed: Probed, likelihood: str | None, numbers: Sequence[float]) -> Iterator[tuple[Found, Objective]]:
    """Every floor or capacity under which the loss is the formula at all probes, with its objective. numbers: what a
    level or a weight may be."""
    signature = signature_of(probed.label, positive=probed.positive)
    readings = [
        each
        for each in candidate_readings(signature, [Quantity.NEGATIVE_ELBO], likelihood)
        if each.spread is WrittenAs.SIGMA and each.data is not None and (likelihood or each.data.likelihood in FLOORED)
    ]
    for output in () if probed.heavy else probed.outputs()[:MOST_OUTPUTS]:
        observations = tuple(probed.observation(each, output) for each in probed.probes)
        with np.errstate(all="ignore"):
            for each in find_floors(Columns(observations), 0, readings, numbers, "reconstruction"):
                fit = Fit(reading=each.reading, data=Law(factor=1.0), kl=Law(factor=1.0), constant=None, tier=EXACT)
                one = Identified(fit=fit, reading=each.reading, reduction=each.reduction, standing=Standing.RIGHT)
                found = Found(identified=one, output=output, observations=observations, signature=signature)
                yield found, each.objective


def beyond_its_level(probed: Probed, found: Found) -> tuple[Probed, tuple[float, ...]] | None:
    """The probes, and some at weights that are moved so far that a KL exceeds the level that the loss would have as
    beta |KL - C|; with (C, beta). None where there is no such level, or none of them reaches it.

    Below its level a capacity is C - KL, which a flipped sign beside a constant is as well; beyond it they part.
    """
    fit = found.identified.fit
    if fit.data is None or fit.kl is None or fit.constant is None or not fit.data.factor:
        return None
    sizes = by_size(found.observations)  # the constant is of the whole loss, the others of a sum over the batch
    levels = [-fit.constant.at(size) / (fit.kl.at(size) * size[0]) for size in sizes]
    level, weight = levels[0], abs(fit.kl.over(fit.data).factor)
    if level <= 0 or not np.allclose(levels, level, rtol=LEVEL) or not fit.kl.over(fit.data).plain:
        return None
    far = []
    for number, moved in enumerate(FARTHER):
        setting = Setting(x=probed.feed.batch(SIZES[0], 90 + number), seed=90 + number, masks=1, moved=moved)
        one = one_probe(probed.program, setting, probed.latents)
        kl = kl_elements(found.identified.reading, probed.observation(one, found.output).inputs).value.sum(1)
        far += [one] if np.isfinite(kl).all() and kl.min() > level else []
    return (replace(probed, probes=(*probed.probes, *far)), (level, weight)) if far else None


def held_numbers(model: Any, constants: Mapping[str, Any]) -> tuple[float, ...]:
    """The numbers that a model holds or was given: candidates for a level or a weight."""
    held = [*constants.values(), *getattr(model, "__dict__", {}).values()]
    numbers = [float(each) for each in held if isinstance(each, (int, float)) and not isinstance(each, bool)]
    return tuple(dict.fromkeys(each for each in numbers if each > 0))
