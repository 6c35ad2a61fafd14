"""Candidate findings about torch's divergences where supports end and batches broadcast; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit
from elbo_compare.suites.semantics.findings_pyro import OLD_TORCH

PYRO, OPEN = Library.PYRO, Status.OPEN
BATCH_SENTENCE = "torch.distributions.kl.kl_divergence: 'A batch of KL divergences of shape `batch_shape`'"

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-PYRO-032",
        library=PYRO,
        cases=("SEM-KL-011",),
        quantities=("three_numbers",),
        title="torch's infinite divergences have the shape of q alone, not of the batch",
        documentation=BATCH_SENTENCE,
        happens="where the support of q is wider than that of p, whatever the parameters, a tensor like one of q's "
        "parameters is filled with inf; 33 of the 90 registered pairs (found by compare search --divergences)",
        harm="one number for three in SEM-KL-011; what indexes or sums the batch meets another shape",
        status=OPEN,
        routes=("the broadcast of both batch shapes", "the same divergence with q expanded has it"),
        fix="fill a tensor of torch.broadcast_shapes(p.batch_shape, q.batch_shape)",
        unit=Unit.FLAG,
        extreme=True,
        workaround="expand q to the batch's shape",
        workaround_case="SEM-KL-011",
        workaround_quantity="expanded_three_numbers",
        since=OLD_TORCH,
    ),
    Finding(
        id="FIND-PYRO-033",
        library=PYRO,
        cases=("SEM-KL-012",),
        quantities=("infinite_at_1_0", "finite_at_0_1", "raises"),
        title="torch's divergences that mark their edges by a mask mark other cells, or raise, where batches broadcast",
        documentation=BATCH_SENTENCE,
        happens="result[mask of one side's parameter] = inf indexes the leading axes of the broadcast result: a mask "
        "of shape (2,) picks rows of (2, 2), one of shape (2, 1) raises IndexError for any parameters; Bernoulli | "
        "Bernoulli, Beta | Uniform, Pareto and Uniform against exponential and gamma, Pareto | Normal, Uniform | Beta "
        "(found by compare search --divergences)",
        harm="inf in cells that are finite, and where it is inf finite ones, negative ones or nan, in square batches "
        "with a member on an edge; an IndexError for (3,) against (2, 1) everywhere",
        status=OPEN,
        routes=("each cell alone", "the same divergence with p expanded has the right cells"),
        fix="torch.where with the condition broadcast, as Uniform | ContinuousBernoulli does",
        unit=Unit.FLAG,
        workaround="expand q and p to the batch's shape",
        workaround_case="SEM-KL-012",
        workaround_quantity="expanded",
        since=OLD_TORCH,
    ),
    Finding(
        id="FIND-PYRO-034",
        library=PYRO,
        cases=("SEM-KL-014",),
        quantities=("geometric", "poisson"),
        title="torch's KL of a Geometric(1) to itself, and of a Poisson(0) to a Binomial or Bernoulli, is inf",
        documentation="torch.distributions.kl.kl_divergence: 'Compute Kullback-Leibler divergence KL(p || q)'; the "
        "parameter is within arg_constraints",
        happens="log(1 - 1) is not clamped, the logit beside it is; a Poisson against a finite support is inf whatever "
        "its rate (found by compare search --divergences)",
        harm="inf, where it is 0 and 2.5 nats",
        status=OPEN,
        routes=("-log p(0), closed form", "log_prob of the same distributions gives it"),
        fix="clamp 1 - p as the logits are clamped; let a rate of 0 be its own case",
        extreme=True,
        workaround="the mean of log q - log p",
        workaround_case="SEM-KL-014",
        workaround_quantity="geometric_by_log_prob",
        since=OLD_TORCH,
    ),
)
