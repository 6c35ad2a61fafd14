"""Registered divergences where supports end and batches broadcast: found by `compare search --divergences`."""

from math import atanh, inf, log

from elbo_compare.suites.semantics.case import Behaviour, Case, Library, Numbers

_RATE, _PROBABILITY = 7, 0.3


def _continuous_bernoulli(_: Numbers) -> Numbers:
    """E log q + log 2 for CB(0.3) of density C l^x (1 - l)^(1 - x), C = 2 atanh(1 - 2 l) / (1 - 2 l)."""
    rate = 0.3
    constant = 2 * atanh(1 - 2 * rate) / (1 - 2 * rate)
    mean = rate / (2 * rate - 1) + 1 / (2 * atanh(1 - 2 * rate))
    kl = log(constant) + mean * log(rate) + (1 - mean) * log(1 - rate) + log(2)
    return {"kl": kl, "by_log_prob": kl}


def _certain(_: Numbers) -> Numbers:
    """-log p(0): q has all its mass there."""
    right = {"geometric": 0.0, "poisson": -_RATE * log(1 - _PROBABILITY)}
    return right | {f"{name}_by_log_prob": kl for name, kl in right.items()}


CASES = (
    Case(
        id="SEM-KL-011",
        title="The batch shape of a divergence that is infinite: one normal against three exponentials",
        statement="three numbers, each inf",
        source="torch.distributions.kl._kl_normal_infinity 2.13 and its kin: _infinite_like(p.loc), of q's shape",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="one number: q's batch shape, not the broadcast one",
                      program="kl/kl_011_pyro.py", computes=lambda _: {"three_numbers": 0.0}),
        ),
        oracle=lambda _: {"three_numbers": 1.0, "expanded_three_numbers": 1.0},
    ),
    Case(
        id="SEM-KL-012",
        title="Batches that broadcast, a member of p on an edge: Bernoullis (2, 2) against (2,), (3,) against (2, 1)",
        statement="inf in the column of the p that gives 0 to what q does not; a number for every cell that broadcasts",
        source="torch.distributions.kl._kl_bernoulli_bernoulli 2.13: t1[q.probs == 0] = inf, t1 of the broadcast "
               "shape, the mask of q's own",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="the mask of shape (2,) picks rows, not columns; one of shape (2, 1) raises IndexError",
                      program="kl/kl_012_pyro.py",
                      computes=lambda _: {"infinite_at_1_0": 0.0, "finite_at_0_1": 0.0, "raises": 1.0}),
        ),
        oracle=lambda _: {"infinite_at_1_0": 1.0, "finite_at_0_1": 1.0, "expanded": 1.0, "raises": 0.0},
    ),
    Case(
        id="SEM-KL-013",
        title="A continuous Bernoulli and a uniform whose supports share an end",
        statement="KL(CB(0.3) || Uniform(0, 2)) = E log q + log 2",
        source="torch.distributions.kl._kl_continuous_bernoulli_uniform 2.13: torch.ge(q.low, p.support.lower_bound)",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="inf: >= where > is meant (Beta | Uniform has >)",
                      program="kl/kl_013_pyro.py", computes=lambda _: {"kl": inf}),
        ),
        oracle=_continuous_bernoulli,
    ),
    Case(
        id="SEM-KL-014",
        title="Divergences of what is certain: Geometric(1) to itself, Poisson(0) to Binomial(7, 0.3)",
        statement="-log p(0), q having all its mass there: 0 and -7 log 0.7",
        source="torch.distributions.kl._kl_geometric_geometric 2.13: log1p(-q.probs) / p.probs beside q.logits; "
               "_kl_poisson_infinity",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="inf: log(1 - 1) is not clamped, the logit is; inf for every rate",
                      program="kl/kl_014_pyro.py", computes=lambda _: {"geometric": inf, "poisson": inf}),
        ),
        oracle=_certain,
    ),
)  # fmt: skip
