"""Mutants x wrappings, mutants x guards: false RIGHT and false causes. `python benchmarks/check_product.py [--jax]`

Wrappings: plain, in a tuple, a dict, a method, a partial, in place, in float32, as images. A false RIGHT is an exit
code 0 for a mutant whose values, at 200 data with sigma from 0.005 to 20 and logits up to 60, are not right; what
equals the ELBO of another likelihood up to a constant is counted apart. With --torch the same functions are torch's,
their gradients the complex step's, and with --jax their bodies run on JAX arrays, so that a detached term is judged by
its gradient; RIGHT is false there too where a gradient is not the right one. A false cause: an entry is named whose
values are others. `--step N` takes a sample.
"""

import argparse
import functools
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from elbo_compare.compare.checking.check import check_function
from elbo_compare.compare.checking.result import CheckResult
from elbo_compare.suites import complex_step
from elbo_compare.suites.contract import Likelihood
from elbo_compare.suites.mutants import catalogue, correct
from elbo_compare.suites.mutants.variant import Kind, Variant

STRIDE = 367  # a prime beside the number of products: any part of a run is spread over mutants and wrappings
KINDS = (Kind.ANALYTIC_KL, Kind.SAMPLED_KL, Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT)
# Equal to the negative ELBO of another likelihood, up to a constant: RIGHT as that, in these words.
OTHER_LIKELIHOODS = {
    "MUT-122": "Multinomial",
    "MUT-127": "N(x | ",
    "MUT-132": "N(x | ",
    "MUT-133": "N(x | ",
    "MUT-136": "Laplace",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One product: what is called, and how."""

    variant: Variant
    wrapping: str
    function: Callable[..., Any]
    mapping: tuple[str, ...]
    framework: str = "numpy"


def plain(variant: Variant) -> Callable[..., Any]:
    """A user's NumPy function of the variant's kind."""
    f = variant.function

    def analytic_kl(mean, log_var):
        return np.real(f(mean, log_var))

    def sampled_kl(z, mean, log_var):
        return np.real(f(z, mean, log_var))

    def loss(x, logits, z, mean, log_var):
        return np.real(f(x, logits, z, mean, log_var))

    def log_weight(x, logits, z, mean, log_var):
        return np.real(f(x, logits, z, mean, log_var))

    found = dict(zip(KINDS, (analytic_kl, sampled_kl, loss, log_weight), strict=True))[variant.kind]
    found.__complex__ = f
    return found


def wrappings(f: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The function in every wrapping that its arguments allow."""
    yield "plain", f
    yield "tuple", _keeping(f, lambda value: (value, 0.5 * value))
    yield "dict", _keeping(f, lambda value: {"loss": value, "kl_for_the_log": 0.5 * value})
    yield "method", _method(f)
    yield "partial", _partial(f)
    yield "in place", _in_place(f)
    yield "float32", _keeping(f, np.float32, cast=np.float32)
    if f.__name__ in ("loss", "log_weight"):
        yield "images", _images(f)


def _keeping(f: Callable[..., Any], make: Callable[[Any], Any], cast: Any = None) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        arguments = {k: v.astype(cast) for k, v in arguments.items()} if cast else arguments
        return make(f(**arguments))

    return wrapped


def _method(f: Callable[..., Any]) -> Callable[..., Any]:
    holder = type("Model", (), {f.__name__: staticmethod(f)})
    return getattr(holder(), f.__name__)


def _partial(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        return f(**arguments)

    return functools.partial(wrapped)


def _in_place(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(**arguments):
        value = np.array(f(**arguments))
        arguments["mean"][...] = 0.0
        return value

    return wrapped


def _images(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapped(x, logits, **arguments):
        if x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(f"pictures of three channels are wanted; {x.shape} arrived")
        return f(x=x.reshape(len(x), -1), logits=logits.reshape(len(x), -1), **arguments)

    return wrapped


def _wrapped(framework: str, function: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    if framework == "numpy":
        return wrappings(function)
    made = import_module(f"check_product_{framework}")
    return made.framework_wrappings(made.of_framework(function))


def products(framework: str = "numpy") -> Iterator[Case]:
    """Every mutant in every wrapping."""
    for variant in catalogue.mutants():
        if variant.kind not in KINDS:
            continue
        mapping = ("logits=location",) if variant.likelihood is Likelihood.NORMAL else ()
        function = plain(variant)
        for wrapping, each in _wrapped(framework, function):
            yield Case(variant=variant, wrapping=wrapping, function=each, mapping=mapping, framework=framework)


def has_the_right_values(variant: Variant) -> bool:
    """Against the correct functions, at 200 data with sigma from 0.005 to 20 and logits up to 60."""
    rng = np.random.default_rng(5)
    mean, log_var = 3 * rng.normal(size=(200, 3)), rng.uniform(-10, 6, size=(200, 3))
    z = mean + np.exp(log_var / 2) * rng.normal(size=mean.shape)
    x, logits = (rng.random((200, 7)) < 0.5).astype(float), 20 * rng.normal(size=(200, 7))
    normal = variant.likelihood is Likelihood.NORMAL
    data = (correct.normal_log_likelihood if normal else correct.bernoulli_log_likelihood)(x, logits)
    kl = correct.sampled_kl(z, mean, log_var)
    arguments, right = {
        Kind.ANALYTIC_KL: ((mean, log_var), correct.analytic_kl(mean, log_var)),
        Kind.SAMPLED_KL: ((z, mean, log_var), kl),
        Kind.NEGATIVE_ELBO: ((x, logits, z, mean, log_var), kl - data),
        Kind.LOG_WEIGHT: ((x, logits, z, mean, log_var), data - kl),
    }[variant.kind]
    with np.errstate(all="ignore"):
        value = np.real(variant.function(*arguments))
    allowed = [right, right.sum(), right.mean()]
    # 1e-9 of the largest term: rounding, with the cancellation of z - mean at sigma = 0.005 included.
    return any(np.shape(a) == np.shape(value) and np.allclose(value, a, rtol=1e-9, atol=1e-7) for a in allowed)


def has_the_right_gradients(variant: Variant) -> bool:
    """Against the correct functions, by complex step, at 6 data; of a sum, or of a mean, over the batch."""
    rng = np.random.default_rng(6)
    mean, log_var = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    arguments: dict[str, Any] = {"mean": mean, "log_var": log_var}
    normal = variant.likelihood is Likelihood.NORMAL
    data = correct.normal_log_likelihood if normal else correct.bernoulli_log_likelihood
    if variant.kind is not Kind.ANALYTIC_KL:
        arguments["z"] = mean + np.exp(log_var / 2) * rng.normal(size=mean.shape)
    if variant.kind in (Kind.NEGATIVE_ELBO, Kind.LOG_WEIGHT):
        arguments |= {"x": (rng.random((6, 7)) < 0.5).astype(float), "logits": rng.normal(size=(6, 7))}
    sign = -1 if variant.kind is Kind.LOG_WEIGHT else 1

    def right(x=None, logits=None, z=None, mean=None, log_var=None):
        kl = correct.analytic_kl(mean, log_var) if z is None else correct.sampled_kl(z, mean, log_var)
        return sign * (kl - (data(x, logits) if x is not None else 0.0))

    for factor in (1.0, 1 / 6):
        pairs = [
            (
                complex_step.gradient(variant.function, n, **arguments),
                factor * complex_step.gradient(right, n, **arguments),
            )
            for n in arguments
            if n != "x"
        ]
        if all(np.allclose(one, other, rtol=1e-8, atol=1e-9) for one, other in pairs):
            return True
    return False


def outcome(case: Case) -> tuple[str, CheckResult]:
    """What the product came to: `caught`, `right by value`, `another likelihood`, `not judged` or `FALSE RIGHT`."""
    result = check_function(case.function, mapping=case.mapping, framework=case.framework)
    if result.exit_code == 0:
        words = OTHER_LIKELIHOODS.get(case.variant.id)
        if words and words in result.equation:
            return "another likelihood", result
        right = has_the_right_values(case.variant)
        right = right and (case.framework == "numpy" or has_the_right_gradients(case.variant))
        return ("right by value" if right else "FALSE RIGHT"), result
    return ("caught" if result.exit_code == 1 else "not judged"), result


GUARDS: dict[str, Callable[[Any], Any]] = {
    "clamp 1e-5": lambda p: np.clip(p, 1e-5, 1 - 1e-5),
    "clamp 1e-7": lambda p: np.clip(p, 1e-7, 1 - 1e-7),
    "none": lambda p: p,
}
EPSILONS = {"log(p + 1e-7)": 1e-7, "log(p + 1e-8)": 1e-8}


def guarded() -> Iterator[tuple[Variant, str, Callable[..., Any]]]:
    """Every KL mutant in a loss of probabilities under every guard."""
    for variant in catalogue.CATALOGUE.values():
        if variant.kind not in (Kind.ANALYTIC_KL, Kind.SAMPLED_KL):
            continue
        for name, guard in GUARDS.items():
            yield variant, name, _loss(variant, guard)
        for name, epsilon in EPSILONS.items():
            yield variant, name, _loss(variant, epsilon=epsilon)


def _loss(variant: Variant, guard: Callable[[Any], Any] | None = None, epsilon: float = 0.0) -> Callable[..., Any]:
    def data(x, probs):
        p = guard(probs) if guard else probs
        if epsilon:
            return -(x * np.log(p + epsilon) + (1 - x) * np.log(1 - p + epsilon)).sum(-1)
        return -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(-1)

    def loss(x, probs, mean, log_var):
        return data(x, probs) + np.real(variant.function(mean, log_var))

    def sampled_loss(x, probs, z, mean, log_var):
        return data(x, probs) + np.real(variant.function(z, mean, log_var))

    return loss if variant.kind is Kind.ANALYTIC_KL else sampled_loss


def false_cause(variant: Variant, named: str) -> bool:
    """Whether the entry that was named has other values than the planted one."""
    other = catalogue.CATALOGUE.get(named)
    if other is None or other is variant:
        return False
    rng = np.random.default_rng(9)
    mean, log_var = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    z = mean + np.exp(log_var / 2) * rng.normal(size=mean.shape)
    if other.kind not in (Kind.ANALYTIC_KL, Kind.SAMPLED_KL):
        return False  # a whole loss: its values were compared by the check, and are by `outcome`

    def values(one: Variant) -> Any:
        return np.real(one.function(mean, log_var) if one.kind is Kind.ANALYTIC_KL else one.function(z, mean, log_var))

    ours, theirs = values(variant), values(other)
    return not (np.shape(ours) == np.shape(theirs) and np.allclose(ours, theirs, rtol=1e-8, atol=1e-8))


class Log:
    """One line for each product, written at once: an interrupted run goes on where it stopped."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        there = path.read_text(encoding="utf-8").splitlines()[1:] if path and path.is_file() else []
        self.rows = {tuple(line.split(",")[:3]): line for line in there}
        if path and not there:
            path.write_text("framework,variant,product,outcome,verdict\n", encoding="utf-8")

    def add(self, *row: str) -> None:
        """Keep one more."""
        self.rows[row[:3]] = ",".join(row)
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(",".join(row) + "\n")

    def counts(self, framework: str, *, guards: bool) -> Counter[tuple[str, str]]:
        """How many products of each wrapping (or guard) came to what."""
        rows = [line.split(",") for line in self.rows.values()]
        return Counter(
            (product, what)
            for each, _, product, what, _ in rows
            if each == framework and ("guard" in product) is guards
        )


def judge_wrappings(log: Log, framework: str, step: int, until: float) -> None:
    """Every product that is not in the log, spread over the whole: a stopped run is a sample."""
    cases = list(products(framework))
    spread = cases[::step] if step > 1 else [cases[i * STRIDE % len(cases)] for i in range(len(cases))]
    for case in sorted(spread, key=lambda case: case.wrapping == "images"):  # dear: last
        key = (framework, case.variant.id, case.wrapping)
        if time.monotonic() > until:
            return
        if key not in log.rows:
            what, result = outcome(case)
            log.add(*key, what, str(result.verdict))
            if what == "FALSE RIGHT":
                print(case.variant.id, case.wrapping, result.as_text(), sep="\n", flush=True)


def judge_guards(log: Log, step: int, until: float) -> None:
    """Every KL mutant under every guard; is a cause named that is not there?"""
    for variant, guard, function in list(guarded())[::step]:
        key = ("numpy", variant.id, f"guard {guard}")
        if time.monotonic() > until:
            return
        if key not in log.rows:
            result = check_function(function, framework="numpy")
            named = result.diagnosis.id if result.diagnosis else ""
            false = false_cause(variant, named)
            log.add(*key, "FALSE CAUSE" if false else "named" if named else "not named", str(result.verdict))
            if false:
                print("FALSE CAUSE", variant.id, guard, result.as_text(), sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=1, metavar="N", help="every N-th product")
    parser.add_argument("--torch", action="store_true", help="torch functions: gradients are judged too")
    parser.add_argument("--jax", action="store_true", help="JAX functions: gradients are judged too")
    parser.add_argument("--only", choices=("wrappings", "guards"), help="one of the two products")
    parser.add_argument("--output", type=Path, help="CSV, one line for each product; what is in it is kept")
    parser.add_argument("--stop-after", type=float, default=math.inf, metavar="SECONDS", help="end, to go on later")
    chosen = parser.parse_args()
    log, until = Log(chosen.output), time.monotonic() + chosen.stop_after
    framework = "torch" if chosen.torch else "jax" if chosen.jax else "numpy"
    if chosen.only != "wrappings":
        judge_guards(log, chosen.step, until)
    if chosen.only != "guards":
        judge_wrappings(log, framework, chosen.step, until)
    wrapped, guards = log.counts(framework, guards=False), log.counts("numpy", guards=True)
    for (wrapping, what), count in sorted(wrapped.items()):
        print(f"{wrapping:<20} {what:<20} {count}")
    for name, found in (("mutants x wrappings", wrapped), ("mutants x guards", guards)):
        total: Counter[str] = Counter()
        for (_, what), count in found.items():
            total[what] += count
        print(f"{name}: {sum(total.values())} products, {dict(total)}")
    return int(bool({"FALSE RIGHT", "FALSE CAUSE"} & {what for _, what in (*wrapped, *guards)}))


if __name__ == "__main__":
    sys.exit(main())
