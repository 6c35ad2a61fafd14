"""Rows of a mini-batch that a model is given and does not get, since replay has the guide's win."""

from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")


def test_rows_of_the_model_that_the_guide_replaces_are_named():
    """The data are those of rows 8 to 11; the model's own prior mean is the row's number, as it sees it."""
    import pyro
    import pyro.distributions as dist
    import torch

    from elbo_compare.suites.tracing.pyro_rows import replaced_rows

    given, seen = torch.arange(8, 12), []

    def model():
        with pyro.plate("rows", 12, subsample=given) as rows:
            seen.append(rows)
            pyro.sample("z", dist.Normal(torch.as_tensor(rows) * 1.0, 1.0))

    def guide(**rows):
        with pyro.plate("rows", 12, **rows):
            pyro.sample("z", dist.Normal(torch.zeros(4), 1.0))

    assert replaced_rows(model, lambda: guide(subsample_size=4), (), {}, 0) == ("rows",)
    assert not torch.equal(seen.pop(), given)
    assert replaced_rows(model, lambda: guide(subsample=given), (), {}, 0) == ()
    assert torch.equal(seen.pop(), given)
    assert replaced_rows(model, lambda: None, (), {}, 0) == ()  # the model's own rows stand
