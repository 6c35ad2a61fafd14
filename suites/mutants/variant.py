"""What an entry of the catalogue is: a way to write one piece of a VAE's loss, wrong or legitimately different."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from elbo_compare.suites.contract import Likelihood


class Kind(StrEnum):
    """Which piece, and with it the signature of `Variant.function` (NumPy float64 or complex128, batch first).

    ANALYTIC_KL    (mean, log_var) -> (batch,)
    SAMPLED_KL     (z, mean, log_var) -> (batch,)
    NEGATIVE_ELBO  (x, logits, z, mean, log_var) -> (batch,), or a scalar where the batch is reduced. z None: the KL
                   is the analytic one. Where `Variant.likelihood` is NORMAL, `logits` is the decoder's mean and a
                   keyword `scale` (default 1) its standard deviation.
    LOG_WEIGHT     (x, logits, z, mean, log_var) -> (batch,), log p(x, z) - log q(z|x); `scale` as above
    SAMPLER        (mean, log_var, noise) -> z, each (batch, latent)
    NOISE          (rng, shape) -> base noise of that shape, (draws, batch, latent)
    BOUND          (log_weight (particle, batch)) -> (batch,), the importance-weighted bound
    FLOW           (z0, mean, log_var, layer) -> `flows.FlowTerms`
    """

    ANALYTIC_KL = "analytic KL"
    SAMPLED_KL = "sampled KL"
    NEGATIVE_ELBO = "negative ELBO"
    LOG_WEIGHT = "log weight"
    SAMPLER = "sampler"
    NOISE = "noise"
    BOUND = "bound"
    FLOW = "flow"


class Flag(StrEnum):
    """What kind of mistake it is (for a legitimate variant: in what it differs)."""

    REDUCTION = "reduction"
    CONSTANT = "constant"
    SIGN = "sign"
    GRADIENT = "gradient"
    SAMPLING = "sampling"
    LIKELIHOOD = "likelihood"
    PARAMETERISATION = "parameterisation"
    OBJECTIVE = "objective"
    BROADCASTING = "broadcasting"
    IMPORTANCE_WEIGHTS = "importance weights"
    FLOW = "flow"


class Aspect(StrEnum):
    """What a claim looks at; a legitimate variant says which aspects are not meant for it."""

    SAME_NOISE_VALUE = "value at the same noise"
    SAME_NOISE_GRADIENT = "gradient at the same noise"
    DETERMINISTIC_MEAN = "mean over deterministic points"
    DRAW_MEAN = "mean of own draws"
    DRAW_VARIANCE = "variance of own draws"
    GRADIENT_MEAN = "mean of own gradient draws"
    GRADIENT_VARIANCE = "variance of own gradient draws"


# Of a function that mixes its batch: one that treats rows apart, and on a batch of one is it (in law, if it draws).
ALONE = "alone"
NOT_SEEN = "not seen in the wild"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One entry. `id` is permanent: MUT-... for a mutant, VAR-... for a legitimate variant; never used again.

    title: what a function equals that equals this one ("the KL averaged over the latent dimensions").
    seen: repository and issue where the mistake was reported, or `NOT_SEEN`.
    advice: how to mend it (for a legitimate variant: what to know about it), in one sentence.
    moments_above: draws of it are judged only where every sigma^2 is larger (its fourth moment is infinite elsewhere).
    exempt: legitimate variants only: (aspect, why claims on that aspect are not meant for this variant).
    """

    id: str
    title: str
    kind: Kind
    flag: Flag
    advice: str
    function: Callable[..., Any]
    seen: str = NOT_SEEN
    legitimate: bool = False
    likelihood: Likelihood = Likelihood.BERNOULLI
    moments_above: float = 0.0
    exempt: tuple[tuple[Aspect, str], ...] = ()
