"""What a match found: verdict, exit code, five lines, JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class MatchVerdict(StrEnum):
    """SAME: the objective of the other side, up to a constant and a factor that are told. NOT_EXPLAINED: another value
    at the same noise, which no combination of the pair's terms gives."""

    SAME = "same"
    DIFFERS = "differs"
    NOT_EXPLAINED = "not explained"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged"
    NOT_LOADED = "not loaded"
    FAILED = "failed"


EXIT_CODES = {
    MatchVerdict.SAME: 0,
    MatchVerdict.DIFFERS: 1,
    MatchVerdict.NOT_EXPLAINED: 1,
    MatchVerdict.NOT_LOADED: 2,
    MatchVerdict.INCONCLUSIVE: 3,
    MatchVerdict.NOT_JUDGED: 3,
    MatchVerdict.FAILED: 3,
}


@dataclass(frozen=True, kw_only=True)
class MatchResult:
    """One match.

    differences: each in words. formula: of the first side in the second side's terms. estimator: the ELBO object whose
    terms it has. claim: `pointwise` (at the same noise) or `in expectation`. off, allowed: of the values, in nats of a
    batch; gradient_off, gradient_allowed: as a share of the gradients' norms, nan where they were not compared. tied:
    the second side's weights -> the first side's.
    """

    first: str
    second: str
    verdict: MatchVerdict
    message: str = ""
    differences: Sequence[str] = ()
    formula: str = ""
    estimator: str = ""
    claim: str = ""
    off: float = math.nan
    allowed: float = math.nan
    gradient_off: float = math.nan
    gradient_allowed: float = math.nan
    gradients: str = ""
    tied: Mapping[str, str] = field(default_factory=dict)
    how_tied: str = ""
    runs: str = ""
    notes: Sequence[str] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 same, 1 another objective, 2 not loaded, 3 nothing judged."""
        return EXIT_CODES[self.verdict]

    def as_text(self, *, verbose: bool = False) -> str:
        """For a terminal, in at most six lines; `verbose` has every weight and total."""
        lines = [f"{self.verdict.upper()}  {self.first}  against  {self.second}"]
        lines += [_line(self.message)] if self.message else []
        lines += [_line("; ".join(self.differences))] if self.differences else []
        if self.formula:
            lines.append(f"  {self.formula}{self._off()}.")
        lines += [_line(self.gradients)] if self.gradients else []
        lines += [_line("Note: " + "; ".join(self.notes))] if self.notes else []
        return "\n".join(lines + self._details() if verbose else lines)

    def _off(self) -> str:
        if math.isnan(self.off):
            return ""
        return f": off by {self.off:.2g}, {self.allowed:.2g} allowed" + (f", {self.runs}" if self.runs else "")

    def _details(self) -> list[str]:
        lines = ["", f"  weights    {self.how_tied}"] if self.how_tied else [""]
        lines += [f"    {theirs} = {ours}" for theirs, ours in self.tied.items() if theirs != ours]
        lines += [f"  {name:<40} {value:.10g}" for name, value in self.totals.items()]
        if self.timings:
            spent = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in self.timings.items())
            lines += ["", f"  time       {spent}"]
        return lines

    def as_json(self) -> str:
        """One JSON object; what is no number is null."""
        content = asdict(self) | {"exit_code": self.exit_code}
        return json.dumps(_plain(content), indent=2)


def _line(text: str) -> str:
    first = text.partition(" ")[0]
    text = text if set(first) & set(".:/_") else f"{text[:1].upper()}{text[1:]}"  # a file keeps its name
    return f"  {text}" + ("" if text.endswith((".", "?", "!")) else ".")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
