"""Candidate findings about Pythae and PyMC; see `findings`."""

from elbo_compare.suites.semantics.case import Finding, Library, Status, Unit

FINDINGS: tuple[Finding, ...] = (
    Finding(
        id="FIND-PYTHAE-001",
        library=Library.PYTHAE,
        cases=("SEM-WEIGHTS-001",),
        quantities=("loss",),
        title="IWAE returns sum w~ log w as its loss, which is not the importance-weighted bound",
        documentation="the class is that of Burda et al. 2016, whose objective is the mean of log (1/K) sum w",
        happens="the normalised weights are held fixed and multiply log w: a surrogate with the right gradient, whose "
        "value is smaller by KL(w~ || uniform), at most log K",
        harm="a logged or compared loss looks better than -log p(x) allows by up to log K nats; training is right",
        status=Status.OPEN,
        routes=(
            "closed form at the draws",
            "its own gradient is that of the bound and its value is not: by_mean and by_log_var are right",
        ),
        fix="return the bound, and add the surrogate less its own detached value for the gradient",
        workaround="take log mean exp of the log weights for whatever is shown or compared",
    ),
    Finding(
        id="FIND-PYTHAE-002",
        library=Library.PYTHAE,
        cases=("SEM-PIXEL-001",),
        quantities=("single_loss", "single_slope"),
        title="A saturated wrong pixel has no gradient: the decoder gives probabilities, not logits",
        documentation="reconstruction_loss takes bce, for a decoder that ends in a sigmoid; nothing is said of "
        "saturation",
        happens="sigmoid(l) is 1 in float32 from l = 17 on; the logarithm of its complement is cut at -100",
        harm="100 nats for 20, and a gradient of 0 for 1, at a pixel that is as wrong as can be",
        status=Status.OPEN,
        routes=("closed form", "the same class in float64 gives the closed form at the same logit"),
        fix="take logits, and binary_cross_entropy_with_logits",
        extreme=True,
        workaround="float64, or a decoder whose logits are bounded",
        workaround_case="SEM-PIXEL-001",
        workaround_quantity="double_slope",
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
    ),
)
