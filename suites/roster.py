"""The roster: one row for each implementation of ours, its kind, what it needs and where it runs. Imports no framework.

Whoever must know which implementations there are reads it: the registry, what can run here, the environment record,
the claims, the estimators' library classes, citations, semantics, the bench and (as an argument) the report. A further
library is a folder with its backend, a row here and an extra in pyproject.toml.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from elbo_compare.suites.contract import Kind


@dataclass(frozen=True, kw_only=True)
class Package:
    """What is imported, what is installed, and `beneath`: distributions whose version matters too. `title`: its name in
    a sentence."""

    module: str
    distribution: str
    title: str = ""
    beneath: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Framework(Package):
    """Arrays, derivatives and devices. `sees_cuda`: a program that prints True where it finds a CUDA device; `remedy`:
    what to do where it finds none (PyPI's torch for Linux brings CUDA, its jax does not)."""

    sees_cuda: str = ""
    remedy: str = ""


NUMPY = Framework(module="numpy", distribution="numpy")
TORCH = Framework(
    module="torch",
    distribution="torch",
    sees_cuda="import torch; print(torch.cuda.is_available())",
    remedy="pip install --force-reinstall torch",
)
JAX = Framework(
    module="jax",
    distribution="jax",
    beneath=("jaxlib",),
    sees_cuda="import jax; print(any(d.platform == 'gpu' for d in jax.devices()))",
    remedy="pip install 'elbo-compare[cuda]'",
)
FRAMEWORKS = {each.module: each for each in (TORCH, JAX)}  # those that have devices


@dataclass(frozen=True, kw_only=True)
class Row:
    """One implementation. `folder`: of `suites`; `entry`: module:class within it; `framework`: what it computes with;
    `library`: the package whose public ELBO objects give its numbers; `classes`: estimator -> the name of that class;
    `extra`: what installs all of it; `optional`: `all` means it only where it is installed, so that nothing changes for
    who does without; `environment`: the named one in which it runs, where it would disturb what is installed here;
    `clamped`: the finding by which its Bernoulli gradient is torch's of a cross-entropy of probabilities."""

    name: str
    kind: Kind
    folder: str
    entry: str
    framework: Framework
    library: Package | None = None
    classes: Mapping[str, str] = field(default_factory=dict, hash=False)
    extra: str = ""
    optional: bool = False
    environment: str = ""
    clamped: str = ""

    @property
    def target(self) -> str:
        """Where its class is, as an entry point says it."""
        return f"{self.module('')}{self.entry}"

    def module(self, page: str) -> str:
        """The dotted name of one page of its folder."""
        return f"{__package__}.{self.folder}.{page}"

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be importable, the framework first; nothing where no extra is needed."""
        return tuple(each.module for each in self._packages) if self.extra else ()

    @property
    def distributions(self) -> tuple[str, ...]:
        """Whose versions its numbers depend on, its own first."""
        return tuple(each.distribution for each in reversed(self._packages))

    @property
    def recorded(self) -> tuple[str, ...]:
        """The distributions that an environment record names on its account."""
        return tuple(name for each in self._packages for name in (each.distribution, *each.beneath))

    @property
    def _packages(self) -> tuple[Package, ...]:
        return (self.framework,) if self.library is None else (self.framework, self.library)


# Pyro's and NumPyro's classes have the same names, which is no law: each row says what its library calls them.
_PYRO_CLASSES = {
    **dict.fromkeys(("sampled-kl", "elbo-5", "stl"), "Trace_ELBO"),
    "analytic-kl": "TraceMeanField_ELBO",
    **dict.fromkeys(("iwae-1", "iwae-5", "iwae-20", "iwae-80"), "RenyiELBO"),
    **dict.fromkeys(("renyi-minus-1", "renyi-half", "renyi-2"), "RenyiELBO"),
    "trace-graph": "TraceGraph_ELBO",
}
_TFP_FUNCTIONS = {
    **dict.fromkeys(("sampled-kl", "elbo-5", "stl"), "monte_carlo_variational_loss"),
    "analytic-kl": "kl_divergence",
    **dict.fromkeys(("iwae-1", "iwae-5", "iwae-20", "iwae-80"), "monte_carlo_variational_loss"),
    **dict.fromkeys(("dreg-1", "dreg-5", "dreg-20", "dreg-80"), "monte_carlo_variational_loss"),
}
_PYRO_COMPILED = {
    "jit-trace": "JitTrace_ELBO",
    "jit-trace-mean-field": "JitTraceMeanField_ELBO",
    "jit-trace-graph": "JitTraceGraph_ELBO",
}

ROSTER = (
    Row(
        name="numpy-oracle",
        kind=Kind.ORACLE,
        folder="numpy_oracle",
        entry="implementation:NumpyOracle",
        framework=NUMPY,
    ),
    Row(
        name="torch-hand",
        kind=Kind.HAND,
        folder="torch_hand",
        entry="implementation:TorchHand",
        framework=TORCH,
        extra="torch",
    ),
    Row(
        name="jax-hand",
        kind=Kind.HAND,
        folder="jax_hand",
        entry="implementation:JaxHand",
        framework=JAX,
        extra="jax",
    ),
    Row(
        name="pyro",
        kind=Kind.LIBRARY,
        folder="pyro_ppl",
        entry="implementation:Pyro",
        framework=TORCH,
        library=Package(module="pyro", distribution="pyro-ppl", title="Pyro"),
        classes=_PYRO_CLASSES | _PYRO_COMPILED,
        extra="torch",
    ),
    Row(
        name="numpyro",
        kind=Kind.LIBRARY,
        folder="numpyro_ppl",
        entry="implementation:NumPyro",
        framework=JAX,
        library=Package(module="numpyro", distribution="numpyro", title="NumPyro"),
        classes=_PYRO_CLASSES,
        extra="jax",
    ),
    Row(
        name="tfp",
        kind=Kind.LIBRARY,
        folder="tfp_ppl",
        entry="implementation:TFP",
        framework=JAX,
        library=Package(module="tensorflow_probability", distribution="tfp-nightly", title="TensorFlow Probability"),
        classes=_TFP_FUNCTIONS,
        extra="tfp",
        optional=True,
    ),
)
# Libraries that people take instead, each in an environment of its own, which `compare env create NAME` makes: plug-ins
# that come with this package (`integrations`). Whoever makes no environment sees nothing of them.
GUESTS = tuple(
    Row(
        name=name,
        kind=Kind.LIBRARY,
        folder="integrations",
        entry=entry,
        framework=framework,
        library=Package(module=name, distribution=name, title=title),
        optional=True,
        environment=name,
        clamped=clamped,
    )
    for name, title, entry, framework, clamped in (
        ("pymc", "PyMC", "pymc_vae:PyMC", Framework(module="pytensor", distribution="pytensor"), ""),
        ("pythae", "Pythae", "pythae_vae:Pythae", TORCH, "FIND-PYTHAE-002"),
    )
)
# Libraries of which single losses are judged, by semantics cases alone: none of them takes an encoder's heads.
JUDGED_ALONE = tuple(
    Row(
        name=name,
        kind=Kind.LIBRARY,
        folder="integrations",
        entry="",
        framework=framework,
        library=Package(module=name, distribution=name, title=name),
        optional=True,
        environment=name,
    )
    for name, framework in (("blackjax", JAX), ("flowjax", JAX), ("normflows", TORCH))
)
# Libraries of distributions: their densities and divergences are swept, and nothing else is asked of them.
SWEPT_ALONE = tuple(
    Row(
        name=name,
        kind=Kind.LIBRARY,
        folder="semantics",
        entry="",
        framework=framework,
        library=Package(module=name, distribution=name, title=name),
        extra="densities",
        optional=True,
    )
    for name, framework in (("zuko", TORCH), ("distrax", JAX))
)
BY_NAME = {row.name: row for row in ROSTER}
GUEST = {row.name: row for row in GUESTS}
LIBRARIES = {row.name: row for row in (*ROSTER, *GUESTS, *JUDGED_ALONE, *SWEPT_ALONE) if row.library is not None}
TITLES = {name: row.library.title for name, row in LIBRARIES.items() if row.library}  # a library's name in a sentence
RELEASED_AS = {"tfp": "tensorflow-probability"}  # its final releases; the nightly builds have a name of their own
ORACLE = next(row.name for row in ROSTER if row.kind is Kind.ORACLE)  # the reference, whatever the others are


def clamped(implementation: str) -> str:
    """The finding by which an implementation's Bernoulli gradient is torch's of a cross-entropy of probabilities."""
    row = LIBRARIES.get(implementation)
    return row.clamped if row else ""


def named(kind: Kind) -> tuple[str, ...]:
    """The names of ours of one kind, in the roster's order."""
    return tuple(row.name for row in ROSTER if row.kind is kind)


def library_classes(estimator: str) -> dict[str, str]:
    """Library -> the public class that computes an estimator; empty where no library has it."""
    return {row.name: row.classes[estimator] for row in ROSTER if estimator in row.classes}


def distributions(*, optional: bool = False) -> tuple[str, ...]:
    """Every distribution whose version may change one of our numbers, each once; or those that only optional rows
    need, of which nothing is said where they are not installed."""
    always = dict.fromkeys(name for row in ROSTER if not row.optional for name in row.recorded)
    if not optional:
        return tuple(always)
    return tuple(dict.fromkeys(name for row in ROSTER for name in row.recorded if name not in always))
