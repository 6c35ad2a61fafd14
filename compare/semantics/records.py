"""The records of a semantics run: what one program gave, and what that says about a case and about a finding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any

from elbo_compare.compare.records import Outcome, Status
from elbo_compare.suites.semantics.case import Library

PACKAGES = {Library.PYRO: ("pyro-ppl", "torch"), Library.NUMPYRO: ("numpyro", "jax")}
EXTRAS = {Library.PYRO: "torch", Library.NUMPYRO: "jax"}


@dataclass(frozen=True, kw_only=True)
class SemanticsResult:
    """One case in one library, or one sweep over a library's registered pairs (`case` is then PAIRS).

    `measured` are the program's numbers; `versions`: distribution -> version; `reason` says why there are no numbers.
    """

    case: str
    library: Library
    status: Status
    reason: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    elapsed_s: float = nan
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """The file's stem: SEM-SCALE-001-pyro."""
        return f"{self.case}-{self.library}"

    @property
    def shown_versions(self) -> str:
        """`pyro-ppl 1.9.2, torch 2.13.0`."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


@dataclass(frozen=True, kw_only=True)
class SemanticsVerdict:
    """One quantity of a case in one library against its registered behaviour.

    AGREES: |measured - registered| <= allowed. DIFFERS: the library has changed. INCONCLUSIVE: the program failed.
    NOT_RUN: the reason says why. `right`: it computes what the definition or its documentation promises. Without
    numbers there is one verdict with an empty quantity. `findings`: the IDs that are about this quantity.
    """

    case: str
    library: Library
    outcome: Outcome
    quantity: str = ""
    measured: float = nan
    registered: float = nan
    oracle: float = nan
    tolerance: float = nan
    sampled: bool = False
    right: bool = False
    findings: tuple[str, ...] = ()
    reason: str = ""
    versions: str = ""


@dataclass(frozen=True, kw_only=True)
class FindingVerdict:
    """Whether a finding reproduces. AGREES: it does; DIFFERS: `reason` says which quantity stopped showing it."""

    finding: str
    library: Library
    outcome: Outcome
    error: float = nan
    workaround_right: bool | None = None
    reason: str = ""
    versions: str = ""


def result_to_json(result: SemanticsResult) -> dict[str, Any]:
    """Strict JSON: what is not finite is written as text."""
    return {
        "case": result.case,
        "library": str(result.library),
        "status": str(result.status),
        "reason": result.reason,
        "measured": {name: value if isfinite(value) else repr(value) for name, value in result.measured.items()},
        "warnings": list(result.warnings),
        "elapsed_s": result.elapsed_s if isfinite(result.elapsed_s) else repr(result.elapsed_s),
        "versions": dict(result.versions),
        "fingerprint": result.fingerprint,
    }


def result_from_json(content: Mapping[str, Any]) -> SemanticsResult:
    """The inverse of `result_to_json`. Raises ValueError for anything that is not a result."""
    try:
        return SemanticsResult(
            case=str(content["case"]),
            library=Library(content["library"]),
            status=Status(content["status"]),
            reason=str(content["reason"]),
            measured={str(name): float(value) for name, value in content["measured"].items()},
            warnings=tuple(map(str, content["warnings"])),
            elapsed_s=float(content["elapsed_s"]),
            versions={str(name): str(version) for name, version in content["versions"].items()},
            fingerprint=str(content["fingerprint"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a semantics result: {error}") from error
