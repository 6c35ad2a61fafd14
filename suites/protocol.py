"""How Tomczak and Welling train (arXiv 1611.09630, 1706.02326), as named protocols: warm-up and early stopping.

Read from their public code, jmtomczak/vae_vpflows: Adam at 5e-4 on batches of 100; the KL term weighted by
(epoch - 1) / 100 up to 1 (utils/training.py), here step by step; training ends once the validation ELBO has not
improved for 50 epochs, counted from the end of the warm-up (utils/perform_experiment.py). There `best_model = model`
keeps a reference to the network that is trained on; here the weights of the best epoch are kept, as the rule intends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from elbo_compare.suites.contract import Array, Params


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way to train. Epochs are passes over the training rows.

    `warm_up_epochs`: until the KL term has its full weight, 0 for none. `patience_epochs`: without a better validation
    ELBO until training ends, 0 for never. `dynamic`: the rows are binarised anew at every step. `likelihood_data` and
    `likelihood_draws`: test rows, and draws at each, of the importance-sampled log-likelihood at the kept weights.
    """

    name: str
    warm_up_epochs: float
    patience_epochs: float
    dynamic: bool
    likelihood_data: int
    likelihood_draws: int

    def kl_weights(self, steps: int, steps_per_epoch: int) -> Array | None:
        """The weight of the KL term at each step, (step,), or None where there is no warm-up."""
        over = round(self.warm_up_epochs * steps_per_epoch)
        return warm_up(steps, over) if over else None


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        # As published, but for the number of test rows: all of the 1,000 that ship, a tenth of MNIST's.
        Protocol(
            name="static",
            warm_up_epochs=100,
            patience_epochs=50,
            dynamic=False,
            likelihood_data=1_000,
            likelihood_draws=5_000,
        ),
        Protocol(
            name="dynamic",
            warm_up_epochs=100,
            patience_epochs=50,
            dynamic=True,
            likelihood_data=1_000,
            likelihood_draws=5_000,
        ),
        # The same rules in a twentieth of the epochs: about half a minute for MNIST's models on one core.
        Protocol(
            name="static-brief",
            warm_up_epochs=5,
            patience_epochs=3,
            dynamic=False,
            likelihood_data=50,
            likelihood_draws=5_000,
        ),
        Protocol(
            name="dynamic-brief",
            warm_up_epochs=5,
            patience_epochs=3,
            dynamic=True,
            likelihood_data=50,
            likelihood_draws=5_000,
        ),
        # The same rules on 300 steps: seconds, to show that they work, not what they reach.
        Protocol(
            name="short",
            warm_up_epochs=5,
            patience_epochs=3,
            dynamic=True,
            likelihood_data=10,
            likelihood_draws=500,
        ),
    )
}


def warm_up(steps: int, over: int) -> Array:
    """min(t / over, 1) at steps t = 0, 1, ..., shape (steps,): exactly 0 at the first and exactly 1 from t = over on.

    Bowman et al. 2016 (arXiv 1511.06349) and Sonderby et al. 2016 (arXiv 1602.02282), linear. Raises ValueError unless
    both are at least 1.
    """
    if steps < 1 or over < 1:
        raise ValueError(f"A warm-up needs at least one step; steps = {steps}, over = {over} arrived.")
    return np.minimum(np.arange(steps) / over, 1.0)


def check_steps(steps: int, steps_per_epoch: int, most: int) -> tuple[int, ...]:
    """Completed steps after which the validation ELBO is looked at: every epoch, or every few so that there are at most
    about `most` looks (each keeps a copy of the weights)."""
    every = steps_per_epoch * max(1, -(-steps // (most * steps_per_epoch)))
    return (*range(every, steps, every), steps)


@dataclass(kw_only=True)
class EarlyStopping:
    """Called with (completed steps, weights); True once `score` has not improved for more than `patience` steps, those
    before `warm_up` not counted. Larger scores are better; `patience` 0: never True.

    Keeps the weights of the best score, its step, and every score by step. Raises ValueError for a score that is no
    finite number: training has diverged, and no comparison with nan would ever notice.
    """

    score: Callable[[Params], float]
    patience: int
    warm_up: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    best_step: int = -1
    best_weights: Params = field(default_factory=dict)

    def __call__(self, step: int, weights: Params) -> bool:
        """Look at the weights after `step` completed steps."""
        score = float(self.score(weights))
        if not np.isfinite(score):
            raise ValueError(f"the validation ELBO after {step} steps is {score}: training has diverged")
        self.scores[step] = score
        if self.best_step < 0 or score > self.scores[self.best_step]:
            self.best_step, self.best_weights = step, {name: np.array(value) for name, value in weights.items()}
        return self.patience > 0 and step - max(self.best_step, self.warm_up) > self.patience
