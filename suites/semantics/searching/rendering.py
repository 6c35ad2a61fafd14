"""A pair as a program: one text for each library, which is run as it stands and pasted as it stands."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import exp, prod

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import (
    PARAMETERS,
    SUPPORTS,
    Expression,
    Family,
    Link,
    Pair,
    Parent,
    Plate,
    Site,
    Support,
    Via,
)

_NAMES = {
    Family.NORMAL: "Normal",
    Family.LOG_NORMAL: "LogNormal",
    Family.GAMMA: "Gamma",
    Family.BETA: "Beta",
    Family.EXPONENTIAL: "Exponential",
    Family.FOLDED: "FoldedDistribution",
    Family.KUMARASWAMY: "Kumaraswamy",
    Family.DIRICHLET: "Dirichlet",
    Family.BERNOULLI: "Bernoulli",
    Family.CATEGORICAL: "Categorical",
    Family.POISSON: "Poisson",
    Family.DELTA: "Delta",
}
IMPORTS = {
    Library.PYRO: "import pyro, pyro.infer, torch, pyro.distributions as dist\nfrom pyro import poutine",
    Library.NUMPYRO: "import numpyro, jax.numpy as jnp, numpyro.distributions as dist\nfrom numpyro import handlers",
}
DEEPEST = 2  # plates
# What an autoguide is in our words: a normal of the unconstrained latent, of this scale at its start.
AUTOMATIC_SCALE = 0.5
AUTOMATIC_FAMILY = {Support.REAL: Family.NORMAL, Support.POSITIVE: Family.LOG_NORMAL, Support.UNIT: Family.LOGIT_NORMAL}


def program(pair: Pair, library: Library) -> str:
    """Imports, model() and guide()."""
    return f"{IMPORTS[library]}\n\n\n{functions(pair, library)}"


def functions(pair: Pair, library: Library) -> str:
    """model() and guide() alone. Raises ValueError where the library cannot say it."""
    writer = _Writer(pair, library)
    head = [f"state = {{'c': {pair.state!r}}}", "", ""] if pair.state and not pair.kept else []
    return "\n".join([*head, "def model():", *writer.model(), "", "", *writer.guide()]) + "\n"


_TRANSFORMS = {Family.LOGIT_NORMAL: "SigmoidTransform()", Family.AFFINE: "AffineTransform(0.5, 2.0)"}


class _Writer:
    def __init__(self, pair: Pair, library: Library) -> None:
        self.pair, self.pyro = pair, library is Library.PYRO
        self.module = "pyro" if self.pyro else "numpyro"
        self.tools = "poutine" if self.pyro else "handlers"
        self.sources = {site.name: site for site in (*pair.model, *pair.guide)}
        if not self.pyro and any(plate.subsample for plate in pair.plates):
            raise ValueError("numpyro.plate takes no fixed subsample")
        if not self.pyro and any(site.scored for site in pair.guide):
            raise ValueError("numpyro has no has_rsample_")
        if self.pyro and pair.kept:
            raise ValueError("pyro has no mutable state")

    def model(self) -> list[str]:
        if not self.pair.kept:
            return self.body(self.pair.model)
        return ["    state = numpyro.primitives.mutable('state', {'c': jnp.array(0.0)})",
                *self.body(self.pair.model), f"    state['c'] = jnp.array({self.pair.state!r})"]  # fmt: skip

    def guide(self) -> list[str]:
        if self.pair.automatic:
            return self.automatic()
        if not self.pair.theta:
            return ["def guide():", *(self.body(self.pair.guide) or ["    pass"])]
        values = f"    t = {self.module}.param('t', {self.array(self.pair.theta)})"
        return ["def guide():", values, *self.body(self.pair.guide)]

    def automatic(self) -> list[str]:
        """The library's autoguide, which starts where t says: t is its locations before they are constrained."""
        where = f"{self.module}.infer.autoguide" if self.pyro else "numpyro.infer.autoguide"
        initial = "pyro.infer.autoguide.init_to_value" if self.pyro else "numpyro.infer.init_to_value"
        values = ", ".join(f"'{site.name}': {self.start(site)}" for site in self.pair.guide)
        return [f"import {where}", f"guide = {where}.{self.pair.automatic}(model, init_scale={AUTOMATIC_SCALE!r},",
                f"    init_loc_fn={initial}(values={{{values}}}))"]  # fmt: skip

    def start(self, site: Site) -> str:
        """The constrained value of the guide's location."""
        first = site.parameters[0].theta or 0
        entries = self.pair.theta[first : first + self.pair.count(site)]
        to = {Support.POSITIVE: exp, Support.UNIT: lambda u: 1 / (1 + exp(-u))}.get(SUPPORTS[site.family], float)
        return self.wrapped(_nested(iter([to(each) for each in entries]), self.shape(site)))

    def body(self, sites: Sequence[Site]) -> list[str]:
        entered = Counter(name for _, members in groupby(sites, key=self.context) for name in next(members).plates)
        once = frozenset(name for name, times in entered.items() if times == 1)  # made where it is entered
        lines = [f"    plate_{plate.name} = {self.plate(plate)}" for plate in self.pair.plates
                 if entered[plate.name] > 1]  # fmt: skip
        for context, members in groupby(sites, key=lambda site: self.context(site, once)):
            if context:
                lines.append(f"    with {context}:")
            lines += [f"    {'    ' if context else ''}{self.statement(site)}" for site in members]
        return lines

    def plate(self, plate: Plate) -> str:
        rows = f", subsample_size={plate.rows}" if plate.rows else ""
        fixed = f", subsample=torch.tensor({list(plate.subsample)})" if plate.subsample else ""
        return f"{self.module}.plate('{plate.name}', {plate.size}{rows}{fixed}, dim={plate.dim})"

    def context(self, site: Site, once: Collection[str] = ()) -> str:
        """What stands after `with`: plates, the outer first (`once`: made there), then scale and mask."""
        axes = [name for name in self.pair.axes(site) if name]
        parts = [self.plate(self.pair.plate(name)) if name in once else f"plate_{name}" for name in axes]
        parts = [f"{part} as {name}" if self.drawn(name) else part for part, name in zip(parts, axes, strict=True)]
        if site.scale:
            parts.append(f"{self.tools}.scale(scale={self.numbers(site, site.scale)})")
        if site.mask:
            parts.append(f"{self.tools}.mask(mask={self.numbers(site, site.mask)})")
        return ", ".join(parts)

    def drawn(self, name: str) -> bool:
        plate = self.pair.plate(name)
        return plate.width < plate.size

    def statement(self, site: Site) -> str:
        if site.family is Family.FACTOR:
            moving = ", has_rsample=True" if self.pyro and site in self.pair.guide else ""
            return f"{self.module}.factor('{site.name}', {self.expression(site, 0)}{moving})"
        levels = tuple(map(int, site.observed)) if site.family is Family.CATEGORICAL else site.observed
        observed = f", obs={self.numbers(site, levels, tensor=True, event=True)}" if site.observed else ""
        if site.observed_where:
            observed += f", obs_mask={self.numbers(site, site.observed_where, tensor=True)}"
        auxiliary = ", infer={'is_auxiliary': True}" if site.auxiliary else ""
        auxiliary += ", infer={'enumerate': 'parallel'}" if site.summed else ""
        event = ".to_event(1)" if site.event and not site.joint else ""
        event = f".expand([{site.event}]){event}" if site.expanded else event
        event += ".has_rsample_(False)" if site.scored else ""
        call = f"{self.module}.sample('{site.name}', {self.distribution(site)}{event}{observed}{auxiliary})"
        read = any(site.name in other.parents for other in (*self.pair.model, *self.pair.guide))
        return f"{site.name} = {call}" if read and not site.observed else call

    def distribution(self, site: Site) -> str:
        arguments = [self.expression(site, k) for k in range(len(site.parameters))]
        if site.event and not site.expanded:
            arguments = [self.widened(site, k, text) for k, text in enumerate(arguments)]
        if site.family is Family.CATEGORICAL:
            whole = "torch.stack(torch.broadcast_tensors" if self.pyro else "jnp.stack(jnp.broadcast_arrays"
            zero = "torch.tensor(0.0)" if self.pyro else "0.0"
            arguments = [each if "[" in each or not self.pyro else f"torch.as_tensor({each})" for each in arguments]
            return f"dist.Categorical(logits={whole}({zero}, {', '.join(arguments)}), -1))"
        if site.family is Family.BERNOULLI and not site.parameters[0].bare:
            return f"dist.Bernoulli(logits={arguments[0]})"
        if site.family is Family.MULTIVARIATE:
            return self.multivariate(arguments[0], arguments[1], self.expression(site, 2))
        if site.family in _TRANSFORMS:
            transform = f"dist.transforms.{_TRANSFORMS[site.family]}"
            return f"dist.TransformedDistribution(dist.Normal({', '.join(arguments)}), [{transform}])"
        if site.family is Family.FOLDED:
            return f"dist.FoldedDistribution(dist.Normal({', '.join(arguments)}))"
        if site.family is Family.DELTA and site.log_density:
            arguments.append(f"log_density={site.log_density!r}")
        return f"dist.{_NAMES[site.family]}({', '.join(arguments)})"

    def multivariate(self, loc: str, scale: str, lower: str) -> str:
        """By its Cholesky factor, diag(scale) with `lower` below."""
        module = "torch" if self.pyro else "jnp"
        below = self.wrapped("[[0.0, 0.0], [1.0, 0.0]]")
        scale = scale if scale.startswith("torch.tensor([") or scale.endswith(".exp()") else f"({scale})"
        return f"dist.MultivariateNormal({loc}, scale_tril={scale}[..., None] * {module}.eye(2) + {lower} * {below})"

    def widened(self, site: Site, position: int, text: str) -> str:
        """A parameter of an event site: over the event's entries too."""
        expression = site.parameters[position]
        if len(expression.const) > 1 or expression.each:
            return text
        ones = f"{'torch' if self.pyro else 'jnp'}.ones({site.event})"
        if expression.bare:
            return f"{text} * {ones}"
        return f"({text}) * {ones}"

    def expression(self, site: Site, position: int) -> str:
        expression, link = site.parameters[position], PARAMETERS[site.family][position][1]
        const = self.numbers(site, expression.const, event=True)
        if expression.bare:
            return const
        terms = [] if set(expression.const) == {0.0} else [const]
        if expression.theta is not None:
            terms.append(self.entry(site, expression))
        terms += [self.parent(site, parent) for parent in expression.parents]
        terms += ["state['c']"] if expression.state else []
        linear = " + ".join(terms).replace("+ -", "- ")
        if link is not Link.EXP:
            return linear
        single = len(terms) == 1 and "*" not in linear
        if self.pyro:
            return f"{linear}.exp()" if single else f"({linear}).exp()"
        return f"jnp.exp({linear})"

    def entry(self, site: Site, expression: Expression) -> str:
        """t[k], or the slice with one entry per cell."""
        start = expression.theta or 0
        if not expression.each:
            return f"t[{start}]"
        shape = self.shape(site)
        text = f"t[{start}:{start + prod(shape)}]"
        if len(shape) > 1:
            text += f".reshape({', '.join(map(str, shape))})"
        return text + self.rows(site)

    def parent(self, site: Site, parent: Parent) -> str:
        source = self.sources[parent.name]
        if parent.via is Via.BRANCH:
            return f"({parent.coefficient!r} if {parent.name} else 0.0)"
        if parent.via is Via.ITEM:
            return f"{parent.coefficient!r} * {parent.name}.item()"
        value = f"{parent.name}{'[..., 0]' if source.joint else '.sum(-1)' if source.event else ''}"
        if site.event:
            value += "[..., None]"
        return f"{parent.coefficient!r} * {value}"

    def shape(self, site: Site) -> tuple[int, ...]:
        """Of a constant with one number per cell: inner plates that the site lacks have size 1."""
        named = {self.pair.plate(name).dim: self.pair.plate(name).size for name in site.plates}
        deepest = -min(named, default=0)
        plates = tuple(named.get(dim, 1) for dim in range(-deepest, 0))
        return (*plates, *((site.event,) if site.event else ()))

    def rows(self, site: Site) -> str:
        """The index that takes the drawn rows, which lie along the last plate dimension."""
        inner = [name for name in site.plates if self.drawn(name)]
        if not inner:
            return ""
        if len(site.plates) == 1 and not site.event:
            return f"[{inner[0]}]"
        return f"[..., {inner[0]}{', :' if site.event else ''}]"

    def numbers(self, site: Site, numbers: Sequence[float | bool], *, tensor: bool = False, event: bool = False) -> str:
        """One number as it stands (`tensor`: as an array), several as an array with the site's axes."""
        if len(numbers) == 1:
            one = repr(numbers[0])
            return self.wrapped(one) if tensor or isinstance(numbers[0], bool) else one
        shape = self.shape(site if event else _without_event(site))
        flat = iter(numbers)
        return self.wrapped(_nested(flat, shape)) + self.rows(site if event else _without_event(site))

    def array(self, numbers: Sequence[float]) -> str:
        return self.wrapped(repr(list(numbers)))

    def wrapped(self, text: str) -> str:
        return f"torch.tensor({text})" if self.pyro else f"jnp.array({text})"


def _nested(flat: Iterator[float | bool], shape: Sequence[int]) -> str:
    if not shape:
        return repr(next(flat))
    return "[" + ", ".join(_nested(flat, shape[1:]) for _ in range(shape[0])) + "]"


def _without_event(site: Site) -> Site:
    return replace(site, event=0)
