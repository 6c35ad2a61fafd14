"""Run every training form of some modules in float64 on `vae-small`; weights and counts into a folder.

    python tests/suites/forms_process.py FOLDER torch|jax

One process per framework: JAX's x64 switch is process-wide.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.suites import datasets, problems
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.estimators import SAMPLED_KL
from elbo_compare.suites.forms import FORMS, Check, Need, Workload, moved_by_one_ulp, prepare

STEPS, BATCH = 3, 10


def case() -> Workload:
    rows = datasets.load("digits").train[: STEPS * BATCH]
    return Workload(
        problem=problems.load("vae-small", "initial"),
        estimator=SAMPLED_KL,
        batches=rows.reshape(STEPS, BATCH, -1),
        seed=3,
        device=Device.CPU,
        dtype=DType.FLOAT64,
    )


def path(form, now: Workload) -> tuple[float, dict[str, Any]]:
    trainer = prepare(form, now)
    if trainer.quantum == 1:
        loss = trainer.step(1)
        trainer.step(STEPS - 1)
    else:
        loss = trainer.step(STEPS)
    return loss, dict(trainer.weights())


def wrong(form, now: Workload, arrays: dict[str, Any]) -> dict[str, Any]:
    """The path at a learning rate 1% too large; where that would compile anew, its first step to first order."""
    if form.framework == "torch":
        return path(form, replace(now, learning_rate=1.01 * now.learning_rate))[1]
    start = now.problem.params
    return {name: start[name] + 1.01 * (arrays[name] - start[name]) for name in start}


def compiled_counts() -> dict[str, float]:
    """How often three steps of changing data make torch.compile compile, by a backend that only counts."""
    from elbo_compare.suites.torch_hand import forms

    seen: Counter[str] = Counter()

    def backend(graph, _inputs):
        seen["graphs"] += 1
        return graph.forward

    forms.BACKEND = backend
    forms.prepare("compiled joined", case()).step(STEPS)
    once, kept = seen["graphs"], len(forms._COMPILED)
    for _ in range(2):  # on a CPU too autocast makes its products in bfloat16
        forms.prepare("bfloat16", case()).step(1)
    return {"graphs": once, "prepared twice": seen["graphs"] - once, "kept": len(forms._COMPILED) - kept}


def pyro_calls() -> dict[str, float]:
    """Calls of the public ELBO object, the model and the guide in one step of SVI.step."""
    import pyro.infer

    from elbo_compare.suites.pyro_ppl import forms

    seen: Counter[str] = Counter()

    def counted(owner, name):
        whole = getattr(owner, name)
        setattr(owner, name, lambda *a, **k: (seen.update([name]), whole(*a, **k))[1])

    counted(pyro.infer.Trace_ELBO, "loss_and_grads")
    counted(forms, "model")
    counted(forms, "guide")
    forms.prepare("SVI.step", case()).step(1)
    return dict(seen)


def torch_counts() -> dict[str, Any]:
    from elbo_compare.suites.bridge.torch_counts import bytes_of, dispatched, matrix_product_flops
    from elbo_compare.suites.torch_hand.forms import _make

    found: dict[str, Any] = {}
    for name in ("eager", "joined"):
        trainer = _make(name, case())
        trainer.step(1)
        found[name] = {
            "operations": dispatched(trainer.one_step).total(),
            "flops": matrix_product_flops(trainer.one_step),
            "bytes": bytes_of(trainer.weights.values()),
        }
    return found | {"compiled": compiled_counts(), "pyro": pyro_calls()}


def jax_counts() -> dict[str, Any]:
    import jax

    from elbo_compare.suites.bridge.jax_counts import bytes_of, equations, matrix_product_flops
    from elbo_compare.suites.jax_hand.forms import JaxTrainer
    from elbo_compare.suites.numpyro_ppl import forms

    found: dict[str, Any] = {}
    for name in ("loop", "joined"):
        trainer = JaxTrainer(name, case())
        traced = jax.make_jaxpr(trainer.program)(trainer.running, trainer.batches[0]).jaxpr
        trainer.step(STEPS)
        found[name] = {
            "operations": equations(traced),
            "flops": matrix_product_flops(traced),
            "bytes": 2 * bytes_of(trainer.running.adam.params),
            "compilations": trainer.program._cache_size(),
        }
    seen: Counter[str] = Counter()
    whole = forms.model
    forms.model = lambda *a, **k: (seen.update(["model"]), whole(*a, **k))[1]
    trainer = forms.NumPyroTrainer(False, case())
    trainer.step(1)
    once = seen["model"]
    trainer.step(STEPS)
    found["numpyro"] = {"traced again": seen["model"] - once, "compilations": trainer.program._cache_size()}
    return found


def torch_parts() -> dict[str, Any]:
    """What the joined step, the step without a part and each part alone dispatch and multiply; and the step's loss from
    what lies between its products."""
    import torch

    from elbo_compare.suites.bridge.torch_counts import dispatched, matrix_product_flops
    from elbo_compare.suites.torch_hand import parts
    from elbo_compare.suites.torch_hand.forms import _make
    from elbo_compare.suites.torch_hand.joined import joined_loss, layer

    trainer = _make("joined", case())
    apart = parts._Apart(trainer, lambda passes: passes)
    weights, x, noise = trainer.weights, trainer.batches[1], apart.now
    with torch.no_grad():
        raw, fed = {}, x
        for name in in_turn(apart.weight):
            raw[name] = layer(weights, name, fed)
            told = parts.between(_padded(raw, apart.raw), trainer.form, x, noise)
            fed = told[len(raw) - 1]
        loss = joined_loss(weights, trainer.form, x, noise)
    ran = ways(parts.prepare("joined", case()))
    for call in ran.values():
        call(1)  # the first makes Adam's state
    flops = {way: float(matrix_product_flops(lambda call=call: call(1))) for way, call in ran.items()}
    operations = {way: dispatched(lambda call=call: call(1)) for way, call in ran.items()}
    return {"flops": flops, "operations": operations, "loss": float(told[-1]), "wanted": float(loss)}


def jax_parts() -> dict[str, Any]:
    """The same of the joined scan, as traced; and the products that are left within its loop once it is compiled, those
    of the ceiling's loop beside them."""
    import re

    import jax

    from elbo_compare.compare.bench.operations import layers_of
    from elbo_compare.suites.bridge.jax_counts import matrix_product_flops
    from elbo_compare.suites.jax_hand import ceiling, parts
    from elbo_compare.suites.jax_hand.forms import JaxTrainer
    from elbo_compare.suites.jax_hand.joined import joined_loss

    trainer = JaxTrainer("joined scan", case())
    weights, x = trainer.running.adam.params, trainer.data[1]
    noise = jax.random.normal(jax.random.key(2), (1, len(x), trainer.form.latent), x.dtype)
    layers = parts.in_turn(trainer.form)
    biases = {name: weights[f"{name}.bias"] for name in layers}
    raw, fed = {}, x
    told: tuple[Any, ...] = ()
    unknown = {name: jax.numpy.zeros((len(x), len(biases[name]))) for name in layers}
    for name in layers:
        raw[name] = fed @ weights[f"{name}.weight"]
        told = parts.between(_padded(raw, unknown), biases, x, noise, form=trainer.form)
        fed = told[len(raw) - 1]
    # One program holds all the steps' worth of each: what it multiplies is counted in it.
    given: dict[str, tuple[Any, ...]] = {"whole": (trainer.program, trainer.running, trainer.data)}
    ran = ways(parts.prepare("joined scan", case()))
    given |= {way: (run.program, run.carry, run.own) for way, run in ran.items() if way != "whole"}
    traced = {way: jax.make_jaxpr(program)(*args).jaxpr for way, (program, *args) in given.items()}
    joined = layers_of(case().problem, joined=True)
    again: Any = ceiling.layer_products(joined, BATCH, Device.CPU, DType.FLOAT64)[0]
    given["ceiling"] = (again.func.program, again.func.carry, None)
    compiled = {way: program.lower(*args).compile().as_text() or "" for way, (program, *args) in given.items()}
    loops = {way: text.partition("\nENTRY")[0] for way, text in compiled.items()}  # what was hoisted is behind it
    return {
        "flops": {way: matrix_product_flops(each) for way, each in traced.items()},
        "operations": {way: primitives(each) for way, each in traced.items()},
        "compiled products": {way: len(re.findall(r" dot\(", text)) for way, text in loops.items()},
        "loss": float(told[-1]),
        "wanted": float(joined_loss(weights, trainer.form, x, noise)),
    }


def primitives(jaxpr: Any) -> Counter[str]:
    """How often each primitive stands in a traced program, nested ones included; those that hold others left out."""
    from elbo_compare.suites.bridge.jax_counts import _nested

    found: Counter[str] = Counter()
    for equation in jaxpr.eqns:
        inner = [each for value in equation.params.values() for each in _nested(value)]
        found.update({} if inner else [equation.primitive.name])
        for each in inner:
            found += primitives(each)
    return found


def ways(apart: Any) -> dict[str, Any]:
    """The step, the step without a part, and each part, by name."""
    found = {"whole": apart.whole} | {f"without {part}": call for part, call in apart.without.items()}
    return found | {str(part): call for part, call in apart.alone.items()}


def in_turn(layers: Iterable[str]) -> list[str]:
    """Joined layers as the data go through them."""
    sides = ("encoder.", "heads", "decoder.", "output")
    return sorted(layers, key=lambda name: next(i for i, side in enumerate(sides) if name.startswith(side)))


def _padded(known: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    return {name: known.get(name, array) for name, array in like.items()}


def edges() -> dict[str, float]:
    """The joined loss's written derivatives and cross entropy against NumPy, over the worst logits: the largest error
    by name, of the sum as a share of it. 7 pixels: no multiple of the factors that share a logarithm."""
    import jax

    from elbo_compare.suites.jax_hand.joined import cross_entropy, glu

    found = {}
    for pixels in (7, 64):
        logits = np.linspace(-700.0, 700.0, 5 * pixels).reshape(5, pixels)
        grey = np.random.default_rng(0).uniform(size=logits.shape)
        value, slope = jax.value_and_grad(cross_entropy)(logits, grey)
        wanted, slopes = np.sum(np.logaddexp(0, logits) - grey * logits), np.exp(-np.logaddexp(0, -logits)) - grey
        found[f"cross entropy of {pixels}"] = abs(float(value) - wanted) / wanted
        found[f"its slope at {pixels}"] = float(np.max(np.abs(slope - slopes)))
    h = np.random.default_rng(1).normal(scale=30, size=(6, 10))
    given = np.random.default_rng(2).normal(size=(6, 5))
    half, gate = np.split(h, 2, -1)
    open_ = 1 / (1 + np.exp(-gate))
    value, back = jax.vjp(glu, h)
    wanted = np.concatenate([given * open_, given * half * open_ / (1 + np.exp(gate))], -1)
    found["glu"] = float(np.max(np.abs(value - half * open_)))
    found["slope of glu"] = float(np.max(np.abs(back(given)[0] - wanted)))
    return found


def main(folder: Path, framework: str) -> None:
    losses: dict[str, float] = {}
    for form in FORMS:
        if form.framework != framework or form.need is not Need.NOTHING:
            continue
        now = case()
        if form.check is Check.LOSS:  # one batch: an epoch of one step
            trainer = prepare(form, replace(now, batches=now.batches[:1]))
            losses[form.name] = trainer.step(1)
            continue
        losses[form.name], arrays = path(form, now)
        if form.is_plain:
            arrays |= {f"moved:{n}": w for n, w in path(form, moved_by_one_ulp(now))[1].items()}
            np.savez(folder / f"{form.name} wrong.npz", **wrong(form, now, arrays))
        np.savez(folder / f"{form.name}.npz", **arrays)
    counts = torch_counts() if framework == "torch" else jax_counts()
    parts = torch_parts() if framework == "torch" else jax_parts()
    found = {"losses": losses, "counts": counts, "parts": parts, "edges": edges() if framework == "jax" else {}}
    (folder / f"{framework}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
