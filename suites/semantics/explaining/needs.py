"""What a pair has to have for a finding to have its shape there: said of each finding that has none on a pair."""

from collections.abc import Collection

from elbo_compare.suites.semantics.findings import FINDINGS

JIT = "a Jit class, named with --elbo"
NEEDS = {
    "001": "TraceMeanField_ELBO on a registered divergence whose site has another scale in the model than in the guide",
    "002": "a plate that has another size in the model than in the guide",
    "003": "TraceMeanField_ELBO on sites that stand in another order in the guide than in the model",
    "004": "a latent that the guide lacks and that is not enumerated",
    "005": "Bernoulli data given by a probability that is clamped at this draw",
    "PYRO-006": f"{JIT}, and a Python float that the model or the guide reads",
    "NUMPYRO-006": "a Python float that the model or the guide reads",
    "PYRO-007": "TraceMeanField_ELBO on a registered divergence with another mask in the model than in the guide",
    "PYRO-008": "a Delta with a log_density in the guide, as autoguides on constrained latents have it",
    "PYRO-009": "RenyiELBO with several particles, or TraceTMC_ELBO with samples, where every site lies in one "
    "subsampled plate",
    "PYRO-010": "two folded distributions at one site",
    "PYRO-011": "two Wishart distributions at one site",
    "PYRO-012": "two continuous Bernoullis at one site, of extreme logits",
    "PYRO-013": "JitTraceMeanField_ELBO, named with --elbo",
    "PYRO-014": "TraceTailAdaptive_ELBO with three particles or more",
    "PYRO-015": "a class whose loss is infinite on this pair",
    "PYRO-016": "TraceGraph_ELBO, RenyiELBO or ReweightedWakeSleep, named with --elbo: it concerns elbo(model, guide)",
    "PYRO-017": "two Poisson distributions at one site",
    "PYRO-018": "two binomial distributions at one site",
    "PYRO-019": "a uniform guide of a continuous Bernoulli that shares an end of its support",
    "PYRO-020": "masks that lie in both distributions of a site and differ",
    "PYRO-021": "TraceGraph_ELBO on a site that is not reparameterised",
    "PYRO-022": JIT,
    "PYRO-023": "EnergyDistance, which is no ELBO class and is not explained",
    "PYRO-024": "EnergyDistance, which is no ELBO class and is not explained",
    "PYRO-025": "a continuous autoguide of local latents in a subsampled plate",
    "PYRO-026": "Trace_MMD, whose object has to be named with --elbo FILE.py:NAME",
    "PYRO-028": "two batches of Wishart distributions at one site",
    "PYRO-027": "TraceTMC_ELBO on a discrete site of the guide that is not marked for enumeration and has a parameter",
    "PYRO-029": "TraceTMC_ELBO on a latent that is enumerated in the model",
    "PYRO-030": "TraceTMC_ELBO on a site that the guide observes, a factor too",
    "PYRO-032": "two batches that broadcast at one site, which TraceMeanField_ELBO refuses before it forms the "
    "divergence; of one batch shape it is right",
    "PYRO-033": "two batches that broadcast at one site, which TraceMeanField_ELBO refuses before it forms the "
    "divergence; of one batch shape it is right",
    "PYRO-034": "a geometric or a Poisson guide, which TraceMeanField_ELBO refuses: it is not reparameterised",
    "PYRO-031": "RenyiELBO on a site of the guide that is not reparameterised and has a parameter",
    "NUMPYRO-007": "Trace_ELBO with multi_sample_guide=True, named with --elbo",
    "NUMPYRO-008": "a site of the guide that is not reparameterised",
    "NUMPYRO-009": "a Kumaraswamy guide of a beta latent",
    "NUMPYRO-010": "Bernoulli data that are neither 0 nor 1, with validation",
    "NUMPYRO-011": "TraceEnum_ELBO on a latent of the model that is marked infer={'kl': 'analytic'}",
    "NUMPYRO-012": "masks that lie in both distributions of a site and differ",
    "NUMPYRO-013": "two beta distributions at one site in float64, a concentration of 8 or more",
    "NUMPYRO-014": "mutable state",
    "NUMPYRO-015": "mutable state",
    "NUMPYRO-016": "TraceGraph_ELBO on a site of the guide that is not reparameterised, in a mini-batch, under a "
    "scale or under a mask",
    "NUMPYRO-017": "TraceGraph_ELBO on a factor in the guide",
    "NUMPYRO-018": "TraceEnum_ELBO, and a plate that draws the rows of a mini-batch by which data are chosen",
}  # fmt: skip


def needs_of(library: str, present: Collection[str]) -> dict[str, str]:
    """What each registered finding of the library needs that has no shape on a pair; present: those that have."""
    registered = [each.id for each in FINDINGS if each.id.startswith(f"FIND-{library.upper()}-")]
    return {each: _need(each) for each in registered if each not in present}


def _need(identifier: str) -> str:
    name = identifier.removeprefix("FIND-")
    return NEEDS.get(name) or NEEDS.get(name.rpartition("-")[2], "a shape that no rule knows yet")
