"""The oracles of the semantics suite against simulation, integration and identities. No framework is needed."""

import ast
from collections.abc import Callable
from math import exp, inf, log

import numpy as np
import pytest
from scipy import integrate, special, stats

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.catalogue import BY_ID, CASES
from elbo_compare.suites.semantics.families import delta, discrete, distances, divergence, fallback, plate, structure
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.semantics.gaussian import cross_entropy, entropy, kl_standard
from elbo_compare.suites.semantics.pairs.oracle import exact_kl, log_density, truncated_kumaraswamy_beta
from elbo_compare.suites.semantics.pairs.sweep import Treatment, treatment
from elbo_compare.suites.semantics.pairs.table import DENSITIES, PAIRS, PARAMETERS, checks

SIX_STANDARD_ERRORS = 6  # two-sided error 2e-9 per comparison
SUPPORTS = {"Beta": (0.0, 1.0), "Gamma": (0.0, 40.0), "Uniform": (0.2, 0.6), "TruncatedNormal": (-0.5, 1.5)}


def test_ids_are_unique_and_files_are_named_after_them() -> None:
    assert len(BY_ID) == len(CASES)
    assert len({finding.id for finding in FINDINGS}) == len(FINDINGS)
    for case in CASES:
        for behaviour in case.behaviours:
            stem = case.id.removeprefix("SEM-").lower().replace("-", "_")
            assert behaviour.path.name == f"{stem}_{behaviour.library}.py"


def test_every_program_belongs_to_a_case_and_runs_one_framework() -> None:
    listed = {behaviour.path for case in CASES for behaviour in case.behaviours}
    found = {path for case in CASES for each in case.behaviours for path in each.path.parent.glob("*_*.py")}
    assert found == listed
    for case in CASES:
        for behaviour in case.behaviours:
            text = behaviour.path.read_text()
            imported = {
                name.split(".")[0]
                for node in ast.walk(ast.parse(text))
                for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
            }
            of_torch = behaviour.library in (Library.PYRO, Library.PYTHAE, Library.NORMFLOWS)
            other = {"jax", "numpyro"} if of_torch else {"torch", "pyro"}
            assert not imported & (other | {"suites", "compare", "elbo_compare"}), behaviour.program
            assert case.id in text.splitlines()[0]


def _names(node: ast.AST) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


@pytest.mark.parametrize("loc, scale", [(0.7, 0.5), (-3.0, 1e-3), (2.0, 10.0)])
def test_gaussian_kl_is_cross_entropy_minus_entropy(loc: float, scale: float) -> None:
    # rounding of terms up to 50 nats
    assert kl_standard(loc, scale) == pytest.approx(cross_entropy(loc, scale) - entropy(scale), abs=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case.family in ("scale", "mask") and case.simulate])
def test_scaled_and_masked_oracles_agree_with_simulation(case) -> None:
    assert case.simulate is not None
    draws = dict.fromkeys(case.given, 0.3)
    for quantity, (mean, error) in case.simulate().items():
        assert abs(case.oracle(draws)[quantity] - mean) <= SIX_STANDARD_ERRORS * error


def test_autoguide_loss_estimates_the_divergence_of_log_normals() -> None:
    simulate = BY_ID["SEM-DELTA-002"].simulate
    assert simulate is not None
    mean, error = simulate()["kl"]
    assert abs(mean - delta.exact_kl()) <= SIX_STANDARD_ERRORS * error
    density = stats.lognorm(delta.SCALE, scale=exp(delta.LOC))
    integral = integrate.quad(
        lambda z: density.pdf(z) * (density.logpdf(z) - stats.lognorm(1.0).logpdf(z)), 0, np.inf, epsabs=1e-12
    )[0]
    assert delta.exact_kl() == pytest.approx(integral, abs=1e-9)  # quad's own error estimate


def test_renyi_with_the_factor_inside_is_no_lower_bound() -> None:
    evidence, limit = plate.renyi_gap()
    noise = np.random.default_rng(7).standard_normal((2_000_000, 2))
    x = np.array(plate.X)
    z = 0.5 * x + plate.SIGMA_RENYI * noise
    log_q = stats.norm.logpdf(z, 0.5 * x, plate.SIGMA_RENYI)
    weights = np.exp(plate.FACTOR * (stats.norm.logpdf(x, z, 1) + stats.norm.logpdf(z) - log_q))
    error = weights.std(0) / weights.mean(0) / np.sqrt(len(weights))
    simulated = np.log(weights.mean(0)).sum()
    assert abs(simulated - limit) <= SIX_STANDARD_ERRORS * error.sum()  # the delta method for the logarithm
    assert limit > evidence + 0.01


def test_local_and_global_latents_by_integration_and_simulation() -> None:
    def integrand(mu: float) -> float:
        local = stats.norm.pdf(plate.X, mu, 2**0.5) ** plate.FACTOR
        return stats.norm.pdf(mu) * local.prod()

    evidence = plate.hierarchy_log_evidence()
    integral = integrate.quad(integrand, -10, 10, points=[0.0, 1.0], epsabs=1e-14, epsrel=1e-12)[0]
    assert evidence == pytest.approx(log(integral), abs=1e-10)  # quad's relative error
    rng = np.random.default_rng(9)
    precision = 1 + plate.SIZE / 2
    mu = plate.FACTOR * sum(plate.X) / 2 / precision + precision**-0.5 * rng.standard_normal(100_000)
    draws = (mu[:, None] + plate.X) / 2 + 0.5**0.5 * rng.standard_normal((len(mu), 2))
    losses = [plate.hierarchy_mean_field({"mu": m, "z0": z0, "z1": z1}) for m, (z0, z1) in zip(mu, draws, strict=True)]
    assert abs(np.mean(losses) + evidence) <= SIX_STANDARD_ERRORS * np.std(losses) / np.sqrt(len(losses))


def test_one_sample_gradient_is_the_derivative_of_its_loss() -> None:
    oracle = BY_ID["SEM-TMC-001"].oracle
    step, e = 1e-5, 0.9

    def loss(loc: float) -> float:
        z = loc + 0.5 * e
        return float(stats.norm.logpdf(z, loc, 0.5) - stats.norm.logpdf(z) - stats.norm.logpdf(1.2, z))

    right = oracle({"z": 0.7 + 0.5 * e})
    assert right["tmc"] == pytest.approx(loss(0.7), abs=1e-12)
    difference = (loss(0.7 + step) - loss(0.7 - step)) / (2 * step)
    assert right["tmc_gradient"] == pytest.approx(difference, abs=1e-9)  # rounding 1e-16 / step; a quadratic: no bias


def test_score_function_draws_average_to_the_enumerated_gradient() -> None:
    case = BY_ID["SEM-DISCRETE-001"]
    behaviour = case.behaviour(Library.PYRO)
    assert behaviour is not None and behaviour.computes is not None
    s = 1 / (1 + exp(-0.4))
    draws = [behaviour.computes({"z": z})["trace_gradient"] for z in (0.0, 1.0)]
    assert (1 - s) * draws[0] + s * draws[1] == pytest.approx(discrete.exact_gradient(), abs=1e-14)
    assert discrete.mean_pathwise_gradient() == pytest.approx(0.0, abs=1e-16)
    assert abs(discrete.exact_gradient()) > 0.1


def test_reversed_guide_averages_by_simulation() -> None:
    rng = np.random.default_rng(8)
    b = 0.5 + 0.7 * rng.standard_normal(1_000_000)
    a = 0.6 * b + 0.4 * rng.standard_normal(len(b))
    log_q = stats.norm.logpdf(b, 0.5, 0.7) + stats.norm.logpdf(a, 0.6 * b, 0.4)
    right = log_q - stats.norm.logpdf(a) - stats.norm.logpdf(b, a)
    analytic = (0.36 * b**2 + 0.16 - 1) / 2 - log(0.4) + ((0.5 - a) ** 2 + 0.49 - 1) / 2 - log(0.7)
    for draws, exact in ((right, structure.reversed_loss()), (analytic, structure.reversed_mean_field())):
        assert abs(draws.mean() - exact) <= SIX_STANDARD_ERRORS * draws.std() / np.sqrt(len(draws))


def test_continuous_bernoulli_divergence_by_integration() -> None:
    def density(x: float, logit: float) -> float:
        return logit * x - (log(np.expm1(logit) / logit))

    integral = sum(
        integrate.quad(lambda x: exp(density(x, -500)) * (density(x, -500) - density(x, 20)), *ends, epsabs=1e-12)[0]
        for ends in ((0, 0.01), (0.01, 0.1), (0.1, 1))
    )
    assert BY_ID["SEM-KL-003"].oracle({})["mean_field"] == pytest.approx(integral, abs=1e-9)


def test_wishart_derivatives_are_those_of_its_value() -> None:
    numbers = divergence.wishart_kl({})
    step = 1e-5

    def value(n: float, m: float) -> float:
        return exact_kl(
            ("Wishart", {"df": n, "covariance_matrix": np.eye(2)}),
            ("Wishart", {"df": m, "covariance_matrix": 2 * np.eye(2)}),
        )

    assert value(5, 6) == pytest.approx(numbers["kl"], abs=1e-13)
    # central differences: truncation 1e-11, rounding 1e-16 / 1e-5
    assert (value(5 + step, 6) - value(5 - step, 6)) / (2 * step) == pytest.approx(numbers["guide_gradient"], abs=1e-9)
    assert (value(5, 6 + step) - value(5, 6 - step)) / (2 * step) == pytest.approx(numbers["model_gradient"], abs=1e-9)
    draws = stats.wishart(5, np.eye(2)).rvs(10_000, random_state=9)  # scipy weighs them one by one
    points = np.moveaxis(draws, 0, -1)
    ratios = stats.wishart(5, np.eye(2)).logpdf(points) - stats.wishart(6, 2 * np.eye(2)).logpdf(points)
    assert abs(ratios.mean() - numbers["kl"]) <= SIX_STANDARD_ERRORS * ratios.std() / np.sqrt(len(ratios))


def _folded(loc: float, scale: float) -> Callable[[float], float]:
    """The density of |x|, x ~ N(loc, scale^2), at z > 0."""
    return lambda z: float(stats.norm.pdf(z, loc, scale) + stats.norm.pdf(-z, loc, scale))


def _folded_kl(q: Callable[[float], float], p: Callable[[float], float]) -> float:
    return integrate.quad(lambda z: q(z) * log(q(z) / p(z)), 0, 8, epsabs=1e-12, limit=200)[0]


def test_divergence_of_folded_normals_is_below_that_of_their_bases() -> None:
    assert _folded_kl(_folded(1, 0.5), _folded(-1, 0.5)) == 0 == BY_ID["SEM-KL-001"].oracle({})["mean_field"]
    for loc, scale in ((0.3, 0.8), (-0.4, 1.5)):
        bases = kl_standard((1 - loc) / scale, 0.5 / scale)
        # the data processing inequality; 0.26 and 0.55 nats in the first pair
        assert 0 < _folded_kl(_folded(1, 0.5), _folded(loc, scale)) < bases - 0.1


def test_under_unequal_weights_the_path_derivative_is_right_and_the_total_one_is_not() -> None:
    # gamma = w makes the tail-adaptive direction that of KL(p || q), whose derivative in loc is (loc - E_p z) / sigma^2
    loc, sigma = 0.2, 1.2  # heavier tails than p, so that the weights are bounded
    z = np.random.default_rng(10).normal(loc, sigma, 400_000)
    weights = np.exp(stats.norm.logpdf(z) - stats.norm.logpdf(z, loc, sigma))
    path, total = weights * (z - (z - loc) / sigma**2), weights * z
    error = SIX_STANDARD_ERRORS / np.sqrt(len(z))
    assert abs(path.mean() - loc / sigma**2) <= error * path.std()
    assert abs(total.mean() - loc / sigma**2) > 0.1 > error * total.std()


def test_tail_adaptive_weights_put_the_largest_ratio_first() -> None:
    case = BY_ID["SEM-TAIL-001"]
    # q is narrower than p: the ratio grows with the distance from about 0.93, and 3 has nearly all the weight
    z = {"z_0": 0.5, "z_1": 0.9, "z_2": 1.0, "z_3": 3.0}
    path = [each - (each - 0.7) / 0.25 for each in z.values()]
    order = np.argsort([stats.norm.logpdf(each) - stats.norm.logpdf(each, 0.7, 0.5) for each in z.values()])
    weights = np.empty(4)
    weights[order] = [1, 4 / 3, 2, 4]  # K over the number of ratios at least as large
    assert order[-1] == 3
    assert case.oracle(z)["gradient"] == pytest.approx(weights @ path / weights.sum(), abs=1e-14)


def test_kumaraswamy_series_converges_to_the_integral() -> None:
    q = ("Kumaraswamy", {"concentration1": 1.5, "concentration0": 2.5})
    p = ("Beta", {"concentration1": 2.0, "concentration0": 3.0})
    exact = exact_kl(q, p)
    # the terms fall like m^-3.5: the tail beyond a million is below 1e-14
    assert truncated_kumaraswamy_beta(q, p, order=1_000_000) == pytest.approx(exact, abs=1e-9)
    assert truncated_kumaraswamy_beta(q, p) == pytest.approx(fallback.truncated_kumaraswamy_beta(), abs=1e-9)
    assert abs(truncated_kumaraswamy_beta(q, p) - exact) > 0.01


@pytest.mark.parametrize("small, large", [(2.0, 8.0), (1.0, 15.0), (3.0, 9.0)])
def test_algdiv_is_exact_with_the_published_ratio_and_not_with_the_other(small: float, large: float) -> None:
    exact = float(special.gammaln(small) + special.gammaln(large) - special.gammaln(small + large))
    # the minimax remainder is good to 1e-14; the sum of terms of about ten nats rounds at 1e-15
    assert divergence.log_beta(small, large, x=large / (small + large)) == pytest.approx(exact, abs=2e-14)
    assert abs(divergence.log_beta(small, large, x=small / (small + large)) - exact) > 1e-8


def test_quadrature_matches_the_closed_forms_of_normals() -> None:
    for check in checks(Library.PYRO):
        if check.pair == ("Normal", "Normal"):
            (q, p) = check.q[1], check.p[1]
            ratio, shift = q["scale"] / p["scale"], (q["loc"] - p["loc"]) / p["scale"]
            assert exact_kl(check.q, check.p) == pytest.approx(kl_standard(shift, ratio), abs=1e-10)


def test_divergences_are_infinite_exactly_where_the_support_is_exceeded() -> None:
    gamma, normal = PARAMETERS["Gamma"][0], PARAMETERS["Normal"][0]
    assert exact_kl(normal, gamma) == inf
    assert 0 < exact_kl(gamma, normal) < inf


def test_treatment_of_pairs_by_library() -> None:
    assert treatment(Library.PYRO, ("Laplace", "Normal")) is Treatment.ANALYTIC
    assert treatment(Library.NUMPYRO, ("Laplace", "Normal")) is Treatment.SAMPLED
    assert treatment(Library.NUMPYRO, ("Kumaraswamy", "Beta")) is Treatment.APPROXIMATE


@pytest.mark.parametrize("library", list(PAIRS))
def test_every_registered_pair_has_three_checks(library: Library) -> None:
    assert len(PAIRS[library]) == len(set(PAIRS[library]))
    assert [check.pair for check in checks(library)] == [pair for pair in PAIRS[library] for _ in range(3)]


def test_without_the_data_in_the_cost_the_average_gradient_is_that_of_the_prior_term() -> None:
    s = 1 / (1 + np.exp(-0.4))
    average = sum(weight * discrete._by_way({"z": z})["graph_branch"] for z, weight in ((1.0, s), (0.0, 1 - s)))
    assert np.isclose(average, discrete.mean_prior_only_gradient(), rtol=1e-13)
    assert abs(average - discrete.exact_gradient()) > 0.09


def test_pairing_draws_with_themselves_biases_the_mean_discrepancy() -> None:
    rng, n = np.random.default_rng(0), 4000
    rows = rng.standard_normal((n, 2, distances.MMD_PARTICLES))
    draws = [{f"{name}{k}": row[i][k] for i, name in enumerate("qp") for k in range(4)} for row in rows]
    # q = p: the unbiased one has mean 0, the other (1/K) (2 - 2 E k) with E k(z, z') = 1/sqrt(3), z - z' ~ N(0, 2).
    for estimate, expected in ((distances.unbiased_mmd, 0.0), (distances.biased_mmd, (2 - 2 / np.sqrt(3)) / 4)):
        values = np.array([estimate(each) for each in draws])
        assert abs(values.mean() - expected) < SIX_STANDARD_ERRORS * values.std(ddof=1) / np.sqrt(n)


def test_weighted_scores_are_unbiased_without_a_weight_on_the_score() -> None:
    """SEM-DISCRETE-003: the mean over all values of the latents, by the stated draw and by NumPyro's."""
    case = BY_ID["SEM-DISCRETE-003"]
    s = 1 / (1 + exp(-0.4))
    for library, factors in ((Library.PYRO, {}), (Library.NUMPYRO, {"subsampled": 3, "scaled": 0.3, "masked": 0})):
        behaviour = case.behaviour(library)
        assert behaviour is not None
        assert behaviour.computes is not None
        means: dict[str, float] = dict.fromkeys(("subsampled", "outside", "scaled", "masked"), 0.0)
        for one, other in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
            probability = (s if one else 1 - s) * (s if other else 1 - s)
            draw = {name: other if name.endswith("_1") else one for name in case.given}
            for way, gradient in behaviour.computes(draw).items():
                means[way] += probability * gradient
        right = case.oracle({})
        assert means == pytest.approx({way: factors.get(way, 1) * right[way] for way in means}, abs=1e-13)


@pytest.mark.parametrize(("name", "alpha"), [("iwae", 0.0), ("half", 0.5)])
def test_renyi_gradient_is_the_difference_of_the_enumerated_bound(name: str, alpha: float) -> None:
    """SEM-RENYI-004, from the bound alone: E over two draws of -log mean w^(1 - alpha) / (1 - alpha)."""

    def bound(logit: float) -> float:
        s = special.expit(logit)
        q = np.array([1 - s, s])
        w = 0.5 * stats.norm.pdf(0.8, loc=[0.0, 2.0]) / q
        means = (w[:, None] ** (1 - alpha) + w[None, :] ** (1 - alpha)) / 2
        return float(-(q @ np.log(means) @ q) / (1 - alpha))

    step = 1e-4
    slope = (bound(0.4 + step) - bound(0.4 - step)) / (2 * step)
    assert BY_ID["SEM-RENYI-004"].oracle({"z_0": 0.0, "z_1": 1.0})[f"{name}_gradient"] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("library", DENSITIES)
def test_the_densities_of_the_sweep_are_normalised(library: Library) -> None:
    for family, arguments in {str(check.q): check.q for check in DENSITIES[library]}.values():
        if family == "Bernoulli":
            total = sum(exp(log_density((family, arguments), x)) for x in (0.0, 1.0))
        else:
            density = lambda x, spec=(family, arguments): exp(log_density(spec, x))  # noqa: E731
            low, high = SUPPORTS.get(family, (-40.0, 40.0))  # beyond lies less than 1e-30, of a gamma too
            middle = min(max(0.3, low), high)  # a Laplace's is not smooth near its location: quad halves there
            total = sum(integrate.quad(density, *ends, limit=200)[0] for ends in ((low, middle), (middle, high)))
        assert total == pytest.approx(1.0, abs=1e-7), family  # quad asks for 1.5e-8 of each half
