"""The authors' own VAEs beside these models: same weights, same rows, same noise, both in float64.

    python benchmarks/questioned_code.py CHECKOUT

CHECKOUT is a folder with the files of jmtomczak/vae_vpflows (a clone; needs torch), which is imported as it stands.
Three things stand in for what the years removed: `scipy.misc.logsumexp`, imported and never called here; `torch.tril`
with its diagonal called k; and one row at a time for the Householder flow, whose `torch.sum(..., 1)` kept its dimension
before torch 0.2. Networks, clamp and densities are theirs; the noise is given in the place of `reparameterize`'s.
Writes `suites/questions/authors_code.json`, which the question CODE shows.
"""

import argparse
import json
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
import torch

from elbo_compare.suites import datasets, problems, registry
from elbo_compare.suites.contract import Array, Device, DType, Flow, Problem
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.numpy_oracle.vae import encode, log_bernoulli, terms_at
from elbo_compare.suites.questions import authors_code
from elbo_compare.suites.questions.questioned_code import DATA, EDGE

ROWS, TRAINED_ROWS, GRADIENT_ROWS = 100, 1_000, 10
MODELS = {"vae": "VAE", "householder": "VAE_HF", "convex-linear-iaf": "VAE_ccLinIAF"}
OUT = Path(__file__).resolve().parents[1] / "suites" / "questions" / authors_code.RECORD
Found = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def theirs(checkout: Path, problem: Problem) -> Any:
    """Their model of this problem in float64, with this problem's weights."""
    old = types.ModuleType("scipy.misc")
    vars(old)["logsumexp"] = scipy.special.logsumexp
    sys.modules["scipy.misc"] = old
    torch.tril = lambda given, diagonal=0, k=0: given.tril(diagonal or k)
    sys.path[:0] = [] if str(checkout) in sys.path else [str(checkout)]
    arguments = types.SimpleNamespace(
        input_size=[1, 28, 28],
        z1_size=problem.latent,
        cuda=False,
        number_of_flows=problem.flow_length,
        number_combination=problem.flow_length,
    )
    model = import_module(f"models.{MODELS[problem.name]}").VAE(arguments).double()
    with torch.no_grad():
        for tensor, value in tied(model, problem.params, problem).values():
            tensor.copy_(torch.from_numpy(np.array(value)))
    return model


def tied(model: Any, values: Mapping[str, Array], problem: Problem) -> dict[str, tuple[torch.Tensor, Array]]:
    """Their parameter and our value of each name; entries above the diagonal, which they mask, are 0 here."""
    layers = {"encoder.mean": model.q_z_mean, "encoder.log_var": model.q_z_logvar, "decoder.output": model.p_x_mean}
    for side, letter in (("encoder", "q_z"), ("decoder", "p_x")):
        for i in range(2):
            layers[f"{side}.{i}.linear"] = getattr(model, f"{letter}_layers_pre")[i]
            layers[f"{side}.{i}.gate"] = getattr(model, f"{letter}_layers_gate")[i]
    if problem.flow is Flow.HOUSEHOLDER:
        layers |= {f"flow.{i}": layer for i, layer in enumerate(model.v_layers)}
    if problem.flow is Flow.CONVEX_LINEAR_IAF:
        layers |= {"flow.combination": model.encoder_y, "flow.lower": model.encoder_L}
    found = {}
    for name, layer in layers.items():
        for part in ("weight", "bias"):
            value = values[f"{name}.{part}"]
            found[f"{name}.{part}"] = (
                getattr(layer, part),
                _spread(value, problem) if name == "flow.lower" else value,
            )
    return found


def _spread(lower: Array, problem: Problem) -> Array:
    """Our rows (combination, below the diagonal) as theirs: (latent, latent, combination), flattened."""
    row, column = np.tril_indices(problem.latent, -1)
    whole = np.zeros((problem.latent, problem.latent, problem.flow_length, *lower.shape[1:]))
    whole[row, column] = np.moveaxis(lower.reshape(problem.flow_length, len(row), *lower.shape[1:]), 0, 1)
    return whole.reshape(-1, *lower.shape[1:])


def terms(model: Any, problem: Problem, x: torch.Tensor, noise: torch.Tensor) -> Found:
    """Their log p(x|z) and KL of each row, and the largest |probability - 1/2| of the decoder: as `forward` goes."""
    densities = import_module("utils.distributions")
    mean, log_var, *hidden = model.q_z(x)
    z = {"0": mean + torch.exp(0.5 * log_var) * noise}
    if hidden:
        z = model.q_z_Flow(z, hidden[0])
    last = z[max(z, key=int)]
    probabilities, _ = model.p_x(last)
    likelihood = densities.log_Bernoulli(x, probabilities, dim=1)
    log_p_z = densities.log_Normal_standard(last, dim=1)
    log_q_z = densities.log_Normal_diag(z["0"], mean, log_var, dim=1)
    return likelihood, -(log_p_z - log_q_z), probabilities


def by_row(model: Any, problem: Problem, x: Array, noise: Array) -> tuple[Array, Array]:
    """Their log p(x|z) and KL, (batch,) each; one row at a time for the Householder flow."""
    step = 1 if problem.flow is Flow.HOUSEHOLDER else len(x)
    parts: list[Found] = []
    with torch.no_grad():
        for i in range(0, len(x), step):
            given = (torch.from_numpy(np.array(each[i : i + step])) for each in (x, noise))
            parts.append(terms(model, problem, *given))
    likelihood, kl = (torch.cat([part[i] for part in parts]).numpy() for i in (0, 1))
    return likelihood, kl


def measured(checkout: Path, name: str, weights: str, rows: int) -> Iterator[dict[str, Any]]:
    """Largest differences of ELBO and KL over rows and of gradients over tensors, each also beside the clamp."""
    problem = problems.load(name, weights)
    model, x = theirs(checkout, problem), datasets.load(DATA).test[:rows]
    noise = np.random.default_rng([1706, 2326]).standard_normal((1, rows, problem.latent))
    ours = terms_at(problem.params, problem, x, encode(problem.params, problem, x), noise)
    likelihood, kl = by_row(model, problem, x, noise[0])
    logits, our_kl = ours.output[0], (ours.log_q - ours.log_prior)[0]
    clamped = log_bernoulli(x, np.clip(logits, -EDGE, EDGE))
    differences = {
        "KL, largest difference": kl - our_kl,
        "ELBO, largest difference": likelihood - kl - (ours.log_likelihood[0] - our_kl),
        "ELBO, largest difference from ours with clamped probabilities": likelihood - kl - (clamped - our_kl),
    }
    where = f"{name}@{weights}"
    for quantity, each in differences.items():
        yield {"model": where, "quantity": quantity, "value": float(np.abs(each).max()), "n": rows, "unit": "nats"}
    if weights == "initial":
        yield {
            "model": where,
            "quantity": "gradient, largest difference of a tensor over its norm",
            "value": gradient_difference(model, problem, x[:GRADIENT_ROWS], noise[:, :GRADIENT_ROWS]),
            "n": GRADIENT_ROWS,
            "unit": "relative",
        }


def gradient_difference(model: Any, problem: Problem, x: Array, noise: Array) -> float:
    """max over tensors of |their gradient - ours| / |ours|, of the mean ELBO of these rows; ours by hand in torch."""
    session = registry.load("torch-hand").prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT64)
    ours = session.evaluate(problem.params, x, noise).gradients
    step = 1 if problem.flow is Flow.HOUSEHOLDER else len(x)
    model.zero_grad()
    for i in range(0, len(x), step):
        likelihood, kl, _ = terms(
            model, problem, *(torch.from_numpy(np.array(each[i : i + step])) for each in (x, noise[0]))
        )
        ((likelihood - kl).sum() / len(x)).backward()
    worst = 0.0
    for tensor, wanted in tied(model, ours, problem).values():
        assert tensor.grad is not None
        found = tensor.grad.numpy()
        worst = max(worst, float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)))
    return worst


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--commit", required=True, help="of the checkout")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "Implicit dimension choice for softmax")  # for rows of features it is the last
    torch.set_default_dtype(torch.float64)
    runs = [(name, "initial", ROWS) for name in MODELS] + [("vae", "trained", TRAINED_ROWS)]
    found = [each for run in runs for each in measured(asked.checkout.resolve(), *run)]
    record = {
        "program": "benchmarks/questioned_code.py",
        "code": "jmtomczak/vae_vpflows",
        "commit": asked.commit,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "measured": found,
    }
    OUT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for each in found:
        print(f"{each['model']}: {each['quantity']} {each['value']:.3g} {each['unit']} (n = {each['n']})")


if __name__ == "__main__":
    main()
