"""Compiled objects and random numbers: what is frozen, what is run again, what repeats."""

from elbo_compare.suites.semantics.case import OF_PROGRAMS, Behaviour, Case, Library, Numbers
from elbo_compare.suites.semantics.gaussian import kl_standard, log_normal

_BEFORE, _AFTER = -log_normal(1.0, 0.0), -log_normal(1.0, 3.0)
_FROZEN_TO_A_MODEL = ("JitTrace_ELBO", "JitTraceEnum_ELBO", "JitTraceGraph_ELBO")
_COMPILED = ("JitTrace_ELBO", "JitTraceEnum_ELBO", "JitTraceGraph_ELBO", "JitTraceMeanField_ELBO")

_RUNS_PER_STEP = {"Trace_ELBO": 1.0, "TraceMeanField_ELBO": 1.0, "JitTrace_ELBO": 0.0, "JitTraceMeanField_ELBO": 0.0}
_TIMES = ("TraceMeanField_ELBO_time", "JitTrace_ELBO_time", "JitTraceMeanField_ELBO_time")


def _float32(measured: Numbers) -> Numbers:
    z = measured["z"]
    reconstruction = -log_normal(1.25, z)
    return {
        "trace": log_normal(z, 0.75, 0.5) - log_normal(z) + reconstruction,
        "mean_field": kl_standard(0.75, 0.5) + reconstruction,
        "is_float32": 1.0,
    }


def _not_frozen(_: Numbers) -> Numbers:
    return {f"{name}_{when}": loss for name in ("plain", "jit", "jit_mean_field")
            for when, loss in (("before", _BEFORE), ("after", _AFTER))}  # fmt: skip


def _particles(measured: Numbers) -> Numbers:
    """The mean over two particles of log q - log p at the draws of each way."""

    def loss(way: str) -> float:
        draws = [(measured[f"{way}_a{k}"], measured[f"{way}_b{k}"]) for k in range(2)]
        log_q = sum(log_normal(a, 0.7, 0.5) + log_normal(b, -0.4, 1.3) for a, b in draws)
        return (log_q - sum(log_normal(a) + log_normal(b) for a, b in draws)) / 2

    return {"looped": loss("looped"), "vectorised": loss("vectorised")}


def _tail_gradient(measured: Numbers) -> float:
    """sum_k gamma_k d_k / sum_k gamma_k with d_k = -dz/dloc d(log p - log q)/dz at z_k: the path derivative.

    p = N(0, 1), q = N(0.7, 0.5^2): d = z - (z - 0.7) / 0.25.  gamma_k = K / #{j: w_j >= w_k}.  Wang, Liu and Liu 2018,
    algorithm 1 with beta = -1; their published code holds q's parameters fixed in log q, too.
    """
    z = [measured[f"z_{k}"] for k in range(4)]
    ratio = [log_normal(each) - log_normal(each, 0.7, 0.5) for each in z]
    gamma = [1 / (1 - sum(other < mine for other in ratio) / 4) for mine in ratio]
    path = [each - (each - 0.7) / 0.5**2 for each in z]
    return sum(g * d for g, d in zip(gamma, path, strict=True)) / sum(gamma)


def _tail_gradient_pyro(measured: Numbers) -> float:
    """1/4 sum_k gamma_k z_k / sum_k gamma_k, gamma_k = 1 / (argsort(w)_k + 1), and z is the total derivative:

    log q(z) does not change with loc where z = loc + sigma e, so that d(log p - log q)/d loc = -z.
    """
    z = [measured[f"z_{k}"] for k in range(4)]
    ratio = [log_normal(each) - log_normal(each, 0.7, 0.5) for each in z]
    gamma = [1 / (position + 1) for position in sorted(range(4), key=lambda k: ratio[k])]
    return sum(g * each for g, each in zip(gamma, z, strict=True)) / sum(gamma) / 4


CASES = (
    Case(
        id="SEM-JIT-001",
        title="A Python global that changes after compilation",
        statement="loss = -log N(1 | loc, 1) at the global's present value",
        source="pyro.infer.JitTrace_ELBO 1.9.2: 'Models must not depend on any global data'; jax.jit: pure functions",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="JitTrace_ELBO keeps the old value; JitTraceMeanField_ELBO follows (see SEM-JIT-002)",
                      program="jit/jit_001_pyro.py", computes=lambda _: {"jit_after": _BEFORE}),
            Behaviour(library=Library.NUMPYRO, formula="jax.jit keeps the old value", program="jit/jit_001_numpyro.py",
                      computes=lambda _: {"jit_after": _BEFORE, "jit_mean_field_after": _BEFORE}),
        ),
        oracle=_not_frozen,
    ),
    Case(
        id="SEM-JIT-002",
        title="How often the compiled objects run the model's Python code in four further steps",
        statement="0: 'compilation will be triggered once per unique **kwargs'",
        source="pyro.infer.JitTraceMeanField_ELBO 1.9.2, docstring",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="0, but 2 per step for JitTraceMeanField_ELBO: it looks for the attribute "
                              "_loss_and_surrogate_loss and stores _differentiable_loss",
                      program="jit/jit_002_pyro.py", computes=lambda _: {"JitTraceMeanField_ELBO": 8.0}),
        ),
        oracle=lambda _: dict.fromkeys(_COMPILED, 0.0),
    ),
    Case(
        id="SEM-JIT-003",
        title="pyro.ops.jit.trace around TraceMeanField_ELBO().differentiable_loss",
        statement="no further run of the model; loss = KL(N(0.7, 0.5^2) || N(0, 1)), d loss / d loc = 0.7",
        source="pyro.ops.jit.trace 1.9.2; recommended in pyro issue 1594; the workaround for SEM-JIT-002",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated", program="jit/jit_003_pyro.py"),
        ),
        oracle=lambda _: {"runs": 0.0, "loss": kl_standard(0.7, 0.5), "gradient": 0.7},
    ),
    Case(
        id="SEM-JIT-004",
        title="What a training step costs compiled and not",
        statement="runs of the model's Python code per step after the first ones: 1 uncompiled, 0 compiled; the times "
                  "over Trace_ELBO's in the same round (medians and quartiles) are described and not judged",
        source="pyro.infer.JitTrace_ELBO 1.9.2: 'compilation will be triggered once per unique **kwargs'; jax.jit",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="as stated, but 2 per step for JitTraceMeanField_ELBO",
                      program="jit/jit_004_pyro.py", computes=lambda _: {"JitTraceMeanField_ELBO": 2.0},
                      described=_TIMES),
            Behaviour(library=Library.NUMPYRO, formula="as stated; Jit... is jax.jit around SVI.update",
                      program="jit/jit_004_numpyro.py", described=_TIMES),
        ),
        oracle=lambda _: _RUNS_PER_STEP,
    ),
    Case(
        id="SEM-JIT-005",
        title="A compiled object that is used with a second model",
        statement="loss = -log N(1 | 4, 1), the second model's, from an object that has compiled -log N(1 | 1, 1)",
        source="pyro.infer.JitTrace_ELBO 1.9.2: 'Like Trace_ELBO'; loss_and_surrogate_loss passes id(model) as a "
               "keyword so as to compile once per model, and then calls the first model captured",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="the first model's loss; JitTraceMeanField_ELBO follows (see SEM-JIT-002)",
                      program="jit/jit_005_pyro.py",
                      computes=lambda _: {f"{name}_reused": -log_normal(1.0, 1.0) for name in _FROZEN_TO_A_MODEL}),
        ),
        oracle=lambda _: {
            f"{name}_{use}": -log_normal(1.0, 4.0)
            for name in ("Trace_ELBO", "JitTraceMeanField_ELBO", *_FROZEN_TO_A_MODEL)
            for use in ("reused", "new")
        },
    ),
    Case(
        id="SEM-STATE-001",
        title="SVI.stable_update after a batch whose loss is not finite, with mutable state",
        statement="kept = 1: the mutable state is the one from before the batch; loss_finite = 1: the next is finite",
        source="numpyro.infer.SVI.stable_update 0.22.0: 'returns the current state if the the loss or the new state "
               "contains invalid values'",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula="the parameters are kept, the mutable state is not",
                      program="state/state_001_numpyro.py",
                      computes=lambda _: {"kept": 0.0, "loss_finite": 0.0}),
        ),
        oracle=lambda _: {"kept": 1.0, "loss_finite": 1.0},
    ),
    Case(
        id="SEM-STATE-002",
        title="Which mutable state SVI.evaluate reads",
        statement="evaluate = update = -log N(0 | count, 1) at the present count",
        source="numpyro.infer.SVI.evaluate 0.22.0: 'evaluate ELBO loss given the current parameter values (held within "
               "svi_state.optim_state)'; SVI.update passes svi_state.mutable_state",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula="evaluate reads the value that the model writes at its start, 0",
                      program="state/state_002_numpyro.py",
                      computes=lambda _: {"evaluate": -log_normal(0.0, 0.0)}),
        ),
        oracle=lambda measured: dict.fromkeys(("update", "evaluate"), -log_normal(0.0, measured["count"])),
        given=("count",),
    ),
    Case(
        id="SEM-DTYPE-001",
        title="The losses in float32",
        statement="log q(z) - log p(x, z), and KL - log p(x | z), within float32 rounding at the draw",
        source="Kingma and Welling 2014, eq. 6 and 7, in float64 at the same draw",
        behaviours=tuple(
            Behaviour(library=library, formula="as stated", program=f"dtype/dtype_001_{library}.py")
            for library in OF_PROGRAMS
        ),
        oracle=_float32,
        given=("z",),
        # (z - loc) / sigma cancels: |z| + |loc| over sigma = 0.5 is up to 6, its square's error 2 * 6 * 2.6 * 6e-8 / 2.
        tolerance=2e-6,
        tolerance_reason="float32: some twenty roundings of 6e-8 each, of terms up to 6 before they cancel",
    ),
    Case(
        id="SEM-SEED-001",
        title="Looped and vectorised particles under one seed",
        statement="loss = mean_k [log q(a_k, b_k) - log p(a_k, b_k)] at the draws of each",
        source="pyro.infer.ELBO 1.9.2 (vectorize_particles), numpyro.infer.ELBO 0.22.0 (jax.vmap or jax.lax.map)",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="the two ways draw different numbers",
                      program="seed/seed_001_pyro.py", computes=lambda _: {"same": 0.0}),
            Behaviour(library=Library.NUMPYRO, formula="the two ways draw the same numbers",
                      program="seed/seed_001_numpyro.py", computes=lambda _: {"same": 1.0}),
        ),
        oracle=_particles,
        given=tuple(f"{way}_{site}{k}" for way in ("looped", "vectorised") for site in "ab" for k in range(2)),
    ),
    Case(
        id="SEM-SEED-002",
        title="How num_particles uses the key",
        statement="loss(K = 2, key) = mean of loss(K = 1, k) over k in split(key), and loss(K = 1, key) is neither",
        source="numpyro.infer.Trace_ELBO 0.22.0: random.split(rng_key, self.num_particles) for num_particles > 1 only",
        behaviours=(
            Behaviour(library=Library.NUMPYRO, formula="as stated", program="seed/seed_002_numpyro.py",
                      computes=lambda _: {"first_is_one": 0.0}),
        ),
        oracle=lambda measured: {"two": measured["halves"]},
        given=("halves",),
    ),
    Case(
        id="SEM-SEED-003",
        title="Evaluating a loss twice between two updates",
        statement="two evaluations are independent draws (Pyro) or the same draw (NumPyro)",
        source="pyro.infer.SVI.evaluate_loss 1.9.2, numpyro.infer.SVI.evaluate 0.22.0",
        behaviours=(
            Behaviour(library=Library.PYRO, formula="independent draws", program="seed/seed_003_pyro.py",
                      computes=lambda _: {"repeats": 0.0}),
            Behaviour(library=Library.NUMPYRO, formula="one key for every evaluation: mini-batches share their noise",
                      program="seed/seed_003_numpyro.py", computes=lambda _: {"repeats": 1.0}),
        ),
        oracle=lambda _: {},
    ),
    Case(
        id="SEM-TAIL-001",
        title="The gradient of TraceTailAdaptive_ELBO",
        statement="sum_k gamma_k path_k / sum_k gamma_k with gamma_k = (#{j: w_j >= w_k} / K)^beta: the largest ratio "
                  "w = p / q has the largest weight, and path_k leaves out the score of q",
        source="Wang, Liu and Liu 2018 (NeurIPS), eq. 8 and algorithm 1; the authors' code, "
               "dilinwang820/adaptive-f-divergence",
        behaviours=(
            Behaviour(library=Library.PYRO,
                      formula="gamma = (argsort(w) + 1)^beta, no rank and ascending; the total derivative; 1/K of it",
                      program="tail/tail_001_pyro.py",
                      computes=lambda measured: {"gradient": _tail_gradient_pyro(measured)}),
        ),
        oracle=lambda measured: {"gradient": _tail_gradient(measured)},
        given=tuple(f"z_{k}" for k in range(4)),
    ),
)  # fmt: skip
