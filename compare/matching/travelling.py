"""What one process has observed, as JSON for another: arrays as base64 of float64, the rest as plain data."""

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from elbo_compare.compare.matching.session import Observed
from elbo_compare.suites.bridge.pairs.records import Gradient, Run, SiteFacts, Weight
from elbo_compare.suites.contract import Array


def packed(array: Array) -> dict[str, Any]:
    """An array as text."""
    kept = np.ascontiguousarray(array)
    return {"shape": list(kept.shape), "dtype": str(kept.dtype), "data": base64.b64encode(kept.tobytes()).decode()}


def unpacked(content: Mapping[str, Any]) -> Array:
    """The inverse of `packed`."""
    flat = np.frombuffer(base64.b64decode(content["data"]), dtype=content["dtype"])
    return flat.reshape(content["shape"]).copy()


def to_json(observed: Observed) -> dict[str, Any]:
    """Strict JSON; weights lose the identity that they had in their process."""
    return {
        "label": observed.label,
        "framework": observed.framework,
        "pair": observed.pair,
        "weights": [asdict(each) | {"identity": 0} for each in observed.weights],
        "values": {name: packed(each) for name, each in observed.values.items()},
        "buffers": [packed(each) for each in observed.buffers],
        "facts": [asdict(each) for each in observed.facts],
        "runs": [[size, [_run(each) for each in runs]] for size, runs in observed.runs.items()],
        "spare": [[size, [_run(each) for each in runs]] for size, runs in observed.spare.items()],
    }


def from_json(content: Mapping[str, Any]) -> Observed:
    """The inverse of `to_json`."""
    return Observed(
        label=content["label"],
        framework=content["framework"],
        pair=content["pair"],
        weights=[Weight(**each | {"shape": tuple(each["shape"])}) for each in content["weights"]],
        values={name: unpacked(each) for name, each in content["values"].items()},
        buffers=[unpacked(each) for each in content["buffers"]],
        facts=[SiteFacts(**each) for each in content["facts"]],
        runs={size: [_run_of(each) for each in runs] for size, runs in content["runs"]},
        spare={size: [_run_of(each) for each in runs] for size, runs in content["spare"]},
    )


def _run(run: Run) -> dict[str, Any]:
    return {
        "values": {key: _text(each) for key, each in run.values.items()},
        "scales": {key: _text(each) for key, each in run.scales.items()},
        "draws": [[kind, list(shape)] for kind, shape in run.draws],
        "gradients": {
            key: {name: [_text(each.norm), *map(_text, each.projections)] for name, each in by.items()}
            for key, by in run.gradients.items()
        },
        "errors": dict(run.errors),
    }


def _run_of(content: Mapping[str, Any]) -> Run:
    return Run(
        values={key: float(each) for key, each in content["values"].items()},
        scales={key: float(each) for key, each in content["scales"].items()},
        draws=tuple((kind, tuple(shape)) for kind, shape in content["draws"]),
        gradients={
            key: {
                name: Gradient(norm=float(norm), projections=tuple(map(float, projections)))
                for name, (norm, *projections) in by.items()
            }
            for key, by in content["gradients"].items()
        },
        errors=content["errors"],
    )


def _text(value: float) -> float | str:
    """Exact; what is not finite as text, which strict JSON lacks numbers for."""
    return value if np.isfinite(value) else str(value)
