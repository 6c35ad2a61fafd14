"""Explains every pair of one library's target module and prints name -> explanation as JSON; run by test_explain."""

import importlib
import json
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

FEW = 16  # draws; more where a cost is small beside the spread of one draw
MORE = {
    "pyro": {
        "order violated": 200,
        "masked in the model": 48,
        "branching": 80,
        "factor of the guide": 48,
        "annealed in the model": 32,
        "latent missing in the guide": 40,
    },
    "numpyro": {"distributions masked differently": 400, "learned switch": 400},
}
# NumPyro's take two seconds of compiling each: those on which it differs from Pyro, or whose machinery is its own. The
# others are in benchmarks/explain_pairs.py.
COMPILED = {
    "distributions masked differently", "learned switch", "enumerated in the model", "mutable state",
    "grey pixel", "branching",
}  # fmt: skip


NUMPYRO_ONLY = {"distributions masked differently"}


def messages(library: str) -> dict[str, Any]:
    """What the command's child says of pairs that can't be explained, or are by one class."""
    from elbo_compare.compare.semantics.explain_child import answer

    module = f"explain_{library}_pairs"
    asked = {
        "scale 0": ("zero_model", "[]"),
        "arguments": ("normal_model", "[1, 2]"),
        "keywords": ("keyword_model", ""),
    }
    found: dict[str, Any] = {"autoguides": autoguides(library)}
    for name, (model, args) in asked.items():
        request = {"model": f"{module}:{model}", "guide": f"{module}:keyword_guide", "library": library, "seconds": 0.0,
                   "args": args or f"{module}:keywords", "elbo": "Trace_ELBO(num_particles=1)"}  # fmt: skip
        found[name] = answer(request, lambda stage: None)
    trials = {
        "pyro": {
            "compiled": ("scaled_model", "placed_guide", "JitTrace_ELBO()"),
            "called": ("scaled_model", "placed_guide", "TraceGraph_ELBO()"),
            "called alike": ("scaled_model", "placed_guide", "TraceMeanField_ELBO()"),
            "bound": ("bright_model", "learned_switch_guide", "RenyiELBO()"),
        },
        "numpyro": {
            "marked": ("marked_model", "marked_guide", "TraceEnum_ELBO()"),
            "guarded": ("guarded_model", "running_guide", "Trace_ELBO()"),
        },
    }
    for name, (model, guide, elbo) in trials[library].items():
        request |= {"model": f"{module}:{model}", "guide": f"{module}:{guide}", "elbo": elbo,
                    "args": f"{module}:arguments" if name == "guarded" else "[]"}  # fmt: skip
        found[name] = answer(request, lambda stage: None)
    return found


def autoguides(library: str) -> list[str]:
    """Every public class of the library's guides."""
    module = importlib.import_module(f"{library}.infer.autoguide")
    return sorted(name for name in module.__all__ if name.startswith("Auto"))


def main(library: str) -> None:
    warnings.simplefilter("error")
    sys.path.insert(0, str(Path(__file__).parent / "targets"))
    pairs = importlib.import_module(f"explain_{library}_pairs").PAIRS
    pairs = {name: each for name, each in pairs.items()
             if name in COMPILED - NUMPYRO_ONLY or (name in COMPILED) == (library == "numpyro")}  # fmt: skip
    from elbo_compare.compare.semantics.explain_child import plain
    from elbo_compare.compare.semantics.explain_text import text
    from elbo_compare.compare.semantics.explained import explained

    backend = importlib.import_module(f"elbo_compare.suites.semantics.explaining.{library}_pair")
    found = {}
    for name, (model, guide, arguments) in pairs.items():
        pair = backend.prepare(model, guide, arguments, {}, {})
        told = plain(explained(pair, draws=MORE[library].get(name, FEW)))
        found[name] = told | {"text": "\n".join(text(told))}
    found |= covered(library, backend)
    print(json.dumps(found | {"messages": messages(library)}))


def covered(library: str, backend: Any) -> dict[str, dict]:
    """The pairs of the cover list at the draw of seed 0: roles, terms and losses, nothing of means and gradients.

    NumPyro's are compiled: one draw, and no gradient, which takes most of it.
    """
    from elbo_compare.compare.semantics.explain_child import plain
    from elbo_compare.compare.semantics.explain_text import text
    from elbo_compare.compare.semantics.explained import explanation
    from elbo_compare.compare.semantics.measuring import Measured

    cover, found = importlib.import_module(f"explain_{library}_cover"), {}
    pairs, further = dict(cover.PAIRS), dict(cover.FURTHER)
    uncompiled: dict[str, Any] = {}  # a dozen pairs alike, for which JAX compiles the same operations once
    if library == "numpyro":
        supports = importlib.import_module("explain_numpyro_supports")
        uncompiled, further = supports.PAIRS, further | supports.FURTHER
    nothing = Measured(reference="not measured", classes={}, findings=(), exact=None, n=0)
    little = {"ELBOS": (), "ROWS": 1, "REFERENCES": ()} if library == "numpyro" else {}
    with patch.multiple(backend, **little) if little else nullcontext():
        for name, (model, guide, arguments) in (pairs | uncompiled).items():
            if library == "pyro":  # autoguides name their parameters alike
                importlib.import_module("pyro").clear_param_store()
            elbos = {f"{each}()": getattr(backend.module, each)() for each in (*cover.CLASSES, *further.get(name, ()))}
            by_op = name in uncompiled  # of NumPyro
            with patch.object(backend.NumPyroPair, "_compile", lambda self: None) if by_op else nullcontext():
                pair = backend.prepare(model, guide, arguments, {}, elbos)
            told = plain(explanation(pair, nothing))
            found[name] = told | {"text": "\n".join(text(told))}
    return found


if __name__ == "__main__":
    main(sys.argv[1])
