"""The records: Cell -> CellResult of Measurements -> Verdict. Standard library only.

Every measurement is one row; `Quantity` says what its columns hold. Numbers are nats per datum unless `unit` differs.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property
from math import nan
from typing import Any

SCHEMA_VERSION = 2  # of everything on disk; 1: cell files without a digest


class Procedure(StrEnum):
    """What is done with a cell's session; the verbs of the contract."""

    EVALUATE = "evaluate"  # the same noise for everybody
    DRAW = "draw"  # own random numbers, one datum: ELBO and KL
    GRADIENT = "gradient"  # own random numbers, one datum: gradient with respect to the encoder's outputs
    FIT_PATH = "fit-path"  # training on everybody's noise
    FIT = "fit"  # training on own random numbers
    LIKELIHOOD = "likelihood"  # log p(x) of test data by importance sampling, own random numbers
    SPREAD = "spread"  # own random numbers at several data: how far one value and one gradient vary
    FIT_PAIRS = "fit-pairs"  # several trainings on noise that the estimators share
    TIME = "time"  # the clock; never shared


class Status(StrEnum):
    """How a cell ended."""

    OK = "ok"
    FAILED = "failed"  # raised, or returned something of the wrong shape, dtype or value
    CRASHED = "crashed"  # the worker process died
    TIMED_OUT = "timed-out"
    NOT_RUN = "not-run"  # known when planning: the reason says why


class Quantity(StrEnum):
    """EVALUATE
    ELBO, KL, LOG_LIKELIHOOD  value; reference: the float64 oracle at inputs rounded to the cell's dtype;
                              scale: the oracle's sum of absolute terms, cancellation included
    LOG_Q, LOG_PRIOR          value as written by the implementation; reference: fully normalised, by the oracle
    GRADIENT_DISTANCE         part: parameter; value: |g - g*|_2; reference: |g*|_2; scale: see `numpy_oracle`
    GRADIENT_REGISTERED       part: parameter; value: |g - g'|_2, g' as a finding of the library has the gradient;
                              reference: |g' - g*|_2; note: the finding
    RAW_LOSS                  value as returned; reference: sign * ELBO reduced; part: "<sign> <reduction>"
    RAW_LOSS_SPLIT            value: raw losses of ragged sub-batches combined by the reduction; reference: RAW_LOSS
    GRADIENT_DIRECTION        part: parameter; value: <g, v> along the oracle's random vector v, by name; reference:
                              the oracle's derivative along v; scale as above. Where no gradient is derived by hand
    KL_DETERMINISTIC          value: KL averaged over noise = +1 and -1; reference: the analytic KL
    ELBO_DETERMINISTIC        value: ELBO averaged over noise = +-sqrt(latent) e_i (linear-gaussian);
                              reference: the exact ELBO; scale as above for both
    FLOW_KL_DETERMINISTIC     value: KL of a linear flow at the first datum, averaged over the same points; reference:
                              the closed form; scale as above
    KL_OF_HEADS               value: KL of a Householder flow; reference: the plain VAE's sampled KL at the same heads
                              and noise, a closed function of both; scale as above
    LOG_EVIDENCE              as under DRAW, mean over the batch (linear-gaussian)
    DRAW  (reference: exact where one exists, else nan)
    ELBO_MEAN, KL_MEAN        scale: standard deviation of one draw (exact where known)
    ELBO_VARIANCE, KL_VARIANCE  standard_error from the fourth moment
    ELBO_DEVIATION, KL_DEVIATION  max |draw - exact| where the exact variance is zero to rounding; least, largest: of
                              the draws; scale: absolute terms
    LOG_EVIDENCE              reference only: log p(x) where it is known (value = reference)
    KL_EXACT                  reference only: KL(q || p) beside an estimator whose mean it is not (value = reference)
    KL_HISTOGRAM              index: bin; value: count; least, largest: the bin's edges
    TIE                       index: block; value: mean of the block's draws; reference: what the ELBO object returned;
                              scale: mean |draw|, or absolute terms where they are more
    GRADIENT
    GRADIENT_VARIANCE         part: "mean" or "log_var"; value: trace of the covariance
    GRADIENT_PROJECTION       part as above; value: mean of the gradient along the unit vector (1,..,1)/sqrt(latent);
                              scale: standard deviation of one draw; reference: exact where known
    GRADIENT_SNR              part as above; value: |mean| / standard deviation of a component, mean over components;
                              unit "1"; standard_error by the delta method
    FIT_PATH
    PATH_ELBO                 index: step; value; reference: the oracle's path; scale: the oracle's divergence from
                              itself up to that step when its weights move by one ulp, never below the rounding of
                              the ELBO itself
    PATH_DISTANCE             part: parameter; value: |w - w*|_2 at the end; reference: |w*|_2; scale: as above, |.|_2
    FIT
    HELDOUT_ELBO              index: completed steps; mean over held-out data, `estimator`'s own value by the oracle
                              at the fitted weights; standard_error over data
    TRAIN_ELBO                index: step; value (no interval: one noisy batch); under a protocol: index: first step
                              of an epoch; the mean over it
    SAMPLED_KL_VARIANCE       index: completed steps; exact Var k1 at the fitted weights, mean over held-out data
    FITTED_ELBO_VARIANCE, FITTED_GRADIENT_VARIANCE  index: completed steps; part: estimator
    VALIDATION_ELBO           index: completed steps; mean over validation data, by the oracle (under a protocol)
    IMAGE                     in `CellResult.images`, not a row
    LIKELIHOOD  (and LOG_PX_MEAN in FIT under a protocol; index: completed steps of the weights that it keeps)
    LOG_PX                    index: datum; value: log mean exp of n log weights; standard_error by the delta method;
                              reference: log p(x) where known; scale: standard deviation of a weight over its mean
    LOG_WEIGHT_MEAN           index: datum; value: mean of the same n log weights, their ELBO
    LOG_PX_MEAN               value: mean over n data; standard_error over data; scale: the Monte Carlo error of that
                              mean; reference: mean log p(x) where known; note: draws at each
    LOG_WEIGHT_DEVIATION      max |log weight - log p(x)| where every draw should be log p(x); scale: absolute terms
    SPREAD
    ELBO_SPREAD, GRADIENT_SPREAD  index: datum; variance of one value, and trace of the covariance of the gradient for
                              both heads, from n draws
    FIT_PAIRS
    PAIR_ELBO                 index: training; value: mean over n held-out data of the ELBO with the analytic KL, by
                              the oracle at the weights that it ended with
    ELBO_SPREAD, GRADIENT_SPREAD  index: training; as above at those weights, mean over the data of `note`
    TIME
    COMPILE_S, FIRST_STEP_S, STEADY_STEP_S, DRAWS_PER_SECOND  index: round; unit s or 1/s
    PEAK_BYTES                what the worker held at most during n steps, unit B; no row where that can't be read
    """

    ELBO = "elbo"
    KL = "kl"
    LOG_LIKELIHOOD = "log_likelihood"
    LOG_Q = "log_q"
    LOG_PRIOR = "log_prior"
    GRADIENT_DISTANCE = "gradient_distance"
    GRADIENT_REGISTERED = "gradient_registered"
    RAW_LOSS = "raw_loss"
    RAW_LOSS_SPLIT = "raw_loss_split"
    KL_DETERMINISTIC = "kl_deterministic"
    ELBO_DETERMINISTIC = "elbo_deterministic"
    GRADIENT_DIRECTION = "gradient_direction"
    FLOW_KL_DETERMINISTIC = "flow_kl_deterministic"
    KL_OF_HEADS = "kl_of_heads"
    ELBO_MEAN = "elbo_mean"
    KL_MEAN = "kl_mean"
    ELBO_VARIANCE = "elbo_variance"
    KL_VARIANCE = "kl_variance"
    ELBO_DEVIATION = "elbo_deviation"
    KL_DEVIATION = "kl_deviation"
    LOG_EVIDENCE = "log_evidence"
    KL_EXACT = "kl_exact"
    KL_HISTOGRAM = "kl_histogram"
    TIE = "tie"
    GRADIENT_VARIANCE = "gradient_variance"
    GRADIENT_PROJECTION = "gradient_projection"
    GRADIENT_SNR = "gradient_snr"
    PATH_ELBO = "path_elbo"
    PATH_DISTANCE = "path_distance"
    HELDOUT_ELBO = "heldout_elbo"
    TRAIN_ELBO = "train_elbo"
    SAMPLED_KL_VARIANCE = "sampled_kl_variance"
    FITTED_ELBO_VARIANCE = "fitted_elbo_variance"
    FITTED_GRADIENT_VARIANCE = "fitted_gradient_variance"
    VALIDATION_ELBO = "validation_elbo"
    LOG_PX = "log_px"
    LOG_WEIGHT_MEAN = "log_weight_mean"
    LOG_PX_MEAN = "log_px_mean"
    LOG_WEIGHT_DEVIATION = "log_weight_deviation"
    ELBO_SPREAD = "elbo_spread"
    GRADIENT_SPREAD = "gradient_spread"
    PAIR_ELBO = "pair_elbo"
    COMPILE_S = "compile_s"
    FIRST_STEP_S = "first_step_s"
    STEADY_STEP_S = "steady_step_s"
    DRAWS_PER_SECOND = "draws_per_second"
    PEAK_BYTES = "peak_bytes"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One unit of work: problem x implementation x estimator x dataset x dtype x device x seed, and a procedure.

    `size` is what the procedure counts: rows of the batch (EVALUATE, TIME), draws (DRAW, GRADIENT), steps (FIT...).
    `datum` picks the row of the test set for DRAW and GRADIENT. `chunk` bounds memory; it is part of the cell
    because it changes the order of random numbers. `data`: rows of the test set (LIKELIHOOD, SPREAD, whose `size`
    counts draws at each), or trainings (FIT_PAIRS). `protocol` names how FIT trains (`suites.protocol`). `replicas`:
    seeds that FIT trains in one program, where the implementation can; 0: one by one. `library`: through whose public
    ELBO objects a plug-in goes, "" by hand and for ours (see `suites.roster`). The key is stable: it depends on nothing
    but these fields, without `library` and those that are at their default and were added later.
    """

    problem: str
    weights: str
    dataset: str
    implementation: str
    estimator: str
    procedure: Procedure
    dtype: str
    device: str
    seed: int
    size: int
    datum: int = 0
    chunk: int = 0
    data: int = 0
    protocol: str = ""
    replicas: int = 0
    library: str = ""

    @cached_property
    def key(self) -> str:
        """Readable prefix and 16 hex digits of the SHA-256 of the fields as canonical JSON."""
        content = {name: getattr(self, name) for name in _CELL_FIELDS}  # asdict would copy: this is read 100,000 times
        content |= {name: value for name in _LATER_FIELDS if (value := getattr(self, name))}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """What a person reads: `vae@trained/pyro/sampled-kl/draw/float64/cpu`."""
        return (
            f"{self.problem}@{self.weights}/{self.implementation}/{self.estimator}"
            f"/{self.procedure}/{self.dtype}/{self.device}"
            + (f"/seed{self.seed}" if self.seed else "")
            + (f"/{self.dataset}" if self.dataset in FROM_FILES else "")
            + (f"/{self.protocol}" if self.protocol else "")
        )

    @property
    def siblings(self) -> tuple["Cell", ...]:
        """This cell and those that train in one program with it: `replicas` seeds in a row, from a multiple of it."""
        first = self.seed - self.seed % self.replicas if self.replicas else self.seed
        return tuple(replace(self, seed=first + i) for i in range(self.replicas or 1))

    def random_seed(self, purpose: str) -> int:
        """A 31-bit seed for one purpose, derived from the key alone."""
        digest = hashlib.sha256(f"{self.key}:{purpose}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def shared_seed(self, purpose: str) -> int:
        """A 31-bit seed that every implementation, estimator, dtype and device shares: for the same noise."""
        common = (self.problem, self.weights, self.dataset, self.procedure, self.seed, self.size, self.datum)
        digest = hashlib.sha256(f"{common}:{purpose}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1


_LATER_FIELDS = ("data", "protocol", "replicas")  # cells without them keep the key that they had before
_CELL_FIELDS = tuple(each.name for each in fields(Cell) if each.name not in (*_LATER_FIELDS, "library"))
# Data sets that are read from files: a label names them, since no problem has them of its own.
FROM_FILES = frozenset({"static-mnist", "mnist", "omniglot", "caltech101-silhouettes"})


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number from one cell; `Quantity` says what `part`, `index`, `reference` and `scale` hold.

    [low, high]: the 95% interval of `value`, where it is not Student's of its standard error. [least, largest]: where
    one row stands for many draws, the range that they lie in.
    """

    quantity: Quantity
    value: float
    part: str = ""
    index: int = 0
    unit: str = "nats"
    n: int = 1
    standard_error: float = nan
    low: float = nan
    high: float = nan
    reference: float = nan
    scale: float = nan
    note: str = ""
    least: float = nan
    largest: float = nan


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What became of one cell. `images`: name -> rows of 0..255 (a grid ready to draw). `elapsed_s`: time inside
    the worker; `fingerprint`: the environment that measured it."""

    cell: Cell
    status: Status
    reason: str = ""
    measurements: tuple[Measurement, ...] = ()
    images: dict[str, list[list[int]]] = field(default_factory=dict)
    elapsed_s: float = 0.0
    fingerprint: str = ""


class Strength(StrEnum):
    """How strong a claim is, strongest first."""

    EXACT = "exact"
    POINTWISE = "pointwise"
    EXPECTATION = "in expectation"
    ORDERING = "ordering"
    TRAINING = "training"
    FIELD = "checked field"


class Outcome(StrEnum):
    """What a claim comes to on a cell. REGISTERED: not what the claim states, and as a finding of the register has it:
    no fault of a run, and no agreement."""

    AGREES = "agrees"
    REGISTERED = "as registered"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A claim judged on one cell (or on a pair: `other` is the second cell's label).

    `difference` and `tolerance` (or margin) are in `unit`; for an equivalence test [low, high] is the interval of the
    difference at the level that the error budget allots to one test. `reason` says why when NOT_RUN, INCONCLUSIVE or
    REGISTERED.
    """

    claim: str
    outcome: Outcome
    key: str
    label: str
    problem: str
    weights: str
    dataset: str
    implementation: str
    estimator: str
    procedure: str
    dtype: str
    device: str
    seed: int
    part: str = ""
    other: str = ""
    value: float = nan
    reference: float = nan
    difference: float = nan
    tolerance: float = nan
    low: float = nan
    high: float = nan
    n: int = 1
    unit: str = "nats"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ProgramResult:
    """What one program of a suite gave: named numbers (`measured`), or rows as the suite's own record has them.

    `versions`: distribution -> version; `reason` says why there are no numbers.
    """

    program: str
    status: Status
    reason: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    elapsed_s: float = nan
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def shown_versions(self) -> str:
        """`pyro-ppl 1.9.2, torch 2.13.0`."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


@dataclass(frozen=True, kw_only=True)
class SuiteVerdict:
    """One number against what is expected of it, outside of any cell: a row of a question, a quantity of a case, a
    finding, an output of a test vector.

    `id` is permanent and can be cited; `subject`: the question, the library, the dtype; `case`, `quantity` and `at` (a
    curve's abscissa) say which number; `group` sorts cases. `reference` is what is expected, `oracle` what is right
    where that is another number, and `right` whether `value` is that (None: not asked). [low, high] is the interval of
    `difference` that decided, nan where rounding did; [shown_low, shown_high] the 95% interval of `value`. `outcome`
    is None for a number that is only shown. `findings`: IDs of the findings about it.
    """

    id: str
    subject: str
    outcome: Outcome | None
    case: str = ""
    group: str = ""
    quantity: str = ""
    at: float = nan
    value: float = nan
    reference: float = nan
    oracle: float = nan
    difference: float = nan
    tolerance: float = nan
    low: float = nan
    high: float = nan
    shown_low: float = nan
    shown_high: float = nan
    n: int = 0
    unit: str = ""
    rule: str = ""
    sampled: bool = False
    right: bool | None = None
    findings: tuple[str, ...] = ()
    reason: str = ""
    versions: str = ""

    @property
    def where(self) -> str:
        """Subject, case and quantity; the subject only where the ID does not name it."""
        subject = "" if self.subject.upper() in self.id.split("-") else self.subject
        return " ".join(part for part in (subject, self.case, self.quantity) if part)


def as_row(record: Any) -> dict[str, Any]:
    """A record's fields as a flat dict with enums as their text."""
    return {name: str(value) if isinstance(value, StrEnum) else value for name, value in asdict(record).items()}
