"""Is this really the questioned code? What the authors' public code does that these models do not, and by how much.

Read in jmtomczak/vae_vpflows and written anew: clamped probabilities, biases as torch makes them, a warm-up by epoch, a
lower bound over whole blocks of rows. All numbers here are at fixed rows and fixed draws: nothing is estimated.
"""

from collections.abc import Callable, Iterator
from functools import cache
from math import log, sqrt

import numpy as np

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.complex_step import STEP, Dual, clip, sigmoid
from elbo_compare.suites.contract import Array, Params, Problem
from elbo_compare.suites.numpy_oracle.vae import encode, log_bernoulli, terms_at
from elbo_compare.suites.protocol import warm_up
from elbo_compare.suites.questions import authors_code
from elbo_compare.suites.questions.question import Question, QuestionClaim, Row, Rule
from elbo_compare.suites.questions.rows import ROUNDING_REASON

CLAMP = 1e-7
EDGE = log((1.0 - CLAMP) / CLAMP)  # the logit of 1 - CLAMP: 16.118
DATA = "mnist-5k"
ROWS = 1_000  # test rows at which the clamp is measured
BLOCK, BOUND_ROWS = 500, 2_307  # of the lower bound; 2,307 are the test rows of Caltech 101 Silhouettes
EPOCHS, STEPS_PER_EPOCH = 100, 40  # of the warm-up; 40 batches of 100 are the training rows of mnist-5k
INITIAL, UNIFORM, TRAINED = "vae@initial", "vae@initial, torch's uniform biases", "vae@trained"
RARE = 0.1  # a share below a tenth would be called a matter of few pixels
CODE = "jmtomczak/vae_vpflows"
AUTHORS = authors_code.AUTHORS

PixelTerms = Callable[[Array, Dual], Dual]
Weight = Callable[[int], float]

CLAIMS = (
    QuestionClaim(
        id="CODE-001",
        rule=Rule.ROUNDING,
        statement="Σ x log p + (1 − x) log(1 − p), p clamped to [10⁻⁷, 1 − 10⁻⁷] = log p(x|z) at logits within ±16.118",
        derivation="log p/(1 − p) is monotone: p is beyond the clamp where its logit is beyond log (1 − 10⁻⁷)/10⁻⁷.",
        source=f"{CODE}, utils/distributions.py, log_Bernoulli",
        tolerance="16 u S: u = 2⁻⁵³, S the sum of absolute terms and of 1/(1 − p), by which 1 − p loses digits",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="CODE-002",
        rule=Rule.ROUNDING,
        statement="At initial weights, biases zero or uniform as torch's, the clamp changes no datum's log p(x|z)",
        derivation="Logits of an untrained decoder lie near 0, those of the clamp at ±16.118.",
        source=f"{CODE}, models/VAE.py (Xavier-normal weights, biases as torch.nn.Linear makes them)",
        tolerance="16 u S, as CODE-001",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="CODE-003",
        rule=Rule.ABOVE,
        statement="At trained weights more than a tenth of the pixels lie beyond the clamp",
        derivation="A border pixel that is never lit is driven to p = 0 as far as training goes.",
        source=f"{CODE}, utils/distributions.py, log_Bernoulli",
        tolerance="above 0.1",
        reason="A count at fixed rows and draws: no sampling error. Less than a tenth would be few pixels.",
    ),
    QuestionClaim(
        id="CODE-004",
        rule=Rule.ROUNDING,
        statement="A pixel beyond the clamp has gradient 0 by its logit, every other one the plain x − p",
        derivation="The derivative of a clamp is 0 beyond it.",
        source=f"{CODE}, utils/distributions.py, log_Bernoulli; torch.clamp",
        tolerance="16 u S, S the norm of the absolute terms",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="CODE-005",
        rule=Rule.ABOVE,
        statement="At trained weights the clamp makes the mean log p(x|z) of these rows look better",
        derivation=(
            "A right pixel loses at most 10⁻⁷ nats, a wrong one is charged at most 16.118: it gains |logit| − 16.118."
        ),
        source=f"{CODE}, utils/distributions.py, log_Bernoulli",
        tolerance="above 10⁻⁴ nats",
        reason="Fixed rows and draws: no sampling error. 784 pixels that lose 10⁻⁷ each make 8 · 10⁻⁵.",
    ),
    QuestionClaim(
        id="CODE-006",
        rule=Rule.ROUNDING,
        statement="Its lower bound of N rows is (500 ⌊N/500⌋ / N) times the mean over the first 500 ⌊N/500⌋ rows",
        derivation="The loop runs over whole blocks of 500; their sum is divided by all N rows. 2,000 / 2,307 = 0.867.",
        source=f"{CODE}, models/VAE.py, calculate_lower_bound (Python 2, where / of integers rounds down); MUT-171",
        tolerance="16 u S: u = 2⁻⁵³, S the sum of absolute values over N",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="CODE-007",
        rule=Rule.BEYOND,
        statement="At 2,307 rows that bound is off by more than a tenth of the mean over all rows",
        derivation="307 of 2,307 rows are counted as 0 nats; at 10,000 rows (MNIST) none is.",
        source=f"{CODE}, models/VAE.py, calculate_lower_bound; MUT-171",
        tolerance="beyond 0.1 of the mean",
        reason="Fixed rows and draws: no sampling error.",
    ),
    QuestionClaim(
        id="CODE-008",
        rule=Rule.ROUNDING,
        statement="Its KL weight min((epoch − 1)/100, 1) is ours, min(t/4000, 1), at each epoch's first step; "
        "later in the epoch ours leads by at most (steps − 1)/(100 steps)",
        derivation="A stair under the line through its left ends.",
        source=f"{CODE}, utils/training.py, train_vae; here suites/protocol.py",
        tolerance="16 u",
        reason=ROUNDING_REASON,
    ),
    QuestionClaim(
        id="CODE-009",
        rule=Rule.ABOVE,
        statement="torch's uniform biases in place of zeros move a datum's ELBO before training, on average (root mean "
        "square) by more than a tenth of a nat",
        derivation="Biases of variance 1/(3 in) in every layer shift q's heads and spread the 784 logits about 0.",
        source=f"{CODE}, models/VAE.py: xavier_init sets weights only; torch.nn.Linear: U(−1/√in, 1/√in)",
        tolerance="above 0.1 nats",
        reason="Fixed rows, draws and biases: no sampling error. Less would hardly show in a first epoch's loss.",
    ),
)


def clamped_pixels(x: Array, logits: Dual) -> Dual:
    """x log p + (1 - x) log(1 - p), p = sigmoid(logits) clamped to [1e-7, 1 - 1e-7], by pixel, in nats.

    Shapes: (batch, observed) twice -> (batch, observed). As the authors write it, in float64.
    """
    p = clip(sigmoid(logits), CLAMP, 1.0 - CLAMP)
    return x * np.log(p) + (1.0 - x) * np.log(1.0 - p)


def lower_bound(negative_elbo: Array) -> float:
    """The sum over whole blocks of 500 rows divided by the number of all rows, nats. Shape: (batch,)."""
    total = 0.0
    for i in range(len(negative_elbo) // BLOCK):
        total += float(negative_elbo[i * BLOCK : (i + 1) * BLOCK].sum())
    return total / len(negative_elbo)


def negative_elbo() -> Array:
    """-ELBO of the first 2,307 training rows at the trained weights, one draw of z each, (rows,), nats."""
    return -_at(TRAINED, "train", BOUND_ROWS)[2]


def by_epoch(step: int) -> float:
    """The KL's weight at a step (from 0): (epoch - 1) / 100, at most 1."""
    return min(step // STEPS_PER_EPOCH / EPOCHS, 1.0)


def uniform_biases(params: Params) -> Params:
    """The same weights with every bias drawn from U(-1/sqrt(in), 1/sqrt(in)), as torch.nn.Linear draws it."""
    rng = np.random.default_rng([1706, 2326, 16])
    drawn = {}
    for name, value in params.items():
        if name.endswith(".bias"):
            bound = 1.0 / sqrt(params[name.removesuffix("bias") + "weight"].shape[1])
            value = rng.uniform(-bound, bound, value.shape)
        drawn[name] = value
    return drawn


@cache
def _at(case: str, part: str, rows: int) -> tuple[Array, Array, Array]:
    """x, the decoder's logits (both (rows, observed)) and the ELBO (rows,) at one draw of each row's z."""
    problem = problems.load("vae", "trained" if case == TRAINED else "initial")
    params = uniform_biases(problem.params) if case == UNIFORM else problem.params
    x = getattr(datasets.load(DATA), part)[:rows]
    drawn = terms_at(params, problem, x, encode(params, problem, x), _noise(problem, rows))
    return x, drawn.output[0], (drawn.log_likelihood + drawn.log_prior - drawn.log_q)[0]


def _noise(problem: Problem, rows: int) -> Array:
    return np.random.default_rng([1706, 2326]).standard_normal((1, rows, problem.latent))


def measure(
    pixels: PixelTerms = clamped_pixels,
    bound: Callable[[Array], float] = lower_bound,
    weight: Weight = by_epoch,
) -> Iterator[Row]:
    """Clamp at three sets of weights, lower bound, warm-up, biases; and what the authors' own code gave beside ours."""
    yield from _grid_rows(pixels)
    for case in (INITIAL, UNIFORM, TRAINED):
        yield from _clamp_rows(case, pixels)
    yield from _trained_rows(pixels)
    yield from _bound_rows(bound)
    yield from _warm_up_rows(weight)
    yield from _bias_rows()
    yield from authors_code.rows()


def _grid_rows(pixels: PixelTerms) -> Iterator[Row]:
    """Logits on either side of both ends of the clamp, for a black and for a white pixel."""
    logits = np.linspace(-30.0, 30.0, 121)[:, None]
    for name, shade in (("black", 0.0), ("white", 1.0)):
        x = np.full_like(logits, shade)
        theirs, ours = pixels(x, logits).sum(-1), log_bernoulli(x, np.clip(logits, -EDGE, EDGE))
        yield _nearest("CODE-001", f"a {name} pixel, logits −30 to 30", theirs, ours, _scale(x, logits).sum(-1))


def _clamp_rows(case: str, pixels: PixelTerms) -> Iterator[Row]:
    x, logits, _ = _at(case, "test", ROWS)
    theirs, scale = pixels(x, logits).sum(-1), _scale(x, logits).sum(-1)
    yield _nearest("CODE-001", case, theirs, log_bernoulli(x, np.clip(logits, -EDGE, EDGE)), scale)
    if case != TRAINED:
        yield _nearest("CODE-002", case, theirs, log_bernoulli(x, logits), scale)


def _trained_rows(pixels: PixelTerms) -> Iterator[Row]:
    x, logits, _ = _at(TRAINED, "test", ROWS)
    beyond, scale = np.abs(logits) > EDGE, _scale(x, logits)
    change = pixels(x, logits).sum(-1) - log_bernoulli(x, logits)
    slopes = np.imag(pixels(x, logits + 1j * STEP)) / STEP
    wrong = slopes - np.where(beyond, 0.0, x - np.real(sigmoid(logits)))
    yield Row(claim="CODE-003", case=TRAINED, quantity="share of pixels beyond the clamp", value=float(beyond.mean()),
              reference=0.0, margin=RARE, n=beyond.size, unit="share")  # fmt: skip
    yield Row(claim="CODE-004", case=TRAINED, quantity="gradient by the logits − expected, norm", reference=0.0,
              value=float(np.linalg.norm(wrong)), scale=float(np.linalg.norm(scale)), n=wrong.size,
              unit="nats per unit")  # fmt: skip
    yield Row(claim="CODE-005", case=TRAINED, quantity="clamped − plain log p(x|z), mean", value=float(change.mean()),
              reference=0.0, margin=1e-4, n=len(change))  # fmt: skip
    yield Row(claim="", case=TRAINED, quantity="clamped − plain log p(x|z), largest", value=float(change.max()),
              n=len(change))  # fmt: skip
    yield Row(claim="", case=TRAINED, quantity="clamped − plain log p(x|z), least", value=float(change.min()),
              n=len(change))  # fmt: skip


def _scale(x: Array, logits: Array) -> Array:
    """Absolute terms of each pixel's clamped score, with what 1 - p loses where p is near 1."""
    p = np.clip(np.real(sigmoid(logits)), CLAMP, 1.0 - CLAMP)
    return np.abs(x * np.log(p)) + np.abs((1.0 - x) * np.log1p(-p)) + x + (1.0 - x) / (1.0 - p)


def _nearest(claim: str, case: str, found: Array, wanted: Array, scale: Array) -> Row:
    """The datum that is nearest to differing."""
    worst = int(np.argmax(np.abs(found - wanted) / scale))
    return Row(claim=claim, case=case, quantity="log p(x|z), clamped, of the datum farthest off",
               value=float(found[worst]), reference=float(wanted[worst]), scale=float(scale[worst]),
               n=len(found))  # fmt: skip


def _bound_rows(bound: Callable[[Array], float]) -> Iterator[Row]:
    negative = negative_elbo()
    kept = len(negative) // BLOCK * BLOCK
    share, whole = kept / len(negative), float(negative.mean())
    case = f"{TRAINED}, {BOUND_ROWS:,} rows"
    yield Row(claim="CODE-006", case=case, quantity="lower bound of the code", value=bound(negative),
              reference=share * float(negative[:kept].mean()), scale=float(np.abs(negative).mean()), at=BOUND_ROWS,
              n=len(negative))  # fmt: skip
    yield Row(claim="CODE-007", case=case, quantity="lower bound of the code / mean −ELBO of all rows",
              value=bound(negative) / whole, reference=1.0, margin=0.1, at=BOUND_ROWS, n=len(negative),
              unit="relative")  # fmt: skip
    yield Row(claim="", case=case, quantity="lower bound of the code − mean −ELBO of all rows",
              value=bound(negative) - whole, at=BOUND_ROWS, n=len(negative))  # fmt: skip
    yield Row(claim="", case=case, quantity="rows counted / rows", value=bound(np.ones(BOUND_ROWS)), at=BOUND_ROWS,
              n=BOUND_ROWS, unit="share")  # fmt: skip


def _warm_up_rows(weight: Weight) -> Iterator[Row]:
    steps = (EPOCHS + 2) * STEPS_PER_EPOCH
    ours, theirs = warm_up(steps, EPOCHS * STEPS_PER_EPOCH), np.array([weight(step) for step in range(steps)])
    starts = np.abs(ours - theirs)[::STEPS_PER_EPOCH]
    yield Row(claim="CODE-008", case="first step of each epoch", quantity="KL weight, largest difference",
              value=float(starts.max()), reference=0.0, scale=1.0, n=len(starts), unit="weight")  # fmt: skip
    yield Row(claim="CODE-008", case="every step", quantity="KL weight, ours − theirs, largest",
              value=float((ours - theirs).max()), reference=(STEPS_PER_EPOCH - 1) / (STEPS_PER_EPOCH * EPOCHS),
              scale=1.0, n=steps, unit="weight")  # fmt: skip


def _bias_rows() -> Iterator[Row]:
    zero, uniform = (_at(case, "test", ROWS)[2] for case in (INITIAL, UNIFORM))
    change = uniform - zero
    yield Row(claim="CODE-009", case=UNIFORM, quantity="ELBO − that with zero biases, root mean square", reference=0.0,
              value=float(np.sqrt((change**2).mean())), margin=0.1, n=len(change))  # fmt: skip
    yield Row(claim="", case=UNIFORM, quantity="ELBO − that with zero biases, mean", value=float(change.mean()),
              n=len(change))  # fmt: skip


QUESTION = Question(
    id="CODE",
    title="Is this really the questioned code?",
    words=(
        "The line stands in the authors' public code of volume-preserving-flow VAEs. These models are written anew "
        "from it: where do the two differ, and by how many nats?"
    ),
    formula="clamped − plain log p(x|z); Σ over whole blocks / all rows; KL weight (epoch − 1)/100; biases U(±1/√in)",
    source=f"{CODE} (Tomczak and Welling 2016, arXiv 1611.09630; 2017, arXiv 1706.02326)",
    claims=CLAIMS,
    measure=measure,
    see="The mutants MUT-169, MUT-170 and MUT-171 are three lines of that code.",
)
