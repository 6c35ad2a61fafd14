"""Synthetic frames of the documented shape. Every number here is invented; none is a measurement."""

from itertools import product

import numpy as np
import pandas as pd

IMPLEMENTATIONS = ("numpy-oracle", "torch-hand", "jax-hand", "pyro", "numpyro")
# Names that would be markup, a table's cell, a command, a path or mathematics; the last one is known.
HOSTILE = ("<script>document.title='TAKEN'</script>", "a|b", r"\input{x}", "../../x", "$\\frac$", "numpyro")
ESTIMATORS = ("sampled-kl", "analytic-kl")
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}


def cell(procedure="evaluate", **fields):
    base = {
        "problem": "vae",
        "weights": "trained",
        "dataset": "synthetic",
        "implementation": "torch-hand",
        "estimator": "sampled-kl",
        "procedure": procedure,
        "dtype": "float64",
        "device": "cpu",
        "seed": 0,
        "size": 100,
        "datum": 0,
        "chunk": 0,
        "status": "ok",
        "reason": "",
    }
    base.update(fields)
    base["key"] = f"{abs(hash(tuple(sorted(base.items())))):016x}"[:16]
    return base


def row(cell, quantity, value, **fields):
    base = {
        "quantity": quantity,
        "part": "",
        "index": 0,
        "value": value,
        "unit": "nats",
        "n": 1,
        "standard_error": np.nan,
        "low": np.nan,
        "high": np.nan,
        "reference": np.nan,
        "scale": np.nan,
        "note": "",
    }
    base.update(fields)
    if not np.isnan(base["standard_error"]):
        base["low"], base["high"] = value - 1.96 * base["standard_error"], value + 1.96 * base["standard_error"]
    return cell | base


def _evaluate(rng, names):
    for problem, weights, name, estimator, dtype in product(
        ("gaussian-kl", "vae"), ("initial", "trained"), names, ESTIMATORS, UNIT
    ):
        if name == "numpy-oracle" and dtype == "float32":
            continue
        at = cell(problem=problem, weights=weights, implementation=name, estimator=estimator, dtype=dtype)
        for quantity in ("elbo", "kl", "log_likelihood"):
            noise = 0.0 if name == "numpy-oracle" else rng.normal() * 3
            yield row(at, quantity, -90 + noise * UNIT[dtype] * 300, reference=-90.0, scale=300.0)
        for part in ("encoder.mean.weight", "decoder.output.weight"):
            value = abs(rng.normal()) * UNIT[dtype] * 20
            yield row(at, "gradient_distance", value, part=part, reference=4.0, scale=20.0)


def _draw(rng, names):
    edges = np.linspace(5, 45, 65)
    for weights, name in product(("initial", "trained"), names):
        at = cell("draw", weights=weights, implementation=name, size=45_000)
        sample = rng.normal(25, 4, 45_000)
        yield row(at, "kl_mean", sample.mean(), n=45_000, standard_error=4 / 45_000**0.5, reference=25.0, scale=4.0)
        yield row(
            at, "kl_variance", sample.var(), n=45_000, standard_error=16 * (2 / 45_000) ** 0.5, reference=16.0,
            unit="nats^2",
        )  # fmt: skip
        for index, number in enumerate(np.histogram(sample, edges)[0]):
            yield row(at, "kl_histogram", number, index=index, n=45_000) | {
                "least": edges[index],
                "largest": edges[index + 1],
            }
        for estimator in ESTIMATORS:
            elbo = cell("draw", weights=weights, implementation=name, estimator=estimator, size=45_000)
            value = {"initial": {"sampled-kl": 3.0, "analytic-kl": 5.0}, "trained": {"sampled-kl": 30.0}}
            variance = value[weights].get(estimator, 12.0) * rng.normal(1, 0.01)
            yield row(elbo, "elbo_variance", variance, n=45_000, standard_error=variance * 0.007)
            for part in ("mean", "log_var"):
                gradient = cell("gradient", weights=weights, implementation=name, estimator=estimator)
                yield row(
                    gradient, "gradient_variance", variance / 3, part=part, n=20_000, standard_error=variance * 0.004
                )


def _fit(rng, names):
    for name, seed in product(names, (0, 1)):
        at = cell("fit", problem="vae-small", weights="initial", implementation=name, seed=seed, size=400)
        for step in (0, 100, 200, 300, 400):
            elbo = -60 + 30 * (1 - np.exp(-step / 150)) + rng.normal() * 0.2
            yield row(at, "heldout_elbo", elbo, index=step, n=360, standard_error=0.4)
            for part in ESTIMATORS:
                slope = 0.05 if part == "sampled-kl" else 0.01
                yield row(
                    at, "fitted_elbo_variance", 5 + slope * step + 3 * (part == "analytic-kl"), index=step, part=part
                )
                yield row(at, "fitted_gradient_variance", 1 + slope * step, index=step, part=part)
        path = cell("fit-path", problem="vae-small", weights="initial", implementation=name, seed=seed, size=50)
        for step in range(50):
            scale = 1e-14 * 1.1**step
            value = -60 + step * 0.3
            yield row(path, "path_elbo", value + rng.normal() * scale, index=step, reference=value, scale=scale)


def measurements(names=IMPLEMENTATIONS):
    rng = np.random.default_rng(20140101)
    rows = [*_evaluate(rng, names), *_draw(rng, names), *_fit(rng, names)]
    missing = cell("time", implementation="numpyro", status="not-run", reason="numpyro is not installed")
    return pd.DataFrame([*rows, missing])


def claims(n=12):
    return pd.DataFrame(
        {
            "id": f"KL-{i:03d}",
            "family": "KL",
            "strength": ("exact", "pointwise", "in expectation")[i % 3],
            "statement": f"−(log p(z) − log q(z|x)) at one z = log q(z|x) − log p(z), fully normalised (synthetic {i})",
            "derivation": "log q = Σ −½ (log 2π + log σ² + (z − μ)²/σ²)\nThe ½ log 2π of both densities cancels.",
            "source": "Kingma and Welling 2014, eq. 6",
            "tolerance": "16 u · scale",
            "reason": "a sum of 40 terms loses a few roundoffs (synthetic text)",
        }
        for i in range(1, n + 1)
    )


def verdicts(names=IMPLEMENTATIONS, n_claims=12):
    rng = np.random.default_rng(7)
    rows = []
    for claim, name, weights in product(range(1, n_claims + 1), names, ("initial", "trained")):
        at = cell(implementation=name, weights=weights)
        outcome = "not run" if name == "numpyro" and claim == 12 else "agrees"
        outcome = "differs" if (name, claim, weights) == ("pyro", 5, "trained") else outcome
        outcome = "inconclusive" if (name, claim, weights) == ("jax-hand", 6, "trained") else outcome
        difference = np.nan if outcome == "not run" else rng.uniform() * 1e-13 * (30 if outcome == "differs" else 1)
        rows.append(
            {name: at[name] for name in at if name not in ("size", "chunk", "datum", "status", "reason")}
            | {
                "claim": f"KL-{claim:03d}",
                "outcome": outcome,
                "label": f"vae@{weights}/{name}/sampled-kl/evaluate/float64/cpu",
                "part": "",
                "other": "",
                "value": 25.0 + difference,
                "reference": 25.0,
                "difference": difference,
                "tolerance": 1e-13,
                "low": np.nan,
                "high": np.nan,
                "n": 1,
                "unit": "nats",
                "reason": "numpyro is not installed" if outcome == "not run" else "",
            }
        )
    return pd.DataFrame(rows)


def timings(names=IMPLEMENTATIONS):
    rng = np.random.default_rng(3)
    rows = []
    for name, estimator in product(names, ESTIMATORS):
        ratio = {"torch-hand": 1.0, "pyro": 1.6, "jax-hand": 0.8, "numpyro": 0.85}.get(name, 4.0) * rng.normal(1, 0.02)
        rows.append(
            {
                "implementation": name,
                "estimator": estimator,
                "problem": "vae",
                "dtype": "float32",
                "device": "cpu",
                "size": 100,
                "compile_s": 1.2 if name in ("jax-hand", "numpyro") else np.nan,
                "first_step_s": 0.05 * ratio,
                "steady_step_s": 0.004 * ratio,
                "steady_low": 0.0039 * ratio,
                "steady_high": 0.0042 * ratio,
                "ratio": ratio,
                "ratio_low": ratio * 0.97,
                "ratio_high": ratio * 1.03,
                "draws_per_second": 1e5 / ratio,
                "draws_per_second_low": 0.98e5 / ratio,
                "draws_per_second_high": 1.02e5 / ratio,
                "rounds": 15,
                "peak_bytes": 4e8 * ratio,
            }
        )
    return pd.DataFrame(rows)


def ledger(names=IMPLEMENTATIONS):
    return pd.DataFrame(
        {
            "implementation": name,
            "term": term,
            "offset_nats": 36.7575 if dropped else 0.0,
            "in_units_of_constant": float(dropped),
            "constant": "dropped" if dropped else "kept",
        }
        for name, term in product(names, ("log q(z|x)", "log p(z)", "KL", "log p(x|z)", "ELBO"))
        for dropped in [name.endswith("hand") and term in ("log q(z|x)", "log p(z)")]
    )


def answer():
    return {
        "question": "Is KL = −(log p(z) − log q(z|x)) at one sample right, and is it what the libraries compute?",
        "sentence": "SYNTHETIC: the hand-written line agrees with the KL term of Pyro's and NumPyro's Trace_ELBO.",
        "equation": (
            "It is the KL part of the one-sample estimator L^A (Kingma and Welling 2014, eq. 6); eq. 7, L^B, has the "
            "analytic KL. log_Normal is the log density of a normal, nothing to do with a lognormal."
        ),
        "numbers": [
            {
                "label": "worst same-noise difference, hand KL to Pyro's and NumPyro's",
                "value": 3.1e-14,
                "detail": "n comparisons; u is the unit roundoff, S the sum of absolute terms (synthetic).",
                "tolerance": 1.2e-13,
                "n": 48,
                "unit": "nats",
            },
            {
                "label": "mean of own draws − exact KL, worst",
                "value": 0.0034,
                "interval": [-0.0051, 0.0119],
                "n": 45_000,
                "unit": "sd",
            },
            {"label": "variance / exact variance", "value": 1.004, "interval": [0.99, 1.018], "n": 45_000, "unit": ""},
            {"label": "dropped constant in log q alone", "value": 36.7575, "tolerance": 1e-12, "n": 12, "unit": "nats"},
        ],
        "counts": {"agrees": 117, "differs": 1, "inconclusive": 1, "not run": 2},
    }


def environment():
    return {
        "profile": "standard",
        "command": "compare all --profile standard",
        "date": "2001-01-01",
        "versions": {"elbo-compare": "0.0.0", "torch": "0.0", "pyro-ppl": "0.0", "jax": "0.0", "numpyro": None},
        "device": {"cpu": "a synthetic processor", "cores": 2, "gpu": None},
        "commit": "0123456789abcdef",
        "fingerprint": "synthetic",
    }


def images():
    ramp = np.add.outer(np.arange(28), np.arange(280)) % 256
    return {"vae/torch-hand/reconstructions": ramp.tolist(), "vae/torch-hand/samples": ramp[::-1].tolist()}


def everything(names=IMPLEMENTATIONS):
    return {
        "measurements": measurements(names),
        "verdicts": verdicts(names),
        "claims": claims(),
        "environment": environment(),
        "answer": answer(),
        "ledger": ledger(names),
        "timings": timings(names),
        "images": images(),
    }


def nothing():
    empty = {name: pd.DataFrame() for name in ("measurements", "verdicts", "claims", "ledger", "timings")}
    return empty | {"environment": {}, "answer": {}, "images": {}}
