"""Explains every pair of one library's target module and prints name -> explanation as JSON; run by test_explain."""

import importlib
import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path


def main(library: str) -> None:
    warnings.simplefilter("error")
    sys.path.insert(0, str(Path(__file__).parent / "targets"))
    pairs = importlib.import_module(f"explain_{library}_pairs").PAIRS
    backend = importlib.import_module(f"elbo_compare.suites.semantics.explain_{library}")
    found = {}
    for name, (model, guide, arguments) in pairs.items():
        explanation = backend.explain(model, guide, arguments, {})
        found[name] = asdict(explanation) | {"total": explanation.total}
    print(json.dumps(found))


main(sys.argv[1])
