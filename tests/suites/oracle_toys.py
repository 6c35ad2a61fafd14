"""Problems small enough to integrate: two latent dimensions, every flow and prior, and quadrature over the noise."""

from functools import cache

import numpy as np

from elbo_compare.suites.contract import Flow, Likelihood, Prior, Problem

LATENT, HIDDEN, OBSERVED = 2, 3, 4
NODES, REACH = 241, 12.0  # per dimension


def toy(flow=Flow.NONE, prior=Prior.STANDARD_NORMAL, latent=LATENT, likelihood=Likelihood.NONE, seed=3):
    """Random weights of moderate size, biases too; two steps of each flow, q near the prior so that p / q is tame."""
    rng, length, layers = np.random.default_rng([seed, latent]), 2, {}
    for part in ("linear", "gate"):
        layers[f"encoder.0.{part}"] = (HIDDEN, OBSERVED)
        layers[f"decoder.0.{part}"] = (HIDDEN, latent)
    layers |= {f"encoder.{head}": (latent, HIDDEN) for head in ("mean", "log_var")}
    layers |= {"decoder.output": (OBSERVED, HIDDEN)} | _flow_layers(flow, latent, length)
    if likelihood is Likelihood.NONE:
        layers = {name: shape for name, shape in layers.items() if not name.startswith("decoder")}
    params = {f"{name}.weight": 0.7 * rng.normal(size=shape) for name, shape in layers.items()}
    params |= {f"{name}.bias": 0.3 * rng.normal(size=shape[0]) for name, shape in layers.items()}
    params = {name: value for name, value in params.items() if not name.endswith(".hidden.bias")}
    for name in [name for name in params if ".log_scale." in name]:
        params[name] *= 0.1  # or q becomes so narrow that p / q has mass beyond the quadrature
    params["encoder.log_var.bias"] = np.linspace(0.1, 0.4, latent)
    if prior is Prior.MIXTURE:
        params |= {
            "prior.mean": 0.5 * rng.normal(size=(3, latent)),
            "prior.log_var": rng.uniform(-0.4, 0.1, (3, latent)),
        }
    if prior is Prior.VAMP:
        params["prior.pseudo_inputs"] = rng.uniform(0.0, 1.0, (3, OBSERVED))
    return Problem(
        name="toy",
        weights="random",
        likelihood=likelihood,
        gated_layers=1,
        latent=latent,
        observed=OBSERVED,
        params=params,
        flow=flow,
        flow_length=0 if flow is Flow.NONE else 1 if flow is Flow.LINEAR_IAF else length,
        prior=prior,
    )


def _flow_layers(flow, latent, length):
    width, triangle = 5, latent * (latent - 1) // 2
    layers = {}
    for t in range(length):
        if flow is Flow.HOUSEHOLDER:
            layers[f"flow.{t}"] = (latent, latent if t else HIDDEN)
        if flow is Flow.PLANAR:
            layers |= {f"flow.{t}.{name}": (out, HIDDEN) for name, out in (("u", latent), ("w", latent), ("b", 1))}
        if flow is Flow.AUTOREGRESSIVE:
            layers |= {f"flow.{t}.hidden": (width, latent), f"flow.{t}.context": (width, HIDDEN)}
            layers |= {f"flow.{t}.{head}": (latent, width) for head in ("mean", "log_scale")}
    if flow is Flow.LINEAR_IAF:
        layers["flow.lower"] = (triangle, HIDDEN)
    if flow is Flow.CONVEX_LINEAR_IAF:
        layers |= {"flow.lower": (length * triangle, HIDDEN), "flow.combination": (length, HIDDEN)}
    return layers


def data(rows, seed=5):
    """Binary x, (rows, observed)."""
    return np.random.default_rng(seed).integers(0, 2, (rows, OBSERVED)).astype(float)


@cache
def quadrature(nodes=NODES, reach=REACH):
    """Nodes (nodes^2, 2) and weights (nodes^2,) for two independent N(0, 1): the trapezium rule on a square.

    Its error falls exponentially in nodes / reach for smooth integrands that vanish at the edge (Trefethen and Weideman
    2014, SIAM Review 56, 385).
    """
    points, step = np.linspace(-reach, reach, nodes, retstep=True)
    weights = step * np.exp(-0.5 * points**2) / np.sqrt(2.0 * np.pi)
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid, np.outer(weights, weights).ravel()
