"""Discrete latents: score-function gradients, and sums by enumeration.

z ~ Bernoulli(1/2), x = 0.8 | z ~ N(2 z, 1), q(z = 1) = s = sigmoid(0.4). With r(z) = log q(z) - log p(x, z) the loss
is sum_z q(z) r(z), its derivative with respect to the logit s (1 - s) (r(1) - r(0)), and one unbiased draw of that
r(z) (z - s).  Ranganath et al. 2014 (arXiv 1401.0118), eq. 4.
"""

from math import exp, log

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import kl_standard, log_normal

_S = 1 / (1 + exp(-0.4))


def _log_joint(z: float) -> float:
    return log(0.5) + log_normal(0.8, 2 * z)


def _r(z: float) -> float:
    return log(_S if z else 1 - _S) - _log_joint(z)


def exact_gradient() -> float:
    """s (1 - s) (r(1) - r(0))."""
    return _S * (1 - _S) * (_r(1.0) - _r(0.0))


def _score_function(measured: Numbers) -> float:
    return _r(measured["z"]) * (measured["z"] - _S)


def _oracle(_: Numbers) -> Numbers:
    return {"trace_gradient": exact_gradient(), "graph_gradient": exact_gradient()}


def _pyro(measured: Numbers) -> Numbers:
    gradient = _score_function(measured)
    return {"trace_gradient": gradient, "graph_gradient": gradient, "mean_field_raises": 1.0}


def _numpyro(measured: Numbers) -> Numbers:
    pathwise = measured["z"] - _S
    return {
        "trace_gradient": pathwise,
        "mean_field_gradient": pathwise,
        "graph_gradient": _score_function(measured),
        "trace_warns": 0.0,
        "mean_field_warns": 0.0,
        "graph_warns": 0.0,
        "svi_init_warns": 1.0,
    }


def mean_pathwise_gradient() -> float:
    """What NumPyro's Trace_ELBO gradient, z - s, is on average: s (1 - s) + (1 - s) (0 - s) = 0."""
    return _S * (1 - _S) + (1 - _S) * (0 - _S)


def _enumerated(_: Numbers) -> Numbers:
    return {
        "loss": _S * _r(1.0) + (1 - _S) * _r(0.0),
        "gradient": exact_gradient(),
        "marginal_loss": -log(exp(_log_joint(0.0)) + exp(_log_joint(1.0))),
    }


_PROBABILITIES, _DATUM, FACTOR = (0.2, 0.3, 0.5), 1.3, -0.25  # of SEM-TMC-003 and 004


def summed_loss(power: int, *, data: bool = True) -> float:
    """-log sum_z p(z)^power p(x | z), p(x | z) = N(z, 1) at 1.3; 1 without data."""
    likelihood = [exp(log_normal(_DATUM, z)) if data else 1.0 for z in range(len(_PROBABILITIES))]
    return -log(sum(p**power * each for p, each in zip(_PROBABILITIES, likelihood, strict=True)))


def _sampled_kl(measured: Numbers) -> float:
    return log_normal(measured["z"], 0.7, 0.5) - log_normal(measured["z"])


def _marked(measured: Numbers) -> Numbers:
    kl = kl_standard(0.7, 0.5)
    return {"neither": _sampled_kl(measured), "model": kl, "guide": kl, "both": kl}


_WAYS = ("tensor", "branch", "item", "numpy")  # in which the model's mean can depend on z


def _by_way(measured: Numbers) -> Numbers:
    """TraceGraph_ELBO, where z reaches x through Python: without log p(x|z) in the cost of z."""
    prior_only = (log(_S if measured["z"] else 1 - _S) - log(0.5)) * (measured["z"] - _S)
    right = {f"{name}_{way}": _score_function(measured) for name in ("graph", "trace") for way in _WAYS}
    return {**right, **{f"graph_{way}": prior_only for way in _WAYS if way != "tensor"}}


def mean_prior_only_gradient() -> float:
    """What that is on average: s (1 - s) times the difference of log q - log p(z), x left out."""
    return _S * (1 - _S) * (log(_S) - log(1 - _S))


_N_OVER_B, _SCALE = 3.0, 0.3  # of SEM-DISCRETE-003


def _costs(way: str) -> tuple[float, float]:
    """log q - log p of what z = 0 and z = 1 reach, each term with its own weight."""
    latent = {"scaled": _SCALE, "masked": 0.0}.get(way, 1.0)
    prior = [latent * (log(_S if z else 1 - _S) - log(0.5)) for z in (0, 1)]
    zero, one = (each - log_normal(0.8, 2.0 * z) for z, each in enumerate(prior))
    return zero, one


def _weighted_scores(measured: Numbers, of_score: Numbers) -> Numbers:
    """sum over rows of weight * cost * (z - s), `of_score` what the score is multiplied by."""
    found = {}
    for way in _WEIGHTED:
        rows = [measured[name] for name in _ROWS if name.startswith(f"z_{way}_")]
        outer = _N_OVER_B if len(rows) > 1 else 1.0
        found[way] = outer * of_score.get(way, 1.0) * sum(_costs(way)[round(z) > 0] * (z - _S) for z in rows)
    return found


_WEIGHTED = ("subsampled", "outside", "scaled", "masked")
_ROWS = tuple(f"z_{way}_{row}" for way in _WEIGHTED for row in range(2 if way in _WEIGHTED[:2] else 1))


def _weighted_exact(_: Numbers) -> Numbers:
    """The derivative of the expected loss: N s (1 - s) (cost of 1 - cost of 0), N = 6 in the plates."""
    slopes = {way: _S * (1 - _S) * (_costs(way)[1] - _costs(way)[0]) for way in _WEIGHTED}
    return {way: slope * (6 if way in ("subsampled", "outside") else 1) for way, slope in slopes.items()}


_ALPHAS = {"iwae": 0.0, "half": 0.5}  # of SEM-RENYI-004


def _renyi(alpha: float, pair: tuple[float, float]) -> tuple[float, float, float]:
    """Loss at two draws, its path derivative sum_k share_k (z_k - s), and sum_k (z_k - s)."""
    powers = [exp(-(1 - alpha) * _r(z)) for z in pair]
    scores = [z - _S for z in pair]
    path = sum(power * score for power, score in zip(powers, scores, strict=True)) / sum(powers)
    return -log(sum(powers) / 2) / (1 - alpha), path, sum(scores)


def _renyi_exact(measured: Numbers) -> Numbers:
    """The loss at the draws; the derivative of its expectation over the four pairs of draws."""
    found = {}
    for name, alpha in _ALPHAS.items():
        found[f"{name}_loss"] = _renyi(alpha, (measured["z_0"], measured["z_1"]))[0]
        slope = 0.0
        for pair in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
            probability = (_S if pair[0] else 1 - _S) * (_S if pair[1] else 1 - _S)
            loss, path, score = _renyi(alpha, pair)
            slope += probability * (score * loss + path)
        found[f"{name}_gradient"] = slope
    return found


def _renyi_gradients(measured: Numbers, factor: dict[str, float]) -> Numbers:
    pair = measured["z_0"], measured["z_1"]
    return {f"{name}_gradient": factor[name] * _renyi(alpha, pair)[1] for name, alpha in _ALPHAS.items()}


CASES = (
    Case(
        id="SEM-DISCRETE-001",
        title="A discrete latent in the guide: which gradient each ELBO object gives",
        statement="right: an unbiased draw of d loss / d logit, for example r(z) (z - s)",
        source=(
            "pyro.infer.Trace_ELBO 1.9.2: 'partial Rao-Blackwellization ... when non-reparameterizable random "
            "variables are present'; numpyro.infer.Trace_ELBO 0.22.0: 'it only supports random variables with "
            "reparameterized samplers'"
        ),
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="Trace and TraceGraph: r(z) (z - s); TraceMeanField raises NotImplementedError",
                      program="discrete/discrete_001_pyro.py", computes=_pyro,
                      sampled=("trace_gradient", "graph_gradient")),
            Behaviour(library=Library.NUMPYRO,
                      formula="TraceGraph: r(z) (z - s); Trace and TraceMeanField: z - s, whose mean is 0; only "
                              "SVI.init warns",
                      program="discrete/discrete_001_numpyro.py", computes=_numpyro, sampled=("graph_gradient",)),
        ),
        oracle=_oracle,
        given=("z",),
    ),
    Case(
        id="SEM-DISCRETE-002",
        title="A discrete latent that reaches the data through Python: a branch, .item(), .numpy()",
        statement="right: an unbiased draw of d loss / d logit, for example r(z) (z - s), however the mean 2 z is "
                  "written",
        source="pyro.infer.TraceGraph_ELBO 1.9.2: 'It supports arbitrary dependency structure for the model and "
               "guide'; 'provenance tracking [3] is used to find the cost terms that depend on each' site, and "
               "travels with tensors only",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="TraceGraph leaves log p(x|z) out of the cost of z unless z reaches x as a tensor: "
                              "(log q(z) - log p(z)) (z - s)",
                      program="discrete/discrete_002_pyro.py", computes=_by_way,
                      sampled=("graph_tensor", *(f"trace_{way}" for way in _WAYS))),
        ),
        oracle=lambda _: {f"{name}_{way}": exact_gradient() for name in ("graph", "trace") for way in _WAYS},
        given=("z",),
    ),
    Case(
        id="SEM-DISCRETE-003",
        title="A discrete latent of the guide in a mini-batch, under a scale and under a mask: TraceGraph_ELBO",
        statement="right: an unbiased draw of d loss / d logit, for example sum of weight * cost * (z - s): the cost "
                  "carries the weights, the score z - s none",
        source="numpyro.infer.TraceGraph_ELBO 0.22.0, loss: guide_site['log_prob'] * stop_gradient(downstream_cost), "
               "where log_prob is scaled and masked; pyro.distributions.score_parts 1.9.2: 'Note that the "
               "`score_function` term should not be scaled or masked'",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated", program="discrete/discrete_003_pyro.py",
                      computes=lambda measured: _weighted_scores(measured, {}), sampled=_WEIGHTED),
            Behaviour(library=Library.NUMPYRO,
                      formula="the score is multiplied by the guide site's weight once more: N/B, the scale, the mask",
                      program="discrete/discrete_003_numpyro.py", sampled=("outside",),
                      computes=lambda measured: _weighted_scores(
                          measured, {"subsampled": _N_OVER_B, "scaled": _SCALE, "masked": 0.0})),
        ),
        oracle=_weighted_exact,
        given=_ROWS,
    ),
    Case(
        id="SEM-RENYI-004",
        title="RenyiELBO with a discrete guide: the gradient at two particles",
        statement="right: an unbiased draw of d loss / d logit; the loss at draws z_1, z_2 is -log mean_k "
                  "w_k^(1 - alpha) / (1 - alpha)",
        source="pyro.infer.RenyiELBO 1.9.2, loss_and_grads: alpha / (1 - alpha) log q in place of the score times the "
               "bound; Burda et al. 2016, eq. 8, and Li and Turner 2016, eq. 9, for the bound",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="-alpha / (1 - alpha) sum_k share_k (z_k - s), the limit of infinitely many particles; "
                              "0 for alpha = 0",
                      program="renyi/renyi_004_pyro.py",
                      computes=lambda measured: _renyi_gradients(measured, {"iwae": 0.0, "half": -1.0})),
            Behaviour(library=Library.NUMPYRO, formula="sum_k share_k (z_k - s): no score; only SVI.init warns",
                      program="renyi/renyi_004_numpyro.py",
                      computes=lambda measured: _renyi_gradients(measured, {"iwae": 1.0, "half": 1.0})),
        ),
        oracle=_renyi_exact,
        given=("z_0", "z_1"),
    ),
    Case(
        id="SEM-TMC-002",
        title="TraceTMC_ELBO with a discrete guide site that is neither enumerated nor sampled in parallel",
        statement="right: an unbiased draw of d loss / d logit, for example r(z) (z - s)",
        source="pyro.infer.tracetmc_elbo 1.9.2, _compute_tmc_factors: -log q of the site; _compute_dice_factors: "
               "+ log q of the same site, both inside one logarithm",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="0: -log q and DiCE's log q cancel; Trace_ELBO: r(z) (z - s)",
                      program="tmc/tmc_002_pyro.py", sampled=("trace_gradient",),
                      computes=lambda measured: {"tmc_gradient": 0.0, "trace_gradient": _score_function(measured)}),
        ),
        oracle=lambda _: dict.fromkeys(("tmc_gradient", "trace_gradient"), exact_gradient()),
        given=("z",),
    ),
    Case(
        id="SEM-TMC-003",
        title="TraceTMC_ELBO with a latent that is enumerated in the model",
        statement="loss = -log sum_z p(z) p(x | z), z of three states; 0 without data",
        source="pyro.infer.tracetmc_elbo 1.9.2, _compute_tmc_factors: log p(z) of the site; _compute_dice_factors: "
               "log p(z) of the same site, since an enumerated site has no denominator",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="-log sum_z p(z)^2 p(x | z); TraceEnum_ELBO as stated",
                      program="tmc/tmc_003_pyro.py",
                      computes=lambda _: {"tmc": summed_loss(2), "tmc_without_data": summed_loss(2, data=False),
                                          "enum": summed_loss(1)}),
        ),
        oracle=lambda _: {"tmc": summed_loss(1), "tmc_without_data": 0.0, "enum": summed_loss(1)},
    ),
    Case(
        id="SEM-TMC-004",
        title="What the guide observes, a factor of -0.25, under TraceTMC_ELBO",
        statement="the loss with the factor less the loss without it is log q = -0.25, at each draw",
        source="pyro.infer.tracetmc_elbo 1.9.2, _compute_tmc_factors: 'continue' at observed sites of the guide; "
               "pyro.factor 1.9.2: has_rsample 'must be specified for use in guides'",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="TMC: 0; Trace and TraceEnum: -0.25",
                      program="tmc/tmc_004_pyro.py",
                      computes=lambda _: {"tmc_change": 0.0, "trace_change": FACTOR, "enum_change": FACTOR}),
        ),
        oracle=lambda _: dict.fromkeys(("tmc_change", "trace_change", "enum_change"), FACTOR),
    ),
    Case(
        id="SEM-ENUM-001",
        title="TraceEnum_ELBO sums a discrete latent out, in the guide or in the model",
        statement="loss = sum_z q(z) r(z) (guide), loss = -log sum_z p(x, z) (model)",
        source="pyro.infer.TraceEnum_ELBO 1.9.2, numpyro.infer.TraceEnum_ELBO 0.22.0 (needs funsor)",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated", program="enum/enum_001_pyro.py"),
            Behaviour(library=Library.NUMPYRO, formula="as stated", program="enum/enum_001_numpyro.py",
                      requires=("funsor",)),
        ),
        oracle=_enumerated,
    ),
    Case(
        id="SEM-ENUM-002",
        title="config_kl, which marks infer={'kl': 'analytic'}, on the model or on the guide",
        statement="loss = KL where a program is marked, log q(z) - log p(z) where neither is",
        source="numpyro.contrib.funsor.config_kl 0.22.0: 'model = config_kl(model)'; TraceEnum_ELBO, "
               "get_importance_trace_enum: model_trace[name]['infer'].get('kl')",
        behaviours=(
            Behaviour(library=Library.NUMPYRO,
                      formula="the mark works on the guide only: replay overwrites the model's infer",
                      program="enum/enum_002_numpyro.py", requires=("funsor",),
                      computes=lambda measured: {"model": _sampled_kl(measured)}),
        ),
        oracle=_marked,
        given=("z",),
    ),
)  # fmt: skip
