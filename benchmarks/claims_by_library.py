"""Claims by library: of each implementation how many claims apply, agree, differ, are inconclusive or not run, and why.

    python benchmarks/claims_by_library.py OUT RUN [RUN ...]

RUN: folders of `compare all`, judged. Writes OUT/claims-by-library.csv, a row for each implementation and claim, and
prints the counts in Markdown. A claim *agrees* with an implementation where none of its verdicts differs, is
inconclusive, or is what a finding of the register says (*as registered*), and one agrees; a later run's verdicts of an
implementation take the place of an earlier one's.
"""

import sys
from collections import Counter
from pathlib import Path

import pandas as pd

COUNTED = ("agrees", "as registered", "differs", "inconclusive", "not run")
RANK = ("differs", "inconclusive", "as registered", "agrees", "not run")


def verdicts_of(folders: list[Path]) -> pd.DataFrame:
    found: dict[str, pd.DataFrame] = {}
    for folder in folders:
        frame = pd.read_parquet(folder / "verdicts.parquet")
        for name, mine in frame.groupby("implementation"):
            found[str(name)] = mine.assign(run=folder.name)
    return pd.concat(found.values(), ignore_index=True)


def by_claim(verdicts: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (name, claim), mine in verdicts.groupby(["implementation", "claim"]):
        counts = Counter(map(str, mine["outcome"]))
        outcome = next(word for word in RANK if counts[word])
        reasons = Counter(str(reason) for reason in mine.loc[mine["outcome"] == "not run", "reason"] if reason)
        rows.append(
            {
                "implementation": name,
                "claim": claim,
                "outcome": outcome,
                **{word: counts[word] for word in RANK},
                "why not run": reasons.most_common(1)[0][0] if reasons else "",
                "run": mine["run"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def lines(claims: pd.DataFrame) -> list[str]:
    heads = ("implementation", "claims that apply", *COUNTED, "verdicts", "run")
    out = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 2)}---|"]
    for name, mine in claims.groupby("implementation"):
        by = Counter(mine["outcome"])
        counts = [len(mine), *(by[word] for word in COUNTED)]
        total = int(mine[[word for word in RANK if word != "not run"]].to_numpy().sum())
        out.append(f"| {name} | {' | '.join(map(str, counts))} | {total} | {mine['run'].iloc[0]} |")
    out += ["", "Why claims are not run, the commonest reason of each:", ""]
    out += ["| implementation | reason | claims |", "|---|---|---|"]
    absent = claims[claims["outcome"] == "not run"]
    for (name, reason), mine in absent.groupby(["implementation", "why not run"]):
        out.append(f"| {name} | {reason} | {', '.join(mine['claim'])} |")
    return out


def main(out: Path, folders: list[Path]) -> None:
    claims = by_claim(verdicts_of(folders))
    out.mkdir(parents=True, exist_ok=True)
    claims.to_csv(out / "claims-by-library.csv", index=False)
    print("\n".join(lines(claims)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
