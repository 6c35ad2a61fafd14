"""Does `compare match` say of public Pyro and NumPyro programs what a reading of them says?

    python benchmarks/match_public.py FOLDER --tree COMMIT [-o DIR]

FOLDER holds a checkout of each repository as `owner+name`; nothing of them is kept. Each row is one command in a
process of its own, with one thread, on 64 made-up rows of 784 numbers, grey or of zeros and ones as the programs' own
training has them; `wanted` is what a reading of both sides says (the first four had been run once when it was written
down; the last two and those on zeros and ones too, after NumPyro's pair had not been judged on grey rows). The
interpreter needs torch, Pyro, NumPyro and flax.
Writes `public.json` and `public.md`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT, PAIRS = ROOT / "reports" / "published" / "match-pairs", ROOT / "benchmarks" / "public_pairs"
LIMIT_S = 300
TUTORIAL = ("torch_pairs.py:model", "torch_pairs.py:guide")
COMPARISON = ("torch_pairs.py:compared_model", "torch_pairs.py:compared_guide")
GREY, BINARY = "grey.npy", "binary.npy"
NUMPYRO = ("numpyro_pairs.py:model", "numpyro_pairs.py:guide")
FLAX = "flax_pairs.py:model"
TIES = (
    "--tie",
    "encoder$params.fc2_mean=vae.encoder.linear_means",
    "--tie",
    "encoder$params.fc2_logvar=vae.encoder.linear_log_var",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One command. sources: whose code both sides are; wanted, words: the verdict and what must be in the answer."""

    sources: str
    sides: tuple[str, ...]
    wanted: str
    words: str
    data: str = GREY


ROWS = (
    Row(sources="a hand-written sampled loss, pyro examples/vae/vae.py", sides=("torch_pairs.py:sampled", *TUTORIAL),
        wanted="same", words="Trace_ELBO"),
    Row(sources="a loss that takes sigma for sigma^2, pyro examples/vae/vae.py",
        sides=("torch_pairs.py:sigma_for_variance", *TUTORIAL), wanted="differs", words="sigma stands where sigma^2"),
    Row(sources="pytorch/examples vae/main.py, pyro examples/vae/vae_comparison.py",
        sides=("torch_pairs.py:pytorch_examples", *COMPARISON), wanted="same", words="TraceMeanField_ELBO"),
    Row(sources="pyro examples/vae/vae_comparison.py: its torch side, its Pyro side",
        sides=("torch_pairs.py:per_pixel", *COMPARISON), wanted="same", words="the batch and the pixels"),
    Row(sources="pyro examples/vae/vae.py (softplus), pyro examples/vae/vae_comparison.py (ReLU, a variance)",
        sides=("torch_pairs.py:soft_model", "torch_pairs.py:soft_guide", "--", *COMPARISON),
        wanted="differs", words=""),
    Row(sources="a hand-written JAX loss, numpyro examples/vae.py, on grey rows",
        sides=("numpyro_pairs.py:loss", *NUMPYRO), wanted="not judged", words="log p(obs) (Bernoulli) has no finite"),
    Row(sources="the same, on zeros and ones", sides=("numpyro_pairs.py:loss", *NUMPYRO), data=BINARY,
        wanted="same", words="TraceMeanField_ELBO"),
    Row(sources="a JAX loss that takes sigma for sigma^2, numpyro examples/vae.py",
        sides=("numpyro_pairs.py:sigma_for_variance", *NUMPYRO), data=BINARY, wanted="differs",
        words="sigma stands where sigma^2"),
    Row(sources="torch against JAX: pyro examples/vae/vae.py, numpyro examples/vae.py", data=BINARY,
        sides=("torch_pairs.py:wide_model", "torch_pairs.py:wide_guide", "--", *NUMPYRO), wanted="same",
        words="Trace_ELBO = Trace_ELBO"),
    Row(sources="torch against JAX: timbmg/VAE-CVAE-MNIST models.py and its loss, google/flax examples/vae as a pair",
        sides=("layered.py:loss", FLAX, "flax_pairs.py:guide"), data=BINARY, wanted="not judged",
        words="say which is which, as in --tie"),
    Row(sources="the same, with the ties that it asks for", sides=(*TIES, "layered.py:loss", FLAX,
        "flax_pairs.py:guide"), data=BINARY, wanted="same", words="TraceMeanField_ELBO, averaged over the batch"),
    Row(sources="the same, exp(log sigma^2) for sigma in flax's", data=BINARY,
        sides=(*TIES, "layered.py:loss", FLAX, "flax_pairs.py:variance_as_sigma"), wanted="differs",
        words="log sigma of z in the pair is read as log sigma^2"),
)  # fmt: skip


def asked(row: Row, place: Path, folder: Path, tree: str) -> dict[str, object]:
    """Run one command."""
    paths = os.pathsep.join((str(ROOT), str(PAIRS)))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "PUBLIC_PROGRAMS": str(folder.resolve())}
    command = [
        sys.executable,
        "-m",
        "elbo_compare",
        "match",
        "--data",
        str(place / row.data),
        "--timeout",
        str(LIMIT_S),
        *row.sides,
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=PAIRS, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = done.stdout.replace(f"{PAIRS}/", "") or done.stderr[-300:]
    verdict = text.partition("  ")[0].lower()
    cpu_s = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
    as_wanted = verdict == row.wanted and row.words in text
    return asdict(row) | {"tree": tree, "verdict": verdict, "as_wanted": as_wanted, "text": text, "cpu_s": cpu_s}


def table(answers: list[dict[str, object]]) -> str:
    """Markdown."""
    as_read = sum(bool(each["as_wanted"]) for each in answers)
    lines = [
        "# Public programs under `compare match`\n",
        f"{len(answers)} commands, at commit {answers[0]['tree']}: {as_read} gave what a reading says (most had "
        "been run once before it was written down: see the file that made this). CPU seconds of the whole command in "
        "one thread, imports included. "
        "Made by `benchmarks/match_public.py`; the sides are in `benchmarks/public_pairs`.\n",
        "| whose code | verdict | as read | says | CPU s |",
        "|---|---|---|---|---|",
    ]
    for each in answers:
        says = " / ".join(line.strip() for line in str(each["text"]).splitlines()[1:4]).replace("|", "/")[:260]
        as_wanted = "yes" if each["as_wanted"] else "no"
        lines.append(f"| {each['sources']} | {each['verdict']} | {as_wanted} | {says} | {each['cpu_s']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all and write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tree", required=True, help="the commit of this checkout")
    parser.add_argument("-o", type=Path, default=OUT, dest="out")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    answers = []
    with TemporaryDirectory() as place:
        grey = np.random.default_rng(0).uniform(0.02, 0.98, (64, 784))
        np.save(Path(place) / GREY, grey)
        np.save(Path(place) / BINARY, (grey < 0.4).astype(float))
        for row in ROWS:
            answers.append(asked(row, Path(place), options.folder, options.tree))
            print(answers[-1]["as_wanted"], row.sources, answers[-1]["cpu_s"], answers[-1]["text"], flush=True)
            (options.out / "public.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
            (options.out / "public.md").write_text(table(answers), encoding="utf-8")


if __name__ == "__main__":
    main()
