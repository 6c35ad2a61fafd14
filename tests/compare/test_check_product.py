"""A sample of benchmarks/check_product.py: no mutant is RIGHT in any wrapping, no cause is named that is not there."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import check_product

STEP = 29  # coprime to the eight wrappings: over the sample every one of them is met


@pytest.mark.parametrize(
    "case", list(check_product.products())[::STEP], ids=lambda case: f"{case.variant.id}-{case.wrapping}"
)
def test_no_mutant_is_right_in_any_wrapping(case):
    what, result = check_product.outcome(case)
    assert what in ("caught", "right by value", "another likelihood"), result.as_text(verbose=True)


@pytest.mark.parametrize(("variant", "guard", "function"), list(check_product.guarded())[::STEP])
def test_no_cause_is_named_beside_a_guard_that_is_not_there(variant, guard, function):
    result = check_product.check_function(function, framework="numpy")
    named = result.diagnosis.id if result.diagnosis else ""
    assert not check_product.false_cause(variant, named), result.as_text()


def test_every_wrapping_is_in_the_sample():
    sampled = {case.wrapping for case in list(check_product.products())[::STEP]}
    assert sampled == {"plain", "tuple", "dict", "method", "partial", "in place", "float32", "images"}
