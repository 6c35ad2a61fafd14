"""Free bits and capacities in whole models: the loss with a floor under its KL, on the values of its own networks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from elbo_compare.compare.checking.by_design import FLOORED
from elbo_compare.compare.checking.fitting import EXACT, Columns, Fit, Law
from elbo_compare.compare.checking.identify import Identified, Standing, candidate_readings
from elbo_compare.compare.checking.models.objective import Found, signature_of
from elbo_compare.compare.checking.models.probing import Probed
from elbo_compare.compare.checking.names import WrittenAs
from elbo_compare.compare.checking.objectives import Objective, find_floors
from elbo_compare.compare.checking.readings import Quantity

MOST_OUTPUTS = 2


def floors(
    probed: Probed, likelihood: str | None, model: Any, constants: Mapping[str, Any]
) -> Iterator[tuple[Found, Objective]]:
    """Every floor or capacity under which the loss is the formula at all probes, with its objective."""
    signature = signature_of(probed.label, positive=probed.positive)
    readings = [
        each
        for each in candidate_readings(signature, [Quantity.NEGATIVE_ELBO], likelihood)
        if each.spread is WrittenAs.SIGMA and each.data is not None and (likelihood or each.data.likelihood in FLOORED)
    ]
    numbers = held_numbers(model, constants)
    for output in () if probed.heavy else probed.outputs()[:MOST_OUTPUTS]:
        observations = tuple(probed.observation(each, output) for each in probed.probes)
        with np.errstate(all="ignore"):
            for each in find_floors(Columns(observations), 0, readings, numbers, "reconstruction"):
                fit = Fit(reading=each.reading, data=Law(factor=1.0), kl=Law(factor=1.0), constant=None, tier=EXACT)
                one = Identified(fit=fit, reading=each.reading, reduction=each.reduction, standing=Standing.RIGHT)
                found = Found(identified=one, output=output, observations=observations, signature=signature)
                yield found, each.objective


def held_numbers(model: Any, constants: Mapping[str, Any]) -> tuple[float, ...]:
    """The numbers that a model holds or was given: candidates for a level or a weight."""
    held = [*constants.values(), *getattr(model, "__dict__", {}).values()]
    numbers = [float(each) for each in held if isinstance(each, (int, float)) and not isinstance(each, bool)]
    return tuple(dict.fromkeys(each for each in numbers if each > 0))
