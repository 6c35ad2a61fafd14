"""Candidate findings about NumPyro alone; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

NUMPYRO = Library.NUMPYRO
OPEN, BY_DESIGN = Status.OPEN, Status.BY_DESIGN

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-NUMPYRO-013",
        library=NUMPYRO,
        cases=("SEM-KL-007",),
        quantities=("mean_field", "log_beta"),
        title="jax.scipy.special.betaln is off by up to 1.4e-6 in float64 when the larger parameter is 8 or more",
        documentation="betaln: 'JAX implementation of scipy.special.betaln'; algdiv: 'Derived from scipy's "
        "implementation'",
        happens="a transcription of ALGDIV takes x = a / (a + b) for b / (a + b), so that KL(Beta || Beta), the "
        "divergence of Kumaraswamy and Beta, Beta.entropy and the log_prob of BetaBinomial and NegativeBinomial2, "
        "which all call it, inherit the error",
        harm="1.3e-6 nats at (8, 2), 6e-7 at (10, 2), 5e-8 at (20, 2), 0 at equal parameters; in float32 within the "
        "error of lgamma",
        status=OPEN,
        routes=(
            "log B(8, 2) = -log 72 exactly",
            "ALGDIV with the published x agrees to rounding, with JAX's x gives JAX",
        ),
        fix="take x = b / (a + b) in algdiv, as the published ALGDIV does",
        workaround="Trace_ELBO: Beta.log_prob uses betaln at 0 and 1 only",
        workaround_case="SEM-KL-007",
        workaround_quantity="trace",
        upstream="introduced by jax pull request 13288, whose author puts the float64 error down to 'the function "
        "approximation error'; jax issue 40653 is another error of algdiv",
        since="jax 0.4.0, the first release with algdiv; 0.3.25 subtracts logarithms of gamma functions",
    ),
    Finding(
        id="FIND-NUMPYRO-007",
        library=NUMPYRO,
        cases=("SEM-MULTI-001",),
        quantities=("loss",),
        title="multi_sample_guide=True returns the sum over the guide's samples",
        documentation="Trace_ELBO.loss: 'negative of the Evidence Lower Bound (ELBO) to be minimized'",
        happens="S samples give S times the loss and the gradient",
        harm="(S - 1) times the loss: 3.8 nats in SEM-MULTI-001",
        status=OPEN,
        routes=("closed form at the draws", "num_particles = S gives the mean (SEM-MULTI-002)"),
        fix="divide by the number of guide samples after the sum over sites, as 0.17.0 did before it",
        workaround="num_particles, or divide by S",
        workaround_case="SEM-MULTI-002",
        workaround_quantity="loss",
        upstream="numpyro issue 1724, mended by pull request 1728; its division by S is gone since the rewrite for "
        "sum_sites (pull request 1995)",
        since="numpyro 0.18.0; 0.17.0 divides by S",
    ),
    Finding(
        id="FIND-NUMPYRO-008",
        library=NUMPYRO,
        cases=("SEM-DISCRETE-001", "SEM-RENYI-004"),
        quantities=("trace_gradient", "iwae_gradient", "half_gradient"),
        title="Trace_ELBO, TraceMeanField_ELBO and RenyiELBO have no score-function term for discrete guides",
        documentation="Trace_ELBO: 'it only supports random variables with reparameterized samplers'",
        happens="the score-function term is missing; only SVI.init warns",
        harm="0 on average where the gradient is 0.19 in SEM-DISCRETE-001: the guide does not learn; with RenyiELBO of "
        "several particles it is not 0 on average, and wrong (SEM-RENYI-004)",
        status=BY_DESIGN,
        routes=("closed form", "TraceGraph_ELBO and Pyro give an unbiased gradient"),
        fix="raise for a guide site that has no reparameterised sampler, or warn wherever the loss is "
        "differentiated and not in SVI.init alone",
        unit=Unit.GRADIENT,
        workaround="TraceGraph_ELBO; in a mini-batch, under a scale or a mask read FIND-NUMPYRO-016 first",
        workaround_case="SEM-DISCRETE-001",
        workaround_quantity="graph_gradient",
        upstream="numpyro issues 896 and 1124; the warning of SVI.init: pull request 1126; issue 386 asks for a "
        "RenyiELBO of reparameterisable models alone",
        since="numpyro 0.1.0, the first release; SVI.init warns since 0.8.0",
    ),
    Finding(
        id="FIND-NUMPYRO-009",
        library=NUMPYRO,
        cases=("SEM-FALLBACK-016",),
        quantities=("mean_field", "mean_field_again"),
        title="KL(Kumaraswamy || Beta) is cut after ten terms of its series, as in the paper",
        documentation="a comment beside KL_KUMARASWAMY_BETA_TAYLOR_ORDER: 'We follow the paper and set this to 10 but "
        "to get more precise KL, we can set this flag to 1000'",
        happens="the analytic KL is off by the tail of the series, in either direction with the sign of beta - 1",
        harm="0.014 nats of 0.017 in SEM-FALLBACK-016; 0.47 of 1.33 for Kumaraswamy(1.5, 0.8) and Beta(2, 3)",
        status=BY_DESIGN,
        routes=("numerical integration", "the paper's series at ten terms gives the library's number"),
        fix="raise the default order, or give the error at ten terms in the documentation of the class",
        workaround="set KL_KUMARASWAMY_BETA_TAYLOR_ORDER = 1000 on the distribution (which leaves 2e-7 nats here, but "
        "0.013 at Kumaraswamy(1.5, 0.8)), or Trace_ELBO",
        workaround_case="SEM-FALLBACK-019",
        workaround_quantity="mean_field",
        since="numpyro 0.9.0, the first release with this divergence",
    ),
    Finding(
        id="FIND-NUMPYRO-010",
        library=NUMPYRO,
        cases=("SEM-SUPPORT-001",),
        quantities=("loss", "gradient"),
        title="Validation gives a grey pixel under a Bernoulli loss inf and gradient zero, under jit without a warning",
        documentation="Bernoulli.support = constraints.boolean; warning: 'Out-of-support values provided to log prob "
        "method'",
        happens="the pixel contributes nothing to training and inf to the reported loss",
        harm="inf nats; the pixel's gradient is lost",
        status=BY_DESIGN,
        routes=("closed form of the cross-entropy", "Pyro with validate_args=False gives it"),
        fix="warn under jit as well (the mask of the out-of-support values is known there), or name "
        "validate_args=False where grey images are used",
        workaround="Bernoulli(..., validate_args=False), or binarise",
        workaround_case="SEM-SUPPORT-001",
        workaround_quantity="unchecked_loss",
        since="numpyro 0.3.0, which masks what is out of support",
    ),
    Finding(
        id="FIND-NUMPYRO-011",
        library=NUMPYRO,
        cases=("SEM-ENUM-002",),
        quantities=("model",),
        title="config_kl(model) has no effect on TraceEnum_ELBO: replay overwrites the model's mark",
        documentation="config_kl: 'model = config_kl(model)'; 'If analytic is specified and it is not possible to "
        "analytically compute the KL divergence then an error is raised'",
        happens="the mark is read from the model's site, to which replay has copied the guide's infer; the KL is "
        "sampled without a word",
        harm="none on average; the variance of the sampled KL",
        status=OPEN,
        routes=("closed form at the draw", "two keys: config_kl(guide) repeats the KL, config_kl(model) does not"),
        fix="let replay keep the model site's own `kl` mark when it takes over the guide's infer, or read the "
        "mark from the guide and say so",
        workaround="config_kl(guide)",
        workaround_case="SEM-ENUM-002",
        workaround_quantity="guide",
        since="numpyro 0.12.0, the first release with config_kl",
    ),
    Finding(
        id="FIND-NUMPYRO-014",
        library=NUMPYRO,
        cases=("SEM-STATE-001",),
        quantities=("kept", "loss_finite"),
        title="SVI.stable_update keeps the parameters of an invalid step and takes over its mutable state",
        documentation="SVI.stable_update: 'returns the current state if the the loss or the new state contains invalid "
        "values'",
        happens="eval_and_stable_update decides about the optimiser's state alone; the mutable state is always the new "
        "one",
        harm="one batch with an inf, and the running statistics of a batch normalisation are inf or nan for ever",
        status=OPEN,
        routes=("the state before and after", "the next good batch has a loss that is not finite"),
        fix="choose the whole state, mutable part included, by the same condition",
        unit=Unit.FLAG,
        workaround="keep the old state oneself where the loss is not finite",
        upstream="stable_update came with numpyro pull request 958, the mutable state later, with 1016",
        since="numpyro 0.7.0, the first release with a mutable state",
    ),
    Finding(
        id="FIND-NUMPYRO-015",
        library=NUMPYRO,
        cases=("SEM-STATE-002",),
        quantities=("evaluate",),
        title="SVI.evaluate reads the initial mutable state",
        documentation="SVI.evaluate: 'evaluate ELBO loss given the current parameter values (held within "
        "svi_state.optim_state)'; of svi_state.mutable_state nothing is said, and SVI.update uses it",
        happens="the mutable state is not passed on, so that the model starts from the value that it writes itself",
        harm="the loss of another network: running statistics are those of the start; 8 nats in SEM-STATE-002",
        status=OPEN,
        routes=("closed form", "SVI.update of the same state returns it"),
        fix="pass svi_state.mutable_state on, as update does",
        workaround="read the loss that SVI.update returns and drop its state",
        workaround_case="SEM-STATE-002",
        workaround_quantity="update",
        upstream="the mutable state came with numpyro pull request 1016; no report was found",
        since="numpyro 0.7.0, the first release with a mutable state",
    ),
    Finding(
        id="FIND-NUMPYRO-018",
        library=NUMPYRO,
        cases=("SEM-PLATE-005",),
        quantities=("enum", "enum_gradient", "one_raises"),
        title="TraceEnum_ELBO draws other rows of a subsampled plate for the model than for the guide",
        documentation="plate, of subsample_size: 'This can be used to apply a scaling factor by inference algorithms. "
        "e.g. when computing ELBO using a mini-batch'; TraceEnum_ELBO: 'It supports arbitrary dependency structure "
        "for the model and guide'",
        happens="the trace of numpyro.contrib.funsor keeps sites and parameters and no plates, so that replay has no "
        "rows to give the model: latents of some rows meet data of others; one row alone raises ValueError",
        harm="where q(z | y) = N(a y, 0.7^2) the mean of d loss / d a is off by N Var(y): 3.95 for -0.99 at N = 6 in "
        "SEM-PLATE-005, so that an amortised guide of centred data learns not to look at them; nothing warns",
        status=OPEN,
        routes=(
            "closed form at the draws, with the rows that each side has drawn",
            "the mean of 20,000 slopes is 3.88, where N (2 a E y^2 - (E y)^2) = 3.95 is that of rows drawn apart; "
            "Trace_ELBO's is -1.00, where N (2 a - 1) E y^2 = -0.99; Pyro's TraceEnum_ELBO gives the closed form",
        ),
        fix="keep messages of type plate in the trace of numpyro.contrib.funsor, as numpyro.handlers.trace does",
        workaround="choose the rows outside and pass them: plates of the mini-batch's size under handlers.scale(N/B)",
        workaround_case="SEM-PLATE-005",
        workaround_quantity="outside",
        since="numpyro 0.11.0, the first release with the class, by its source",
    ),
)
