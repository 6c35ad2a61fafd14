"""The vectors: their numbers against other routes, their IDs and contents against the published copy, their schema."""

import json
import re
from pathlib import Path

import jsonschema
import mpmath
import numpy as np
import pytest
from scipy import stats

from elbo_compare.compare.vectors import functions as f
from elbo_compare.compare.vectors.exact import MP, decimal, flat, mapped, shape, single
from elbo_compare.compare.vectors.families import FAMILIES, VECTORS
from elbo_compare.compare.vectors.must_fail import is_apart
from elbo_compare.compare.vectors.vector import GRADIENT, VALUE, Vector, tolerance
from elbo_compare.compare.vectors.write import SCHEMA, documents, schema_text, write
from elbo_compare.suites.mutants.catalogue import Kind, mutants

PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "vectors"
BY_NAME = {
    name: [vector for vector in VECTORS if vector.function.name == name]
    for name in {vector.function.name for vector in VECTORS}
}
FLOAT64_ERROR = 64 * 2.0**-53  # SciPy's own rounding, as a share of the vector's scale


def arrays(vector: Vector) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, float) for name, values in vector.inputs.items()}


def values(vector: Vector) -> np.ndarray:
    return np.array([float(term.value) for term in flat(vector.terms[VALUE])])


def scales(vector: Vector) -> np.ndarray:
    return np.array([float(term.scale) for term in flat(vector.terms[VALUE])])


def published() -> dict[str, dict]:
    return {path.name: json.loads(path.read_text("utf-8")) for path in PUBLISHED.glob("*.json") if path.name != SCHEMA}


def of(*names: str) -> list:
    return [pytest.param(vector, id=vector.id) for name in names for vector in BY_NAME[name] if VALUE in vector.terms]


# --- other routes to the same numbers


@pytest.mark.parametrize("vector", of("log_q", "log_prior"))
def test_log_densities_are_those_of_scipy(vector):
    given = arrays(vector)
    mean, sigma = given.get("mean", 0.0), np.exp(given.get("log_var", 0.0) / 2 * np.ones_like(given["z"]))
    assert np.all(
        np.abs(stats.norm.logpdf(given["z"], mean, sigma).sum(1) - values(vector)) <= FLOAT64_ERROR * scales(vector)
    )


@pytest.mark.parametrize("vector", of("log_normal"))
def test_normal_likelihood_is_that_of_scipy(vector):
    given = arrays(vector)
    density = stats.norm.logpdf(given["x"], given["location"], given["scale"]).sum(1)
    assert np.all(np.abs(density - values(vector)) <= FLOAT64_ERROR * scales(vector))


def test_a_saturated_logit_is_known_to_all_its_digits():
    right = next(vector for vector in BY_NAME["log_bernoulli"] if "on the data's side" in vector.comment)
    with mpmath.workdps(400):
        exact = -5 * mpmath.log(1 + mpmath.exp(-700))
        assert all(mpmath.almosteq(term.value, exact, rel_eps=mpmath.mpf(10) ** -49) for term in right.terms[VALUE])


@pytest.mark.parametrize("vector", of("analytic_kl"))
def test_analytic_kl_is_the_integral_that_defines_it(vector):
    """KL = integral of q (log q - log p) per dimension, by quadrature in e at 30 digits (the first datum)."""
    with mpmath.workdps(30):
        total = mpmath.mpf(0)
        for mean, log_var in zip(vector.inputs["mean"][0], vector.inputs["log_var"][0], strict=True):
            mean, sigma = mpmath.mpf(mean), mpmath.exp(mpmath.mpf(log_var) / 2)

            def integrand(e, mean=mean, sigma=sigma):
                return mpmath.npdf(e) * (-mpmath.log(sigma) - e**2 / 2 + (mean + sigma * e) ** 2 / 2)

            total += mpmath.quad(integrand, [-14, -4, 0, 4, 14])
        # The tails beyond 14 sigma hold less than 1e-40 of the integral.
        assert abs(total - vector.terms[VALUE][0].value) <= mpmath.mpf(10) ** -22 * (1 + abs(total))


@pytest.mark.parametrize("vector", of("sampled_kl"))
def test_sampled_kl_is_the_difference_of_two_densities_of_scipy(vector):
    given = arrays(vector)
    log_q = stats.norm.logpdf(given["z"], given["mean"], np.exp(given["log_var"] / 2)).sum(1)
    difference = log_q - stats.norm.logpdf(given["z"]).sum(1)
    assert np.all(np.abs(difference - values(vector)) <= FLOAT64_ERROR * scales(vector))


@pytest.mark.parametrize("vector", of("negative_elbo_bernoulli", "negative_elbo_normal"))
def test_negative_elbo_is_minus_the_log_joint_ratio_of_scipy(vector):
    given = arrays(vector)
    kl = stats.norm.logpdf(given["z"], given["mean"], np.exp(given["log_var"] / 2)).sum(1)
    kl -= stats.norm.logpdf(given["z"]).sum(1)
    if "location" in given:
        likelihood = stats.norm.logpdf(given["x"], given["location"], given["scale"]).sum(1)
    else:
        side = np.where(given["x"] == 1, 1.0, -1.0)
        likelihood = stats.logistic.logcdf(side * given["logits"]).sum(1)
    assert np.all(np.abs(kl - likelihood - values(vector)) <= FLOAT64_ERROR * scales(vector))


def test_log_weight_is_minus_the_negative_elbo():
    for weight, loss in zip(BY_NAME["log_weight"], BY_NAME["negative_elbo_bernoulli"], strict=False):
        assert weight.inputs == loss.inputs
        assert [-term.value for term in weight.terms[VALUE]] == [term.value for term in loss.terms[VALUE]]


@pytest.mark.parametrize("vector", of("kl_over_points"))
def test_the_mean_over_the_points_is_the_closed_form(vector):
    closed = next(
        each
        for each in f.ANALYTIC_KL.outputs(
            {name: [mapped(MP.mpf, vector.inputs[name])] for name in ("mean", "log_var")}
        )[VALUE]
    )
    mean = vector.terms[VALUE].value
    assert abs(mean - closed.value) <= MP.mpf(10) ** -60 * (1 + abs(closed.value))


def exact_inputs(vector: Vector) -> dict:
    return {name: mapped(MP.mpf, each) for name, each in vector.inputs.items()}


@pytest.mark.parametrize("vector", of("elbo_over_points"))
def test_the_mean_over_the_axes_is_the_exact_elbo(vector):
    closed = f.ELBO_MEAN.outputs(exact_inputs(vector))[VALUE].value
    assert abs(vector.terms[VALUE].value - closed) <= MP.mpf(10) ** -60 * abs(closed)


@pytest.mark.parametrize("vector", of("kl_cumulants"))
def test_cumulants_are_the_derivatives_of_the_log_moment_generating_function(vector):
    """log E exp(t k), k = c + a e + b e^2 per dimension: t c + a^2 t^2 / (2 (1 - 2 b t)) - log(1 - 2 b t) / 2."""

    def generating(t):
        total = mpmath.mpf(0)
        for mean, log_var in zip(vector.inputs["mean"], vector.inputs["log_var"], strict=True):
            mean, variance = mpmath.mpf(mean), mpmath.exp(mpmath.mpf(log_var))
            c, a, b = mean**2 / 2 - mpmath.log(variance) / 2, mean * mpmath.sqrt(variance), (variance - 1) / 2
            total += t * c + (a * t) ** 2 / 2 / (1 - 2 * b * t) - mpmath.log(1 - 2 * b * t) / 2
        return total

    with mpmath.workdps(60):
        coefficients = mpmath.taylor(generating, 0, 4)
        for n, term in enumerate(vector.terms[VALUE], 1):
            cumulant = coefficients[n] * mpmath.factorial(n)
            assert abs(cumulant - term.value) <= mpmath.mpf(10) ** -12 * (1 + abs(cumulant))


def test_elbo_is_the_evidence_less_a_kl_that_vanishes_at_the_posterior():
    gaps = [
        evidence.terms[VALUE].value - elbo.terms[VALUE].value
        for evidence, elbo in zip(BY_NAME["log_evidence"], BY_NAME["elbo_mean"], strict=True)
    ]
    for gap, vector in zip(gaps, BY_NAME["elbo_mean"], strict=True):
        if "q = p" in vector.flags:  # the exact posterior
            assert abs(gap) < MP.mpf(10) ** -60
        else:
            assert gap > 1


@pytest.mark.parametrize("vector", of("log_evidence"))
def test_evidence_is_that_of_scipy(vector):
    given = arrays(vector)
    covariance = given["weight"] @ given["weight"].T + given["scale"] ** 2 * np.eye(3)
    density = stats.multivariate_normal.logpdf(given["x"], given["bias"], covariance)
    assert abs(density - values(vector)[0]) <= FLOAT64_ERROR * scales(vector)[0]


@pytest.mark.parametrize("name", ["sampled_elbo_variance", "analytic_elbo_variance"])
def test_variances_are_those_of_gauss_hermite_quadrature(name):
    """Degree 3 + 3 in each of two dimensions integrates a quadratic and its square exactly."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    weights = weights / weights.sum()
    for vector in BY_NAME[name]:
        given = arrays(vector)
        e = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
        w = np.outer(weights, weights).reshape(-1)
        z = given["mean"] + np.exp(given["log_var"] / 2) * e
        draws = stats.norm.logpdf(given["x"], z @ given["weight"].T + given["bias"], given["scale"]).sum(1)
        if name == "sampled_elbo_variance":
            draws = draws - stats.norm.logpdf(z, given["mean"], np.exp(given["log_var"] / 2)).sum(1)
            draws = draws + stats.norm.logpdf(z).sum(1)
        centred = draws - w @ draws
        # A variance of draws of size m is only known to u m^2 in float64.
        assert abs(w @ centred**2 - values(vector)[0]) <= 1e-14 * (1 + np.abs(draws).max() ** 2)


@pytest.mark.parametrize("vector", of("iwae_bound"))
def test_bound_lies_between_the_mean_and_the_largest_log_weight(vector):
    weight = arrays(vector)["log_weight"]
    room = FLOAT64_ERROR * scales(vector)
    assert np.all(weight.mean(0) <= values(vector) + room)
    assert np.all(values(vector) <= weight.max(0) + room)
    shifted = np.log(np.mean(np.exp(weight - weight.max(0)), 0)) + weight.max(0)
    assert np.all(np.abs(shifted - values(vector)) <= room)


GRADIENTS = [pytest.param(v, id=v.id) for v in VECTORS if VALUE not in v.terms]


@pytest.mark.parametrize("vector", GRADIENTS)
def test_gradients_are_the_derivatives_of_the_values(vector):
    """Central differences in mpmath at 80 digits: h = 1e-20 leaves an error of h^2 times the third derivative."""
    value_of = next(v.function for v in BY_NAME[vector.function.name] if VALUE in v.terms)
    inputs, h = exact_inputs(vector), MP.mpf(10) ** -20
    for output, terms in vector.terms.items():
        name = output.removeprefix(GRADIENT)
        for i, j in {(0, 0), (len(terms) - 1, len(terms[0]) - 1)}:
            ends = []
            for step in (h, -h):
                moved = [list(row) for row in inputs[name]]
                moved[i][j] += step
                ends.append(sum(term.value for term in value_of.outputs({**inputs, name: moved})[VALUE]))
            slope = (ends[0] - ends[1]) / (2 * h)
            assert abs(slope - terms[i][j].value) <= MP.mpf(10) ** -25 * (1 + abs(slope))


def test_fifty_digits_do_not_move_when_the_arithmetic_has_more():
    """The same text at 80 and at 120 digits: no cancellation eats into the fifty."""
    before = {vector.id: mapped(lambda term: decimal(term.value), list(vector.terms.values())) for vector in VECTORS}
    digits, MP.dps = MP.dps, 120
    try:
        for vector in VECTORS:
            again = vector.function.outputs(exact_inputs(vector))
            assert mapped(lambda term: decimal(term.value), list(again.values())) == before[vector.id], vector.id
    finally:
        MP.dps = digits


# --- what every vector is


@pytest.mark.parametrize("vector", [pytest.param(v, id=v.id) for v in VECTORS])
def test_inputs_are_exact_in_float32_and_have_the_parameters_of_the_function(vector):
    assert set(vector.inputs) == set(vector.function.parameters)
    assert all(single(number) == number for number in flat(list(vector.inputs.values())))


def test_ids_are_unique_and_numbered_without_gaps():
    for family in FAMILIES:
        assert [vector.id for vector in family.vectors] == [
            f"VEC-{family.prefix}-{number:04}" for number in range(1, len(family.vectors) + 1)
        ]
    assert len({family.prefix for family in FAMILIES}) == len(FAMILIES)


def test_every_claim_that_a_vector_names_exists():
    from elbo_compare.compare.claims import by_id

    for claim in {vector.function.claim for vector in VECTORS} - {None}:
        assert by_id(claim).statement


def test_every_mutant_of_a_function_has_a_must_fail_vector():
    kinds = (Kind.ANALYTIC_KL, Kind.SAMPLED_KL, Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT, Kind.BOUND)
    shown = {v["mutant"]["id"] for document in documents().values() for v in document["vectors"] if "mutant" in v}
    assert {mutant.id for mutant in mutants() if mutant.kind in kinds} - shown == set()


def test_a_must_fail_value_is_out_of_reach_of_a_correct_result_of_either_precision():
    by_id = {vector.id: vector for vector in VECTORS}
    counted = 0
    for document in documents().values():
        for entry in (entry for entry in document["vectors"] if "mutant" in entry):
            vector = by_id[re.search(r"VEC-[A-Z]+-\d{4}", entry["comment"]).group()]
            for output, planted in entry["must_not_equal"].items():
                assert is_apart(mapped(float, planted), vector.terms[output]), entry["id"]
                counted += 1
    assert counted > 150


def test_tolerance_is_the_rule_of_the_pointwise_claims():
    term = BY_NAME["analytic_kl"][1].terms[VALUE][0]
    assert tolerance(term, "float64") == pytest.approx(16 * 2.0**-53 * float(term.scale))
    assert tolerance(term, "float32") == pytest.approx(16 * 2.0**-24 * float(term.scale))
    mean, log_var = 1.25, -0.5
    absolute_terms = (mean**2 + np.exp(log_var) + 1 + abs(log_var)) / 2
    assert absolute_terms < float(term.scale) < 3 * absolute_terms


# --- the published copy


def test_documents_satisfy_the_schema():
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name, document in published().items():
        assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)], name


@pytest.mark.parametrize(
    "change",
    [
        lambda vector: vector.pop("tolerance"),
        lambda vector: vector.update(id="KL-1"),
        lambda vector: vector["expected"].update(value=[1.5]),
        lambda vector: vector["tolerance"]["float32"].update(value=[-1.0]),
        lambda vector: vector.update(unknown=1),
        lambda vector: vector.update(mutant={"id": "MUT-001", "title": "a", "flag": "sign", "seen": "b"}),
    ],
)
def test_schema_refuses_a_damaged_vector(change):
    document = json.loads(json.dumps(documents()["analytic-kl.json"]))
    change(document["vectors"][0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(schema_text()))


def test_published_vectors_are_those_that_are_written(tmp_path):
    """IDs and contents, so that a vector is only ever followed by another. A mutant's value is NumPy's, whose exp and
    log may differ in the last place between platforms: it is held to the tolerance of its own vector."""
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in PUBLISHED.glob("*.json")}
    assert (tmp_path / SCHEMA).read_text("utf-8") == (PUBLISHED / SCHEMA).read_text("utf-8")
    for name, frozen in published().items():
        now = json.loads((tmp_path / name).read_text("utf-8"))
        assert [vector["id"] for vector in frozen["vectors"]] == [vector["id"] for vector in now["vectors"]]
        for before, after in zip(frozen["vectors"], now["vectors"], strict=True):
            planted = before.pop("must_not_equal", None), after.pop("must_not_equal", None)
            assert before == after, before["id"]
            if planted[0] is not None:
                _same_planted(*planted, before["tolerance"]["float64"])


def _same_planted(before, after, allowed) -> None:
    assert before.keys() == after.keys()
    for output, numbers in before.items():
        room = max(map(float, flat(allowed[output])))
        assert shape(numbers) == shape(after[output])
        np.testing.assert_allclose(
            np.array(flat(mapped(float, numbers))), np.array(flat(mapped(float, after[output]))), rtol=1e-12, atol=room
        )
