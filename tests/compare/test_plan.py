"""The plan: always the same, without doubles, with the number of draws that the margins need."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice

import pytest
from claim_rows import differentiated, drawn, spread
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.compare.claims import CLAIMS
from elbo_compare.compare.claims.cells import flow, prior
from elbo_compare.compare.errors import SpecError, UsageError
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.planning.availability import Placement
from elbo_compare.compare.planning.combinations import meant
from elbo_compare.compare.planning.plan import ZERO_VARIANCE_DRAWS, _cells, expand, plan
from elbo_compare.compare.planning.select import selector
from elbo_compare.compare.planning.spec import parse_spec, read_spec
from elbo_compare.compare.records import Cell, Outcome, Procedure
from elbo_compare.compare.statistics import (
    MEAN_MARGIN,
    ErrorBudget,
    draws_for_mean,
    draws_for_variance,
    median_interval,
)
from elbo_compare.suites.contract import Device
from elbo_compare.suites.problems import load

HEAD = '[[cells]]\nprocedure = "{procedure}"\nproblems = {problems}\nsize = {size}\n'


def spec_of(procedure="evaluate", problems='["gaussian-kl@2-*"]', size=5, more=""):
    return parse_spec(HEAD.format(procedure=procedure, problems=problems, size=size) + more, "test")


def without_weight_files(label):
    return "vae@trained" not in label


@pytest.mark.parametrize("profile", ["quick", "standard"])
def test_a_plan_is_the_same_twice_and_holds_no_cell_twice(profile):
    spec = read_spec(profile)
    first = [cell.key for cell in plan(spec, Device.CPU, without_weight_files)]
    assert first == [cell.key for cell in plan(spec, Device.CPU, without_weight_files)]
    assert max(Counter(first).values()) == 1


def test_the_oracle_is_planned_in_float64_on_the_cpu_only():
    spec = spec_of(more='dtypes = ["float32", "float64"]\n')
    for device in Device:
        places = {(c.dtype, c.device) for c in plan(spec, device) if c.implementation == "numpy-oracle"}
        assert places == {("float64", "cpu")}


def test_on_cuda_the_same_noise_cells_are_planned_on_both_devices_for_everybody_else():
    evaluate = [c for c in plan(spec_of(), Device.CUDA) if c.implementation == "torch-hand"]
    assert Counter(c.device for c in evaluate) == {"cpu": len(evaluate) // 2, "cuda": len(evaluate) // 2}
    draws = plan(spec_of("draw", size=10), Device.CUDA, lambda label: "torch-hand" in label)
    assert {c.device for c in draws} == {"cuda"}


ON_CPU = Placement(device=Device.CPU)
MIXED = Placement(device=Device.CUDA, on_cpu=("jax",))


def test_with_one_framework_on_cuda_the_other_s_cells_are_planned_on_the_cpu():
    for procedure in ("evaluate", "draw"):
        found = {(c.implementation, c.device) for c in plan(spec_of(procedure, size=10), MIXED)}
        assert {("jax-hand", "cpu"), ("numpyro", "cpu"), ("torch-hand", "cuda"), ("pyro", "cuda")} <= found
        assert not {("jax-hand", "cuda"), ("numpyro", "cuda")} & found


def partnered(cells, claim):
    """(subject, partner's implementation) of every pair that the claim judges; of own draws that there is a partner."""
    pairing, partners = claim.pairing, defaultdict(list)
    for cell in cells:
        if claim.is_partner(cell):
            partners[pairing.key(cell)].append(cell)
    named = claim.procedure is Procedure.EVALUATE
    return {
        (replace(cell, device=""), other.implementation if named else "")
        for cell in filter(claim.applies, cells)
        for other in partners.get(pairing.key_wanted(cell), ())
        if other is not cell
    }


def test_a_mixed_placement_leaves_no_comparison_without_its_partner():
    """Whatever is compared in a run on one device is compared, on a device of its own, in a mixed run too."""
    spec = read_spec("quick")
    alone, mixed = list(plan(spec, Device.CPU)), list(plan(spec, MIXED))
    paired = [claim for claim in CLAIMS if claim.pairing is not None]
    assert len(paired) > 10
    for claim in paired:
        assert partnered(alone, claim) <= partnered(mixed, claim), claim.id


def test_planning_is_lazy():
    spec, asked = spec_of(size=1, more="seeds = 100000\n"), []

    def every(label):
        asked.append(label)
        return True

    assert len(list(islice(plan(spec, Device.CPU, every), 1000))) == 1000
    assert len(asked) == 1000


def test_the_number_of_draws_is_what_mean_and_variance_need():
    spec = spec_of("draw", problems='["gaussian-kl@2-wide"]', size=0)
    level = ErrorBudget(alpha=spec.alpha, tests=spec.tests).per_test
    sizes = {cell.estimator: cell.size for cell in plan(spec, Device.CPU)}
    # sigma = 10 in two dimensions: nearly chi-squared with two degrees of freedom, whose kurtosis is 9.
    assert sizes["sampled-kl"] >= draws_for_mean(MEAN_MARGIN, level, spec.power)
    needed = draws_for_variance(spec.variance_margin, 9.0, level, spec.power)
    assert sizes["sampled-kl"] == pytest.approx(needed, rel=0.05)
    assert sizes["analytic-kl"] == ZERO_VARIANCE_DRAWS


def test_a_wider_margin_needs_fewer_draws():
    narrow = spec_of("draw", size=0)
    wide = replace(narrow, variance_margin=0.25)
    pairs = zip(plan(narrow, Device.CPU), plan(wide, Device.CPU), strict=True)
    assert all(few.size <= many.size for many, few in pairs)


def test_single_data_are_cells_of_their_own():
    cells = list(plan(spec_of("draw", problems='["vae-small@initial"]', size=10, more="data = 3\n"), Device.CPU))
    assert Counter(cell.datum for cell in cells) == dict.fromkeys(range(3), len(cells) // 3)


def test_seeds_count_from_the_specification_s():
    spec = replace(spec_of(more="seeds = 2\n"), seed=40)
    assert {cell.seed for cell in plan(spec, Device.CPU)} == {40, 41}


def test_unknown_problems_and_implementations_are_refused_with_the_nearest():
    with pytest.raises(SpecError, match=r"'vae@trianed'\. Did you mean 'vae@trained'"):
        expand(("vae@trianed",))
    with pytest.raises(UsageError, match=r"No implementation 'pyr'\. Did you mean 'pyro'"):
        list(plan(spec_of(more='implementations = ["pyr"]\n'), Device.CPU))


def planned(estimators: str, problems: str) -> set[tuple[str, str]]:
    """(implementation, estimator) of what is planned."""
    spec = spec_of(problems=problems, more=f"estimators = {estimators}\n")
    return {(cell.implementation, cell.estimator) for cell in plan(spec, Device.CPU)}


def test_what_an_implementation_lacks_by_definition_is_not_planned():
    found = planned('["k3", "iwae-5", "jit-trace", "trace-graph"]', '["vae-small@initial"]')
    assert {name for name, estimator in found if estimator == "k3"} == {"torch-hand", "jax-hand", "numpy-oracle"}
    assert {name for name, estimator in found if estimator == "jit-trace"} == {"pyro"}
    assert {name for name, estimator in found if estimator == "trace-graph"} == {"pyro", "numpyro"}
    assert {"pyro", "numpyro", "torch-hand"} <= {name for name, estimator in found if estimator == "iwae-5"}


def test_a_kl_without_a_closed_form_is_not_planned_and_a_gap_of_a_library_is():
    assert not planned('["analytic-kl", "control-variate"]', '["planar-small@initial", "mixture-small@initial"]')
    assert ("numpyro", "analytic-kl") in planned('["analytic-kl"]', '["householder-small@initial"]')


@pytest.mark.parametrize("profile", ["quick", "standard", "full", "choose"])
def test_the_error_budget_covers_every_statistical_verdict_of_the_profile(profile):
    """Counted on rows that every such claim would judge; where q's gradient is known to be constant there are none."""
    spec = read_spec(profile)
    made = {Procedure.DRAW: drawn, Procedure.GRADIENT: differentiated}
    made |= dict.fromkeys((Procedure.SPREAD, Procedure.FIT_PAIRS), spread)
    cells = {replace(cell, size=50_000) for block in spec.cells for cell in _cells(block, spec, ON_CPU)}
    constant = {cell for cell in cells if (cell.problem, cell.estimator) == ("gaussian-kl", "analytic-kl")}
    results = [made[cell.procedure](cell) for cell in cells - constant if cell.procedure in made and meant(cell)]
    claims = [claim for claim in CLAIMS if claim.statistical]
    verdicts = judge(results, ErrorBudget(tests=10**6), claims=claims)
    weighed = sum(cell.procedure is Procedure.LIKELIHOOD for cell in cells)
    assert sum(verdict.outcome is not Outcome.NOT_RUN for verdict in verdicts) + weighed <= spec.tests


FLOWS = ("householder-small", "linear-iaf-small", "convex-linear-iaf-small")


def test_the_profile_choose_judges_every_claim_on_the_choice_on_both_models_and_on_flows():
    """By the cells planned and the claims that apply; enough pairs for an interval with eight on the other side."""
    spec = read_spec("choose")
    cells = list(plan(spec, Device.CPU))
    level = 1 - ErrorBudget(alpha=spec.alpha, tests=spec.tests).per_test
    models = {"vae-small", "vae", *FLOWS}
    asked = {f"CHOOSE-00{number}": models for number in range(1, 7)} | {"CHOOSE-003": {"vae-small", "vae"}}
    for claim in (each for each in CLAIMS if each.id in asked):
        mine = [cell for cell in cells if cell.procedure is claim.procedure and claim.applies_to(cell)]
        assert {cell.problem for cell in mine} == asked[claim.id], claim.id
        for cell in mine:
            others = [0.0] * 8 + [1.0] * (cell.data - 8)
            assert median_interval(others, level).low > 0, cell.label


def test_flows_and_priors_by_name_are_those_of_the_catalogue():
    for name, weights in expand(("*@*",)):
        of = Cell(**(dict.fromkeys(FIELDS, "") | {"problem": name}))  # type: ignore[arg-type]
        problem = load(name, weights)
        assert (flow(of), prior(of)) == (problem.flow, problem.prior), name


FIELDS = {
    "problem": st.text(),
    "weights": st.text(),
    "dataset": st.text(),
    "implementation": st.text(),
    "estimator": st.text(),
    "procedure": st.sampled_from(Procedure),
    "dtype": st.text(),
    "device": st.text(),
    "seed": st.integers(),
    "size": st.integers(),
    "datum": st.integers(),
    "chunk": st.integers(),
}
cells = st.builds(Cell, **FIELDS)


@given(cells, st.sampled_from(sorted(FIELDS)), st.data())
def test_a_key_changes_exactly_when_a_field_does(cell, name, data):
    other = replace(cell, **{name: data.draw(FIELDS[name])})
    assert (other.key == cell.key) == (other == cell)


@given(cells, st.text(), st.text(), st.text(), st.text())
def test_the_shared_seed_depends_on_nothing_that_is_compared(cell, implementation, estimator, dtype, device):
    other = replace(cell, implementation=implementation, estimator=estimator, dtype=dtype, device=device)
    assert other.shared_seed("noise") == cell.shared_seed("noise")
    assert 0 <= cell.random_seed("draw") < 2**31


@st.composite
def expressions(draw, depth=3):
    """(text, truth): an expression and a function that says by Python's own logic what it means."""
    kind = draw(st.sampled_from(["word"] if depth == 0 else ["word", "and", "or", "not", "group"]))
    if kind == "word":
        word = draw(st.sampled_from(["vae", "pyro", "float32", "a/b", "@x", "cpu"]))
        return word, lambda label: word in label
    if kind in ("and", "or"):
        left, left_truth = draw(expressions(depth=depth - 1))
        right, right_truth = draw(expressions(depth=depth - 1))
        text = f"({left}) {kind} ({right})"
        if kind == "and":
            return text, lambda label: left_truth(label) and right_truth(label)
        return text, lambda label: left_truth(label) or right_truth(label)
    inner, truth = draw(expressions(depth=depth - 1))
    return (f"({inner})", truth) if kind == "group" else (f"not ({inner})", lambda label: not truth(label))


@given(expressions(), st.lists(st.sampled_from(["vae", "pyro", "float32", "a/b", "@x", "cpu"])))
def test_a_selection_means_what_python_s_logic_says(expression, words):
    text, truth = expression
    label = " ".join(words)
    assert selector(text)(label) == truth(label)


def test_and_binds_closer_than_or_and_not_closest():
    assert selector("a or b and c")("a")
    assert not selector("not a and b")("a b")


@pytest.mark.parametrize("text", ["", "  ", "and", "a and", "a or or b", "(a", "a)", "a b", "not", "()"])
def test_what_is_no_expression_is_refused_in_one_line(text):
    with pytest.raises(UsageError) as caught:
        selector(text)
    assert "\n" not in str(caught.value)
