"""What `compare explain` decides without a framework: exact integrals, numbers that are read, what findings need."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from elbo_compare.compare.semantics.measuring import _references
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explaining import numbers
from elbo_compare.suites.semantics.explaining.applying import candidates
from elbo_compare.suites.semantics.explaining.facts import ClassFacts, Pair, Side, SiteFacts
from elbo_compare.suites.semantics.explaining.mending import has_exact
from elbo_compare.suites.semantics.explaining.needs import needs_of
from elbo_compare.suites.semantics.explaining.objective import optimised
from elbo_compare.suites.semantics.explaining.roles import (
    Role,
    objective_of,
    raising_site,
    site_remarks,
    treatment,
    without_density,
)
from elbo_compare.suites.semantics.findings import FINDINGS
from elbo_compare.suites.tracing.quadrature import CLOSED, MOST_RUNS, integrated, rules
from elbo_compare.suites.tracing.site import Draw, Plate

RATE = 0.25


def integral_of(function):
    return lambda rule: (float(rule.weights @ function(rule.points)), float(rule.weights @ function(rule.points)))


@pytest.mark.parametrize("dimensions", [1, 2, 3, 20])
def test_a_quadratic_is_integrated_in_closed_form(dimensions):
    generator = np.random.default_rng(dimensions)
    matrix, slope = generator.normal(size=(dimensions, dimensions)), generator.normal(size=dimensions)
    found = integrated(integral_of(lambda e: np.einsum("ni,ij,nj->n", e, matrix, e) + e @ slope + 2), dimensions, 1)
    assert found is not None
    value, text = found
    assert value == pytest.approx(np.trace(matrix) + 2, abs=1e-12)
    assert text == CLOSED


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_smooth_integrand_is_integrated_and_not_called_a_closed_form(dimensions):
    found = integrated(integral_of(lambda e: np.exp(0.4 * e.sum(1))), dimensions, 1)
    assert found is not None
    value, text = found
    assert value == pytest.approx(np.exp(0.08 * dimensions), abs=1e-9)
    assert text.startswith("quadrature")


def test_an_integrand_on_which_two_rules_differ_is_not_called_exact():
    assert integrated(integral_of(lambda e: np.abs(e[:, 0])), 1, 1) is None  # a kink
    assert integrated(integral_of(lambda e: np.cos(3 * e).sum(1)), 4, 1) is None  # no quadratic, too many dimensions


def test_rules_stay_within_the_runs_that_are_allowed():
    for dimensions in range(1, 40):
        for states in (1, 8, 100):
            runs = sum(len(rule.points) for couple in rules(dimensions, states) for rule in couple) * states
            assert runs <= MOST_RUNS


def test_floats_that_a_function_reads_are_found_changed_and_put_back():
    beta = 0.5

    class Model:
        def __init__(self):
            self.gamma, self.size = 2.0, 3

        def forward(self):
            return beta * self.gamma * RATE * self.size

        def __call__(self):
            return self.forward()

    model = Model()
    found = {each.name: each for each in numbers.numbers_of(model, model.forward)}
    assert set(found) == {"beta", "gamma", "RATE"}  # sizes are none
    before = model()
    for number in found.values():
        with numbers.changed(number):
            assert model() == pytest.approx(before * numbers.CHANGE)
        assert model() == before


def test_every_registered_finding_has_a_rule():
    said = needs_of("pyro", ()) | needs_of("numpyro", ())
    assert set(said) == {each.id for each in FINDINGS if each.id.startswith(("FIND-PYRO-", "FIND-NUMPYRO-"))}
    assert not [identifier for identifier, need in said.items() if "no rule" in need]


@pytest.mark.parametrize(
    ("weighs", "slope"),
    [
        ({}, "TraceGraph_ELBO"),
        ({"plates": (Plate(name="i", size=6, rows=2),)}, "TraceEnum_ELBO"),  # FIND-NUMPYRO-016
        ({"scale": (0.3, 0.3)}, "TraceEnum_ELBO"),
        ({"kept": 0.0}, "TraceEnum_ELBO"),
    ],
)
def test_numpyro_s_graph_is_no_reference_for_a_score_that_it_weighs(weighs, slope):
    kinds = ("Trace_ELBO", "TraceGraph_ELBO", "TraceEnum_ELBO")
    side = Side(family="Bernoulli", shown="Bernoulli", draw=Draw.SCORE, **weighs)
    pair = SimpleNamespace(
        classes=[ClassFacts(name=kind, kind=kind) for kind in kinds],
        sites=[SiteFacts(name="z", model=side, guide=side)], mended="", library=Library.NUMPYRO,
        enumerates_other_rows=False,
    )  # fmt: skip
    assert _references(cast(Pair, pair)) == ("Trace_ELBO", slope)
    pair.enumerates_other_rows = True  # of a mini-batch: TraceEnum_ELBO is none then
    assert _references(cast(Pair, pair)) == ("Trace_ELBO", "" if slope == "TraceEnum_ELBO" else slope)


@pytest.mark.parametrize("apart", [True, False])
def test_rows_that_the_model_draws_for_itself_are_the_finding(apart):
    kinds = ("Trace_ELBO", "TraceEnum_ELBO")
    pair = SimpleNamespace(
        classes=[ClassFacts(name=kind, kind=kind) for kind in kinds], sites=[], library=Library.NUMPYRO, directions=(),
        latents_of_positions=0, order=((), ()), enumerates_other_rows=apart, bits=64,
    )  # fmt: skip
    found = [(each.id, each.kind) for each in candidates(cast(Pair, pair))]
    assert found == ([("FIND-NUMPYRO-018", "TraceEnum_ELBO")] if apart else [])


def test_no_exact_value_is_asked_for_of_a_pair_that_means_something_else():
    side = Side(family="Normal", shown="Normal")
    discrete = Side(family="Bernoulli", shown="Bernoulli", draw=Draw.SCORE)
    assert has_exact([SiteFacts(name="z", model=side, guide=side)])
    assert not has_exact([SiteFacts(name="z", model=discrete)])  # a latent that the guide lacks: its prior is meant
    small, large = (Side(family="Normal", shown="Normal", plates=(Plate(name="p", size=n, rows=4),)) for n in (4, 12))
    assert not has_exact([SiteFacts(name="z", model=large, guide=small)])


def side_of(family="Normal", **known):
    return Side(family=family, shown=family, weight=1.0, **known)


def test_a_point_beside_a_drawn_latent_is_no_part_of_a_divergence():
    """E_q of a Delta has no KL: its density stands with the likelihood, outside of what is called KL(q || p)."""
    point, drawn = side_of("Delta", draw=Draw.POINT), side_of()
    sites = [SiteFacts(name="s", model=drawn, guide=point), SiteFacts(name="z", model=drawn, guide=drawn),
             SiteFacts(name="x", model=drawn, observed=True)]  # fmt: skip
    said = optimised(sites)
    assert said[0] == "Maximised on average: E_q[log p(x, s)] - KL(q(z) || p(z)) (effective beta 1), z = z."
    assert said[1] == "s: a point in the guide (MAP); no integral is done."
    assert "point" not in " ".join(optimised(sites[1:]))


def test_the_scale_of_a_point_weighs_nothing_but_a_density_that_it_was_given():
    """AutoSemiDAIS has local latents as points outside of the plate; its auxiliary sites, in the plate, hold log q."""
    plate = (Plate(name="p", size=12, rows=4),)
    point = side_of("Delta", draw=Draw.POINT)
    model = side_of(scale=(3.0, 3.0), plates=plate)
    sites = [SiteFacts(name="z", model=model, guide=point), SiteFacts(name="x", model=model, observed=True),
             SiteFacts(name="u", guide=model)]  # fmt: skip
    said = " ".join(optimised(sites))
    assert "KL(q(z) || p(z)) (effective beta 1)" in said
    assert "weighted differently" not in said
    given = side_of("Delta", draw=Draw.POINT, log_density=-1.5)
    said = " ".join(optimised([SiteFacts(name="z", model=model, guide=given), *sites[1:]]))
    assert "z is weighted differently: 3 in the model, 1 in the guide." in said


def test_masks_that_differ_leave_no_divergence():
    kept, all_of_it = side_of(mask_digest="[1.0, 0.0]", kept=0.5), side_of()
    said = [optimised([SiteFacts(name="z", model=model, guide=guide)])[0]
            for model, guide in ((kept, all_of_it), (all_of_it, kept), (kept, kept))]  # fmt: skip
    assert ["each with its own mask, which is no KL (of z)" in each for each in said] == [True, True, False]
    point = side_of("Delta", draw=Draw.POINT)
    assert "own mask" not in optimised([SiteFacts(name="z", model=kept, guide=point)])[0]


def test_a_mass_beside_a_density_is_said_to_be_none_of_a_kind():
    whole, real = side_of("Categorical", discrete=True, draw=Draw.SCORE), side_of()
    said = [site_remarks(SiteFacts(name="z", model=model, guide=guide), Library.PYRO)
            for model, guide in ((real, whole), (whole, real), (whole, whole), (real, real))]  # fmt: skip
    assert ["compares a mass with a density" in " ".join(each) for each in said] == [True, True, False, False]


def test_latents_that_are_summed_out_weigh_nothing_too_much():
    summed = SiteFacts(name="k", model=side_of("Categorical", enumerate="parallel", draw=Draw.SCORE))
    data = [SiteFacts(name=name, model=side_of(), observed=True) for name in ("x0", "x1")]
    assert "too much" not in " ".join(optimised([summed, *data]))
    assert "w weighs N/B times too much" in " ".join(
        optimised([summed, SiteFacts(name="w", model=side_of(), guide=side_of()), *data])
    )


def test_what_the_guide_lacks_is_no_part_of_a_divergence():
    data = SiteFacts(name="x", model=side_of(), observed=True)
    guided, lacking = SiteFacts(name="w", model=side_of(), guide=side_of()), SiteFacts(name="b", model=side_of())
    summed = SiteFacts(name="k", model=side_of("Categorical", enumerate="parallel", draw=Draw.SCORE))
    said = optimised([guided, summed, data])
    assert said[0].endswith("KL(q(z) || p(z)) (effective beta 1), z = w.")
    assert said[1].startswith("k: not in the guide; summed out by TraceEnum_ELBO")
    said = optimised([guided, lacking, data])
    assert said[0].endswith("z = w.")
    assert said[1].startswith("b: not in the guide; drawn from the prior")
    assert optimised([summed, data])[0] == "Maximised: log p(x), k summed out by TraceEnum_ELBO."


def test_a_datum_that_is_weighted_by_hand_is_not_said_to_count_once():
    sites = [SiteFacts(name="z", model=side_of(), guide=side_of()),
             SiteFacts(name="x", model=side_of(scale=(10.0, 10.0)), observed=True)]  # fmt: skip
    said = " ".join(optimised(sites))
    assert "each datum of x counts 10 times" in said
    assert "counts once" not in said
    assert "each datum counts once" in " ".join(
        optimised([sites[0], SiteFacts(name="x", model=side_of(), observed=True)])
    )


def test_a_class_that_raises_for_another_reason_raises_at_no_site():
    scored = [SiteFacts(name="n", model=side_of(), guide=side_of("Poisson", draw=Draw.SCORE))]
    refused = "NotImplementedError: All distributions in the guide must be fully reparameterized."
    assert raising_site(scored, "TraceTailAdaptive_ELBO", refused) == "n"
    assert raising_site(scored, "TraceTailAdaptive_ELBO", "ValueError: plates collide") == ""


def test_a_prior_that_is_integrated_to_one_holds_no_constant():
    """NumPyro's TraceEnum_ELBO adds nothing of a latent that the guide lacks, the other classes add its log p."""
    lacking = SiteFacts(name="b", model=side_of(log_prob=-1.2, normal_dims=1.0))
    assert without_density(treatment(lacking, "TraceEnum_ELBO", Library.NUMPYRO))
    assert not without_density(treatment(lacking, "Trace_ELBO", Library.NUMPYRO))


def test_a_renyi_bound_is_said_to_be_of_what_every_site_shares():
    """One of each row where the whole model lies in a plate, one of everything where a global latent does not."""
    whole, part = Plate(name="rows", size=4, rows=4), Plate(name="rows", size=12, rows=4)
    steps = Plate(name="steps", size=3, rows=3, vectorised=False)

    def said(*plates, library=Library.PYRO):
        return objective_of("RenyiELBO", [SiteFacts(name=str(k), model=side_of(plates=each)) for k, each in
                                          enumerate(plates)], library)  # fmt: skip

    assert said((whole,), (whole,)).endswith("one of each element of plate 'rows', added up")
    assert said((whole,), ()).endswith("one of all sites together")
    assert said((steps,), (steps,)).endswith("one of all sites together")  # run one after the other
    assert said((part,), (part,)).endswith("each weight to the power N/B")
    assert said((part,), (part,), library=Library.NUMPYRO).endswith("added up, N/B times")
    assert objective_of("Trace_ELBO", [], Library.PYRO) == ""


def pair_of(*sites, kind="TraceMeanField_ELBO"):
    """A pair as far as findings that have their shape in its sites go."""
    classes = (ClassFacts(name=kind, kind=kind),)
    return SimpleNamespace(library=Library.PYRO, bits=32, sites=sites, classes=classes, directions=(), order=((), ()),
                           latents_of_positions=0)  # fmt: skip


def masked(family, **known):
    return side_of(family, mask_digest="[0.0]", kept=0.0, **known)


def test_a_point_keeps_the_mask_of_the_models_own_distribution():
    """KL(Delta || p) is -log p at the point: a mask within p is kept, one of a handler around the model is not."""
    point = side_of("Delta", draw=Draw.POINT, log_density=-1.5)
    own = SiteFacts(name="z", model=masked("Normal", own_mask=True), guide=point, kl=0.0)
    handled = SiteFacts(name="z", model=masked("Normal", handler_digest="[0.0]"), guide=point, kl=0.0)
    drawn = SiteFacts(name="z", model=masked("Normal", own_mask=True), guide=side_of(own_mask=True), kl=0.0)
    ids = [{each.id for each in candidates(pair_of(site))} for site in (own, handled, drawn)]  # type: ignore[arg-type]
    assert ids == [{"FIND-PYRO-008"}, {"FIND-PYRO-007", "FIND-PYRO-008"}, {"FIND-PYRO-020"}]
    roles = [treatment(site, "TraceMeanField_ELBO", Library.PYRO).roles for site in (own, handled, drawn)]
    assert [Role.MASK_IGNORED in each for each in roles] == [False, True, True]


def test_findings_that_meet_at_a_site_say_so():
    """The term is off by one number, which is not to be told twice as if each cost it alone."""
    point = side_of("Delta", draw=Draw.POINT, log_density=-1.5, scale=(0.5, 0.5))
    both = candidates(pair_of(SiteFacts(name="z", model=side_of(), guide=point, kl=0.0)))  # type: ignore[arg-type]
    assert {each.id: each.fact for each in both} == {
        "FIND-PYRO-001": "together with FIND-PYRO-008", "FIND-PYRO-008": "together with FIND-PYRO-001",
    }  # fmt: skip
