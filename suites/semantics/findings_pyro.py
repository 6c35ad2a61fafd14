"""Candidate findings about Pyro alone; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

PYRO = Library.PYRO
OPEN = Status.OPEN
ORACLE_AND_PEER = ("closed form", "the other library gives the closed form in the same case")
# No earlier torch can be run beside what the suite pins; the sources of its releases can be read.
_READ = "by its source; torch 2.13.0 alone was run"
OLD_TORCH = f"torch 1.0.0 or before, {_READ}"
CONTINUOUS_BERNOULLI = f"torch 1.5.0, the first release with ContinuousBernoulli (1.4.0 has none), {_READ}"
_WISHART = f"torch 1.11.0, the first release with Wishart (1.10.2 has none), {_READ}"
ANALYTIC_SENTENCE = "TraceMeanField_ELBO: 'uses analytic KL divergences when those are available'"

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-PYRO-007",
        library=PYRO,
        cases=("SEM-MASK-001", "SEM-MASK-002"),
        quantities=("mean_field",),
        title="TraceMeanField_ELBO takes the mask of the guide's site and ignores the model's",
        documentation="poutine.mask: 'mask out some of the sample statements elementwise'",
        happens="a mask on the model's latent site is ignored; one on the guide's masks the whole KL",
        harm="E_q[-log p] of each masked datum: 1.84 nats in SEM-MASK-001",
        status=OPEN,
        routes=ORACLE_AND_PEER,
        upstream="pyro issue 3187 asks how masks on model and guide differ",
        fix="where the masks of the two sites differ, take the sampled terms, each under its own mask, as "
        "Trace_ELBO does",
        workaround="mask the latent site in the model and in the guide: the objective is then mask x KL",
        workaround_case="SEM-MASK-003",
        workaround_quantity="mean_field",
        since="pyro-ppl 0.3.0, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-008",
        library=PYRO,
        cases=("SEM-DELTA-001", "SEM-DELTA-002", "SEM-DELTA-003"),
        quantities=("mean_field",),
        title="KL(Delta || p) drops log_density: autoguides on constrained latents lose the Jacobian",
        documentation="AutoNormal: 'with better support for TraceMeanField_ELBO'",
        happens="TraceMeanField_ELBO = -log p(v) for a Delta guide site, whatever its log_density; AutoNormal writes "
        "every latent, real ones too, as an auxiliary normal and a Delta, so that it never gets an analytic KL",
        harm="log|dz/du|, 0.3 nats on average and 1 in the gradient with respect to the location, per positive latent "
        "of SEM-DELTA-002",
        status=OPEN,
        routes=ORACLE_AND_PEER,
        fix="KL(Delta(v, log_density) || p) = log_density - log p(v): add the first term, as NumPyro does "
        "since its pull request 1625",
        workaround="Trace_ELBO",
        workaround_case="SEM-DELTA-002",
        workaround_quantity="trace",
        upstream="introduced by pyro pull request 2043; NumPyro mended the same in numpyro pull request 1625",
        since="pyro-ppl 0.5.0; 0.4.1 has no such divergence",
    ),
    Finding(
        id="FIND-PYRO-009",
        library=PYRO,
        cases=("SEM-RENYI-001",),
        quantities=("loss", "tmc"),
        title="RenyiELBO raises the weights of local latents in a subsampled plate to the power N/B",
        documentation="'In the special case alpha = 0, the objective function is that of the important weighted "
        "autoencoder'; NumPyro's docstring has local latents in a subsampled plate for its example",
        happens="loss = -sum_b log mean_k w_kb^(N/B): no lower bound of (N/B) log p(x); the factor inside is right "
        "for global latents (pull request 2194, after Li and Turner 2016, eq. 9); TraceTMC_ELBO with several samples "
        "of a local latent does the same",
        harm="0.54 nats at the draws of SEM-RENYI-001; on average the bound exceeds (N/B) log p(x) by 0.26 nats at "
        "three particles, by 0.4 in the limit",
        status=OPEN,
        routes=ORACLE_AND_PEER,
        fix="for local latents, keep the plate's factor N/B outside the logarithm of the mean over particles, "
        "as NumPyro does since its issue 1607",
        workaround="a plate of the mini-batch's size, and N/B times the loss",
        workaround_case="SEM-RENYI-002",
        workaround_quantity="loss",
        upstream="pyro issue 3104 ('suboptimal (or incorrect, depending on your point of view) for a local latent "
        "variable model'), mended in NumPyro (its issue 1607); pull request 2194 removed the warning",
        since="pyro-ppl 1.1.0; the docstring of 1.0.0 says that mini-batches are not supported",
    ),
    Finding(
        id="FIND-PYRO-010",
        library=PYRO,
        cases=("SEM-KL-001", "SEM-KL-009"),
        quantities=("mean_field", "softmax", "normalize"),
        title="torch's divergence of folded distributions is that of their bases",
        documentation=ANALYTIC_SENTENCE,
        happens="equal transforms are taken for injective, AbsTransform with bijective = False too: "
        "KL(|N(1, s^2)| || |N(-1, s^2)|) = 2 / s^2, not 0; SoftmaxTransform and Pyro's Normalize likewise (SEM-KL-009; "
        "no log_prob, so that Trace_ELBO is no workaround there)",
        harm="never too small; 8 nats at s = 0.5, where it is 0; 0.55 for 0.26 at |N(1, 0.5^2)| and |N(0.3, 0.8^2)|",
        status=OPEN,
        routes=("quadrature over the folded densities", "Trace_ELBO gives 0 at every draw"),
        fix="cancel equal transforms in the divergence of transformed distributions only where they are "
        "bijective; else raise NotImplementedError, so that the ELBO samples the term",
        workaround="Trace_ELBO",
        workaround_case="SEM-KL-001",
        workaround_quantity="trace",
        since=OLD_TORCH,
    ),
    Finding(
        id="FIND-PYRO-011",
        library=PYRO,
        cases=("SEM-KL-002",),
        quantities=("guide_gradient",),
        title="torch's KL(Wishart || Wishart) has no gradient with respect to the guide",
        documentation=ANALYTIC_SENTENCE,
        happens="torch's rule for exponential families detaches q's natural parameters; the value is right",
        harm="the gradient of the KL term is lost (-0.78 in SEM-KL-002), that of the likelihood is not; where the KL "
        "is all, TraceMeanField_ELBO leaves grad None, silently",
        status=OPEN,
        routes=("closed form", "a central difference of the library's own value; the mean of Trace_ELBO's gradients"),
        fix="keep q's own natural parameters in the result (only the copy that the log-normaliser is "
        "differentiated at needs to be detached), or register the closed form for the pair",
        unit=Unit.GRADIENT,
        workaround="Trace_ELBO, a central difference, or the closed form",
        workaround_case="SEM-KL-002",
        workaround_quantity="guide_difference",
        since=_WISHART,
    ),
    Finding(
        id="FIND-PYRO-012",
        library=PYRO,
        cases=("SEM-KL-003",),
        quantities=("mean_field", "mass"),
        title="torch's divergence of continuous Bernoullis with extreme logits mixes clamped and unclamped ones",
        documentation=ANALYTIC_SENTENCE,
        happens="mean and normaliser use the probability clamped to eps, the natural parameter does not; log_prob "
        "likewise, so that its density has mass 0.07 at logit -500",
        harm="6.2 nats for 22.2 at logits -500 and 20 in float64, -16.7 in float32; in float32 already 4.58 for 5.13 "
        "at -20 and 5",
        status=OPEN,
        routes=("closed form", "numerical integration"),
        fix="derive mean, normaliser and natural parameter from one probability, clamped in all three or in none",
        extreme=True,
        workaround="bound the logits by 20 in float64 (which leaves 4e-8 nats) and by 8 in float32 (9e-5)",
        workaround_case="SEM-KL-008",
        workaround_quantity="float64_-20_20",
        upstream="pytorch issue 72525",
        since=CONTINUOUS_BERNOULLI,
    ),
    Finding(
        id="FIND-PYRO-013",
        library=PYRO,
        cases=("SEM-JIT-002", "SEM-JIT-004"),
        quantities=("JitTraceMeanField_ELBO",),
        title="JitTraceMeanField_ELBO compiles again at every step",
        documentation="'compilation will be triggered once per unique **kwargs'",
        happens="differentiable_loss looks for _loss_and_surrogate_loss and stores _differentiable_loss",
        harm="two runs of the model's Python code and a trace per step, where the other Jit objects have none: several "
        "times the time of an uncompiled step (SEM-JIT-004)",
        status=OPEN,
        routes=("count of the model's runs", "the three other Jit objects give 0; source"),
        fix="let differentiable_loss look for the attribute under which it stores the compiled function",
        unit=Unit.COUNT,
        silent=False,
        workaround="pyro.ops.jit.trace around TraceMeanField_ELBO().differentiable_loss",
        workaround_case="SEM-JIT-003",
        workaround_quantity="runs",
        since="pyro-ppl 0.3.0, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-014",
        library=PYRO,
        cases=("SEM-TAIL-001",),
        quantities=("gradient",),
        title="TraceTailAdaptive_ELBO gives its weights to the wrong particles and keeps the score of q",
        documentation="'an adaptive f-divergence as described in ref. [1]'",
        happens="argsort stands for the rank, and ascends where the paper's tail probability descends; the total "
        "derivative stands for the path derivative, though under unequal weights the score has no mean of zero; the "
        "normalised sum is divided by the number of particles once more",
        harm="0.07 for a gradient of 1.68 in SEM-TAIL-001; 0.18 for 1.02 on average there, 0.73 before the division",
        status=OPEN,
        routes=("the paper's algorithm 1", "the authors' published code: simulation of both averages"),
        fix="rank by a second argsort, descending; hold the parameters of log q fixed, so that only the path "
        "is differentiated; leave the second division by the number of particles out",
        unit=Unit.GRADIENT,
        workaround="none within the library",
        upstream="pyro issue 3170 (the ranking)",
        since="pyro-ppl 0.4.0, which ranks by argsort already; 0.3.0 has no such class",
    ),
    Finding(
        id="FIND-PYRO-015",
        library=PYRO,
        cases=("SEM-SUPPORT-003",),
        quantities=("trace_differentiable", "mean_field_differentiable", "jit_trace_differentiable"),
        title="differentiable_loss turns an infinite loss into nan",
        documentation="ELBO.__call__, which goes through it: 'computes the ELBO loss'",
        happens="loss + (surrogate_loss - torch_item(surrogate_loss)) = inf + (inf - inf), without the nan warning; "
        "JitTrace_ELBO likewise, JitTraceMeanField_ELBO and JitTraceEnum_ELBO not",
        harm="nan, where the loss is inf",
        status=OPEN,
        routes=("closed form", "loss and loss_and_grads of the same object give inf"),
        fix="detach instead of subtracting: take the loss where it is not finite, and the surrogate's "
        "gradient elsewhere; warn as loss does",
        extreme=True,
        workaround="read the value from loss or loss_and_grads",
        workaround_case="SEM-SUPPORT-003",
        workaround_quantity="trace_and_grads",
        upstream="the sum comes from the review of pyro pull request 1252, torch_item from pull request 1988",
        since="pyro-ppl 0.3.0, the first release with differentiable_loss",
    ),
    Finding(
        id="FIND-PYRO-016",
        library=PYRO,
        cases=("SEM-STRUCTURE-006",),
        quantities=(
            "TraceGraph_ELBO",
            "RenyiELBO",
            "ReweightedWakeSleep",
            "JitTrace_ELBO",
            "JitTraceGraph_ELBO",
            "JitTraceMeanField_ELBO",
            "JitTraceEnum_ELBO",
        ),
        title="elbo(model, guide) does not work for seven of the ELBO objects",
        documentation="ELBO, which names TraceGraph_ELBO: 'Derived classes now provide a more idiomatic PyTorch "
        "interface via __call__'",
        happens="TraceGraph_ELBO, RenyiELBO and ReweightedWakeSleep have no differentiable_loss: AttributeError, as "
        "has JitTraceGraph_ELBO; the other Jit objects end in a RuntimeError, 'Cannot insert a Tensor that requires "
        "grad as a constant', where model or guide are modules with parameters of their own",
        harm="no number",
        status=OPEN,
        routes=("the call raises", "source: ELBOModule.forward calls differentiable_loss"),
        fix="let ELBOModule say which method is missing and name loss_and_grads, or give the three classes a "
        "differentiable_loss",
        unit=Unit.FLAG,
        silent=False,
        workaround="SVI or loss_and_grads",
        workaround_case="SEM-STRUCTURE-006",
        workaround_quantity="and_grads",
        since="pyro-ppl 1.8.3, the first release with ELBO.__call__",
    ),
    Finding(
        id="FIND-PYRO-021",
        library=PYRO,
        cases=("SEM-DISCRETE-002",),
        quantities=("graph_branch", "graph_item", "graph_numpy"),
        title="TraceGraph_ELBO loses a dependence that goes through Python: a branch, .item(), .numpy()",
        documentation="TraceGraph_ELBO: 'It supports arbitrary dependency structure for the model and guide'",
        happens="provenance travels with tensors; a cost term that a Python number made depend on a discrete site "
        "counts as independent of it and is left out of that site's learning signal, silently",
        harm="the gradient is biased: 0.096 on average where it is 0.192 in SEM-DISCRETE-002, as if there were no data",
        status=OPEN,
        routes=("sum over the two values of z", "Trace_ELBO gives the same draw for all four ways of writing it"),
        fix="say in the documentation that a dependence must go through tensors; better, let a term that "
        "follows a site in the program and whose provenance cannot be followed count as dependent on it",
        unit=Unit.GRADIENT,
        workaround="Trace_ELBO, or keep to tensors (torch.where, indexing)",
        workaround_case="SEM-DISCRETE-002",
        workaround_quantity="trace_branch",
        upstream="introduced by pyro pull request 3081",
        since="pyro-ppl 1.8.2, which follows provenance through tensors; 1.8.1 has it by the program's order",
    ),
    Finding(
        id="FIND-PYRO-022",
        library=PYRO,
        cases=("SEM-JIT-005",),
        quantities=("JitTrace_ELBO_reused", "JitTraceGraph_ELBO_reused", "JitTraceEnum_ELBO_reused"),
        title="A Jit ELBO object that is used with a second model returns the first one's loss",
        documentation="JitTrace_ELBO: 'Like Trace_ELBO', which follows the model",
        happens="id(model) enters the key of the compiled code, which is traced anew and runs the model that the first "
        "call captured",
        harm="another model's loss and gradient, silently: 0.92 nats for 5.42 in SEM-JIT-005",
        status=OPEN,
        routes=("closed form", "a new object gives it; the source builds the closure once"),
        fix="make the closure anew, or look it up, for each model and guide instead of once for the object",
        workaround="one Jit object for each model and guide",
        workaround_case="SEM-JIT-005",
        workaround_quantity="JitTrace_ELBO_new",
        since="pyro-ppl 0.2.1, the first release with a Jit class",
    ),
    Finding(
        id="FIND-PYRO-023",
        library=PYRO,
        cases=("SEM-ENERGY-001",),
        quantities=("prior_2", "prior_16", "prior_64"),
        title="EnergyDistance adds up the prior's term over the particles",
        documentation="EnergyDistance: '- \\lambda \\mathbb E_Z \\log p(Z)'",
        happens="log_prob_sum of the vectorised trace stands where its mean over particles belongs",
        harm="the regularisation is K times too strong: 81 nats for 1.3 with 64 particles",
        status=OPEN,
        routes=("closed form at the draws", "prior_scale / num_particles gives the documented term"),
        fix="divide log_prob_sum() of the vectorised trace by num_particles",
        workaround="prior_scale / num_particles",
        workaround_case="SEM-ENERGY-001",
        workaround_quantity="scaled_16",
        upstream="the class came with pyro pull request 2178; no report was found",
        since="pyro-ppl 1.1.0, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-024",
        library=PYRO,
        cases=("SEM-ENERGY-002",),
        quantities=("data_last_raises", "data_first_raises"),
        title="EnergyDistance accepts a likelihood that is not reparameterised",
        documentation="EnergyDistance: 'This requires static model structure, a fully reparametrized guide, and "
        "reparametrized likelihood distributions in the model'",
        happens="the check loops over `trace` and reads `site`, left over from the loop before",
        harm="no error, and no gradient to the guide",
        status=OPEN,
        routes=("the call returns a number", "source: the loop's variable is not the one that is read"),
        fix="read the loop's own variable: `for site in trace.nodes.values()`",
        unit=Unit.FLAG,
        workaround="look at has_rsample of the likelihood oneself",
        upstream="the class came with pyro pull request 2178; no report was found",
        since="pyro-ppl 1.1.0, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-025",
        library=PYRO,
        cases=("SEM-PLATE-004",),
        quantities=("raises", "latents", "moved"),
        title="Continuous autoguides tie the local latents of a subsampled plate to positions in the batch",
        documentation="AutoContinuous: 'Assumes model structure and latent dimension are fixed'; nothing is said of "
        "subsampling",
        happens="AutoDiagonalNormal and its relatives keep one latent for each row of a mini-batch, whichever data are "
        "in it",
        harm="data share a posterior: in SEM-PLATE-004 training on datum 0 moves the mean of datum 2 by as much",
        status=OPEN,
        routes=("count of the guide's latents and the mean of another datum", "NumPyro refuses the same model"),
        fix="raise for a latent in a subsampled plate, as NumPyro's continuous autoguides do",
        unit=Unit.FLAG,
        workaround="AutoNormal, which keeps a value for each datum, or an amortised guide",
        workaround_case="SEM-PLATE-004",
        workaround_quantity="normal_moved",
        upstream="NumPyro refuses since its pull request 1199; pyro issue 3468 is another fault of autoguides and "
        "subsamples",
        since="pyro-ppl 0.2.0, the first release with AutoDiagonalNormal",
    ),
    Finding(
        id="FIND-PYRO-026",
        library=PYRO,
        cases=("SEM-MMD-001",),
        quantities=("penalty",),
        title="Trace_MMD's penalty is the V-statistic: positive on average, and with a gradient, at q = p",
        documentation="Trace_MMD: 'MMD(q(z) \\| p(z)) = E_{p(z), p(z')} k(z,z') + E_{q(z), q(z')} k(z,z') - 2 E_{p(z), "
        "q(z')} k(z,z')'",
        happens="the means over particles include k(z_k, z_k), whose expectation is no E k(z, z')",
        harm="too large by (1/K)(2 k(0) - E k(p, p') - E k(q, q')): 0.21 at K = 4, 0.085 at the default K = 10 for "
        "standard normals and an RBF kernel of length 1",
        status=Status.BY_DESIGN,
        routes=("closed form at the draws", "E k(z, z') = 1/sqrt(3) for standard normals in closed form"),
        fix="leave k(z_k, z_k) out of both means and divide by K (K - 1), or name the V-statistic in the documentation",
        workaround="more particles: the excess falls as 1/K",
        upstream="the class came with pyro pull request 1818; no report was found",
        since="pyro-ppl 0.3.4, the first release with the class",
    ),
    Finding(
        id="FIND-PYRO-028",
        library=PYRO,
        cases=("SEM-KL-010",),
        quantities=("batch_4", "batch_5", "batch_6"),
        title="torch's KL(Wishart || Wishart) of a batch mixes its members",
        documentation="torch.distributions.kl.kl_divergence: 'A batch of KL divergences of shape `batch_shape`'",
        happens="torch's rule for exponential families adds up each natural parameter's term over as many dimensions "
        "as the event has; the degrees of freedom have none, so that theirs is summed over the batch (found by compare "
        "search --divergences)",
        harm="3.15, 1.55 and -0.34 nats for 1.64, 0.97 and 0.59 in SEM-KL-010: a divergence may be negative",
        status=OPEN,
        routes=("closed form", "the same divergences one by one, and the mean of SciPy's log q - log p"),
        fix="sum the term of each natural parameter over that parameter's own event dimensions, or register the closed "
        "form for the pair",
        workaround="one divergence for each member, or Trace_ELBO",
        workaround_case="SEM-KL-010",
        workaround_quantity="alone_4",
        since=_WISHART,
    ),
)
