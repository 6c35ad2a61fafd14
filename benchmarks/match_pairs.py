"""Does `compare match` name each planted difference and accuse no right one?

    python benchmarks/match_pairs.py DIR --tree COMMIT [--only TEXT] [--left]

Each row is written when it is measured; a row that DIR has of this commit already is not measured again. A row is
two sides, what was planted (nothing: they are the same objective) and words that the answer must have. The row holds
where the verdict is the expected one and the words are there. Seconds are of CPU, in a process where the
libraries are already imported; they are a record of this machine, no claim.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from match_expected import EXPECTED
from match_expected_jax import FURTHER
from match_unseen import UNSEEN

from elbo_compare.compare.errors import CompareError
from elbo_compare.compare.matching.loading import load_programs
from elbo_compare.compare.matching.programs import match_programs
from elbo_compare.compare.matching.result import MatchResult, MatchVerdict

ROOT = Path(__file__).parents[1]
TARGETS = ROOT / "tests" / "compare" / "targets"
FILES = {
    "torch": TARGETS / "match_torch.py",
    "numpyro": TARGETS / "match_numpyro.py",
    "jax": TARGETS / "match_jax.py",
    "drawn": TARGETS / "match_discrete.py",
    "more": ROOT / "benchmarks" / "match_programs.py",
}
MODELS = ROOT / "benchmarks" / "match_models"
WIDTHS = {"drawn": 3, "more": 6}
PAIR, LABELLED, NUMPYRO = (
    "torch:model torch:guide",
    "torch:labelled_model torch:labelled_guide",
    "numpyro:model numpyro:guide",
)
SCALED, FULL = "torch:model_scaled torch:guide", "more:model more:full_guide"
MORE, DEEP, DISCRETE = "more:model more:guide", "more:deep_model more:deep_guide", "drawn:model drawn:guide"
SAME = (
    ("torch:analytic_mean", PAIR),
    ("torch:sampled_sum", PAIR),
    ("torch:constant_dropped", PAIR),
    ("torch:over_labels", LABELLED),
    ("drawn:over_states", DISCRETE),
    ("drawn:with_score", DISCRETE),
    ("jax:right", NUMPYRO),
    (PAIR, PAIR),
    (PAIR, NUMPYRO),
    ("more:right", MORE),
    ("more:masked_right", "more:masked_model more:guide"),
    ("more:subsampled_right", "more:subsampled_model more:subsampled_guide"),
    ("more:full", FULL),
    ("more:normal_loss", "more:normal_model more:guide"),
    ("more:fifty_squares", "more:fixed_model more:guide"),
    ("more:deep", DEEP),
)
PLANTED = (
    ("torch:beta", PAIR, "KL times 4", "(beta = 4)"),
    ("torch:over_pixels", PAIR, "likelihood / pixels", "the batch and the pixels"),
    ("torch:squared_error", PAIR, "squared error", "squared error of x instead of log p(x)"),
    ("torch:log_var_absent", PAIR, "log sigma^2 of q absent", "log sigma^2 of q(z) is absent"),
    ("torch:second_draw", PAIR, "KL from a second draw", "KL of z comes from a second draw"),
    ("torch:variance_as_sigma", PAIR, "sigma^2 for sigma in the sampler", "at z = mean + sigma^2 e"),
    ("torch:eps_in_the_log", PAIR, "log(p + 1e-3)", "probabilities + 0.001 inside the logs"),
    ("torch:z_detached", PAIR, "z.detach()", "the latents are detached in log p(x)"),
    ("torch:sampled_sum", SCALED, "scale 0.1 on the model only", "the pair's scale 0.1 is on it"),
    ("torch:one_label", LABELLED, "score function of y lost", "y has no reparameterised draw"),
    ("drawn:twice_the_kl", DISCRETE, "discrete KL twice, other draws", "KL(s) weighing"),
    ("drawn:without_score", DISCRETE, "score function of s lost, other draws", "other expected gradients"),
    ("jax:beta_and_detached", NUMPYRO, "beta and a stop_gradient in JAX", "the latents are detached in log p(x)"),
    (PAIR, SCALED, "a rewrite that scales the prior", "log p(z) weighs 10 times as much"),
    (PAIR, "numpyro:model_scaled numpyro:guide", "torch against JAX, prior scaled", "log p(z) weighs 10 times as much"),
    (MORE, "more:model more:scaled_guide", "scale 0.5 on the guide only", "log q(z) weighs 2 times as much"),
    ("more:no_z2", DEEP, "site z2 missing", "site 'z2' is missing"),
    ("more:lighter_z1", DEEP, "beta 0.3 on z1 alone", "KL(z1) weighs 0.3 times as much"),
    ("more:standard_z1", DEEP, "N(0, I) for p(z1 | z2)", "log N(0, I) stands where log p(z1) belongs"),
    ("more:no_log_variance", "more:normal_model more:guide", "log sigma^2 of x absent", "log sigma^2 of x is absent"),
    ("more:kl_detached", "more:normal_model more:guide", "KL detached", "KL(z) is detached"),
    ("more:plain_squares", "more:fixed_model more:guide", "squares without 1 / 2 sigma^2", "squared error of x"),
    ("more:iwae", MORE, "IWAE of 3", "importance-weighted bound (IWAE) of 3 draws"),
    ("more:three_draws", MORE, "mean of 3 draws", "average of 3 draws"),
    ("more:free_bits", MORE, "free bits", "as a clamped KL (free bits) leaves it"),
    ("more:frozen_decoder", MORE, "decoder frozen", "the weights of log p(x) are frozen"),
    ("more:one_latent_alone", MORE, "KL of the first latent only", "z[1] absent"),
    ("more:shared_noise", MORE, "one noise for the batch", "at one noise for the whole batch"),
    ("more:sigma_for_variance", MORE, "sigma for sigma^2 in the KL", "sigma stands where sigma^2 belongs"),
    ("more:right", "more:masked_model more:guide", "mask in the pair only", "without its mask"),
    ("more:no_determinant", FULL, "log determinant of q absent", "all of it but a constant is left out"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Match:
    """What is to be matched; see `Row`."""

    first: str
    second: str
    planted: str = ""
    words: tuple[str, ...] = ()
    data: object = None
    changed: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a row is known by."""
        return self.first, self.second, self.planted


@dataclass(frozen=True, kw_only=True)
class Row:
    """One match. expected: what the answer must say; named: it did; seconds: of CPU; tree: the commit; load: of the
    machine; changed: what of the expectation, since its first run."""

    first: str
    second: str
    planted: str
    expected: tuple[str, ...]
    verdict: str
    claim: str
    said: str
    named: bool
    seconds: float
    tree: str
    load: float
    changed: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.first, self.second, self.planted


def matches() -> dict[tuple[str, str, str], Match]:
    """Every match, each once."""
    found = []
    for each in (*EXPECTED, *FURTHER, *UNSEEN):
        data = ROWS[each.data]
        found += [Match(first=each.right, second=each.second, data=data)] if each.right else []
        found.append(Match(first=each.first, second=each.second, planted=each.planted, words=each.words, data=data,
                           changed=each.changed))  # fmt: skip
    for first, second, planted, words in [(*each, "", "") for each in SAME] + list(PLANTED):
        width = WIDTHS.get(first.partition(":")[0], 7)
        data = (np.random.default_rng(0).random((60, width)) < 0.4).astype(float)
        found.append(Match(first=first, second=second, planted=planted, words=(words,) if words else (), data=data))
    return {each.key: each for each in found}


def made() -> dict[str, object]:
    """Rows by name, 60 each."""
    rng, n = np.random.default_rng(0), 60
    binary = (rng.random((n, 6)) < 0.4).astype(float)
    labels, seen = rng.integers(3, size=n), (rng.random(n) < 0.6).astype(float)
    return {
        "binary": binary,
        "real": rng.normal(size=(n, 6)),
        "unit": rng.uniform(0.05, 0.95, (n, 6)),
        "counts": rng.integers(9, size=(n, 6)).astype(float),
        "grey": rng.integers(4, size=(n, 6)),
        "images": (rng.random((n, 1, 6, 6)) < 0.4).astype(float),
        "words": rng.multinomial(20, np.full(8, 0.125), size=n).astype(float),
        "labelled": (binary, labels),
        "seen": (binary, labels, seen),
        "given": (binary, np.eye(3)[labels]),
        "regression": (rng.normal(size=(n, 6)), (rng.random(n) < 0.5).astype(float)),
    }


ROWS = made()


def measured(match: Match, tree: str) -> Row:
    """Run one."""
    names = [*match.first.split(), *match.second.split()]
    places = [(FILES.get(file, MODELS / f"{file}.py"), name) for file, _, name in (n.partition(":") for n in names)]
    programs = [load_programs([f"{file}:{name}"], {})[0] for file, name in places]
    began = time.process_time()
    try:
        result = match_programs(programs, data=match.data)
    except CompareError as error:  # what the command line answers with 2
        result = MatchResult(
            first=match.first, second=match.second, verdict=MatchVerdict.NOT_LOADED, message=str(error)
        )
    text = "; ".join(result.differences) or result.formula or result.message
    right = result.exit_code == (1 if match.planted else 0)
    return Row(
        first=match.first, second=match.second, planted=match.planted, expected=match.words,
        verdict=result.verdict.value, claim=result.claim, said=text,
        named=right and all(each in text for each in match.words), seconds=round(time.process_time() - began, 1),
        tree=tree, load=round(os.getloadavg()[0], 1), changed=match.changed,
    )  # fmt: skip


def table(found: list[Row]) -> str:
    """As Markdown."""
    lines = [
        "| first side | second side | planted | verdict | said | as expected | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in found:
        cells = (each.first, each.second, each.planted or "nothing", each.verdict, each.said)
        shown = " | ".join(cell.replace("|", "\\|") for cell in cells)
        lines.append(f"| {shown} | {'yes' if each.named else '**no**'} | {each.seconds} |")
    return "\n".join(lines)


def publish(folder: Path, found: list[Row]) -> None:
    """README.md with the table, match_pairs.json with the rows and the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    planted, right = ([each for each in found if bool(each.planted) is kind] for kind in (True, False))
    summary = {
        "planted": len(planted), "named": sum(each.named for each in planted), "right": len(right),
        "same": sum(each.named for each in right), "most_seconds": max(each.seconds for each in found),
        "load": max(each.load for each in found), "trees": sorted({each.tree for each in found}),
        "cores": os.cpu_count(), "python": platform.python_version(),
    }  # fmt: skip
    content = {"summary": summary, "rows": [asdict(each) for each in found]}
    (folder / "match_pairs.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    several = len(summary["trees"]) > 1
    kept = " A row that an earlier commit measured is kept as it was." if several else " All rows are of one commit."
    text = (
        f"# `compare match` on {len(found)} matches\n\n"
        f"{summary['named']} of {len(planted)} planted differences are named; "
        f"{summary['same']} of {len(right)} right ones are the same. At most {summary['most_seconds']} s of CPU each, "
        f"the libraries imported, one thread, on {summary['cores']} cores at loads of up to {summary['load']}: a "
        f"record, no claim. At commit {'; '.join(summary['trees'])}.\n\n"
        "The words that an answer must have were written down before its first run; what was changed since says so "
        "below the table. `file:name` is a program of `benchmarks/match_models`, of `benchmarks/match_programs.py` "
        "(more) or of `tests/compare/targets/match_*.py` (torch, numpyro, jax, drawn); "
        "made by `python benchmarks/match_pairs.py`.\n\n"
        "Of the differences in unseen.py 3 of 11 were named at their first run; what lacked was mended as kinds, the "
        "last three (a temperature, swapped heads, a mixture that is summed over in the model) after they had stood "
        f"here as not named.{kept}\n\n"
    )
    changed = "".join(f"- {each.first}: {each.changed}.\n" for each in found if each.changed)
    changed = f"\n## Expectations changed after their first run\n\n{changed}" if changed else ""
    (folder / "README.md").write_text(text + table(found) + "\n" + changed, encoding="utf-8")


def stored(folder: Path) -> dict[tuple[str, str, str], Row]:
    """The rows that a folder has."""
    file = folder / "match_pairs.json"
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"rows": []}
    older = {"tree": "edb3453 or before", "load": content.get("summary", {}).get("load", 0.0)}  # kept no commit
    known = [Row(**older | row | {"expected": tuple(row["expected"])}) for row in content["rows"]]
    return {row.key: row for row in known}


def main() -> None:
    """Measure what is not there, and write the folder after each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tree", required=True, help="the commit of this checkout")
    parser.add_argument("--left", action="store_true", help="only rows that are not there as expected, of any commit")
    parser.add_argument("--only", default="", help="rows that have this in one of their sides' names")
    given = parser.parse_args()
    torch.set_num_threads(1)  # more of them wait for one another longer than these small products take
    wanted, known = matches(), stored(given.folder)
    found = {key: row for key, row in known.items() if key in wanted}
    for key, match in wanted.items():
        there = key in found and (found[key].tree == given.tree or (given.left and found[key].named))
        if there or given.only not in f"{match.first} {match.second}":
            continue
        row = found[key] = measured(match, given.tree)
        mark = "as expected" if row.named else "NOT AS EXPECTED"
        print(
            f"{mark}: {row.first.split()[0]}: {row.planted or 'right'}: {row.verdict}: {row.said} ({row.seconds} s)",
            flush=True,
        )
        publish(given.folder, [found[each] for each in wanted if each in found])


if __name__ == "__main__":
    main()
