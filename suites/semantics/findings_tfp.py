"""Candidate findings about TensorFlow Probability alone; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

TFP = Library.TFP

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-TFP-001",
        library=TFP,
        cases=("SEM-DREG-001",),
        quantities=("dreg_decoder",),
        title="DOUBLY_REPARAMETERIZED gives the parameters of the target density squared weights too",
        documentation="GradientEstimators: 'The doubly-reparameterized estimator presented by Tucker et al. [5] for "
        "importance-weighted bounds', defined 'with respect to the parameters of the surrogate posterior'; of the "
        "target's parameters nothing is said, and every other estimator gives them the gradient of the loss",
        happens="the surrogate objective sum w~^2 log w takes the place of the bound for whatever is differentiated: a "
        "decoder, or a learned prior, gets sum w~^2 d log p(x, z) where the bound has sum w~ d log p(x, z)",
        harm="the decoder's gradient is -0.10 for -0.52 in SEM-DREG-001, with 5 samples; it tends to 1/K of the right "
        "one where the weights are alike, and is right only where one sample has all the weight",
        status=Status.OPEN,
        routes=(
            "closed form at the draws",
            "REPARAMETERIZATION at the same draws, and differences of the same call's own value, give the closed form",
        ),
        fix="use the squared weights in the part that depends on the samples alone: evaluate the target at the samples "
        "with a stopped gradient under w~ beside it; or say that the target must have no parameters to learn",
        unit=Unit.GRADIENT,
        workaround="two losses at one seed: this one with the target's parameters stopped, REPARAMETERIZATION with the "
        "surrogate's stopped",
        workaround_case="SEM-DREG-001",
        workaround_quantity="two_losses_decoder",
        since="tensorflow-probability 0.16.0, the first release with this estimator (0.15.0 has none), by its source",
    ),
    Finding(
        id="FIND-TFP-002",
        library=TFP,
        cases=("SEM-DREG-002",),
        quantities=("forward_sticking_loc", "forward_sticking_sigma"),
        title="DOUBLY_REPARAMETERIZED is biased for every discrepancy_fn but kl_reverse, and accepts them all",
        documentation="GradientEstimators: 'define a stochastic estimate of the *gradient* of the above expectation "
        "with respect to the parameters of the surrogate posterior'; discrepancy_fn: 'Python `callable` representing a "
        "Csiszar `f` function'; no combination is excluded",
        happens="the score of log q is left out, whose mean E_q[f'(u) u d log q] is zero for f(u) = -log u alone",
        harm="the mean gradient of KL(p || q) by loc is -0.28 for 0.35 in SEM-DREG-002: q moves away",
        status=Status.OPEN,
        routes=(
            "closed form of the divergence's gradient against the mean over all draws",
            "REPARAMETERIZATION over the same draws gives the closed form; kl_reverse does with either",
        ),
        fix="raise for any other discrepancy_fn, or keep the score weighted by f'(u) u + 1",
        unit=Unit.GRADIENT,
        workaround="REPARAMETERIZATION for every divergence but kl_reverse",
        workaround_case="SEM-DREG-002",
        workaround_quantity="forward_plain_loc",
        since="tensorflow-probability 0.16.0, the first release with this estimator (0.15.0 has none), by its source",
    ),
    Finding(
        id="FIND-TFP-003",
        library=TFP,
        cases=("SEM-DTYPE-002",),
        quantities=("python", "python_bits"),
        title="A distribution of Python numbers is in float32 where JAX's x64 switch is on",
        documentation="Normal: 'Construct Normal distributions with mean and stddev `loc` and `scale`'; the dtype is a "
        "hint in its source",
        happens="dtype_hint=float32 decides where no argument is an array; an array of the same number gives float64",
        harm="the rounding of the parameters to 24 bits: 2.4e-6 of 0.005 nats for means near 1000",
        status=Status.BY_DESIGN,
        routes=("closed form", "the same divergence of arrays is right"),
        fix="let the hint be JAX's default float, float64 under x64",
        workaround="give one parameter as an array",
        workaround_case="SEM-DTYPE-002",
        workaround_quantity="arrays",
        since="tensorflow-probability 0.8.0 or before, by its source (the hint)",
    ),
)
