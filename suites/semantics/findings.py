"""Candidate findings: where a library departs from its documentation or from its peer, as the cases reproduce it.

IDs are permanent. A finding stands only while `case.expectations` reports its quantities as reproduced and not right.
"""

from elbo_compare.suites.semantics import (
    findings_edges,
    findings_guests,
    findings_numpyro,
    findings_pyro,
    findings_scores,
    findings_tfp,
    findings_tmc,
)
from elbo_compare.suites.semantics.case import Finding, Library, Status

PYRO, NUMPYRO = Library.PYRO, Library.NUMPYRO
OPEN, BY_DESIGN = Status.OPEN, Status.BY_DESIGN
ORACLE_AND_TRACE = ("closed form against simulation", "Trace_ELBO of the same library gives the closed form")

_SCALE = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-SCALE-001", "SEM-SCALE-002"),
        quantities=("mean_field",),
        title="TraceMeanField_ELBO takes the scale of the guide's site and ignores the model's",
        documentation=documentation,
        happens="scale B on the model's latent site alone has no effect, on the guide's alone it gives B KL; the same "
        "scale on both gives B KL, which is right",
        harm="(1 - B) E_q[-log p] = 0.90 nats at B = 0.3, q = N(0.7, 0.5^2), for a scale on the model's site alone",
        status=OPEN,
        routes=ORACLE_AND_TRACE,
        fix="where the scales of the two sites differ, take the sampled terms, each with its own scale, as "
        "for a pair without a registered divergence",
        workaround="scale the latent site in the model and in the guide: the objective is then B x KL",
        workaround_case="SEM-SCALE-003",
        workaround_quantity="mean_field",
        since=since,
    )
    for number, library, since, documentation in (
        (
            "PYRO-001",
            PYRO,
            "pyro-ppl 0.3.0, the first release with the class",
            "poutine.scale: 'scale the score of all sample and observe sites in the function'",
        ),
        (
            "NUMPYRO-001",
            NUMPYRO,
            "numpyro 0.4.0, the first release with the class",
            "handlers.scale: 'This messenger rescales the log probability score'",
        ),
    )
)
_PLATE = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-PLATE-001",),
        quantities=("trace", "mean_field"),
        title="A guide plate of the mini-batch's size against a subsampling model plate passes without a warning",
        documentation="check_model_guide_match: 'Each plate statement in the guide also appears in the model'; nothing "
        "is said of sizes",
        happens="plates are matched by name: the guide's terms count once, as written there, the model's N / B times",
        harm="(N/B - 1) log q in Trace_ELBO and (N/B - 1) KL in TraceMeanField_ELBO: 0.79 nats of KL with N/B = 3",
        status=BY_DESIGN,
        routes=("closed form", "both libraries give the same formula; SEM-PLATE-002 the intended one"),
        fix="let check_model_guide_match warn where a plate of one name has another size on the two sides",
        workaround="give the guide the plate of the full size with the same subsample",
        workaround_case="SEM-PLATE-002",
        workaround_quantity="mean_field",
        since=f"{since}, the first release with plate",
    )
    for number, library, since in (
        ("PYRO-002", PYRO, "pyro-ppl 0.3.0"),
        ("NUMPYRO-002", NUMPYRO, "numpyro 0.2.1"),
    )
)
_ORDER = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-STRUCTURE-002",),
        quantities=("mean_field",),
        title="TraceMeanField_ELBO computes a wrong value after its mean-field warning",
        documentation="'This estimator may give incorrect results if the mean-field condition is not satisfied'",
        happens="KL(q(b) || p(b | a)) at a drawn a that itself depends on b",
        harm="Cov_q(a, b) = 0.29 nats on average in SEM-STRUCTURE-002",
        status=BY_DESIGN,
        routes=("closed form", "simulation of both averages"),
        fix="take the sampled terms for the sites that the check warns of; the warning could then go",
        workaround="Trace_ELBO",
        workaround_case="SEM-STRUCTURE-002",
        workaround_quantity="trace",
        since=f"{since}, the first release with the class",
    )
    for number, library, since in (
        ("PYRO-003", PYRO, "pyro-ppl 0.3.0"),
        ("NUMPYRO-003", NUMPYRO, "numpyro 0.4.0"),
    )
)
_UNGUIDED = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-STRUCTURE-004", "SEM-STRUCTURE-005"),
        quantities=("trace",),
        title="Trace_ELBO adds -log p of a latent that the guide lacks, after a warning; obs_mask makes such a latent",
        documentation="warning: 'Found vars in model but not guide'; obs_mask: 'introduces a latent sample site named "
        'name + "_unobserved" which should be used by guides\'',
        happens="the latent is drawn from its prior and scored by the model alone",
        harm="the prior's entropy, 1.42 nats per standard normal latent or imputed datum",
        status=BY_DESIGN,
        routes=("closed form at the draw", "both libraries give the same number"),
        fix="say in the warning that the latent is drawn from its prior and that the loss keeps its -log p; "
        "show the guide's site in obs_mask's example",
        workaround="give the guide the site, for obs_mask '<name>_unobserved'",
        workaround_case="SEM-STRUCTURE-007",
        workaround_quantity="trace",
        upstream=upstream,
        since=since,
    )
    for number, library, upstream, since in (
        ("PYRO-004", PYRO, "pyro issue 3255, draft pull request 3265", "pyro-ppl 0.1.0, the first release"),
        (
            "NUMPYRO-004",
            NUMPYRO,
            "pyro issue 3255, of the same in Pyro",
            "numpyro 0.1.0, the first release; the warning comes with 0.9.0",
        ),
    )
)
_CLAMP = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-SUPPORT-002",),
        quantities=tuple(f"{name}_{kind}" for name in ("never", "always") for kind in ("float32", "float64")),
        title="A Bernoulli given by probabilities never loses more than its dtype's clamp",
        documentation="clamp_probs, for numerical stability",
        happens=happens,
        harm="the loss of an impossible observation is finite and depends on dtype and library",
        status=BY_DESIGN,
        routes=("closed form", "the clamp's source in the library"),
        fix="compute log_prob of a probability by xlogy and xlog1py, unclamped; or name the ceiling of each "
        "dtype in the documentation",
        extreme=True,
        workaround="parameterise by logits",
        workaround_case="SEM-SUPPORT-002",
        workaround_quantity="logit_float64",
        upstream=upstream,
        since=since,
    )
    for number, library, happens, upstream, since in (
        ("PYRO-005", PYRO, "15.9 nats in float32, 36.0 in float64", "pytorch issue 186825; pull request 191704, open",
         findings_pyro.OLD_TORCH),
        ("NUMPYRO-005", NUMPYRO, "87.3 / 708.4 nats for probability 0, 15.9 / 36.0 for probability 1",
         "introduced by numpyro pull request 1108", "numpyro 0.8.0"),
    )
)  # fmt: skip
_FROZEN = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-JIT-001",),
        quantities=("jit_after",),
        title="Compiled losses keep the Python globals of their first call",
        documentation=documentation,
        happens="a changed global (an annealing factor, a data size) has no effect",
        harm="1.5 nats in SEM-JIT-001",
        status=BY_DESIGN,
        routes=("closed form", "the uncompiled loss follows the global"),
        fix="nothing that a compiler could do: an example in the class's documentation of a global that "
        "changes, and of the argument that replaces it",
        workaround="pass it as a tensor argument, or do not compile",
        workaround_case="SEM-JIT-001",
        workaround_quantity="plain_after",
        since=since,
    )
    for number, library, documentation, since in (
        (
            "PYRO-006",
            PYRO,
            "JitTrace_ELBO: 'Models must not depend on any global data (except the param store)'",
            "pyro-ppl 0.2.1, the first release with a Jit class",
        ),
        (
            "NUMPYRO-006",
            NUMPYRO,
            "jax.jit is for pure functions (JAX documentation, the sharp bits)",
            "numpyro 0.1.0, the first release",
        ),
    )
)
_MASKS = tuple(
    Finding(
        id=f"FIND-{number}",
        library=library,
        cases=("SEM-MASK-007",),
        quantities=("mean_field",),
        title="Different masks on the two distributions: TraceMeanField_ELBO masks the KL by their intersection",
        documentation="MaskedDistribution: 'In the special case mask is False', the terms are zero; of different masks "
        "nothing is said, but the rule for two masked distributions writes p._mask & q._mask",
        happens="(M_q and M_p) KL, where Trace_ELBO gives M_q log q - M_p log p",
        harm="E_q[log q] of a datum that only the model masks: 1.68 nats in SEM-MASK-007",
        status=BY_DESIGN,
        routes=ORACLE_AND_TRACE,
        fix="where the two masks differ, take the sampled terms, each under its own mask; equal masks keep "
        "the divergence",
        workaround="the same mask on both sides, or Trace_ELBO",
        workaround_case="SEM-MASK-006",
        workaround_quantity="mean_field",
        since=f"{since}, the first release with a divergence of masked distributions",
    )
    for number, library, since in (
        ("PYRO-020", PYRO, "pyro-ppl 0.3.0"),
        ("NUMPYRO-012", NUMPYRO, "numpyro 0.4.0"),
    )
)
_EDGES = tuple(
    Finding(
        id=f"FIND-PYRO-{number:03d}",
        library=PYRO,
        cases=(case, *more),
        quantities=(quantity, *(["kl"] if more else [])),
        title=title,
        documentation="torch.distributions.kl.kl_divergence: 'Compute Kullback-Leibler divergence KL(p || q)'; the "
        "parameter is within arg_constraints",
        happens=happens,
        harm=harm,
        status=OPEN,
        routes=("closed form", "log_prob of the same distributions gives it"),
        fix=fix,
        extreme=True,
        workaround="the mean of log q - log p",
        workaround_case=case,
        workaround_quantity=right,
        upstream=upstream,
        since=findings_pyro.CONTINUOUS_BERNOULLI if number == 19 else findings_pyro.OLD_TORCH,
    )
    for number, case, more, quantity, right, title, happens, harm, fix, upstream in (
        (17, "SEM-KL-004", (), "kl", "by_log_prob", "torch's KL(Poisson(0) || Poisson) is nan", "0 log 0",
         "nan, where it is 1 nat", "write the first term with torch.xlogy",
         "pytorch issue 144279 is the same 0 log 0 in another pair"),
        (18, "SEM-KL-005", (), "kl", "by_log_prob", "torch's KL(Binomial(n, 1) || Binomial) is -inf",
         "log(1 - 1) is not clamped, the logits are", "-inf, where it is 8.4 nats; nan to itself, where it is 0",
         "clamp the probability of log(1 - p) as the logits are clamped, or use torch.xlog1py", ""),
        (19, "SEM-KL-006", ("SEM-KL-013",), "mean_field", "trace",
         "torch's KL(Uniform || ContinuousBernoulli), and the other way round, is inf where an end of the support is "
         "shared", "<= for < in the test of the support; Uniform | Beta has <", "inf, where it is 0.51 and 0.72 nats",
         "test with < as Uniform | Beta does", ""),
    )
)  # fmt: skip
FINDINGS: tuple[Finding, ...] = (
    *_SCALE,
    *_PLATE,
    *_ORDER,
    *_UNGUIDED,
    *_CLAMP,
    *_FROZEN,
    *_MASKS,
    *_EDGES,
    *findings_pyro.FINDINGS,
    *findings_tmc.FINDINGS,
    *findings_numpyro.FINDINGS,
    *findings_edges.FINDINGS,
    *findings_scores.FINDINGS,
    *findings_tfp.FINDINGS,
    *findings_guests.FINDINGS,
)
