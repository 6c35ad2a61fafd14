"""A wrong line of each kind, planted in what is told of Pyro pairs: are the checks of the published table red for it?

    python benchmarks/explain_planted.py

Prints of each kind how many checks are red for it and how many were before. Exit code 1 where a plant is not seen.
"""

import copy
import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

Told = dict[str, Any]
TABLED, MASKED, ORDERED = "guide plate of the batch", "masked in the model", "order violated"


def _class(told: Told, name: str = "Trace_ELBO") -> Told:
    return next(each for each in told["classes"] if each["name"] == name)


def _other(old: str, new: str) -> Callable[[Told], Any]:
    """A word of the objective's lines replaced."""

    def plant(told: Told) -> None:
        assert any(old in line for line in told["objective"]), told["objective"]
        told["objective"] = [line.replace(old, new) for line in told["objective"]]

    return plant


def _shifted(estimate: Told) -> None:
    for name in ("mean", "low", "high"):
        estimate[name] += 50.0


NONE = "½ log 2π: none; every density is fully normalised"
# Kind of line -> the pair, and what makes a wrong line of it.
PLANTS: dict[str, tuple[str, Callable[[Told], Any]]] = {
    "opening": (TABLED, lambda told: told.update(bits=32)),
    "objective, beta": (TABLED, _other("0.333333 log q", "0.5 log q")),
    "objective, data": (TABLED, _other("log p(x)", "log p()")),
    "mini-batch factor": (TABLED, _other("4 of 12", "4 of 24")),
    "no mini-batch factor": (TABLED, lambda told: told["objective"].__setitem__(1, "No mini-batch factor: each datum "
                                                                                "counts once.")),
    "weighted differently": (TABLED, _other("3 in the model", "2 in the model")),
    "masks": (MASKED, _other("75%", "50%")),
    "apart": (MASKED, lambda told: told["objective"].append("z: a point in the guide (MAP); no integral is done.")),
    "recorded": (MASKED, lambda told: told["sites"][0].update(deterministic=True)),
    "side": (TABLED, lambda told: told["sites"][0]["model"].update(shown="Normal, batch (5,), event ()")),
    "scale": (TABLED, lambda told: told["sites"][0]["model"].update(scale=[2.0, 2.0])),
    "remark": (TABLED, lambda told: told["sites"][0]["remarks"].__setitem__(
        0, "plate 'data' has size 12 in the model and 6 in the guide; nothing warns")),
    "order": (ORDERED, lambda told: told["remarks"].__setitem__(-1, told["remarks"][-1].replace("a, b", "b, a"))),
    "term": (TABLED, lambda told: _class(told)["terms"].update(z=_class(told)["terms"]["z"] + 1)),
    "loss": (TABLED, lambda told: _class(told).update(loss=_class(told)["loss"] + 1)),
    "raises": (TABLED, lambda told: _class(told).update(error="KeyError: 'z'")),
    "value": (TABLED, lambda told: _shifted(_class(told, "TraceGraph_ELBO")["difference"])),
    "exact": (ORDERED, lambda told: told.update(exact=told["exact"] + 50)),
    "constants": (TABLED, lambda told: _class(told).update(constants=NONE)),
    "cost of a finding": (TABLED, lambda told: _shifted(told["findings"][0]["cost"])),
    "what a finding says": (TABLED, lambda told: told["findings"][0].update(costs=not told["findings"][0]["costs"])),
    "further findings": (TABLED, lambda told: told["without_shape"].popitem()),
}  # fmt: skip


def planted(pairs: dict[str, tuple], backend: Any) -> dict[str, tuple[int, int]]:
    """Kind of line -> checks that are red for it, and those that were red before."""
    lines, table, words = map(importlib.import_module, ("explain_lines", "explain_pairs", "explain_sentences"))
    from elbo_compare.compare.semantics.explain_child import plain
    from elbo_compare.compare.semantics.explained import explained

    found = {}
    for name in (TABLED, MASKED, ORDERED):
        pair = backend.prepare(*pairs[name], {}, {})
        told, again = (plain(explained(each, draws=table.DRAWS)) for each in (pair, table.Later(pair)))

        def red(told: Told, again: Told = again, pair: Any = pair) -> int:
            checks = [*table.checked(pair, told, again), *lines.independently(told, pair, "pyro"),
                      *table.reference(pair, told)]  # fmt: skip
            checks += [each for of in words.sentences(told, again, pair, "pyro").values() for each in of]
            return sum(outcome == "differs" for _, outcome in checks)

        before = red(told)
        for kind, (of, plant) in PLANTS.items():
            if of == name:
                wrong = copy.deepcopy(told)
                plant(wrong)
                found[kind] = red(wrong), before
    return found


def main() -> int:
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "compare" / "targets"))
    pairs = importlib.import_module("explain_pyro_pairs").PAIRS
    found = planted(pairs, importlib.import_module("elbo_compare.suites.semantics.explaining.pyro_pair"))
    for kind, (after, before) in found.items():
        print(f"{kind:24} {after} red, {before} before")
    return int(any(not after or before for after, before in found.values()))


if __name__ == "__main__":
    sys.exit(main())
