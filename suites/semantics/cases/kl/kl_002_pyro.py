"""SEM-KL-002: the gradient of KL(Wishart || Wishart) with respect to the guide's degrees of freedom (Pyro)."""

import pyro.distributions as dist
import torch
from torch.distributions import kl_divergence

torch.set_default_dtype(torch.float64)


def divergence(guide_df, model_df):
    return kl_divergence(dist.Wishart(guide_df, torch.eye(2)), dist.Wishart(model_df, 2 * torch.eye(2)))


def measure() -> dict[str, float]:
    """KL at 5 and 6 degrees of freedom, its derivatives by autograd (0 if it knows none) and by a difference."""
    guide_df, model_df = torch.tensor(5.0, requires_grad=True), torch.tensor(6.0, requires_grad=True)
    kl = divergence(guide_df, model_df)
    by_guide, by_model = torch.autograd.grad(kl, (guide_df, model_df), allow_unused=True)
    step = 1e-4
    difference = divergence(guide_df + step, model_df) - divergence(guide_df - step, model_df)
    return {
        "guide_difference": float(difference.detach()) / (2 * step),
        "kl": float(kl.detach()),
        "guide_gradient": 0.0 if by_guide is None else float(by_guide),
        "model_gradient": 0.0 if by_model is None else float(by_model),
    }


if __name__ == "__main__":
    print(measure())
