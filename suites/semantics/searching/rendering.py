"""A pair as a program: one text for each library, which is run as it stands and pasted as it stands."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import prod

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.searching.description import (
    PARAMETERS,
    Expression,
    Family,
    Link,
    Pair,
    Parent,
    Plate,
    Site,
    Via,
)

_NAMES = {
    Family.NORMAL: "Normal",
    Family.LOG_NORMAL: "LogNormal",
    Family.GAMMA: "Gamma",
    Family.BETA: "Beta",
    Family.EXPONENTIAL: "Exponential",
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


def program(pair: Pair, library: Library) -> str:
    """Imports, model() and guide()."""
    return f"{IMPORTS[library]}\n\n\n{functions(pair, library)}"


def functions(pair: Pair, library: Library) -> str:
    """model() and guide() alone. Raises ValueError where the library cannot say it."""
    writer = _Writer(pair, library)
    return "\n".join(["def model():", *writer.body(pair.model), "", "", "def guide():", *writer.guide()]) + "\n"


class _Writer:
    def __init__(self, pair: Pair, library: Library) -> None:
        self.pair, self.pyro = pair, library is Library.PYRO
        self.module = "pyro" if self.pyro else "numpyro"
        self.tools = "poutine" if self.pyro else "handlers"
        self.sources = {site.name: site for site in (*pair.model, *pair.guide)}
        if not self.pyro and any(plate.subsample for plate in pair.plates):
            raise ValueError("numpyro.plate takes no fixed subsample")

    def guide(self) -> list[str]:
        if not self.pair.theta:
            return self.body(self.pair.guide) or ["    pass"]
        return [f"    t = {self.module}.param('t', {self.array(self.pair.theta)})", *self.body(self.pair.guide)]

    def body(self, sites: Sequence[Site]) -> list[str]:
        used = [plate for plate in self.pair.plates if any(plate.name in site.plates for site in sites)]
        lines = [f"    plate_{plate.name} = {self.plate(plate)}" for plate in used]
        for context, members in groupby(sites, key=self.context):
            if context:
                lines.append(f"    with {context}:")
            lines += [f"    {'    ' if context else ''}{self.statement(site)}" for site in members]
        return lines

    def plate(self, plate: Plate) -> str:
        rows = f", subsample_size={plate.rows}" if plate.rows else ""
        fixed = f", subsample=torch.tensor({list(plate.subsample)})" if plate.subsample else ""
        return f"{self.module}.plate('{plate.name}', {plate.size}{rows}{fixed}, dim={plate.dim})"

    def context(self, site: Site) -> str:
        """What stands after `with`: plates, the outer first, then scale and mask."""
        axes = [name for name in self.pair.axes(site) if name]
        parts = [f"plate_{name} as {name}" if self.drawn(name) else f"plate_{name}" for name in axes]
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
            return f"{self.module}.factor('{site.name}', {self.expression(site, 0)})"
        levels = tuple(map(int, site.observed)) if site.family is Family.CATEGORICAL else site.observed
        observed = f", obs={self.numbers(site, levels, tensor=True, event=True)}" if site.observed else ""
        auxiliary = ", infer={'is_auxiliary': True}" if site.auxiliary else ""
        event = ".to_event(1)" if site.event else ""
        call = f"{self.module}.sample('{site.name}', {self.distribution(site)}{event}{observed}{auxiliary})"
        read = any(site.name in other.parents for other in (*self.pair.model, *self.pair.guide))
        return f"{site.name} = {call}" if read and not site.observed else call

    def distribution(self, site: Site) -> str:
        arguments = [self.expression(site, k) for k in range(len(site.parameters))]
        if site.event:
            arguments = [self.widened(site, k, text) for k, text in enumerate(arguments)]
        if site.family is Family.CATEGORICAL:
            whole = "torch.stack(torch.broadcast_tensors" if self.pyro else "jnp.stack(jnp.broadcast_arrays"
            zero = "torch.tensor(0.0)" if self.pyro else "0.0"
            arguments = [each if "[" in each or not self.pyro else f"torch.as_tensor({each})" for each in arguments]
            return f"dist.Categorical(logits={whole}({zero}, {', '.join(arguments)}), -1))"
        if site.family is Family.BERNOULLI and not site.parameters[0].bare:
            return f"dist.Bernoulli(logits={arguments[0]})"
        if site.family is Family.DELTA and site.log_density:
            arguments.append(f"log_density={site.log_density!r}")
        return f"dist.{_NAMES[site.family]}({', '.join(arguments)})"

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
        value = f"{parent.name}.sum(-1)" if source.event else parent.name
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
    from dataclasses import replace

    return replace(site, event=0)
