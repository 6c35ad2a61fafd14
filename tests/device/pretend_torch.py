"""What torch's implementations and forms do on the pretend device, and what the same checks say of planted faults.

    python tests/device/pretend_torch.py FILE

One process: it patches torch. FILE gets {"clean": {check: complaints}, "planted": {fault: complaints}}.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pretend_device
import pretend_graphs
from covered import BY_HAND_PAIRS, CAPTURED, PRECISIONS, PYRO_PAIRS, TORCH_FAULTS
from patching import patched
from pretend_device import Ledger, Pretending, Watching, watched
from stated_counts import ANY_PYRO, BY_HAND, ENDS, FORMS, PYRO

pretend_device.install()
pretend_graphs.install()

import captured  # noqa: E402

captured.install_autocast()
from elbo_compare.suites import datasets, problems, registry  # noqa: E402
from elbo_compare.suites.contract import Bound, Device, DType, Flow, Training  # noqa: E402
from elbo_compare.suites.estimators import ESTIMATORS, SAMPLED_KL  # noqa: E402
from elbo_compare.suites.forms import FORMS as ALL_FORMS  # noqa: E402
from elbo_compare.suites.forms import Precision, SeededWeights, Workload, prepare  # noqa: E402
from elbo_compare.suites.sized import binary_rows, outlined_vae  # noqa: E402

Complaints = list[str]
ROWS, STEPS, DRAWS, CHUNK, SEED, RATE = 3, 2, 3, 2, 7, 1e-3

# --- sessions


def problem_of(name: str) -> Any:
    return problems.load(name, {"gaussian-kl": "2-near", "linear-gaussian": "generic"}.get(name, "initial"))


def pair(implementation: str, problem_name: str, estimator_name: str) -> Complaints:
    """All methods of a session on the host and on the device: the same bits, no waiting beyond what is stated."""
    problem, estimator = problem_of(problem_name), ESTIMATORS[estimator_name]
    backend = registry.load(implementation)
    if backend.supports(problem, estimator) is not None:
        return ["not supported"]
    x = datasets.load(problems.DATASET[problem_name]).test[:ROWS]
    x = np.resize(x, (ROWS, x.shape[1]))
    host, device = (backend.prepare(problem, estimator, each, DType.FLOAT64) for each in (Device.CPU, Device.CUDA))
    calls = session_calls(problem, estimator, x)
    complaints: Complaints = []
    for name, call in calls.items():
        wanted = call(host)
        with Pretending():
            found, ledger = watched(partial(call, device))
        complaints += [f"{name}: {each}" for each in different(found, wanted)]
        complaints += [f"{name}: drawn on the host: {each}" for each in ledger.host_draws]
        complaints += products_in(ledger, tf32=False, dtype="torch.float64")
    stated = BY_HAND if implementation == "torch-hand" else PYRO.get((problem_name, estimator_name), ANY_PYRO)
    with Pretending():
        step = device.stepper(problem.params, x, SEED).step
        return complaints + waiting(step, stated, ends=1)


def session_calls(problem: Any, estimator: Any, x: np.ndarray) -> dict[str, Callable[[Any], Any]]:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((STEPS, estimator.noise_rows, ROWS, problem.latent))
    batches = rng.integers(0, ROWS, (STEPS, ROWS))
    asked = Training(x=x, batches=batches, learning_rate=RATE, seed=SEED)
    calls: dict[str, Callable[[Any], Any]] = {
        "evaluate": lambda session: session.evaluate(problem.params, x, noise[0]),
        "draw": lambda session: session.draw(problem.params, x[:1], DRAWS, SEED, CHUNK * estimator.particles),
        "draw_gradients": lambda session: session.draw_gradients(
            problem.params, x[:1], DRAWS, SEED, CHUNK * estimator.particles
        ),
        "fit": lambda session: session.fit(problem.params, replace(asked, noise=noise, checkpoints=(1,))),
    }
    if estimator.bound is Bound.ELBO:
        warm = np.array([0.0, 0.5])
        calls["warm-up with own numbers"] = lambda session: session.fit(problem.params, replace(asked, kl_weights=warm))
    if estimator is SAMPLED_KL and problem.flow is Flow.NONE:
        several = replace(asked, seed=1), replace(asked, batches=batches[::-1].copy(), seed=2)
        calls["fit_replicas"] = lambda session: (
            session.fit_replicas(problem.params, several) if hasattr(session, "fit_replicas") else 0.0
        )
    return calls


def different(found: Any, wanted: Any, path: str = "") -> Complaints:
    """Where two results differ in any bit."""
    if is_dataclass(found):
        names = [each.name for each in fields(found)]
        return [line for n in names for line in different(getattr(found, n), getattr(wanted, n), f"{path}.{n}")]
    if isinstance(found, Mapping):
        return [line for key in wanted for line in different(found[key], wanted[key], f"{path}[{key}]")]
    if isinstance(found, tuple):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [line for i, (one, other) in pairs for line in different(one, other, f"{path}[{i}]")]
    if found is None or isinstance(found, str):
        return [] if found == wanted else [f"{path or 'value'} is {found}, on the host {wanted}"]
    same = np.array_equal(np.asarray(found, float), np.asarray(wanted, float), equal_nan=True)
    return [] if same else [f"{path or 'value'} differs from the host's"]


def waiting(step: Callable[[int], Any], stated: tuple[int, int], ends: int) -> Complaints:
    """What one and two steps wait for, against what is stated per step and per call."""
    step(1)
    (_, one), (_, two) = watched(lambda: step(1)), watched(lambda: step(2))
    found = []
    for what, most, end in zip(("syncs", "uploads"), stated, (ends, 0), strict=True):
        first, later = getattr(one, what), getattr(two, what)
        per_step = later.total() - first.total()
        lines = ", ".join(f"{key[0]} at {key[1]}" for key in (later - first) or first)
        if per_step > most:
            found.append(f"{per_step:g} {what} per step, stated {most}: {lines}")
        if first.total() - per_step > end:
            found.append(f"{first.total() - per_step:g} {what} per call, stated {end}: {lines}")
    return found


def products_in(ledger: Ledger, *, tf32: bool, dtype: str) -> Complaints:
    """Matrix products whose flag or dtype is not what the label says."""
    wrong = [key for key in ledger.products if key != (tf32, dtype)]
    return [f"products with TF32 {'on' if flag else 'off'} in {kind}, not {tf32, dtype}" for flag, kind in wrong]


# --- forms


def small_case(device: Device, dtype: DType = DType.FLOAT64) -> Workload:
    rows = datasets.load("digits").train[: STEPS * ROWS].reshape(STEPS, ROWS, -1)
    problem = problems.load("vae-small", "initial")
    return Workload(problem=problem, estimator=SAMPLED_KL, batches=rows, seed=SEED, device=device, dtype=dtype)


def form_of_name(name: str) -> Any:
    return next(each for each in ALL_FORMS if each.name == name)


def form(name: str) -> Complaints:
    """A training form on the device against itself on the host (a graph: against the joined form there)."""
    this, captured = form_of_name(name), name.endswith(("CUDA graph", "TF32"))
    plain = form_of_name("torch-hand joined") if captured else this
    host = prepare(plain, small_case(Device.CPU))
    wanted = [host.step(1) for _ in range(STEPS)], host.weights()
    with Pretending():
        trainer, _ = watched(lambda: prepare(this, small_case(Device.CUDA)))
        (losses, ledger) = watched(lambda: [trainer.step(1) for _ in range(STEPS)])
        complaints = [f"loss: {each}" for each in different(np.array(losses), np.array(wanted[0]))]
        complaints += different(trainer.weights(), wanted[1])
        complaints += [f"drawn on the host: {each}" for each in ledger.host_draws]
        complaints += products_in(ledger, tf32=this.precision is Precision.TF32, dtype="torch.float64")
        complaints += waiting(trainer.step, FORMS[name], ENDS)
    return complaints + adam_of(name, ledger)


def adam_of(name: str, ledger: Ledger) -> Complaints:
    """Whether Adam works tensor by tensor, over lists, or fused, as the form's words say."""
    if not name.startswith("torch-hand"):
        return []
    kind = {"eager": "a loop", "foreach": "over lists"}.get(name.removeprefix("torch-hand "), "fused")
    listed = any(each.startswith("_foreach_") for each in ledger.operations)
    fused = any(each.startswith("_fused_adam") for each in ledger.operations)
    found = "fused" if fused else "over lists" if listed else "a loop"
    return [] if found == kind else [f"Adam is {found}; the label says {kind}"]


def launches() -> Complaints:
    """The kernels of a captured step are those of the same step that is not captured, at least."""
    from elbo_compare.suites.bridge import torch_counts
    from elbo_compare.suites.torch_hand import forms

    with (
        Pretending(),
        patched(torch_counts, profiled=pretend_graphs.profiled),
        patched(forms, profiled=pretend_graphs.profiled),
    ):
        joined, captured = (
            prepare(form_of_name(f"torch-hand {each}"), small_case(Device.CUDA)) for each in ("joined", "CUDA graph")
        )
        joined.step(1), captured.step(1)
        few, many = captured.count()["launches"], joined.count()["launches"]
    return [] if few >= many else [f"{few:g} launches of the captured step, {many:g} of the same step uncaptured"]


def memory() -> Complaints:
    """The peak of a replay holds the graph's own pool."""
    from elbo_compare.compare.procedures.peak_memory import peak_bytes

    before = pretend_graphs.Graph.pools
    with Pretending():
        trainer = prepare(form_of_name("torch-hand CUDA graph"), small_case(Device.CUDA))
        trainer.step(1)
        pool = pretend_graphs.Graph.pools - before
        peak = peak_bytes(lambda: trainer.step(1), Device.CUDA) or 0.0
    return [] if peak >= pool > 0 else [f"a peak of {peak:g} bytes, {pool} in the graph's pool alone"]


def ceiling(precision: Precision) -> Complaints:
    """The clock of the ceilings multiplies in the precision whose name it bears, whatever else it opens."""
    from elbo_compare.compare.bench.clocks import ceilings

    request = {
        "module": "elbo_compare.suites.torch_hand.ceiling",
        "device": "cuda",
        "dtype": "float32",
        "precision": precision,
        "shapes": [(3, 4, 5)],
        "layers": [[(4, 5, False)]],
        "batch": 3,
    }
    with Pretending(), patched(ceilings, SIDE={Device.CUDA: 4}, KERNELS=3):
        clock = ceilings.CeilingClock(request)
        calls = [*clock.calls["square"], *clock.calls["model"]]
        _, ledger = watched(lambda: [call() for call, _ in calls])
    dtype = "torch.bfloat16" if precision is Precision.BFLOAT16 else "torch.float32"
    complaints = products_in(ledger, tf32=precision is Precision.TF32, dtype=dtype)
    return complaints if ledger.products else ["no product was seen"]


SEEDED = ("torch-hand eager", "torch-hand joined", "torch-hand CUDA graph", "pyro SVI.step", "pyro tutorial loop")


def seeded() -> Complaints:
    """Weights that a form makes on its device from a seed: nothing travels but the batches; the same for all forms."""
    batches = binary_rows(2 * ROWS, 16).reshape(2, ROWS, 16)
    case = Workload(
        problem=outlined_vae(observed=16, hidden=24, latent=4),
        estimator=SAMPLED_KL,
        batches=batches,
        seed=SEED,
        device=Device.CUDA,
        dtype=DType.FLOAT64,
        seeded=SeededWeights(seed=SEED),
    )
    numbers = sum(outline.size for outline in case.problem.params.values())
    found, complaints = {}, []
    with Pretending():
        for name in SEEDED:
            trainer, ledger = watched(partial(prepare, form_of_name(name), case))
            if ledger.uploaded_bytes >= 8 * numbers:
                complaints.append(f"{name}: {ledger.uploaded_bytes} bytes travel, the weights are {8 * numbers}")
            found[name] = trainer.weights()
            if not isfinite(trainer.step(1)):
                complaints.append(f"{name}: the loss is no number")
    return complaints + [f"{name}: {each}" for name in SEEDED for each in different(found[name], found[SEEDED[0]])]


# --- all checks

CHECKS: dict[str, Callable[[], Complaints]] = {
    **{f"torch-hand, {p}, {e}": partial(pair, "torch-hand", p, e) for p, e in BY_HAND_PAIRS},
    **{f"pyro, {p}, {e}": partial(pair, "pyro", p, e) for p, e in PYRO_PAIRS},
    **{name: partial(form, name) for name in FORMS},
    **{name: lambda name=name: captured.captured(name, small_case(Device.CUDA, DType.FLOAT32)) for name in CAPTURED},
    **{f"ceiling {each}": partial(ceiling, Precision(each)) for each in PRECISIONS},
    "launches": launches,
    "memory": memory,
    "seeded weights": seeded,
}


def said(check: str) -> Complaints:
    """The complaints of a check; what it raises is one."""
    try:
        return CHECKS[check]()
    except Exception as error:
        Watching.capture = None
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}"]


def main(file: Path) -> None:
    clean = {check: said(check) for check in CHECKS}
    seen: dict[str, Complaints] = {}
    from planted_torch import planted

    contexts = planted()
    for fault, (check, _) in TORCH_FAULTS.items():
        with contexts.get(fault) or contexts[fault.split(":")[0]]:
            seen[fault] = said(check)
    file.write_text(json.dumps({"clean": clean, "planted": seen}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
