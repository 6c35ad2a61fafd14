"""Candidate findings about Pyro's tensor Monte Carlo; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

PYRO = Library.PYRO
OPEN = Status.OPEN

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-PYRO-027",
        library=PYRO,
        cases=("SEM-TMC-002",),
        quantities=("tmc_gradient",),
        title="TraceTMC_ELBO has no gradient for a discrete guide site that is not enumerated",
        documentation="differentiable_loss: 'Computes a differentiable TMC estimate'; _compute_dice_factors: 'compute "
        "per-site DiCE log-factors for non-reparameterized proposal sites'",
        happens="the factor -log q of the site and its DiCE factor log q meet in one logarithm of one draw and cancel, "
        "the gradient with them (found by compare search)",
        harm="0 at every draw where the gradient is 0.19 in SEM-TMC-002: the guide does not learn, without a word "
        "where another site is enumerated",
        status=OPEN,
        routes=("sum over the values of z, and a likelihood-ratio simulation", "Trace_ELBO gives an unbiased draw"),
        fix="add the site's score times the detached estimate outside the logarithm, or raise for a guide site that is "
        "neither reparameterised, enumerated nor sampled in parallel",
        unit=Unit.GRADIENT,
        workaround="mark the site with infer={'enumerate': 'parallel'} (which optimises another bound), or Trace_ELBO",
        workaround_case="SEM-TMC-002",
        workaround_quantity="trace_gradient",
        upstream="the class came with pyro pull request 2143; no report was found",
        since="pyro-ppl 1.1.0, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-029",
        library=PYRO,
        cases=("SEM-TMC-003",),
        quantities=("tmc", "tmc_without_data"),
        title="TraceTMC_ELBO counts the prior of a site that is enumerated in the model twice",
        documentation="TraceTMC_ELBO: 'exhaustive enumeration over any sample site in the model or guide'",
        happens="log p(z) enters as the site's factor and once more as its DiCE factor: the loss is "
        "-log sum_z p(z)^2 p(x | z)",
        harm="0.94 nats in SEM-TMC-003, where z has three states; without any data the loss is -log sum_z p(z)^2, "
        "0.97 nats for 0",
        status=OPEN,
        routes=("sum over the states of z", "TraceEnum_ELBO gives that sum; without data a sum of probabilities is 1"),
        fix="leave sites that are enumerated in the model out of _compute_dice_factors: they have no proposal",
        workaround="TraceEnum_ELBO, or samples of the site (num_samples)",
        workaround_case="SEM-TMC-003",
        workaround_quantity="enum",
        upstream="the class came with pyro pull request 2143; no report was found",
        since="pyro-ppl 1.1.0, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-030",
        library=PYRO,
        cases=("SEM-TMC-004",),
        quantities=("tmc_change",),
        title="TraceTMC_ELBO leaves out what the guide observes, its factors too",
        documentation="factor: 'the Jacobian determinant of a transformation of a reparametrized variable' stands in "
        "guides",
        happens="_compute_tmc_factors skips observed sites of the guide, where the other classes subtract their log q",
        harm="the factor's log density, 0.25 nats in SEM-TMC-004",
        status=OPEN,
        routes=("log q of the factor is the change of the loss", "Trace_ELBO and TraceEnum_ELBO change by it"),
        fix="add -log q of observed guide sites to the factors; for the model's alone the skip is right",
        workaround="a TransformedDistribution in place of a factor, or Trace_ELBO",
        workaround_case="SEM-TMC-004",
        workaround_quantity="trace_change",
        upstream="the class came with pyro pull request 2143; no report was found",
        since="pyro-ppl 1.1.0, the first release with the class",
    ),
)
