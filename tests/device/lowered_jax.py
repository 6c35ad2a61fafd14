"""JAX's implementations and forms for a GPU without one, and what the same checks say of planted faults.

    python tests/device/lowered_jax.py FILE

Every program is lowered for CUDA and its matrix products are read; loops run under a guard that forbids a transfer;
all of it on the second of two CPU devices. FILE gets {"clean": {check: complaints}, "planted": {fault: complaints}}.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

# Two devices, beside what the tests' settings say of compiling.
FLAGS = f"--xla_force_host_platform_device_count=2 {os.environ.get('XLA_FLAGS', '')}"
os.environ |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": FLAGS}

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from covered import JAX_FAULTS, JAX_PAIRS  # noqa: E402
from patching import patched  # noqa: E402

from elbo_compare.suites import datasets, problems, registry  # noqa: E402
from elbo_compare.suites.bridge import jax_arrays, jax_counts  # noqa: E402
from elbo_compare.suites.contract import Bound, Device, DType, Training  # noqa: E402
from elbo_compare.suites.estimators import ESTIMATORS, SAMPLED_KL  # noqa: E402
from elbo_compare.suites.forms import FORMS, SeededWeights, Workload, prepare  # noqa: E402
from elbo_compare.suites.sized import binary_rows, outlined_vae  # noqa: E402

Complaints = list[str]
ROWS, STEPS, DRAWS, SEED, RATE = 3, 3, 3, 7, 1e-3
PjitFunction = type(jax.jit(lambda: 0))
whole_jit, whole_open = jax.jit, jax_arrays.open_device


def backends() -> list[Any]:
    """The modules of ours that may hold compiled functions or open a device."""
    return [module for name, module in sys.modules.items() if name.startswith("elbo_compare.suites")]


def inputs(problem: Any, estimator: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, batches and noise of a short training."""
    x = datasets.load(problems.DATASET[problem.name]).test[:ROWS]
    x, rng = np.resize(x, (ROWS, x.shape[1])), np.random.default_rng(3)
    noise = rng.standard_normal((STEPS, estimator.noise_rows, ROWS, problem.latent))
    return x, rng.integers(0, ROWS, (STEPS, ROWS)), noise


def problem_of(name: str) -> Any:
    return problems.load(name, {"gaussian-kl": "2-near", "linear-gaussian": "generic"}.get(name, "initial"))


# --- programs, lowered for CUDA

PRODUCT = re.compile(r"stablehlo\.dot_general.*")
FULL = "precision = [HIGHEST, HIGHEST]"


class Lowered:
    """A compiled function that lowers what it is called with for CUDA and answers zeros: nothing is compiled."""

    programs: ClassVar[list[str]] = []

    def __init__(self, whole: Any):
        self.whole = whole
        self.answers: dict[Any, Any] = {}  # by what a program depends on: called alike, it is the same program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(each, jax.core.Tracer) for each in jax.tree.leaves((args, kwargs))):
            return self.whole(*args, **kwargs)
        leaves, tree = jax.tree.flatten((args, kwargs))
        asked = tree, tuple(jax.typeof(each) if isinstance(each, jax.Array) else repr(each) for each in leaves)
        if asked not in self.answers:
            traced = self.whole.trace(*args, **kwargs)
            Lowered.programs.append(traced.lower(lowering_platforms=("cuda",)).as_text())
            self.answers[asked] = jax.tree.map(zeros, traced.out_info)
        return self.answers[asked]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


def zeros(like: Any) -> Any:
    """An array of that shape, for a random key too."""
    if jax.dtypes.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), like.shape)
    return jnp.zeros(like.shape, like.dtype)


@contextmanager
def lowering() -> Iterator[list[str]]:
    """Within, every compiled function of ours is `Lowered`; yields the programs."""
    Lowered.programs = []
    with ExitStack() as stack:
        for module in backends():
            found = {name: Lowered(each) for name, each in vars(module).items() if isinstance(each, PjitFunction)}
            stack.enter_context(patched(module, **found))
        stack.enter_context(patched(jax, jit=lambda f, **options: Lowered(whole_jit(f, **options))))
        forget()
        yield Lowered.programs
    forget()


def forget() -> None:
    """Programs that a module keeps."""
    for module in backends():
        for each in [each for each in vars(module).values() if hasattr(each, "cache_clear")]:
            each.cache_clear()


def reduced(programs: list[str]) -> Complaints:
    """Matrix products that may be rounded to TF32."""
    lines = [line for program in programs for line in PRODUCT.findall(program) if FULL not in line]
    return [f"{len(lines)} products not in full precision: {lines[0][:160]}"] if lines else []


def pair(implementation: str, problem_name: str, estimator_name: str) -> Complaints:
    """All methods of a session lower for CUDA, their products in full."""
    problem, estimator = problem_of(problem_name), ESTIMATORS[estimator_name]
    backend = registry.load(implementation)
    if backend.supports(problem, estimator) is not None:
        return ["not supported"]
    session = backend.prepare(problem, estimator, Device.CPU, DType.FLOAT32)
    x, batches, noise = inputs(problem, estimator)
    with lowering() as programs:
        session.evaluate(problem.params, x, noise[0])
        session.draw(problem.params, x[:1], DRAWS, SEED, 2 * estimator.particles)
        session.draw_gradients(problem.params, x[:1], DRAWS, SEED, 2 * estimator.particles)
        warm = np.ones(STEPS) if estimator.bound is Bound.ELBO else None
        asked = Training(x=x, batches=batches, learning_rate=RATE, seed=SEED)
        session.fit(problem.params, replace(asked, kl_weights=warm))
        session.fit(problem.params, replace(asked, noise=noise))
        session.stepper(problem.params, x, SEED).step(1)
        count = len(programs)
    return reduced(programs) if count >= 6 else [f"{count} programs were seen"]


def small_case(seeded: SeededWeights | None = None) -> Workload:
    rows = datasets.load("digits").train[: STEPS * ROWS].reshape(STEPS, ROWS, -1)
    problem = problem_of("vae-small")
    if seeded is not None:
        rows, problem = binary_rows(STEPS * ROWS, 16).reshape(STEPS, ROWS, 16), outlined_vae(observed=16, hidden=8)
    return Workload(problem=problem, estimator=SAMPLED_KL, batches=rows, seed=SEED, seeded=seeded)


JAX_FORMS = [each.name for each in FORMS if each.framework == "jax"]


def form_of_name(name: str) -> Any:
    return next(each for each in FORMS if each.name == name)


def form(name: str) -> Complaints:
    """Steps of a training form move nothing; it lowers for CUDA, its products in full."""
    trainer = prepare(form_of_name(name), small_case())
    trainer.step(trainer.quantum)
    moved = guarded(partial(trainer.step, 2 * trainer.quantum))
    with lowering() as programs:
        prepare(form_of_name(name), small_case()).step(STEPS)
    return moved + (reduced(programs) if programs else ["no program was seen"])


# --- loops, under a guard

GUARD = jax.transfer_guard


def guarded(call: Callable[[], Any]) -> Complaints:
    """What a call says where no transfer is allowed, not even one that is asked for."""
    try:
        with GUARD("disallow_explicit"):
            call()
    except Exception as error:
        return [f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"]
    return []


def second(device: Device, dtype: DType) -> Any:
    """The second CPU device."""
    whole_open(device, dtype)
    return jax.devices()[1]


@contextmanager
def on_second() -> Iterator[None]:
    """Within, ours open the second device."""
    with ExitStack() as stack:
        for module in backends():
            if getattr(module, "open_device", None) is whole_open:
                stack.enter_context(patched(module, open_device=second))
        yield


def loops(implementation: str) -> Complaints:
    """Steps for the clock move nothing, and the second device's numbers are the first one's."""
    problem, found, complaints = problem_of("linear-gaussian"), [], []
    x, batches, noise = inputs(problem, SAMPLED_KL)
    for place in (ExitStack(), on_second()):
        with place:
            session = registry.load(implementation).prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT32)
            stepper = session.stepper(problem.params, x, SEED)
            assert stepper.compile is not None
            stepper.step(1)
            complaints += [f"step: {each}" for each in guarded(partial(stepper.step, 2))]
            stepper.compile()
            complaints += [f"compiled step: {each}" for each in guarded(partial(stepper.step, 2))]
            asked = Training(x=x, batches=batches, learning_rate=RATE, seed=SEED)
            paths = [session.fit(problem.params, replace(asked, noise=each)) for each in (None, noise)]
            found.append([path.elbo for path in paths] + [path.params[name] for path in paths for name in path.params])
    same = all(np.array_equal(one, other) for one, other in zip(*found, strict=True))
    return complaints if same else [*complaints, "the second device's numbers are not the first one's"]


def travels(implementation: str) -> Complaints:
    """A training puts as many arrays on the device whatever its length."""
    problem = problem_of("linear-gaussian")
    x, batches, _ = inputs(problem, SAMPLED_KL)
    session = registry.load(implementation).prepare(problem, SAMPLED_KL, Device.CPU, DType.FLOAT32)
    few, many = (puts(session, problem, x, rows) for rows in (batches, np.tile(batches, (4, 1))))
    return [] if few == many else [f"{few} arrays travel in {STEPS} steps, {many} in {4 * STEPS}"]


def puts(session: Any, problem: Any, x: np.ndarray, batches: np.ndarray) -> int:
    """Arrays put on the device by a training. The compiled step itself is under a guard in `loops`."""
    count, whole = 0, jax.device_put

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return whole(*args, **kwargs)

    with patched(jax, device_put=counted):
        session.fit(problem.params, Training(x=x, batches=batches, learning_rate=RATE, seed=SEED))
    return count


def seeded() -> Complaints:
    """Weights made on the device from a seed: numbers, and the same for every form."""
    found, complaints = {}, []
    for name in ("jax-hand loop", "jax-hand joined", "numpyro update loop"):
        trainer = prepare(form_of_name(name), small_case(SeededWeights(seed=SEED)))
        found[name] = dict(trainer.weights())
    first = found["jax-hand loop"]
    for name, weights in found.items():
        if not all(np.isfinite(each).all() and np.array_equal(each, first[n]) for n, each in weights.items()):
            complaints.append(f"{name}: its seeded weights are not the loop's")
    return complaints


# --- counted


def kernels() -> Complaints:
    """Instructions that run, by hand: of a loop its body's, none of the reducers', whatever XLA calls them."""
    text = """HloModule m

%region_0 (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%region_1 (t: (s32[], f32[4])) -> (s32[], f32[4]) {
  %t = (s32[], f32[4]) parameter(0)
  %i = s32[] get-tuple-element(%t), index=0
  %x = f32[4] get-tuple-element(%t), index=1
  %next = s32[] fusion(%i), kind=kLoop, calls=%fused
  %y = f32[4] custom-call(%x), custom_call_target="gemm"
  ROOT %r = (s32[], f32[4]) tuple(%next, %y)
}

%region_2 (t.1: (s32[], f32[4])) -> pred[] {
  %t.1 = (s32[], f32[4]) parameter(0)
  %i.1 = s32[] get-tuple-element(%t.1), index=0
  ROOT %lt = pred[] fusion(%i.1), kind=kLoop, calls=%fused.1
}

%graph (p: f32[4]) -> f32[] {
  %p = f32[4] parameter(0)
  %zero = f32[] constant(0)
  %e = f32[4] exponential(%p)
  ROOT %total = f32[] reduce(%e, %zero), dimensions={0}, to_apply=%region_0
}

ENTRY %main (s: (s32[], f32[4])) -> f32[] {
  %s = (s32[], f32[4]) parameter(0)
  %w = (s32[], f32[4]) while(%s), condition=%region_2, body=%region_1KNOWN
  %z = f32[4] get-tuple-element(%w), index=1
  ROOT %out = f32[] call(%z), to_apply=%graph
}
"""
    known = jax_counts.instructions(text.replace("KNOWN", ', backend_config={"known_trip_count":{"n":"5"}}'))
    unknown = jax_counts.instructions(text.replace("KNOWN", ""))
    found = [] if (known, unknown) == (4, 5) else [f"{known} and {unknown} instructions, by hand 4 and 5"]
    program = jax.jit(lambda x: jnp.sum(jnp.exp(x)) + jnp.max(x)).lower(jnp.ones((9, 9))).compile().as_text() or ""
    entry = program[program.index("ENTRY") :]
    most = len(re.findall(r"^\s+(?:ROOT )?%?[\w.-]+ = ", entry, re.MULTILINE))
    counted = jax_counts.instructions(program)
    return found if counted <= most else [*found, f"{counted} instructions, the entry has {most}"]


# --- all checks

CHECKS: dict[str, Callable[[], Complaints]] = {
    **{", ".join(each): partial(pair, *each) for each in JAX_PAIRS},
    **{name: partial(form, name) for name in JAX_FORMS},
    **{f"loops of {name}": partial(loops, name) for name in ("jax-hand", "numpyro")},
    **{f"training by {name}": partial(travels, name) for name in ("jax-hand", "numpyro")},
    "seeded weights": seeded,
    "kernels": kernels,
}


def said(check: str) -> Complaints:
    """The complaints of a check; what it raises is one."""
    try:
        return CHECKS[check]()
    except Exception as error:
        return [f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"]


def planted() -> dict[str, Any]:
    """A fault, or its number in `JAX_FAULTS` -> a context in which it is there."""
    from elbo_compare.suites.jax_hand import forms, training

    class PythonRate:
        """`own_step`, given its learning rate as a Python number."""

        def __init__(self, whole: Any):
            self.whole = whole

        def __call__(self, state: Any, key: Any, x: Any, rate: Any, *rest: Any, form: Any) -> Any:
            return self.whole(state, key, x, RATE, *rest, form=form)

        def lower(self, *args: Any, **kwargs: Any) -> Any:
            return self.whole.lower(*args, **kwargs)

    class Travelling(training.Steps):
        def next(self) -> Any:
            data, noise, weight = super().next()
            return jax.device_put(np.asarray(data), data.device), noise, weight

    def chosen_on_the_device(self: Any, k: int) -> float:
        self.running, loss = self.run(self.running, self.data)
        return float(loss[-1])

    def outline(case: Workload, device: Any) -> Any:
        return jax_arrays.to_devices(case.problem.params, device, case.dtype)

    def lower(device: Device, dtype: DType) -> Any:
        found = whole_open(device, dtype)
        jax.config.update("jax_default_matmul_precision", "default")
        return found

    return {
        "5": patched(training, own_step=PythonRate(training.own_step)),
        "6": patched(jax_counts, instructions=by_names),
        "12": patched(training, Steps=Travelling),
        "14": patched(forms, initial_weights=outline),
        "products in the default precision": patched(forms, open_device=lower),
        "a number travels in a loop": patched(forms, np=SimpleNamespace(zeros=jnp.zeros, ravel=np.ravel)),
        "a number travels with an epoch": patched(forms.JaxTrainer, step=chosen_on_the_device),
    }


def by_names(text: str) -> int:
    """Instructions of the entry and of everything that is called a region: loops, and reducers too."""
    parts = re.split(r"\n(?=%|ENTRY)", text)
    chosen = [part for part in parts if part.startswith(("ENTRY", "%region"))]
    return sum(code not in jax_counts._FREE for part in chosen for code, _ in jax_counts._INSTRUCTION.findall(part))


def main(file: Path) -> None:
    clean = {check: said(check) for check in CHECKS}
    seen: dict[str, Complaints] = {}
    contexts = planted()
    for fault, (check, _) in JAX_FAULTS.items():
        with contexts.get(fault) or contexts[fault.split(":")[0]]:
            seen[fault] = said(check)
        whole_open(Device.CPU, DType.FLOAT32)
    file.write_text(json.dumps({"clean": clean, "planted": seen}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
