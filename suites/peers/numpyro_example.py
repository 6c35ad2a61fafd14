"""The training loop as NumPyro's VAE example writes it (num.pyro.ai, examples/vae), on the model compared here.

The example's ways are kept: encoder and decoder are (init, apply) pairs registered by `numpyro.module`, the pixels are
`Bernoulli(probs)`, and an epoch is one jitted `lax.fori_loop` around `svi.update`, with Adam and Trace_ELBO as they
come (a sum over the batch). The example draws binary pixels anew in each epoch; the data here are binary already.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
import numpyro.infer
import numpyro.optim
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import form_of
from elbo_compare.suites.bridge.jax_arrays import initial_weights, open_device, random_key, to_arrays, to_device
from elbo_compare.suites.bridge.jax_counts import count_program
from elbo_compare.suites.contract import Params
from elbo_compare.suites.forms import Trainer, Workload

Network = tuple[Callable, Callable]


def gated_layers(weights: Any, h: JaxArray) -> JaxArray:
    """Layers of (h A' + a) * sigmoid(h G' + g). Dauphin et al. 2016, eq. 1."""
    for layer in weights:
        h = (h @ layer["A"] + layer["a"]) * jax.nn.sigmoid(h @ layer["G"] + layer["g"])
    return h


def encoder(latent: int, initial: Any) -> Network:
    """x -> (mean, scale). `init` returns the given weights in place of random ones."""

    def apply(weights: Any, x: JaxArray, **_: Any) -> tuple[JaxArray, JaxArray]:
        h = gated_layers(weights["layers"], x)
        return h @ weights["M"] + weights["m"], jnp.exp(0.5 * (h @ weights["V"] + weights["v"]))

    return lambda rng, shape: ((-1, latent), initial), apply


def decoder(observed: int, initial: Any) -> Network:
    """z -> the pixels' probabilities."""

    def apply(weights: Any, z: JaxArray, **_: Any) -> JaxArray:
        return jax.nn.sigmoid(gated_layers(weights["layers"], z) @ weights["O"] + weights["o"])

    return lambda rng, shape: ((-1, observed), initial), apply


def layout(params: Any, side: str, layers: int, heads: dict[str, str]) -> Any:
    """One network's weights in the example's layout (in, out). `heads`: canonical name -> letter."""
    found: Any = {"layers": []}
    for i in range(layers):
        name = f"{side}.{i}"
        found["layers"].append(
            {
                "A": params[f"{name}.linear.weight"].T,
                "a": params[f"{name}.linear.bias"],
                "G": params[f"{name}.gate.weight"].T,
                "g": params[f"{name}.gate.bias"],
            }
        )
    for head, letter in heads.items():
        found[letter] = params[f"{side}.{head}.weight"].T
        found[letter.lower()] = params[f"{side}.{head}.bias"]
    return found


def canonical(found: Any, side: str, heads: dict[str, str]) -> Params:
    """The inverse of `layout`."""
    params = {}
    for i, layer in enumerate(found["layers"]):
        for kind, letter in (("linear", "A"), ("gate", "G")):
            params[f"{side}.{i}.{kind}.weight"] = layer[letter].T
            params[f"{side}.{i}.{kind}.bias"] = layer[letter.lower()]
    for head, letter in heads.items():
        params[f"{side}.{head}.weight"] = found[letter].T
        params[f"{side}.{head}.bias"] = found[letter.lower()]
    return to_arrays(params)


ENCODER, DECODER = {"mean": "M", "log_var": "V"}, {"output": "O"}


def sites(case: Workload, encode: Network, decode: Network) -> tuple[Callable, Callable]:
    """Model and guide, with the networks registered by `numpyro.module`."""
    batch, observed, latent = case.batches.shape[1], case.problem.observed, case.problem.latent

    def model(x: JaxArray) -> Any:
        network: Any = numpyro.module("decoder", decode, (batch, latent))
        with numpyro.plate("batch", x.shape[0]):
            z = numpyro.sample("z", dist.Normal(0, 1).expand([latent]).to_event(1))
            return numpyro.sample("obs", dist.Bernoulli(network(z)).to_event(1), obs=x)

    def guide(x: JaxArray) -> Any:
        network: Any = numpyro.module("encoder", encode, (batch, observed))
        z_loc, z_scale = network(x)
        with numpyro.plate("batch", x.shape[0]):
            return numpyro.sample("z", dist.Normal(z_loc, z_scale).to_event(1))

    return model, guide


class Example:
    """The example's SVI, state and compiled epoch."""

    def __init__(self, case: Workload):
        form, device = form_of(case.problem, case.estimator), open_device(case.device, case.dtype)
        params = initial_weights(case, device)
        encode = encoder(form.latent, layout(params, "encoder", form.gated_layers, ENCODER))
        decode = decoder(case.problem.observed, layout(params, "decoder", form.gated_layers, DECODER))
        self.data = to_device(case.batches, device, case.dtype)
        self.count, self.batch, _ = self.data.shape
        adam = numpyro.optim.Adam(case.learning_rate)
        self.svi = numpyro.infer.SVI(*sites(case, encode, decode), adam, numpyro.infer.Trace_ELBO())
        self.state = self.svi.init(random_key(case.seed, device), self.data[0])
        self.program = jax.jit(self.epoch_train)
        self.run: Any = self.program

    def epoch_train(self, state: Any, batches: JaxArray) -> tuple[JaxArray, JaxArray, Any]:
        """The epoch's loss, the last step's, and the state after it."""

        def body(i: Any, carried: Any) -> Any:
            loss_sum, _, state = carried
            state, loss = self.svi.update(state, batches[i])
            return loss_sum + loss, loss, state

        zero = jnp.zeros((), batches.dtype)
        return jax.lax.fori_loop(0, self.count, body, (zero, zero, state))

    def compile_ahead(self) -> None:
        """Lower and compile for the shapes at hand."""
        self.run = self.program.lower(self.state, self.data).compile()

    def step(self, k: int) -> float:
        """k steps, whole epochs; the last one's loss per datum."""
        loss: Any = 0.0
        for _ in range(k // self.count):
            _, loss, self.state = self.run(self.state, self.data)
        jax.block_until_ready(self.state)
        return float(loss) / self.batch

    def weights(self) -> Params:
        """The weights by their canonical names."""
        found: Any = self.svi.get_params(self.state)
        encoded, decoded = found["encoder$params"], found["decoder$params"]
        return {**canonical(encoded, "encoder", ENCODER), **canonical(decoded, "decoder", DECODER)}

    def counted(self) -> dict[str, float]:
        """Of the compiled epoch."""
        if not isinstance(self.run, jax.stages.Compiled):
            self.compile_ahead()
        return count_program(self.run, self.svi.get_params(self.state))


def prepare(name: str, case: Workload) -> Trainer:
    """The example's epoch; one name only."""
    del name
    example = Example(case)
    return Trainer(
        step=example.step,
        weights=example.weights,
        compile=example.compile_ahead,
        quantum=example.count,
        count=example.counted,
    )
