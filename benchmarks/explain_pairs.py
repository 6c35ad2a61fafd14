"""Every line that `compare explain` prints of some sixty pairs, with the check that it passed.

    python benchmarks/explain_pairs.py pyro|numpyro [+SKIPPED] [NAME ...]

Each line goes, with its checks, to explain-lines-LIBRARY.csv in the working directory (appended to).

The pairs are those of the tests and, below, every autoguide on positive, simplex, bounded and plated latents, and the
libraries' handlers. Checks: the terms add up to what the class returned; a class raises where its line says so and
nowhere else; what is told of value, gradient and findings is computed again from draws under other seeds, and an
equivalence test says whether the two agree, differ, or stay apart by too little to tell (inconclusive). All checks of a
run share one error budget. A line that no check reaches is counted as such. Exit code 1 where a check differs.
"""

import csv
import importlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from math import fsum, hypot, isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "compare" / "targets"))

from explain_lines import Check, independently, table  # noqa: E402
from explain_sentences import sentences  # noqa: E402

from elbo_compare.compare.records import Outcome  # noqa: E402
from elbo_compare.compare.semantics.explain_child import plain  # noqa: E402
from elbo_compare.compare.semantics.explained import explained  # noqa: E402
from elbo_compare.compare.statistics import equivalence, student_factor  # noqa: E402
from elbo_compare.suites.semantics.explaining.facts import INTENDED  # noqa: E402

DRAWS = 96  # told of, and as many under other seeds: what a standard deviation can be told from nothing by, at LEVEL
MARGIN = 1.0  # standard deviations of one draw
LEVEL = 1e-3 / 2000  # one wrong outcome of the run in a thousand runs; fewer than 2,000 of its checks rest on draws
OTHER_SEEDS = 100_000
Pairs = Iterator[tuple[str, Callable, Callable, tuple]]


class Later:
    """A pair under other seeds."""

    first_trial = OTHER_SEEDS

    def __init__(self, pair: Any) -> None:
        self.pair = pair

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pair, name)

    def block(self, first: int, n: int, names: Any, *, terms: bool) -> Any:
        return self.pair.block(first + OTHER_SEEDS, n, names, terms=terms)


def pyro_pairs() -> Pairs:  # noqa: C901 - a list of small models, one after the other
    import pyro
    import pyro.distributions as dist
    import torch
    from pyro import poutine
    from pyro.infer import autoguide
    from pyro.infer.reparam import LocScaleReparam
    from pyro.nn import PyroModule, PyroSample

    torch.manual_seed(0)
    data = torch.tensor([0.3, -1.2, 2.0, 0.4])

    def positive():
        s = pyro.sample("s", dist.Gamma(2.0, 1.0))
        with pyro.plate("data", 4):
            pyro.sample("x", dist.Normal(0.0, s), obs=data)

    def simplex():
        w = pyro.sample("w", dist.Dirichlet(torch.ones(3)))
        with pyro.plate("data", 4):
            pyro.sample("x", dist.Categorical(w), obs=torch.tensor([0, 1, 2, 2]))

    def bounded():
        p = pyro.sample("p", dist.Beta(2.0, 3.0))
        with pyro.plate("data", 4):
            pyro.sample("x", dist.Bernoulli(p), obs=torch.tensor([0.0, 1.0, 1.0, 1.0]))

    def local():
        with pyro.plate("data", 4):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=data)

    names = ("AutoNormal", "AutoDiagonalNormal", "AutoMultivariateNormal", "AutoLowRankMultivariateNormal", "AutoDelta",
             "AutoIAFNormal", "AutoStructured", "AutoLaplaceApproximation", "AutoNormalMessenger",
             "AutoHierarchicalNormalMessenger", "AutoRegressiveMessenger")  # fmt: skip
    for model in (positive, simplex, bounded, local):
        for name in names if model is positive else names[:2]:
            yield f"{name} on {model.__name__}", model, getattr(autoguide, name)(model), ()

    def lit():
        z = pyro.sample("z", dist.Categorical(torch.tensor([0.2, 0.3, 0.5])))
        pyro.sample("x", dist.Normal(z.to(data.dtype), 1.0), obs=data[0])

    yield "AutoDiscreteParallel", lit, autoguide.AutoDiscreteParallel(lit), ()

    def obs_masked():
        with pyro.plate("data", 4):
            pyro.sample("x", dist.Normal(0.0, 1.0), obs=data, obs_mask=torch.tensor([True, False, True, True]))

    def markov():
        z = torch.tensor(0.0)
        for t in pyro.markov(range(3)):
            z = pyro.sample(f"z{t}", dist.Normal(z, 1.0))
            pyro.sample(f"x{t}", dist.Normal(z, 1.0), obs=data[t])

    def factor():
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.factor("f", -((z - 1) ** 2))

    def centred():
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        z = pyro.sample("z", dist.Normal(m, 2.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=data[0])

    class Line(PyroModule):
        def __init__(self) -> None:
            super().__init__()
            self.slope = PyroSample(dist.Normal(0.0, 1.0))

        def forward(self):
            with pyro.plate("data", 4):
                pyro.sample("x", dist.Normal(self.slope * data, 1.0), obs=data)

    def lifted():
        scale = pyro.param("scale", torch.tensor(1.0))
        pyro.sample("x", dist.Normal(0.0, scale), obs=data[0])

    def normal(*sites: str) -> Callable:
        def guide():
            for name in sites:
                loc = pyro.param(f"{name}_loc", torch.tensor(0.3))
                pyro.sample(name, dist.Normal(loc, 0.7))

        return guide

    def correlated():
        pyro.sample("z", dist.MultivariateNormal(torch.ones(2), torch.tensor([[1.0, 0.3], [0.3, 1.5]])))

    def factorised():
        pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))

    rows = torch.tensor([8, 9, 10, 11])

    def batch(x, rows):
        with pyro.plate("data", 12, subsample=rows) as own:
            z = pyro.sample("z", dist.Normal(0.1 * torch.as_tensor(own), 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def counting():
        pyro.sample("z", dist.Poisson(pyro.param("rate", torch.tensor(2.0))))

    yield "rows of the model", batch, autoguide.AutoNormal(batch), (data, rows)
    yield "a mass in the guide, a density in the model", factor, counting, ()
    line = Line()
    yield "correlated guide, factorised prior", factorised, correlated, ()
    yield "obs_mask", obs_masked, lambda: None, ()
    yield "Markov sites", markov, normal("z0", "z1", "z2"), ()
    yield "factor", factor, normal("z"), ()
    yield "reparam", poutine.reparam(centred, config={"z": LocScaleReparam(0.0)}), normal("m", "z_decentered"), ()
    yield "condition", poutine.condition(centred, data={"m": torch.tensor(0.2)}), normal("z"), ()
    yield "do", poutine.do(centred, data={"m": torch.tensor(0.2)}), normal("z"), ()
    yield "block", poutine.block(centred, hide=["m"]), normal("z"), ()
    yield "lift", poutine.lift(lifted, prior={"scale": dist.Exponential(1.0)}), _positive_guide(pyro, dist, torch), ()
    yield "PyroModule", line, autoguide.AutoNormal(line), ()


def _positive_guide(pyro: Any, dist: Any, torch: Any) -> Callable:
    def guide():
        pyro.sample("scale", dist.LogNormal(pyro.param("loc", torch.tensor(0.1)), 0.3))

    return guide


def numpyro_pairs() -> Pairs:  # noqa: C901 - likewise
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro import handlers
    from numpyro.infer import autoguide
    from numpyro.infer.reparam import LocScaleReparam

    data = jnp.array([0.3, -1.2, 2.0, 0.4])

    def positive():
        s = numpyro.sample("s", dist.Gamma(2.0, 1.0))
        with numpyro.plate("data", 4):
            numpyro.sample("x", dist.Normal(0.0, s), obs=data)

    def simplex():
        w = numpyro.sample("w", dist.Dirichlet(jnp.ones(3)))
        with numpyro.plate("data", 4):
            numpyro.sample("x", dist.Categorical(w), obs=jnp.array([0, 1, 2, 2]))

    def bounded():
        p = numpyro.sample("p", dist.Beta(2.0, 3.0))
        with numpyro.plate("data", 4):
            numpyro.sample("x", dist.Bernoulli(p), obs=jnp.array([0.0, 1.0, 1.0, 1.0]))

    for name in ("AutoDiagonalNormal", "AutoMultivariateNormal", "AutoDelta"):
        yield f"{name} on positive", positive, getattr(autoguide, name)(positive), ()
    yield "AutoNormal on simplex", simplex, autoguide.AutoNormal(simplex), ()
    yield "AutoNormal on bounded", bounded, autoguide.AutoNormal(bounded), ()

    def centred():
        m = numpyro.sample("m", dist.Normal(0.0, 1.0))
        z = numpyro.sample("z", dist.Normal(m, 2.0))
        numpyro.sample("x", dist.Normal(z, 1.0), obs=data[0])

    def factor():
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.factor("f", -((z - 1) ** 2))

    def obs_masked():
        with numpyro.plate("data", 4):
            numpyro.sample("x", dist.Normal(0.0, 1.0), obs=data, obs_mask=jnp.array([True, False, True, True]))

    def normal(*sites: str) -> Callable:
        def guide():
            for name in sites:
                numpyro.sample(name, dist.Normal(numpyro.param(f"{name}_loc", 0.3), 0.7))

        return guide

    def chosen(x):
        with numpyro.plate("rows", 4, subsample_size=2):
            own = numpyro.subsample(x, event_dim=0)
            z = numpyro.sample("z", dist.Normal(0.0, 1.0))
            numpyro.sample("x", dist.Normal(z, 1.0), obs=own)

    def of_chosen(x):
        with numpyro.plate("rows", 4, subsample_size=2):
            own = numpyro.subsample(x, event_dim=0)
            numpyro.sample("z", dist.Normal(numpyro.param("slope", 0.4) * own, 0.7))

    yield "rows that the plate chooses", chosen, of_chosen, (data,)
    yield "obs_mask", obs_masked, lambda: None, ()
    yield "factor", factor, normal("z"), ()
    yield "reparam", handlers.reparam(centred, config={"z": LocScaleReparam(0.0)}), normal("m", "z_decentered"), ()
    yield "condition", handlers.condition(centred, data={"m": 0.2}), normal("z"), ()
    yield "do", handlers.do(centred, data={"m": 0.2}), normal("z"), ()
    yield "block", handlers.block(centred, hide=["m"]), normal("z"), ()


def checked(pair: Any, told: dict, again: dict) -> Iterator[Check]:
    """Each printed line of classes and findings with the outcome of its check; again: told under other seeds."""
    runs = [each["name"] for each in told["classes"] if not each["error"]]
    block = Later(pair).block(0, DRAWS, sorted({*runs, *([INTENDED] if pair.mended else [])}), terms=False)
    exact = pair.exact()
    for each in told["classes"]:
        name = each["name"]
        if each["error"]:
            continue
        if each["adds_up"] is not None:
            terms = [float(each["terms"][site["name"]]) for site in told["sites"] if not site["deterministic"]]
            near = abs(fsum(terms) + float(each["loss"])) <= 1e-5 * (fsum(map(abs, terms)) + 1)  # float32 pairs too
            yield f"{name} adds up", Outcome.AGREES if each["adds_up"] and near else Outcome.DIFFERS
        if each["estimates_elbo"]:
            yield from _class_checks(each, pair, block, exact)
    for each, other in zip(told["findings"], again["findings"], strict=True):
        where = f"{each['id']} {each['class']}"
        if each["cost"] and other["cost"] and each["id"] == other["id"]:
            spread = float(each["cost"]["error"]) * sqrt(each["cost"]["n"])
            yield f"{where} cost", _same(each["cost"], (float(other["cost"]["mean"]), float(other["cost"]["error"])),
                                         spread)  # fmt: skip
        seen = (each["cost"] or {}).get("seen") or (each["gradient"] or {}).get("seen")
        fits = bool(each["costs"]) == bool(seen) or bool(each["fact"])
        yield f"{where} says", Outcome.AGREES if fits else Outcome.DIFFERS


def reference(pair: Any, told: dict) -> Iterator[Check]:
    """The exact ELBO against the mean of draws under other seeds."""
    kinds = {each["kind"]: each["name"] for each in told["classes"] if not each["error"]}
    marginal = any(site.guide is None and not site.observed for site in pair.sites)
    name = kinds.get("TraceEnum_ELBO" if marginal else "Trace_ELBO")
    if told["exact"] is not None and name:
        draws = Later(pair).block(DRAWS, DRAWS, [name], terms=False).values[name]
        if np.isfinite(draws).all():
            yield "The reference", _same({"mean": told["exact"], "error": 0.0, "n": len(draws)}, _moments(draws),
                                     float(np.std(draws, ddof=1)))  # fmt: skip


def _class_checks(each: dict, pair: Any, block: Any, exact: Any) -> Iterator[Check]:
    """What is told of value and gradient, recomputed from draws under other seeds."""
    draws, gradients = block.values[each["name"]], block.gradients[each["name"]]
    told = each["difference"]
    beside = told and (told["beside"] or (None if exact else "Trace_ELBO"))
    if told and beside != each["name"] and (beside is None or beside in block.values):
        others = np.full(len(draws), exact.value) if beside is None else block.values[beside]
        with np.errstate(invalid="ignore"):
            gaps = np.where(draws == others, 0.0, draws - others)
        yield f"{each['name']} value", _same(told, _moments(gaps), float(np.std(draws, ddof=1)))
    slope = each["gradient"]
    reference = exact.gradient if exact and not (told and told["beside"]) else block.gradients.get(beside)
    if slope and reference is not None and slope["direction"] in pair.directions:
        k = list(pair.directions).index(slope["direction"])
        column = gradients[:, k] - (reference[..., k] if reference.ndim > 1 else reference[k])
        yield f"{each['name']} gradient", _same(slope, _moments(column), float(np.std(gradients[:, k], ddof=1)))


def _moments(draws: np.ndarray) -> tuple[float, float]:
    return float(draws.mean()), float(draws.std(ddof=1) / sqrt(len(draws)))


def _same(told: dict, other: tuple[float, float], spread: float) -> Outcome:
    """Whether a told mean and one of other draws differ by less than a standard deviation of one draw.

    An equivalence test at LEVEL, which is the whole run's budget over more checks than a run has.
    """
    mean, error = float(told["mean"]), float(told["error"])
    if not isfinite(mean) or not isfinite(other[0]):
        return Outcome.AGREES if str(mean) == str(other[0]) else Outcome.DIFFERS
    if not isfinite(error):
        return Outcome.INCONCLUSIVE  # nothing was told but that it was not compared
    rounding = 1e-9 * (abs(mean) + 1)
    spread = spread if isfinite(spread) else 0.0  # of draws that are infinite: what is told of them has to be exact
    factor = student_factor(LEVEL, int(told["n"]), over_normal=True)
    return equivalence(mean - other[0], hypot(error, other[1]) * factor, MARGIN * spread + rounding, LEVEL).outcome


def main(library: str, wanted: list[str]) -> int:
    warnings.simplefilter("ignore")
    module = importlib.import_module(f"explain_{library}_pairs")  # sets the default dtype to float64
    backend = importlib.import_module(f"elbo_compare.suites.semantics.explaining.{library}_pair")
    pairs = [(name, *each) for name, each in module.PAIRS.items()]
    pairs += list(pyro_pairs() if library == "pyro" else numpyro_pairs())
    skipped = int(wanted.pop(0)[1:]) if wanted and wanted[0].startswith("+") else 0
    target = Path(f"explain-lines-{library}.csv")
    counts: dict[str, int] = {}
    for name, model, guide, arguments in pairs[skipped:]:
        if wanted and name not in wanted:
            continue
        began = time.process_time()
        if library == "pyro":  # autoguides of two pairs name their parameters alike
            sys.modules["pyro"].clear_param_store()
        try:
            pair = backend.prepare(model, guide, arguments, {}, {})
            both: tuple[Any, Any] = (pair, Later(pair))
            told, again = (plain(explained(each, draws=DRAWS)) for each in both)
            checks = [*checked(pair, told, again), *independently(told, pair, library), *reference(pair, told)]
            said = sentences(told, again, pair, library)
            checks += [each for found in said.values() for each in found if each[1]]
        except Exception as error:
            counts["raises"] = counts.get("raises", 0) + 1
            print(f"{name:40} RAISES {type(error).__name__}: {' '.join(str(error).split())[:120]}", flush=True)
            continue
        rows = list(table(name, told, checks, said))
        with target.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        here = {str(each): sum(outcome is each for _, outcome in checks) for each in Outcome}
        here |= {"lines": len(rows), "lines in words": sum(not row[2] for row in rows), "pairs": 1}
        counts = {key: counts.get(key, 0) + here.get(key, 0) for key in counts | here}
        bad = sorted({check for check, outcome in checks if outcome is Outcome.DIFFERS})
        costly = sorted({each["id"] for each in told["findings"] if each["costs"]})
        print(f"{name:40} {here} {time.process_time() - began:5.1f} s  {' '.join(costly)} {'; '.join(bad)}", flush=True)
    print(f"{library}: {counts}; margin {MARGIN:g} standard deviations of one draw, n = {DRAWS} and {DRAWS}, "
          f"level {LEVEL:g}")  # fmt: skip
    return 1 if counts.get("raises", 0) or counts.get(str(Outcome.DIFFERS), 0) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
