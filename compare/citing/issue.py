"""A finding as a report that its library's maintainers can use as it stands: Markdown, nothing is sent anywhere."""

from typing import TYPE_CHECKING, Any

from elbo_compare.compare.errors import UsageError
from elbo_compare.suites.semantics.catalogue import BY_ID

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 8  # numbers of one report


def issue(finding: dict[str, Any], semantics: "pd.DataFrame | None") -> str:
    """Title, versions, program, expected and observed, the documentation's words, related reports, a fix in words.

    finding: a row of `register.finding_rows` with its verdict; semantics: the verdicts of the same run. Raises
    UsageError where the finding is not reproduced there: nobody should send what was not seen.
    """
    if finding["outcome"] != "agrees" or semantics is None:
        raise UsageError(
            f"{finding['id']} was not reproduced in the run that is read ({finding['outcome']}): "
            f"compare run semantics, then compare findings results/semantics {finding['id']} --issue."
        )
    about = semantics[semantics["findings"].map(lambda names: finding["id"] in names.split(", "))]
    case = BY_ID[finding["cases"].split(", ")[0]]
    rows = about[about["case"] == case.id]  # the numbers of the program that is shown
    parts = [
        f"# {finding['title']}",
        f"Versions: {finding['versions']}",
        f"**Documented**: {finding['documentation']}",
        f"**What happens**: {finding['happens']}. How wrong: {finding['harm']}.",
        f"**Mathematics**\n\n{case.statement}\nBy: {case.source}\nObserved: {_formula(rows)}",
        f"**Program**\n\n```python\n{finding['program'].strip()}\n```",
        f"**Expected and observed** (the program's own numbers)\n\n{_table(rows)}",
        f"**Suggested fix**: {finding['fix']}.",
        f"**Until then**: {finding['workaround']}.",
        f"**Related**: {finding['upstream'] or 'No report of it was found.'}",
        f"(elbo-compare has it as {finding['id']}. Two routes: {finding['routes']}.)",
    ]
    return "\n\n".join(parts)


def _formula(rows: "pd.DataFrame") -> str:
    return rows["formula"].iloc[0] or "see the numbers"


def _table(rows: "pd.DataFrame") -> str:
    wrong = rows[~rows["right"].astype(bool)]
    lines = ["| case | number | expected | observed |", "|---|---|---|---|"]
    for row in wrong.head(SHOWN).to_dict("records"):
        lines.append(f"| {row['case']} | `{row['quantity']}` | {row['oracle']:.10g} | {row['measured']:.10g} |")
    return "\n".join(lines)
