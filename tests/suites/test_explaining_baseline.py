"""A learned baseline: its own squared error trains it, and no ELBO's gradient is judged along its parameters."""

import pytest

pyro = pytest.importorskip("pyro")
import pyro.distributions as dist  # noqa: E402
import torch  # noqa: E402
from pyro.infer import TraceGraph_ELBO  # noqa: E402

from elbo_compare.suites.semantics.explaining.pyro_pair import PyroPair  # noqa: E402


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)

    def forward(self, x):
        return self.linear(x).squeeze(-1)


@pytest.mark.parametrize("read_by_q", [False, True])
def test_parameters_of_a_baseline_are_no_directions(read_by_q):
    """Not even where q reads the network too: the baseline's error would be taken for a bias."""
    pyro.clear_param_store()
    net, x = Net(), torch.tensor([[1.0], [2.0]])

    def model():
        with pyro.plate("rows", 2):
            z = pyro.sample("z", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(3 * z, 1.0), obs=x[:, 0])

    def guide():
        pyro.module("net", net)
        logits = pyro.param("p", torch.tensor(0.5)).expand(2) + (net(x) if read_by_q else 0.0)
        baseline = {"nn_baseline": net, "nn_baseline_input": x}
        with pyro.plate("rows", 2):
            pyro.sample("z", dist.Bernoulli(logits=logits), infer={"baseline": baseline})

    pair = PyroPair(model, guide, [], {}, {"TraceGraph_ELBO": TraceGraph_ELBO()})
    assert pair._directions.names == ("p",)
    assert pair.step(TraceGraph_ELBO(), 0)[1].shape == (len(pair._directions.names),)
