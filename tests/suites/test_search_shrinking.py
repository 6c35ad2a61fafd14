"""What shrinking makes of a pair, and how a small pair is written: the effect does not go with what is taken away."""

from dataclasses import replace
from math import exp

import pytest

from elbo_compare.suites.semantics.case import OF_PROGRAMS
from elbo_compare.suites.semantics.searching import shrinking
from elbo_compare.suites.semantics.searching.description import Expression, Family, Pair, Parent, Plate, Site
from elbo_compare.suites.semantics.searching.exact import exact
from elbo_compare.suites.semantics.searching.features import Feature
from elbo_compare.suites.semantics.searching.grammar import draw
from elbo_compare.suites.semantics.searching.productions import productions
from elbo_compare.suites.semantics.searching.rendering import functions

ON_A = Parent(name="a", coefficient=-0.6)
ONE = Expression(const=(1.3,))


def quiet(**weights):
    """a ~ N(-0.3, 1.3^2), three b | a ~ N(-0.3 - 0.6 a, 1.3^2) in a plate; the guide is the prior."""
    model = (Site(name="a", family=Family.NORMAL, parameters=(Expression(const=(-0.3,)), ONE)),
             Site(name="b", family=Family.NORMAL, parameters=(Expression(const=(-0.3,), parents=(ON_A,)), ONE),
                  plates=("i",), **weights))  # fmt: skip
    guide = (replace(model[0], parameters=(Expression(theta=0), ONE)),
             replace(model[1], parameters=(Expression(theta=1, parents=(ON_A,)), ONE)))  # fmt: skip
    return Pair(model=model, guide=guide, theta=(-0.3, -0.3), plates=(Plate(name="i", size=3),))


def unobserved():
    """The same with data that an obs_mask leaves out."""
    pair = quiet()
    data = Site(name="x", family=Family.NORMAL, parameters=(ONE, ONE), plates=("i",), observed=(0.1, 0.2, 0.3),
                observed_where=(False,) * 3)  # fmt: skip
    return replace(pair, model=(*pair.model, data))


def test_a_guide_that_was_the_prior_stays_it_without_a_site_or_a_dependence():
    """The loss of such a pair hardly varies, so that what a class does wrong shows; one side alone would hide it."""
    steps = [step for step in shrinking.smaller(quiet()) if exact(step).value == pytest.approx(0, abs=1e-12)]
    assert any([site.name for site in step.model] == ["b"] for step in steps)
    assert any([site.name for site in step.model] == ["a"] for step in steps)
    assert any(len(step.model) == 2 and not any(site.parents for site in step.model) for step in steps)


def test_of_a_parameter_that_loses_its_parent_the_link_is_kept():
    """Alone, a number is the parameter itself: exp(-0.3) of a rate, not -0.3."""
    rate = Expression(const=(-0.3,), parents=(ON_A,))
    a, guide = quiet().model[0], quiet().guide[0]
    data = Site(name="x", family=Family.POISSON, parameters=(rate,), observed=(1.0,))
    pair = Pair(model=(a, data), guide=(guide,), theta=(-0.3,))
    assert any(step.model[-1].parameters == (Expression(const=(exp(-0.3),)),) for step in shrinking.smaller(pair))


def test_a_parameter_that_is_no_longer_one_keeps_its_number():
    """Six digits of it, over every production: no step that takes a parameter away changes the loss by more."""
    tried = 0
    for index in range(0, 2 * len(Feature), 2):
        pair = draw(3, index)
        same = [site.parents for site in pair.guide]
        for step in shrinking.smaller(pair):
            taken = len(step.theta) < len(pair.theta) and step.model == pair.model
            if taken and [site.parents for site in step.guide] == same and _entries(step) < _entries(pair):
                right = exact(pair).value
                assert exact(step).value == pytest.approx(right, rel=1e-4, abs=1e-4), index
                tried += 1
    assert tried > 30


def _entries(pair):
    """Parameters of the guide's sites that read t."""
    return sum(each.theta is not None for site in pair.guide for each in site.parameters)


def test_data_that_are_left_out_become_a_latent():
    """Of the model alone where the guide has none of them; where it has, the guide's site gets its name."""
    pair = unobserved()
    rest = Site(name="x_unobserved", family=Family.NORMAL, parameters=(Expression(theta=2), ONE), plates=("i",),
                mask=(True,) * 3)  # fmt: skip
    both = replace(pair, guide=(*pair.guide, rest), theta=(*pair.theta, 0.7))
    for before, sides in ((pair, 2), (both, 3)):
        step = next(each for each in shrinking.smaller(before)
                    if len(each.model) == 3 and not any(site.observed for site in each.model))  # fmt: skip
        assert "obs_mask" not in productions(step)
        assert [site.name for site in step.guide] == ["a", "b", "x"][:sides]
        assert exact(step).value == pytest.approx(exact(before).value, abs=1e-12)
        assert shrinking.size(step) < shrinking.size(before)


@pytest.mark.parametrize("library", OF_PROGRAMS)
def test_a_plate_that_is_entered_once_is_made_there(library):
    """Two lines less; one that is entered twice is made once, since a subsample is drawn where it is made."""
    lines = functions(quiet(), library).splitlines()
    assert sum("plate(" in line for line in lines) == 2  # model, guide
    assert not any("plate_i" in line for line in lines)
    rows = replace(quiet(scale=(2.0,)), plates=(Plate(name="i", size=3, rows=2),))
    data = Site(name="x", family=Family.NORMAL, parameters=(ONE, ONE), plates=("i",), observed=(0.1, 0.2, 0.3))
    model = functions(replace(rows, model=(*rows.model, data)), library).partition("def guide")[0]
    assert model.count("plate('i'") == 1
    assert model.count("with plate_i as i") == 2
    compile(model, "pair", "exec")
