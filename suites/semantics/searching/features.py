"""The productions that a drawn pair may use, and which of them do not go together."""

from collections.abc import Mapping
from enum import StrEnum


class Feature(StrEnum):
    """A production that a pair may use; several are combined at random."""

    PLAIN = "plain"
    FAMILIES = "families"
    DISCRETE = "discrete"
    DEPENDENCE = "dependence in the guide"
    ORDER = "order"
    PLATE = "plate"
    SUBSAMPLE = "subsample"
    TWO_PLATES = "two plates"
    SCALE = "scale"
    MASK = "mask"
    AUXILIARY = "auxiliary"
    ONE_SIDE = "one side"
    DELTA = "delta"
    FACTOR = "factor"
    PYTHON = "python"
    EVENT = "event"
    EXPANDED = "expand"
    TRANSFORMED = "transformed"
    DIRICHLET = "dirichlet"
    MULTIVARIATE = "multivariate"
    CROSSED = "crossed plates"
    SIDE_BY_SIDE = "plates side by side"
    OBS_MASK = "obs_mask"
    AUTOMATIC = "automatic guide"
    SUMMED = "summed out in the model"
    SCORED = "not reparameterised"
    GLOBAL = "Python global"
    STATE = "mutable state"
    EXTREME = "extreme parameters"
    IMPOSSIBLE = "impossible data"
    OTHER_POSITIVE = "another family on the positive numbers"
    OTHER_UNIT = "another family on the unit interval"
    GUIDE_FACTOR = "factor in the guide"


# Families on one support that are compared with each other alone: nothing else reads the latent, so that where a
# divergence has a closed form the loss has no variance, and a small error of it shows.
_OTHER = {Feature.DISCRETE, Feature.DELTA, Feature.PYTHON, Feature.EVENT, Feature.EXPANDED, Feature.TRANSFORMED,
          Feature.DIRICHLET, Feature.MULTIVARIATE, Feature.CROSSED, Feature.AUTOMATIC, Feature.EXTREME, Feature.ORDER,
          Feature.FACTOR}  # fmt: skip
# What a production can't stand beside, because the libraries promise nothing then or the oracle's grid would grow.
WITHOUT: Mapping[Feature, set[Feature]] = {
    Feature.AUTOMATIC: {
        Feature.DISCRETE, Feature.PYTHON, Feature.ONE_SIDE, Feature.ORDER, Feature.AUXILIARY, Feature.DELTA,
        Feature.DEPENDENCE, Feature.OBS_MASK, Feature.SUMMED, Feature.SCORED, Feature.DIRICHLET,
        Feature.MULTIVARIATE, Feature.SUBSAMPLE, Feature.EXPANDED,
    },
    Feature.SUMMED: {
        Feature.PYTHON, Feature.OBS_MASK, Feature.CROSSED, Feature.SIDE_BY_SIDE, Feature.SUBSAMPLE, Feature.IMPOSSIBLE,
    },
    Feature.OBS_MASK: {Feature.SUBSAMPLE, Feature.IMPOSSIBLE},
    Feature.CROSSED: {Feature.EVENT, Feature.EXPANDED, Feature.DIRICHLET, Feature.MULTIVARIATE, Feature.PYTHON,
                      Feature.SIDE_BY_SIDE, Feature.SUBSAMPLE},
    Feature.SIDE_BY_SIDE: {Feature.TWO_PLATES, Feature.SUBSAMPLE},
    Feature.DIRICHLET: {Feature.MULTIVARIATE, Feature.EVENT, Feature.EXPANDED, Feature.PYTHON},
    Feature.MULTIVARIATE: {Feature.EVENT, Feature.EXPANDED, Feature.PYTHON},
    Feature.EXPANDED: {Feature.EVENT, Feature.PYTHON, Feature.PLATE, Feature.TWO_PLATES, Feature.SUBSAMPLE},
    # a discrete guide far out has events that no run of some thousand draws sees
    Feature.EXTREME: {Feature.FAMILIES, Feature.TRANSFORMED, Feature.AUTOMATIC, Feature.DIRICHLET, Feature.SCORED,
                      Feature.DISCRETE, Feature.AUXILIARY, Feature.PYTHON},
    Feature.STATE: {Feature.GLOBAL, Feature.PYTHON},
    Feature.OTHER_POSITIVE: _OTHER | {Feature.OTHER_UNIT},
    Feature.OTHER_UNIT: _OTHER,
}  # fmt: skip
