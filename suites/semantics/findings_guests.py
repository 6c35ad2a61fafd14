"""Candidate findings about Pythae and PyMC; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-PYTHAE-001",
        library=Library.PYTHAE,
        cases=("SEM-WEIGHTS-001",),
        quantities=("loss", "below"),
        title="IWAE returns sum w~ log w as its loss, which is not the importance-weighted bound",
        documentation="the class is that of Burda et al. 2016, whose objective is the mean of log (1/K) sum w",
        happens="the normalised weights are held fixed and multiply log w: a surrogate with the right gradient, whose "
        "value is smaller by KL(w~ || uniform), at most log K",
        harm="a logged or compared loss looks better than -log p(x) allows by up to log K nats; training is right",
        status=Status.OPEN,
        routes=(
            "closed form at the draws, which the same object's get_nll returns under the same seed",
            "Jensen: the mean of 40,000 of its losses is below -log p(x), an integral over one dimension, by more than "
            "five standard errors (1.222 for 1.341 by quadrature over the three draws); no bound's mean can be",
        ),
        fix="return the bound, and add the surrogate less its own detached value for the gradient",
        workaround="get_nll(x, n_samples=K, batch_size=K) for whatever is shown or compared",
        workaround_case="SEM-WEIGHTS-001",
        workaround_quantity="nll",
        since="pythae 0.0.7 or before, by its source; 0.0.5 has other weights",
    ),
    Finding(
        id="FIND-PYTHAE-002",
        library=Library.PYTHAE,
        cases=("SEM-PIXEL-001",),
        quantities=("single_loss", "single_slope"),
        title="A saturated wrong pixel has no gradient: the decoder gives probabilities, not logits",
        documentation="reconstruction_loss takes bce, for a decoder that ends in a sigmoid; nothing is said of "
        "saturation",
        happens="sigmoid(l) is 1 in float32 from l = 17 on; the logarithm of its complement is cut at -100. In float64 "
        "the slope is divided by max(p (1 - p), 1e-12), so that it vanishes beyond l = 27.6",
        harm="100 nats for 20, and a gradient of 0 for 1, at a pixel that is as wrong as can be; with trained weights, "
        "whose sure pixels are right, 2e-12 of the gradient in float64 (rounding is 2e-14)",
        status=Status.OPEN,
        routes=(
            "closed form, and GRAD-001 at trained weights: the oracle's gradient with each pixel times "
            "min(1, p (1 - p) / 1e-12) is the library's to rounding",
            "the same class in float64 gives the closed form at the same logit",
        ),
        fix="take logits, and binary_cross_entropy_with_logits",
        extreme=True,
        workaround="float64 up to a logit of 27, or a decoder whose logits are bounded",
        workaround_case="SEM-PIXEL-001",
        workaround_quantity="double_slope",
        since="pythae 0.0.1, the first release, by its source",
    ),
    Finding(
        id="FIND-PYMC-001",
        library=Library.PYMC,
        cases=("SEM-BATCH-001",),
        quantities=("loss",),
        title="With total_size the loss that ADVI shows is minus the ELBO times B / N",
        documentation="the attribute scale_cost_to_minibatch is a property for developers that is on; fit and hist say "
        "nothing of it",
        happens="both terms of the loss are divided by N / B, its gradient too",
        harm="5.12 for 102.42 nats in SEM-BATCH-001: it is no bound of log p(x), and comparable with no other library",
        status=Status.BY_DESIGN,
        routes=("closed form", "the same object with scale_cost_to_minibatch = False gives the closed form"),
        fix="show the loss times N / B, and divide for the optimiser alone",
        unit=Unit.NATS,
        workaround="approx.scale_cost_to_minibatch = False, or multiply what is shown by N / B",
        workaround_case="SEM-BATCH-001",
        workaround_quantity="whole_loss",
        upstream="pymc pull request 1985, on purpose: 'Loss in VI with mini batches is upscaled to full dataset. This "
        "can cause overflow problems'",
        since="pymc3 3.2 or before, by its source",
    ),
    Finding(
        id="FIND-PYMC-002",
        library=Library.PYMC,
        cases=("SEM-DTYPE-003",),
        quantities=("python",),
        title="The log of a scale that is a number of Python is rounded to float32 in a float64 model",
        documentation="the cast_policy of pytensor, custom by default, makes a Python float a constant of the smallest "
        "dtype that holds it; that a log density loses digits by it where floatX is float64 is said nowhere",
        happens="0.5 becomes a float32 constant, and its logarithm is folded in float32",
        harm="1.9e-9 nats for each datum under sigma = 0.5, 2e-3 nats for a million: it harms comparisons of digits",
        status=Status.OPEN,
        routes=("closed form", "the same call with the scale as an array of float64 gives the closed form"),
        fix="take parameters to floatX before a log density is formed",
        unit=Unit.NATS,
        workaround="numpy.asarray(0.5) for the scale",
        workaround_case="SEM-DTYPE-003",
        workaround_quantity="array",
        since="pymc 5.12.0 or 5.11, which was not run; no source was read",
    ),
    Finding(
        id="FIND-BLACKJAX-001",
        library=Library.BLACKJAX,
        cases=("SEM-SIGN-001",),
        quantities=("elbo", "posterior_elbo"),
        title="The elbo of a step of mean-field inference is minus the ELBO",
        documentation="step returns the 'updated MFVIState and MFVIInfo containing the ELBO value'",
        happens="the loss that is minimised, the mean of log q(z) - log p(x, z), is returned under that name",
        harm="1.63 for -1.63 nats at the exact posterior, where the ELBO is log p(x): compared or maximised, the sign "
        "is the other one",
        status=Status.OPEN,
        routes=(
            "closed form at the draws of the step, which `sample` returns under its key",
            "at the exact posterior log p(x, z) - log q(z) is log p(x) at every draw: it is minus that",
        ),
        fix="return minus the loss, or call it loss",
        workaround="minus MFVIInfo.elbo; its gradients are right",
        workaround_case="SEM-SIGN-001",
        workaround_quantity="by_mu",
        since="blackjax 1.7.1 or before: no other release was run or read",
    ),
    Finding(
        id="FIND-NORMFLOWS-001",
        library=Library.NORMFLOWS,
        cases=("SEM-DTYPE-004",),
        quantities=("path",),
        title="reverse_kld(score_fn=False) adds up log q in float32, whatever the model's dtype",
        documentation="score_fn is a flag 'whether to include score function in gradient'; that it changes a value's "
        "precision is said nowhere",
        happens="log q is made anew by torch.zeros of the default dtype, and what is added to it is rounded to that",
        harm="1.1e-8 nats of 1.4 at one draw, and more with the size of log q; the gradient is right",
        status=Status.OPEN,
        routes=(
            "closed form at the draw, with log q rounded to float32, to 1e-12",
            "the same model and seed with score_fn=True gives the closed form in float64",
        ),
        fix="make log q by zeros_like of the base's log density",
        workaround="score_fn=True where the value matters, or torch.set_default_dtype(torch.float64)",
        workaround_case="SEM-DTYPE-004",
        workaround_quantity="score",
        since="normflows 1.7.3 or before: no other release was run or read",
    ),
)
