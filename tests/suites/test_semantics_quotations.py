"""What findings quote from a library's documentation stands in its installed source. Nothing is imported."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from elbo_compare.suites.semantics.case import Finding, Library
from elbo_compare.suites.semantics.findings import FINDINGS

SOURCES = {
    Library.PYRO: (("pyro", ""), ("torch", "distributions")),
    Library.TFP: (("tensorflow_probability", "python/vi"), ("tensorflow_probability", "python/distributions")),
    Library.BLACKJAX: (("blackjax", ""),),
    Library.NORMFLOWS: (("normflows", ""),),
    Library.NUMPYRO: (("numpyro", ""), ("jax", "_src/scipy"), ("jax", "_src/third_party")),
}
QUOTED = re.compile(r"(?<!\w)'(.+?)'(?!\w)")  # an apostrophe within a word ends no quotation


def _words(text: str) -> str:
    """Lower-case words without markup: a role shows the last part of its target, as Sphinx does for a tilde."""
    shown = re.sub(r":\w+:`+~[\w.]*?(\w+)`+", r"\1", text)
    return " ".join(re.findall(r"\w+", re.sub(r":\w+:(?=`)", " ", shown).lower()))


@cache
def _source(library: Library) -> str:
    texts = []
    for package, folder in SOURCES[library]:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            pytest.skip(f"{package} is not installed")
        files = sorted((Path(spec.origin).parent / folder).rglob("*.py"))
        texts += [_words(path.read_text(encoding="utf-8")) for path in files]
    return "\n".join(texts)


def test_markup_is_not_part_of_a_quotation() -> None:
    assert _words("Each :class:``~pyro.plate`` statement\n  in :math:`\\alpha = 0`") == (
        "each plate statement in alpha 0"
    )


@pytest.mark.parametrize("finding", [each for each in FINDINGS if "'" in each.documentation], ids=lambda each: each.id)
def test_quotations_stand_in_the_source(finding: Finding) -> None:
    quotations = QUOTED.findall(finding.documentation)
    assert quotations
    for quotation in quotations:
        assert _words(quotation) in _source(finding.library), quotation
