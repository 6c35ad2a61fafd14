"""What `compare vectors run` says: a verdict, what the function equals, and one line for each vector that fails."""

import json
from collections import Counter
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from elbo_compare.compare.checking.result import EXIT_CODES, CheckVerdict
from elbo_compare.compare.claims.pointwise import relative_size
from elbo_compare.compare.records import Outcome, SuiteVerdict
from elbo_compare.compare.vectors.comparing import Comparison

SHOWN = 12  # failing rows in the text; --json has all


@dataclass(frozen=True, kw_only=True)
class Report:
    """A target held against the vectors. `message`: why there are no rows (exit code `failure`)."""

    target: str
    comparison: Comparison | None = None
    message: str = ""
    failure: int = EXIT_CODES[CheckVerdict.FAILED]

    @property
    def verdict(self) -> CheckVerdict:
        """RIGHT: every vector agrees; WRONG: one differs; FAILED: it raises, hangs or gives NaN."""
        if self.comparison is None:
            loaded = self.failure != EXIT_CODES[CheckVerdict.NOT_LOADED]
            return CheckVerdict.FAILED if loaded else CheckVerdict.NOT_LOADED
        outcomes = {row.outcome for row in self.comparison.rows}
        if Outcome.DIFFERS in outcomes:
            return CheckVerdict.WRONG
        undecided = Outcome.INCONCLUSIVE in outcomes or Outcome.AGREES not in outcomes
        return CheckVerdict.FAILED if undecided else CheckVerdict.RIGHT

    @property
    def exit_code(self) -> int:
        """0 right, 1 wrong, 2 not loaded, 3 failed."""
        return EXIT_CODES[self.verdict]

    def as_text(self) -> str:
        """For a terminal."""
        lines = [f"{self.verdict.upper()}  {self.target}"]
        if self.comparison is None:
            return "\n".join([*lines, f"  {self.message}"])
        comparison = self.comparison
        for mutant in comparison.equals:
            lines.append(f"  It gives what {mutant['id']} gives ({mutant['vector']}): {mutant['title']}.")
        counts = Counter(row.outcome for row in comparison.rows)
        lines += [
            f"  held against {', '.join(comparison.reading.functions)}",
            f"  read as      {comparison.reading.label}",
            f"  called       {comparison.framework}, float64 and float32; {comparison.reduction}",
            "  numbers      " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]),
        ]
        bad = [row for row in comparison.rows if row.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE)]
        lines += [f"    {_line(row)}" for row in bad[:SHOWN]]
        if len(bad) > SHOWN:
            lines.append(f"    and {len(bad) - SHOWN} more (--json has all)")
        lines += [f"  not run      {note} ({count} numbers)" for note, count in _not_run(comparison).items()]
        return "\n".join(lines)

    def as_json(self) -> str:
        """One JSON object; what is no number is null."""
        content: dict[str, Any] = {
            "target": self.target,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "message": self.message,
        }
        if self.comparison is not None:
            content |= {
                "functions": list(self.comparison.reading.functions),
                "parameters": {each.name: each.ours for each in self.comparison.reading.parameters},
                "framework": self.comparison.framework,
                "reduction": str(self.comparison.reduction),
                "equals": [dict(each) for each in self.comparison.equals],
                "vectors": [_as_json(row) for row in self.comparison.rows],
            }
        return json.dumps(content, indent=1, allow_nan=False)


def _line(row: SuiteVerdict) -> str:
    where = f"{row.id} {row.quantity} {row.subject}"
    if row.outcome is Outcome.INCONCLUSIVE or not isfinite(row.tolerance):
        return f"{where}: {row.reason}"
    return f"{where}: off by {row.difference:.3g}, allowed {row.tolerance:.2g} ({row.reason})"


def _not_run(comparison: Comparison) -> dict[str, int]:
    return dict(Counter(row.reason for row in comparison.rows if row.outcome is Outcome.NOT_RUN))


def _as_json(row: SuiteVerdict) -> dict[str, Any]:
    """`worst`: |difference| / tolerance. What is no number is null."""
    worst = relative_size(row.difference, row.tolerance) if row.difference == row.difference else nan
    content = {
        "id": row.id,
        "output": row.quantity,
        "dtype": row.subject,
        "outcome": row.outcome,
        "worst": worst,
        "difference": row.difference,
        "tolerance": row.tolerance,
        "note": row.reason,
    }
    return {name: None if isinstance(each, float) and not isfinite(each) else each for name, each in content.items()}
