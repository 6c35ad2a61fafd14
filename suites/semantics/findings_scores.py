"""Candidate findings about the gradients of guides that are not reparameterised, and of factors in a guide."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

OPEN = Status.OPEN

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-NUMPYRO-016",
        library=Library.NUMPYRO,
        cases=("SEM-DISCRETE-003",),
        quantities=("subsampled", "scaled", "masked"),
        title="TraceGraph_ELBO multiplies the score of a discrete guide site by the site's scale and mask",
        documentation="plate, of subsample_size: 'This can be used to apply a scaling factor by inference algorithms. "
        "e.g. when computing ELBO using a mini-batch'; TraceGraph_ELBO: 'It supports arbitrary dependency structure "
        "for the model and guide'",
        happens="the surrogate is log_prob times the detached cost; both carry the scale, so that it counts twice, and "
        "a mask takes the score out, not its cost alone (found by compare search)",
        harm="in a mini-batch a local discrete site has N/B times its gradient: 3.46 on average for 1.15 at N/B = 3 in "
        "SEM-DISCRETE-003, beside parameters whose gradients are right; under a scale of 0.3, which anneals, 0.3 times "
        "it; under a mask none, so that the guide does not learn from what depends on the site",
        status=OPEN,
        routes=(
            "sum over the values of z, and a likelihood-ratio simulation",
            "Pyro's TraceGraph_ELBO gives the unbiased draw, NumPyro's TraceEnum_ELBO the mean",
        ),
        fix="take the score from the unscaled, unmasked distribution: get_importance_trace can keep its log_prob "
        "beside the weighted one, as TraceEnum_ELBO's log_measure does",
        unit=Unit.GRADIENT,
        workaround="a plate of the mini-batch's size and N/B times the loss, where all sites are local; else "
        "TraceEnum_ELBO",
        workaround_case="SEM-DISCRETE-003",
        workaround_quantity="outside",
        upstream="pyro issue 531, 'site[\"scale\"] is double counted at non-reparameterized sites', mended in Pyro by "
        "pull request 533; NumPyro's class came with pull request 1044",
        since="numpyro 0.7.0, the first release with the class, by its source",
    ),
    Finding(
        id="FIND-NUMPYRO-017",
        library=Library.NUMPYRO,
        cases=("SEM-STRUCTURE-009",),
        quantities=("graph_change",),
        title="TraceGraph_ELBO drops the gradient of a factor in the guide",
        documentation="factor: 'Factor statement to add arbitrary log probability factor to a probabilistic model'; "
        "TraceGraph_ELBO: 'It supports arbitrary dependency structure for the model and guide'",
        happens="log q of every guide site without a reparameterised sampler is detached, for its score comes by the "
        "surrogate; a factor has neither sampler nor surrogate",
        harm="the whole gradient of the factor, 0.7 in SEM-STRUCTURE-009; a Jacobian that a guide adds by hand",
        status=OPEN,
        routes=("0.7 da/dm = 0.7 at each draw", "Trace_ELBO of the same draw, and Pyro's TraceGraph_ELBO, give it"),
        fix="detach log q of latent sites alone: a factor is observed",
        unit=Unit.GRADIENT,
        workaround="a TransformedDistribution in place of a factor, or Trace_ELBO",
        workaround_case="SEM-STRUCTURE-009",
        workaround_quantity="trace_change",
        upstream="numpyro pull request 1412, in whose review detaching what has no reparameterised sampler is proposed",
        since="numpyro 0.10.0, which follows dependences by provenance; 0.9.2 detaches latent sites alone; by source",
    ),
    Finding(
        id="FIND-PYRO-031",
        library=Library.PYRO,
        cases=("SEM-RENYI-004",),
        quantities=("iwae_gradient", "half_gradient"),
        title="RenyiELBO's gradient of a guide that is not reparameterised is that of infinitely many particles",
        documentation="RenyiELBO: 'In the special case alpha = 0, the objective function is that of the important "
        "weighted autoencoder'; of guides that are not reparameterised nothing is said",
        happens="alpha / (1 - alpha) log q under the particles' weights stands for the score times the bound: "
        "consistent as the particles grow, where the bound at alpha = 0 no longer depends on the guide, and biased by "
        "1 / K before; no warning (found by compare search)",
        harm="0 at every draw at the default alpha = 0, where the gradient is 0.11 with two particles in "
        "SEM-RENYI-004: a discrete guide does not learn",
        status=OPEN,
        routes=(
            "sum over the four pairs of draws",
            "a likelihood-ratio simulation of the bound",
        ),
        fix="add the score times the detached bound, less its mean over the other particles (Mnih and Rezende 2016), "
        "or raise NotImplementedError, as for a rejection sampler",
        unit=Unit.GRADIENT,
        workaround="the ELBO in place of the bound (Trace_ELBO, TraceGraph_ELBO), or ReweightedWakeSleep's objective",
        workaround_case="SEM-DISCRETE-001",
        workaround_quantity="trace_gradient",
        upstream="pyro pull request 1214 brought the class ('Note that this works with non-parameterizable variables "
        "too'); in pull request 1450 a reviewer expects "
        "incorrect results for discrete variables of another change",
        since="pyro-ppl 0.3.0, the first release with the class, by its source",
    ),
)
