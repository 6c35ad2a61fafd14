"""Every vector, by family. IDs are permanent and append-only: a vector is never changed, only followed by another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elbo_compare.compare.vectors import functions as f
from elbo_compare.compare.vectors.exact import Nested
from elbo_compare.compare.vectors.inputs import (
    FAR,
    LOG_VAR_SIGMA_LARGE,
    LOG_VAR_SIGMA_SMALL,
    SATURATED,
    VERY_FAR,
    coins,
    filled,
    log_vars,
    means,
    noises,
    outputs,
    pattern,
    samples,
    signs,
    times,
)
from elbo_compare.compare.vectors.vector import Function, Vector

Inputs = Mapping[str, Nested]
Entry = tuple[Function, str, tuple[str, ...], Inputs]  # function, comment, flags, inputs


@dataclass(frozen=True, kw_only=True)
class Family:
    """One file of vectors."""

    name: str
    prefix: str
    title: str
    vectors: tuple[Vector, ...]


def _family(name: str, prefix: str, title: str, entries: Sequence[Entry]) -> Family:
    vectors = tuple(
        Vector(id=f"VEC-{prefix}-{number:04}", function=function, comment=comment, flags=flags, inputs=inputs)
        for number, (function, comment, flags, inputs) in enumerate(entries, 1)
    )
    return Family(name=name, prefix=prefix, title=title, vectors=vectors)


def _q(mean: Nested, log_var: Nested) -> dict[str, Nested]:
    return {"mean": mean, "log_var": log_var}


EXTREME = ("extreme",)
# Comment, flags, mean, log_var: the distributions q that KL, densities and gradients are evaluated at.
QS: tuple[tuple[str, tuple[str, ...], Nested, Nested], ...] = (
    ("q = p = N(0, I)", ("q = p",), filled(2, 3, 0.0), filled(2, 3, 0.0)),
    ("one datum, one dimension", (), [[1.25]], [[-0.5]]),
    ("ordinary: 4 data, 3 dimensions", (), means(4, 3), log_vars(4, 3)),
    ("40 dimensions: an average over them is 1/40 of the right value", (), means(3, 40), log_vars(3, 40)),
    ("sigma = 0.001 to binary32", EXTREME, means(2, 3), filled(2, 3, LOG_VAR_SIGMA_SMALL)),
    ("sigma = 10 to binary32", EXTREME, means(2, 3), filled(2, 3, LOG_VAR_SIGMA_LARGE)),
    ("|mean| = 30", EXTREME, times(FAR, signs(2, 3)), log_vars(2, 3)),
    ("|mean| = 1000", EXTREME, times(VERY_FAR, signs(2, 3)), log_vars(2, 3)),
    (
        "q within 2^-10 of p: exp(log_var) - 1 - log_var cancels",
        EXTREME,
        times(2.0**-10, means(2, 3)),
        times(2.0**-10, log_vars(2, 3)),
    ),
    (
        "one regime for each datum: sigma 0.001, sigma 10, |mean| 30, q = p, ordinary",
        EXTREME,
        [[0.25, -0.5], [0.25, -0.5], [FAR, -FAR], [0.0, 0.0], [1.0, -0.75]],
        [[LOG_VAR_SIGMA_SMALL] * 2, [LOG_VAR_SIGMA_LARGE] * 2, [0.5, -0.25], [0.0, 0.0], [0.75, -1.25]],
    ),
)


def _sampled(mean: Nested, log_var: Nested) -> Inputs:
    noise = noises(len(mean), len(mean[0]))
    return {"z": samples(mean, log_var, noise), **_q(mean, log_var)}


def _at(mean: Nested, log_var: Nested, noise: float) -> Inputs:
    return {"z": samples(mean, log_var, filled(len(mean), len(mean[0]), noise)), **_q(mean, log_var)}


def _kl_entries() -> list[Entry]:
    return [(f.ANALYTIC_KL, comment, flags, _q(mean, log_var)) for comment, flags, mean, log_var in QS]


def _sampled_entries(function: Function) -> list[Entry]:
    at_q = [(function, comment, flags, _sampled(mean, log_var)) for comment, flags, mean, log_var in QS]
    mean, log_var = means(2, 3), log_vars(2, 3)
    return [
        *at_q,
        (function, "z = mean: what is left is log sigma and mean^2 / 2", (), {"z": mean, **_q(mean, log_var)}),
        (function, "z eight sigma from the mean", EXTREME, _at(mean, log_var, 8.0)),
    ]


def _density_entries() -> list[Entry]:
    ordinary, small = _sampled(means(4, 3), log_vars(4, 3)), _at(means(2, 3), filled(2, 3, LOG_VAR_SIGMA_SMALL), 1.0)
    wide = _sampled(means(3, 40), log_vars(3, 40))
    kept = "fully normalised; with 0.5 log(2 pi) dropped it is larger by 0.9189385... per dimension"
    x, logits = coins(4, 5), outputs(4, 5)
    saturated = times(SATURATED, signs(2, 5))
    location = outputs(4, 5)
    data = pattern(4, 5, step=3, shift=2, modulus=9, unit=0.5)
    return [
        (f.LOG_Q, f"ordinary, {kept}", ("constant",), ordinary),
        (f.LOG_Q, f"40 dimensions, {kept}", ("constant",), wide),
        (f.LOG_Q, "sigma = 0.001, one sigma from the mean", EXTREME, small),
        (f.LOG_PRIOR, f"ordinary, {kept}", ("constant",), {"z": ordinary["z"]}),
        (f.LOG_PRIOR, f"40 dimensions, {kept}", ("constant",), {"z": wide["z"]}),
        (f.LOG_PRIOR, "|z| = 30", EXTREME, {"z": times(FAR, signs(2, 3))}),
        (f.LOG_BERNOULLI, "ordinary", (), {"x": x, "logits": logits}),
        (f.LOG_BERNOULLI, "logits +-700 on the data's side: 0 but for 1e-304", EXTREME, _saturated(saturated, 1.0)),
        (f.LOG_BERNOULLI, "logits +-700 against the data: -700 each", EXTREME, _saturated(saturated, -1.0)),
        (f.LOG_BERNOULLI, "grey pixels: x between 0 and 1", (), {"x": filled(2, 5, 0.25), "logits": outputs(2, 5)}),
        (f.LOG_NORMAL, f"scale 1, {kept}", ("constant",), {"x": data, "location": location, "scale": 1.0}),
        (f.LOG_NORMAL, "scale 0.25: log scale counts per dimension", (), _normal(data, location, 0.25)),
        (f.LOG_NORMAL, "residuals of 30 at scale 4", EXTREME, _normal(times(FAR, signs(2, 5)), outputs(2, 5), 4.0)),
    ]


def _normal(x: Nested, location: Nested, scale: float) -> Inputs:
    return {"x": x, "location": location, "scale": scale}


def _saturated(logits: Nested, side: float) -> Inputs:
    return {"x": [[float(side * logit > 0) for logit in row] for row in logits], "logits": logits}


def _elbo_entries(function: Function) -> list[Entry]:
    with_z = "z" in function.parameters

    def case(mean: Nested, log_var: Nested, observed: Inputs) -> Inputs:
        return {**observed, **(_sampled(mean, log_var) if with_z else _q(mean, log_var))}

    small, large = filled(2, 3, LOG_VAR_SIGMA_SMALL), filled(2, 3, LOG_VAR_SIGMA_LARGE)
    pixels = {"x": coins(2, 5), "logits": outputs(2, 5)}
    saturated = times(SATURATED, signs(2, 5))
    many = {"x": coins(3, 11), "logits": outputs(3, 11)}
    four = case(means(4, 3), log_vars(4, 3), {"x": coins(4, 5), "logits": outputs(4, 5)})
    return [
        (function, "ordinary: 4 data, 3 latent and 5 observed dimensions", (), four),
        (function, "3 data, 40 latent and 11 observed dimensions", (), case(means(3, 40), log_vars(3, 40), many)),
        (function, "one datum", (), case([[1.25]], [[-0.5]], {"x": [[1.0, 0.0]], "logits": [[0.75, 0.25]]})),
        (function, "q = p", ("q = p",), case(filled(2, 3, 0.0), filled(2, 3, 0.0), pixels)),
        (function, "sigma = 0.001", EXTREME, case(means(2, 3), small, pixels)),
        (function, "sigma = 10", EXTREME, case(means(2, 3), large, pixels)),
        (function, "logits +-700, right", EXTREME, case(means(2, 3), log_vars(2, 3), _saturated(saturated, 1.0))),
        (function, "logits +-700, wrong", EXTREME, case(means(2, 3), log_vars(2, 3), _saturated(saturated, -1.0))),
    ]


def _normal_elbo_entries(function: Function) -> list[Entry]:
    data = pattern(4, 5, step=3, shift=2, modulus=9, unit=0.5)
    q, wide = _sampled(means(4, 3), log_vars(4, 3)), _sampled(means(3, 40), log_vars(3, 40))
    data_3 = pattern(3, 11, step=3, shift=2, modulus=9, unit=0.5)
    small = _sampled(means(4, 3), filled(4, 3, LOG_VAR_SIGMA_SMALL))
    return [
        (function, "scale 1", (), {**_normal(data, outputs(4, 5), 1.0), **q}),
        (function, "scale 0.5", (), {**_normal(data, outputs(4, 5), 0.5), **q}),
        (function, "scale 1, 40 latent, 11 observed", (), {**_normal(data_3, outputs(3, 11), 1.0), **wide}),
        (function, "scale 2, sigma = 0.001", EXTREME, {**_normal(data, outputs(4, 5), 2.0), **small}),
    ]


def _gradient_entries() -> list[Entry]:
    ordinary, extreme = QS[2], [QS[4], QS[5], QS[6]]
    note = "partial derivatives; sticking the landing (VAR-007) is a legitimate estimator with other ones"
    elbo = {"x": coins(4, 5), "logits": outputs(4, 5), **_sampled(ordinary[2], ordinary[3])}
    saturated = {**_saturated(times(SATURATED, signs(2, 5)), -1.0), **_sampled(means(2, 3), log_vars(2, 3))}
    data = pattern(4, 5, step=3, shift=2, modulus=9, unit=0.5)
    normal = {**_normal(data, outputs(4, 5), 0.5), **_sampled(ordinary[2], ordinary[3])}
    entries: list[Entry] = []
    for comment, flags, mean, log_var in (ordinary, *extreme):
        entries.append((f.ANALYTIC_KL_GRADIENT, comment, flags, _q(mean, log_var)))
    for comment, flags, mean, log_var in (ordinary, *extreme):
        entries.append((f.SAMPLED_KL_GRADIENT, f"{comment}; {note}", flags, _sampled(mean, log_var)))
    return [
        *entries,
        (f.BERNOULLI_ELBO_GRADIENT, f"ordinary; {note}", (), elbo),
        (f.BERNOULLI_ELBO_GRADIENT, "logits +-700, wrong: slopes of +-1", EXTREME, saturated),
        (f.NORMAL_ELBO_GRADIENT, f"scale 0.5; {note}", (), normal),
        (f.IWAE_BOUND_GRADIENT, "the normalised weights", (), {"log_weight": LOG_WEIGHTS}),
    ]


LOG_WEIGHTS = pattern(5, 3, step=5, shift=3, modulus=7, unit=1.0)  # 5 particles, 3 data
WEIGHT = [[0.75, -0.25], [0.5, 1.0], [-1.25, 0.25]]
BIAS, DATUM = [0.25, -0.5, 0.75], [1.5, -0.25, 0.5]
LINEAR_GAUSSIAN: tuple[tuple[str, tuple[str, ...], Inputs], ...] = (
    (
        "ordinary: 3 observed, 2 latent dimensions",
        (),
        {"weight": WEIGHT, "bias": BIAS, "scale": 0.5, "x": DATUM, **_q([0.5, -0.75], [-0.5, 0.25])},
    ),
    (
        "weight 0: x says nothing about z, so that q = p is the exact posterior",
        ("q = p",),
        {"weight": filled(3, 2, 0.0), "bias": BIAS, "scale": 1.0, "x": DATUM, **_q([0.0, 0.0], [0.0, 0.0])},
    ),
    (
        "scale 1, a narrow q far from the posterior",
        EXTREME,
        {"weight": WEIGHT, "bias": BIAS, "scale": 1.0, "x": DATUM, **_q([FAR, -FAR], [LOG_VAR_SIGMA_SMALL, -2.0])},
    ),
)


def _linear_gaussian_entries() -> list[Entry]:
    closed = (f.LOG_EVIDENCE, f.ELBO_MEAN, f.SAMPLED_VARIANCE, f.ANALYTIC_VARIANCE)
    return [(function, *case) for function in closed for case in LINEAR_GAUSSIAN]


def _cumulant_entries() -> list[Entry]:
    return [(f.KL_CUMULANTS, comment, flags, _q(mean[0], log_var[0])) for comment, flags, mean, log_var in QS[:8]]


def _weight_entries() -> list[Entry]:
    deep = [[-1000.0 + each for each in row] for row in LOG_WEIGHTS]
    return [
        *_elbo_entries(f.LOG_WEIGHT),
        (f.IWAE_BOUND, "one particle: the bound is the log weight", (), {"log_weight": LOG_WEIGHTS[:1]}),
        (f.IWAE_BOUND, "5 particles, 3 data", (), {"log_weight": LOG_WEIGHTS}),
        (f.IWAE_BOUND, "equal weights: the bound is the log weight", (), {"log_weight": filled(4, 2, -3.5)}),
        (f.IWAE_BOUND, "about -1000: exp underflows without the shift", EXTREME, {"log_weight": deep}),
        (f.IWAE_BOUND, "one particle dominates by 500 nats", EXTREME, {"log_weight": [[-90.0], [-590.0], [-610.5]]}),
        (f.IWAE_BOUND, "positive: exp overflows without the shift", EXTREME, {"log_weight": [[720.0], [719.5]]}),
    ]


def _plus_minus(latent: int, size: float = 1.0) -> list[list[float]]:
    return [[size] * latent, [-size] * latent]


def _axes(latent: int, size: float) -> list[list[float]]:
    points = [[size * (i == j) for j in range(latent)] for i in range(latent)]
    return points + [[-each for each in point] for point in points]


def _point_entries() -> list[Entry]:
    kl: list[Entry] = []
    for comment, flags, mean, log_var in QS[:7]:
        noise = _plus_minus(len(mean[0]))
        kl.append((f.KL_OVER_POINTS, f"noise +1 and -1; {comment}", flags, {**_q(mean[0], log_var[0]), "noise": noise}))
    weight = pattern(3, 4, step=2, shift=5, modulus=9, unit=0.25)
    decoder = {"weight": weight, "bias": BIAS, "x": DATUM}
    q = _q(means(2, 4)[1], log_vars(2, 4)[1])
    comment = "noise +-sqrt(4) along each of the 4 axes: the exact E[ELBO]"
    return [
        *kl,
        (f.ELBO_OVER_POINTS, comment, (), {**decoder, "scale": 0.5, **q, "noise": _axes(4, 2.0)}),
        (f.ELBO_OVER_POINTS, f"{comment}; scale 1", (), {**decoder, "scale": 1.0, **q, "noise": _axes(4, 2.0)}),
    ]


FAMILIES: tuple[Family, ...] = (
    _family("analytic-kl", "KL", "The analytic KL of a diagonal normal from N(0, I)", _kl_entries()),
    _family("sampled-kl", "SKL", "The sampled KL, log q - log p at a given z", _sampled_entries(f.SAMPLED_KL)),
    _family("log-densities", "DENS", "Log densities, every normaliser kept", _density_entries()),
    _family(
        "elbo",
        "ELBO",
        "The negative ELBO of one datum",
        [
            *_elbo_entries(f.BERNOULLI_ELBO),
            *_elbo_entries(f.BERNOULLI_ELBO_ANALYTIC),
            *_normal_elbo_entries(f.NORMAL_ELBO),
        ],
    ),
    _family("gradients", "GRAD", "Gradients of KL terms and negative ELBO", _gradient_entries()),
    _family("linear-gaussian", "LG", "Closed forms of the linear-Gaussian VAE", _linear_gaussian_entries()),
    _family("cumulants", "CUM", "Cumulants of the sampled KL", _cumulant_entries()),
    _family("importance-weights", "IW", "Log weights and the importance-weighted bound", _weight_entries()),
    _family("deterministic-points", "DET", "Means over deterministic points", _point_entries()),
)
VECTORS: tuple[Vector, ...] = tuple(vector for family in FAMILIES for vector in family.vectors)
