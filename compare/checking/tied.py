"""One spread that comes in twice, `sigma` and `log_sigma`: the second is made of the first, never fed apart."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from elbo_compare.compare.checking.names import SPREADS, Role, WrittenAs
from elbo_compare.compare.checking.signature import Argument
from elbo_compare.suites.bridge.user_arrays import exponential, logarithm

FORM = re.compile(r"log|ln|variance|vars?|sigmas?|stddevs?|stdev|stds?|scales?|sds?|sigs?|squared|sq|[^a-z0-9]")
OF_LATENTS, OF_THE_DECODER = (Role.SPREAD, Role.PRIOR_SPREAD), (Role.OUTPUT_SPREAD,)
LOCATIONS = {OF_LATENTS: (Role.MEAN, Role.PRIOR_MEAN), OF_THE_DECODER: (Role.OUTPUT,)}
LOGARITHMS = (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA)


@dataclass(frozen=True, kw_only=True)
class Tie:
    """A parameter that is the same spread as another one, in another form."""

    name: str
    form: WrittenAs
    of: str
    of_form: WrittenAs

    def made(self, array: Any) -> Any:
        """The parameter's array from the other's, in their own framework."""
        if self.of_form in LOGARITHMS:
            log_sigma = array if self.of_form is WrittenAs.LOG_SIGMA else array / 2
        elif self.form in LOGARITHMS:
            log_sigma = logarithm(array) if self.of_form is WrittenAs.SIGMA else logarithm(array) / 2
        else:
            return array * array if self.form is WrittenAs.VAR else array**0.5
        if self.form in LOGARITHMS:
            return log_sigma if self.form is WrittenAs.LOG_SIGMA else 2 * log_sigma
        return exponential(log_sigma if self.form is WrittenAs.SIGMA else 2 * log_sigma)

    @property
    def text(self) -> str:
        """`sigma is fed as the sigma of log_sigma`."""
        return f"{self.name} is fed as the {self.form.value} of {self.of}"


def ties_among(read: Mapping[str, Argument]) -> Iterator[tuple[Tie, ...]]:
    """Every way to tie parameters that are one spread in two forms, likeliest first; nothing where there is none.

    A spread has one location: two of them beside two means may be two Gaussians, and are left alone.
    """
    groups: list[list[Argument]] = []
    for kind, locations in LOCATIONS.items():
        spreads = [a for a in read.values() if a.role in kind]
        if len(spreads) > sum(a.role in locations for a in read.values()):
            groups += [group for group in _by_owner(spreads) if len(group) > 1]
    ways = [list(_ways(group)) for group in groups]
    if ways and all(ways):
        for chosen in product(*ways):
            yield tuple(tie for group in chosen for tie in group)


def may_weigh(ties: Iterable[Tie]) -> str:
    """The name of a tied parameter that is no spread by its name alone: `scale` may be a weight; "" where none is."""
    return next((name for tie in ties for name in (tie.name, tie.of) if name.lower() in ("scale", "scales")), "")


def without(
    fixed: Mapping[str, tuple[Argument | None, ...]], ties: Sequence[Tie]
) -> dict[str, tuple[Argument | None, ...]]:
    """The parameters that are left to be fed, what others are made of in the form that the ties name."""
    tied, forms = {tie.name for tie in ties}, {tie.of: tie.of_form for tie in ties}
    return {
        name: options
        and tuple(replace(a, form=forms[name], forms=(forms[name],)) if a and name in forms else a for a in options)
        for name, options in fixed.items()
        if name not in tied
    }


def _by_owner(spreads: Sequence[Argument]) -> list[list[Argument]]:
    found: dict[str, list[Argument]] = {}
    for argument in spreads:
        found.setdefault(FORM.sub("", argument.name.lower()), []).append(argument)
    return list(found.values())


def _ways(group: Sequence[Argument]) -> Iterator[tuple[Tie, ...]]:
    """One group: a logarithm is what the others are made of, where there is one. Each has a form of its own."""
    first = min(group, key=lambda argument: argument.form not in LOGARITHMS)
    others = [argument for argument in group if argument is not first]
    for forms in product(*(argument.forms or (argument.form,) for argument in (first, *others))):
        two = [form for form in forms if form in LOGARITHMS][1:] and any(len(a.forms) > 1 for a in group)
        if len(set(forms)) == len(forms) and set(forms) <= set(SPREADS) and not two:  # two logarithms: by their names
            yield tuple(
                Tie(name=other.name, form=form, of=first.name, of_form=forms[0])
                for other, form in zip(others, forms[1:], strict=True)
            )
