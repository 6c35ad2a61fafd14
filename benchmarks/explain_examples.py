"""`compare explain` on the public examples of Pyro or NumPyro: none that runs may end in "raises".

    EXAMPLES=CHECKOUT/examples python benchmarks/explain_examples.py pyro|numpyro [NAME ...]

Every pair is explained twice, by what the command runs in its child: by every class, and by the very ELBO object that
the example trains with. A row of explain-examples-LIBRARY.csv in the working directory (appended to) tells the exit
codes, which classes raise and at which site, and which findings cost something. A file of the examples that has no pair
gets a row with the reason. Each file has a process of its own. Exit code 1 where a pair can't be explained or its own
ELBO raises.
"""

import csv
import os
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from elbo_compare.compare.semantics.explain_child import answer
from elbo_compare.compare.semantics.explaining import DRAWING_S, exit_code

HERE = Path(__file__).parent
Row = tuple[str, ...]


def row_of(name: str, path: str, library: str) -> Row:
    """pair, file, the example's ELBO, exit codes of both commands, what raises, findings that cost, the message."""
    part = f"{HERE / f'explain_examples_{library}.py'}:{name}__"
    request = {"model": f"{part}model", "guide": f"{part}guide", "args": f"{part}arguments", "library": library,
               "seconds": DRAWING_S}  # fmt: skip
    if library == "pyro":  # pairs of one file name their parameters alike
        import_module("pyro").clear_param_store()
    told: list[dict[str, Any]] = []
    for elbo in (None, f"{part}elbo"):
        told.append(answer(request | {"elbo": elbo}, lambda stage: None))
    message = next((each["message"] for each in told if "message" in each), "")
    every, own = (each.get("explanation", {"classes": [], "findings": [], "wrong": False}) for each in told)
    codes = [str(exit_code(each, named=named)) if each["classes"] else "3"
             for each, named in ((every, False), (own, True))]  # fmt: skip
    one = own["classes"][0] if own["classes"] else {"name": "", "error": ""}
    raising = [f"{each['name']}{' at ' + each['raises_at'] if each['raises_at'] else ''}: {each['error'][:80]}"
               for each in every["classes"] if each["error"]]  # fmt: skip
    costly = sorted({each["id"] for side in (every, own) for each in side["findings"]
                     if each["costs"] and not each["condition"]})  # fmt: skip
    return name, path, one["name"], *codes, one["error"] or message, " | ".join(raising), " ".join(costly)


def of_one_file(examples: Any, library: str, wanted: list[str]) -> int:
    """The rows of pairs of one file, in this process."""
    warnings.simplefilter("ignore")
    bad = 0
    with Path(f"explain-examples-{library}.csv").open("a", newline="") as file:
        for name in wanted:
            row = row_of(name, examples.RUNS[name][0], library)
            bad += row[3] != "0" or row[4] not in ("0", "1")
            csv.writer(file, lineterminator="\n").writerow(row)
            print(*row, sep="; ", flush=True)
    return bad


def main(library: str, wanted: list[str]) -> int:
    examples = import_module(f"explain_examples_{library}")
    if len({examples.RUNS[name][0] for name in wanted}) == 1:
        return 1 if of_one_file(examples, library, wanted) else 0
    root = Path(os.environ["EXAMPLES"])
    files = {str(each.relative_to(root)) for each in root.rglob("*.py") if each.name != "__init__.py"}
    known = {path for path, _ in examples.RUNS.values()} | set(examples.WITHOUT)
    assert files == known, f"not in the lists: {sorted(files - known)}; no file: {sorted(known - files)}"
    failed = 0
    for path in sorted({path for path, _ in examples.RUNS.values()}):
        names = [name for name, (of, _) in examples.RUNS.items() if of == path and (not wanted or name in wanted)]
        if names:
            failed += subprocess.run([sys.executable, __file__, library, *names], check=False).returncode != 0
    if not wanted:
        with Path(f"explain-examples-{library}.csv").open("a", newline="") as file:
            rows = [("", path, "", "", "", reason, "", "") for path, reason in examples.WITHOUT.items()]
            csv.writer(file, lineterminator="\n").writerows(rows)
    print(f"{library}: pairs of {failed} files end in an error")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
