"""What `compare explain` has to know, which pairs stand for it in each library, and what each class does with them."""

from collections.abc import Iterable

DRAWN, KL, POINT, DATA, HELPS, GIVEN = (
    "reparameterised", "reparameterised | analytic", "point", "log-likelihood", "auxiliary + reparameterised",
    "observed in the guide",
)  # fmt: skip
OF_PYRO, OF_NUMPYRO = "none: it is Pyro's", "none: it is NumPyro's"
# What has to be covered -> the pairs of Pyro, those of NumPyro; a text says why there is none.
COVER: dict[str, tuple[tuple[str, ...] | str, tuple[str, ...] | str]] = {
    "hand-written guides": (("plain", "order violated", "auxiliary site", "flow"), ("learned switch", "branching")),
    "AutoDelta": (("point", "AutoDelta"), ("AutoDelta on supports",)),
    "AutoNormal": (("autoguide on a LogNormal", "AutoNormal"), ("AutoNormal on supports",)),
    "AutoDiagonalNormal": (("AutoDiagonalNormal",), ("AutoDiagonalNormal on supports",)),
    "AutoMultivariateNormal": (("AutoMultivariateNormal",), ("AutoMultivariateNormal on supports",)),
    "AutoLowRankMultivariateNormal": (
        ("AutoLowRankMultivariateNormal",), ("AutoLowRankMultivariateNormal on supports",)),
    "AutoIAFNormal": (("AutoIAFNormal",), ("AutoIAFNormal on supports",)),
    "AutoBNAFNormal": (OF_NUMPYRO, ("AutoBNAFNormal on supports",)),
    "AutoBatchedMultivariateNormal": (OF_NUMPYRO, ("AutoBatchedMultivariateNormal on supports",)),
    "AutoBatchedLowRankMultivariateNormal": (OF_NUMPYRO, ("AutoBatchedLowRankMultivariateNormal on supports",)),
    "AutoNormalizingFlow": (("AutoNormalizingFlow",), OF_PYRO),
    "AutoStructured": (("AutoStructured",), OF_PYRO),
    "AutoGaussian": (("AutoGaussian",), OF_PYRO),
    "AutoLaplaceApproximation": (("AutoLaplaceApproximation",), ("AutoLaplaceApproximation on supports",)),
    "AutoDAIS": (OF_NUMPYRO, ("AutoDAIS on supports",)),
    "AutoSurrogateLikelihoodDAIS": (OF_NUMPYRO, ("AutoSurrogateLikelihoodDAIS on supports",)),
    "AutoSemiDAIS": (OF_NUMPYRO, ("AutoSemiDAIS",)),
    "AutoDiscreteParallel": (("AutoDiscreteParallel",), OF_PYRO),
    "AutoGuideList": (("AutoGuideList, AutoCallable",), ("list of autoguides",)),
    "AutoCallable": (("AutoGuideList, AutoCallable",), OF_PYRO),
    "AutoNormalMessenger": (("guide that runs the model", "AutoNormalMessenger"), OF_PYRO),
    "AutoHierarchicalNormalMessenger": (("AutoHierarchicalNormalMessenger",), OF_PYRO),
    "AutoRegressiveMessenger": (("AutoRegressiveMessenger",), OF_PYRO),
    "positive latents": (("rejection", "AutoNormal"), ("list of autoguides", "AutoNormal on supports")),
    "simplex latents": (("AutoNormal", "AutoDiagonalNormal"), ("AutoNormal on supports",)),
    "bounded latents": (("AutoNormal", "AutoDiagonalNormal"), ("list of autoguides",)),
    "discrete latents": (
        ("discrete guide", "learned switch"), ("learned switch", "AutoNormal beside a discrete latent")),
    "plates without subsampling": (("masked in both", "AutoNormal"), ("list of autoguides", "AutoDAIS on supports")),
    "plates with subsampling": (
        ("subsampled", "local latents of a mini-batch"), ("a global latent beside a mini-batch", "AutoSemiDAIS")),
    "enumeration in the model": (
        ("enumerated in the model", "summed in the model", "summed under changing names"),
        ("enumerated in the model",)),
    "enumeration in the guide": (("enumerated in the guide", "AutoDiscreteParallel"), ("enumerated in the guide",)),
    "config_enumerate": (("enumerated in the guide",), ("enumerated in the guide", "enumerated in the model")),
    "flows": (
        ("flow", "AutoIAFNormal", "AutoNormalizingFlow"), ("AutoIAFNormal on supports", "AutoBNAFNormal on supports")),
    "scale": (("annealed in the model", "annealed in both"), ("all handlers at once",)),
    "mask": (("masked in the model", "masked in both"), ("all handlers at once", "Markov sites")),
    "condition": (("condition",), ("all handlers at once",)),
    "do": (("do",), ("all handlers at once",)),
    "block": (("block",), ("all handlers at once",)),
    "lift": (("lift",), ("all handlers at once",)),
    "reparam": (("reparam",), ("all handlers at once",)),
    "obs_mask": (("obs_mask",), ("obs_mask",)),
    "modules with state": (("PyroModule with state",), ("mutable state",)),
    "PyroModule": (("PyroModule with state",), OF_PYRO),
    "Markov sites": (("Markov sites",), ("Markov sites",)),
    "factor sites": (("factor", "factor of the guide"), ("all handlers at once",)),
}  # fmt: skip
BASES = {"AutoGuide", "AutoContinuous", "AutoMessenger", "AutoRVB"}  # of which no guide is made


def _each(names: Iterable[str], role: str) -> dict[str, str]:
    return dict.fromkeys(names, role)


def _supports(*helps: str, role: str = HELPS, **known: str) -> dict[str, str]:
    """Of an autoguide that draws unconstrained values: what the model draws is a point that moves with them."""
    return _each("swpz", POINT) | {"x": DATA} | _each(helps, role) | known


_OF_NUMPYRO = (  # which draw one vector of unconstrained values
    "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal", "AutoIAFNormal", "AutoBNAFNormal",
    "AutoBatchedMultivariateNormal", "AutoBatchedLowRankMultivariateNormal",
)  # fmt: skip
_WITHIN = _each("swpz", DRAWN) | {"x": DATA}  # transformed normals: no KL is registered
# Pair -> site -> its role, under TraceMeanField_ELBO the one behind the bar.
ROLES: dict[str, dict[str, dict[str, str]]] = {
    "pyro": {
        "AutoNormal": _supports(*(f"{site}_unconstrained" for site in "swpz")),
        "AutoDiagonalNormal": _supports("_AutoDiagonalNormal_latent"),
        "AutoMultivariateNormal": _supports("_AutoMultivariateNormal_latent"),
        "AutoLowRankMultivariateNormal": _supports("_AutoLowRankMultivariateNormal_latent"),
        "AutoDelta": _supports(),
        "AutoIAFNormal": _supports("_AutoIAFNormal_latent"),
        "AutoStructured": _supports(*(f"{site}_aux" for site in "swpz")),
        "AutoLaplaceApproximation": _supports("_AutoLaplaceApproximation_latent", role="auxiliary + point"),
        "AutoNormalMessenger": _WITHIN,
        "AutoGaussian": _supports("_AutoGaussianDense_latent"),
        "AutoHierarchicalNormalMessenger": _WITHIN,
        "AutoRegressiveMessenger": _WITHIN,
        "AutoGuideList, AutoCallable": _supports("s_unconstrained", "z_unconstrained", p=KL),
        "AutoNormalizingFlow": _supports("_AutoNormalizingFlow_latent"),
        "AutoDiscreteParallel": {"z": "score function | raises", "x": DATA},
        "obs_mask": {"x_observed": DATA, "x_unobserved": "drawn from the prior | raises", "x": "deterministic"},
        "Markov sites": _each(("z0", "z1", "z2"), KL) | _each(("x0", "x1", "x2"), DATA),
        "factor": {"z": KL, "f": DATA},
        "reparam": {"m": KL, "z_decentered": KL, "z": "deterministic", "x": DATA},
        "condition": {"m": DATA, "z": KL, "x": DATA},
        "do": {"m": "drawn from the prior | raises", "z": KL, "x": DATA},
        "block": {"z": KL, "x": DATA},  # m is hidden, and a number
        "lift": {"scale": DRAWN, "x": DATA},  # LogNormal of an exponential
        "PyroModule with state": {"slope": POINT, "x": DATA, "slope_unconstrained": HELPS},
    },
    "numpyro": {
        "list of autoguides": {"positive": DRAWN, "bounded": POINT, "_bounded_latent": HELPS, "x": DATA},
        "all handlers at once": {"m": KL, "k": DATA, "spread": DRAWN, "z_decentered": KL, "f": DATA, "x": DATA},
        "obs_mask": {"x_observed": DATA, "x_unobserved": "drawn from the prior | raises"},
        "Markov sites": {"z": KL, "x": DATA},
        "a global latent beside a mini-batch": {"m": KL, "z": KL, "x": DATA},
        "enumerated in the guide": {"z": "no score function", "x": DATA},
        "AutoNormal on supports": _each("swp", DRAWN) | {"z": KL, "x": DATA},
        "AutoDelta on supports": _supports(),
        **{f"{name} on supports": _supports("_auto_latent") for name in _OF_NUMPYRO},
        "AutoLaplaceApproximation on supports": _supports("_auto_latent", role="auxiliary + point"),
        **{f"{name} on supports": _supports("auto_z_0", "auto_momentum", auto_factor=GIVEN)
           for name in ("AutoDAIS", "AutoSurrogateLikelihoodDAIS")},
        "AutoSemiDAIS": _each("swp", "point | point + wrong scale") | {"m": KL, "x": DATA}
        | {"auto_z_0": HELPS, "auto_momentum": HELPS, "auto_local_dais_factor": GIVEN},
        "AutoNormal beside a discrete latent": {"s": DRAWN, "k": "drawn from the prior | raises", "x": DATA},
        "flax": {"z": KL, "x": DATA},
        "haiku": {"z": KL, "x": DATA},
    },
}  # fmt: skip
# (Class, site) whose role is neither of these two.
OTHERWISE = {
    ("AutoDiscreteParallel", "TraceEnum_ELBO", "z"): "enumerated",
    ("enumerated in the guide", "TraceEnum_ELBO", "z"): "enumerated",
    ("AutoNormal beside a discrete latent", "TraceEnum_ELBO", "k"): "enumerated",
}
NO_MESSENGER = {"TraceEnum_ELBO": ("NotImplementedError: TraceEnum_ELBO does not support GuideMessenger", "")}
RAISES: dict[str, dict[str, tuple[str, str]]] = {  # pair -> class -> what it raises, and the site
    "AutoNormalMessenger": NO_MESSENGER,
    "AutoHierarchicalNormalMessenger": NO_MESSENGER,
    "AutoRegressiveMessenger": NO_MESSENGER,
    "AutoDiscreteParallel": {
        "TraceMeanField_ELBO": ("NotImplementedError: All distributions in the guide must be fully reparam", "z")},
    "obs_mask": {"TraceMeanField_ELBO": ("KeyError: 'x_unobserved'", "x_unobserved")},
    "do": {"TraceMeanField_ELBO": ("KeyError: 'm'", "m")},
    "AutoNormal beside a discrete latent": {"TraceMeanField_ELBO": ("KeyError: 'k'", "k")},
}  # fmt: skip
