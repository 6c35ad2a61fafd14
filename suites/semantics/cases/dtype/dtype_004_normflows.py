"""SEM-DTYPE-004: the reverse KL of a normflows model in float64, by both of its estimators."""

import normflows
import torch
from torch import nn

drawn = {}


class Target(nn.Module):
    def log_prob(self, z):
        drawn["z"] = z.detach().flatten()
        return -0.5 * (z**2).sum(-1)


def measure() -> dict[str, float]:
    """One draw of q = N(0.7, 1.5^2) against exp(-z^2 / 2) under one seed: with its default and with score_fn=False."""
    base = normflows.distributions.DiagGaussian(1).double()
    with torch.no_grad():
        base.loc.fill_(0.7)
        base.log_scale.fill_(0.4)
    model = normflows.NormalizingFlow(base, [], Target())
    numbers = {}
    for name, score in (("score", True), ("path", False)):
        torch.manual_seed(1)
        loss = model.reverse_kld(num_samples=1, score_fn=score)
        numbers |= {"z": drawn["z"].item(), name: loss.item()}
        numbers[f"{name}_by_loc"] = torch.autograd.grad(loss, base.loc)[0].item()
    return numbers


if __name__ == "__main__":
    print(measure())
