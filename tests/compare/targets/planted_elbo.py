"""`planted_elbo.py LIBRARY INDEX`: searches a class that forgets the guide's scales; prints JSON.

Its smallest pair is measured twice at one seed, and at another: the same numbers, and others.
"""

import json
import sys
from typing import Any

from elbo_compare.compare.searching.child import Bench
from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import from_json
from elbo_compare.suites.semantics.searching.ways import Way

LEVEL = 1e-7


def plant(library: Library) -> None:
    """Planted_ELBO, among the library's own."""
    if library is Library.PYRO:
        _pyro()
    else:
        _numpyro()


def _pyro() -> None:
    import pyro.infer
    from pyro.poutine.messenger import Messenger

    class Unscaled(Messenger):
        def _process_message(self, msg: Any) -> None:
            msg["scale"] = 1.0

    class Planted_ELBO(pyro.infer.Trace_ELBO):  # noqa: N801
        """Forgets the scales of the guide."""

        def loss_and_grads(self, model: Any, guide: Any, *args: Any, **kwargs: Any) -> float:
            return super().loss_and_grads(model, Unscaled()(guide), *args, **kwargs)

    setattr(pyro.infer, "Planted_ELBO", Planted_ELBO)  # noqa: B010


def _numpyro() -> None:
    import numpyro.infer
    from numpyro.primitives import Messenger

    class Unscaled(Messenger):
        def process_message(self, msg: Any) -> None:
            msg["scale"] = None

    class Planted_ELBO(numpyro.infer.Trace_ELBO):  # noqa: N801
        """Forgets the scales of the guide."""

        def loss_with_mutable_state(
            self, rng_key: Any, param_map: Any, model: Any, guide: Any, *a: Any, **k: Any
        ) -> Any:
            return super().loss_with_mutable_state(rng_key, param_map, model, Unscaled(guide), *a, **k)

    setattr(numpyro.infer, "Planted_ELBO", Planted_ELBO)  # noqa: B010


def main(library: Library, index: int) -> None:
    plant(library)
    bench = Bench({"library": library, "seed": 0, "level": LEVEL, "ways": 0, "shrink": True})
    compiled = library is Library.NUMPYRO  # once for all seeds
    bench.every = tuple(Way(elbo=name, compiled=compiled) for name in ("Planted_ELBO", "Trace_ELBO"))
    found = bench.searched(index)
    pair = from_json(found["candidates"][0]["pair"])
    twice = [bench.run(pair, bench.every[0], 7) for _ in range(2)]
    print(json.dumps({**found, "same": twice[0] == twice[1], "other": twice[0] != bench.run(pair, bench.every[0], 8)}))


if __name__ == "__main__":
    main(Library(sys.argv[1]), int(sys.argv[2]))
