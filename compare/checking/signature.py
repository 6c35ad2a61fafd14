"""What a user's function takes: parameter names -> roles and parametrisations -> the kind of function."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import OURS, Role, WrittenAs, read_name
from elbo_compare.compare.errors import unknown


class FunctionKind(StrEnum):
    """What the function is meant to compute; the canonical parameters are those of `CANONICAL`."""

    ANALYTIC_KL = "analytic_kl"
    SAMPLED_KL = "sampled_kl"
    NEGATIVE_ELBO = "negative_elbo"
    LOG_WEIGHT = "log_weight"
    RECONSTRUCTION = "reconstruction"
    LOG_DENSITY = "log_density"
    LOG_PRIOR = "log_prior"


CANONICAL = {
    FunctionKind.ANALYTIC_KL: ("mean", "log_var"),
    FunctionKind.SAMPLED_KL: ("z", "mean", "log_var"),
    FunctionKind.NEGATIVE_ELBO: ("x", "logits", "z", "mean", "log_var"),
    FunctionKind.LOG_PRIOR: ("z",),
    FunctionKind.LOG_WEIGHT: ("x", "logits", "z", "mean", "log_var"),
}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One parameter of the function: its own name, and what we read it as; `forms`: what its name may stand for."""

    name: str
    role: Role
    form: WrittenAs
    forms: tuple[WrittenAs, ...] = ()

    @property
    def meaning(self) -> str:
        """Our name for it: `log_var`, `probs`, `z`, ..."""
        return self.role.value if self.form is WrittenAs.PLAIN else self.form.value

    def may_be(self, form: WrittenAs) -> bool:
        """Whether its name may stand for a form."""
        return form in (self.forms or (self.form,))


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A function as we read it. `positive`: larger is better, by its name as an ELBO or by what its file minimises;
    said in words by `use` and with a sign by `use_sign` (0: no line does)."""

    name: str
    kind: FunctionKind
    arguments: tuple[Argument, ...]
    positive: bool
    use: str = ""
    use_sign: int = 0

    def find(self, role: Role) -> Argument | None:
        """The argument of that role."""
        return next((argument for argument in self.arguments if argument.role is role), None)

    def form(self, role: Role) -> WrittenAs:
        """The form of the argument of that role (PLAIN where there is none)."""
        found = self.find(role)
        return found.form if found else WrittenAs.PLAIN


def unit_prior(signature: Signature) -> bool:
    """Whether the prior has a mean and no spread, or a spread and no mean: the other is that of N(0, I)."""
    return (signature.find(Role.PRIOR_MEAN) is None) is not (signature.find(Role.PRIOR_SPREAD) is None)


def read_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`["h=log_var"]` -> {"h": "log_var"}. Raises TargetError for a pair that is no pair or an unknown name of ours."""
    mapping = {}
    for pair in pairs:
        theirs, separator, ours = pair.partition("=")
        if not separator or not theirs:
            raise TargetError(f"--map wants theirs=ours, as in --map h=log_var; {pair!r} arrived.")
        if read_name(ours) is None:
            raise TargetError(unknown("name of ours", ours, OURS))
        mapping[theirs] = ours
    return mapping


def named_positive(label: str, kind: FunctionKind) -> bool:
    """Whether a function's name says that larger is better."""
    named = re.search(r"elbo|lower_?bound|vlb", label.lower()) and not re.search(r"neg|loss|minus|nelbo", label.lower())
    return kind is FunctionKind.LOG_WEIGHT or (kind is FunctionKind.NEGATIVE_ELBO and bool(named))
