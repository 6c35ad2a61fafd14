"""The catalogue of estimators: name, formula, paper, and the public library class that computes it."""

from suites.contract import Estimator, KLTerm

SAMPLED_KL = Estimator(
    name="sampled-kl",
    kl_term=KLTerm.SAMPLED,
    formula="log p(x|z) + log p(z) - log q(z|x),  z = mean + sigma * e,  e ~ N(0, I)",
    source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 6, estimator L^A, one sample",
    library_classes={"pyro": "Trace_ELBO", "numpyro": "Trace_ELBO"},
)

ANALYTIC_KL = Estimator(
    name="analytic-kl",
    kl_term=KLTerm.ANALYTIC,
    formula="log p(x|z) - KL(q(z|x) || N(0, I)),  KL = sum((mean^2 + sigma^2 - 1) / 2 - log sigma)",
    source="Kingma and Welling 2014 (arXiv 1312.6114), eq. 7, estimator L^B, one sample; KL: appendix B",
    library_classes={"pyro": "TraceMeanField_ELBO", "numpyro": "TraceMeanField_ELBO"},
)

ESTIMATORS = {estimator.name: estimator for estimator in (SAMPLED_KL, ANALYTIC_KL)}
