"""Every problem x estimator pair for a GPU without one: on the pretend device (torch), lowered for CUDA (JAX).

    python benchmarks/device_pairs.py torch-hand|pyro|jax-hand|numpyro [PROBLEM ...]

Prints one line per pair: `right`, or what is wrong. Exit code 1 where anything is. Pairs of the small problems take a
second or two each; `tests/device` runs a covering choice of them. Jit classes are left out: torch.jit's interpreter
does not go through the pretend device.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "device"))


def main(implementation: str, chosen: list[str]) -> int:
    checks: Any = import_module("pretend_torch" if implementation in ("torch-hand", "pyro") else "lowered_jax")
    from elbo_compare.suites import registry
    from elbo_compare.suites.estimators import ESTIMATORS

    backend, counts = registry.load(implementation), {"right": 0, "wrong": 0}
    small = [name for name in checks.problems.WEIGHTS if name.endswith("small") or "gaussian" in name]
    for problem in chosen or small:
        for estimator in ESTIMATORS:
            arrays = checks.problem_of(problem)
            if backend.supports(arrays, ESTIMATORS[estimator]) is not None or estimator.startswith("jit"):
                continue
            try:
                complaints = checks.pair(implementation, problem, estimator)
            except Exception as error:
                complaints = [f"{type(error).__name__}: {error}".splitlines()[0]]
            counts["wrong" if complaints else "right"] += 1
            print(f"{implementation}, {problem}, {estimator}: {'; '.join(complaints) or 'right'}", flush=True)
    print(f"{counts['right']} pairs are right, {counts['wrong']} are not")
    return min(1, counts["wrong"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
