"""Train the weights that ship with a problem: `suites/weights/<problem>.npz` and, beside it, how they were made.

    python benchmarks/train_weights.py vae-small
    python benchmarks/train_weights.py vae --implementation torch-hand --dtype float32 --epochs 100
    python benchmarks/train_weights.py vae --implementation torch-hand --epochs 500 --protocol static -o DIR

Sampled KL, Adam at 5e-4, batches of 100 in a fixed shuffled order: the same file from the same versions of packages.
With --protocol the KL term is warmed up, the last tenth of the rows validates, and the best look's weights are kept.
"""

import argparse
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.suites import datasets, problems, registry
from elbo_compare.suites.contract import Dataset, Device, DType, Fit, Problem, Session, Training
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.protocol import PROTOCOLS, EarlyStopping, check_steps
from elbo_compare.suites.weights import FOLDER, write_weights

LOOKS = 25  # at the validation ELBO in one run, about


def batch_rows(rows: int, batch: int, epochs: int, seed: int) -> np.ndarray:
    """Row indices (step, batch): every epoch is one permutation, its last incomplete batch left out."""
    rng = np.random.default_rng(seed)
    steps = rows // batch
    return np.concatenate([rng.permutation(rows)[: steps * batch].reshape(steps, batch) for _ in range(epochs)])


def heldout_elbo(problem: Problem, fit: Fit) -> float:
    """Mean ELBO of the test rows at the fitted weights, by the oracle, one draw per datum. Nats per datum."""
    x = datasets.load(problems.DATASET[problem.name]).test
    noise = np.random.default_rng(0).standard_normal((1, len(x), problem.latent))
    oracle = registry.load("numpy-oracle").prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    return oracle.evaluate(fit.params, x, noise).elbo


def under_protocol(problem: Problem, data: Dataset, arguments: argparse.Namespace, steps: int) -> tuple[dict, Any]:
    """What the protocol asks of `Training`, the rows as `x` among it, and the early stopping; nothing without one."""
    if arguments.protocol is None:
        return {}, None
    protocol, (train, validation) = PROTOCOLS[arguments.protocol], datasets.split(data)
    per_epoch = steps // arguments.epochs
    noise = np.random.default_rng(1).standard_normal((1, len(validation), problem.latent))
    oracle = registry.load("numpy-oracle").prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    stopping = EarlyStopping(
        score=lambda weights: oracle.evaluate(weights, validation, noise).elbo,
        patience=round(protocol.patience_epochs * per_epoch),
        warm_up=round(protocol.warm_up_epochs * per_epoch),
    )
    asked = {"x": train, "checkpoints": check_steps(steps, per_epoch, LOOKS), "stop": stopping}
    asked["kl_weights"] = protocol.kl_weights(steps, per_epoch)
    if protocol.dynamic:
        asked |= {"x": datasets.grey(data.name)[: len(train)], "binarise": arguments.seed}
    return asked, stopping


def main() -> None:
    """Train, write the two files and print the held-out ELBO."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", choices=[name for name in problems.WEIGHTS if "trained" in problems.WEIGHTS[name]])
    parser.add_argument("--implementation", default="numpy-oracle")
    parser.add_argument("--dtype", type=DType, default=DType.FLOAT64)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=2014)
    parser.add_argument("--protocol", choices=list(PROTOCOLS))
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    problem = problems.load(arguments.problem, "initial")
    data = datasets.load(problems.DATASET[problem.name])
    implementation = registry.load(arguments.implementation)
    session: Session = implementation.prepare(problem, SAMPLED_KL, Device.CPU, arguments.dtype)
    rows = len(datasets.split(data)[0]) if arguments.protocol else len(data.train)
    batches = batch_rows(rows, arguments.batch, arguments.epochs, arguments.seed)
    asked, stopping = under_protocol(problem, data, arguments, len(batches))
    plain = {"x": data.train, "batches": batches, "learning_rate": arguments.learning_rate, "seed": arguments.seed}
    fit = session.fit(problem.params, Training(**plain | asked))
    fit = replace(fit, params=stopping.best_weights) if stopping else fit
    before, after = fit.elbo[: len(batches) // arguments.epochs].mean(), heldout_elbo(problem, fit)
    record = {
        "program": "benchmarks/train_weights.py",
        "implementation": implementation.name,
        "framework": f"{implementation.framework} {version(_DISTRIBUTION.get(implementation.framework, 'numpy'))}",
        "dtype": arguments.dtype.value,
        "estimator": SAMPLED_KL.name,
        "dataset": data.name,
        "dataset_sha256": data.sha256,
        "start": "initial",
        "steps": len(fit.elbo),
        "epochs": arguments.epochs,
        "batch": arguments.batch,
        "learning_rate": arguments.learning_rate,
        "seed": arguments.seed,
        "train_elbo_first_epoch_nats": float(before),
        "train_elbo_last_epoch_nats": float(fit.elbo[-(len(batches) // arguments.epochs) :].mean()),
        "heldout_elbo_nats": after,
    }
    if stopping:
        record |= {"protocol": arguments.protocol, "best_step": stopping.best_step}
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = write_weights(problem.name, fit.params, record, arguments.output)
    print(
        f"{path.name}: {len(batches)} steps, ELBO {before:.2f} (first epoch) -> {after:.2f} (held out), nats per datum"
    )


_DISTRIBUTION = {"torch": "torch", "jax": "jax", "pyro": "pyro-ppl", "numpyro": "numpyro", "numpy": "numpy"}

if __name__ == "__main__":
    main()
