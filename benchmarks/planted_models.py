"""Faults planted in whole models, torch and JAX: each has to be caught, and its cause named.

    python benchmarks/planted_models.py --tree COMMIT

The models are those of the tests' targets, one fault each; `FAULTS` says which words of the answer name the cause.
Writes `planted.json` and `planted.md` in reports/published/whole-models.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT, TARGETS = ROOT / "reports" / "published" / "whole-models", ROOT / "tests" / "compare" / "targets"
TORCH, NOISE, DESIGNS, JAX = "whole_models.py", "whole_noise.py", "whole_objectives.py", "whole_jax.py"
FAULTS = (
    ("sampler", TORCH, "SigmaSquared", "multiplies the noise by sigma^2"),
    ("sampler", TORCH, "LogVarAsSigma", "multiplies the noise by log sigma^2"),
    ("sampler", TORCH, "SharedOverBatch", "shared by all 4 data"),
    ("sampler", TORCH, "UniformNoise", "uniform on (0, 1)"),
    ("sampler", TORCH, "MeanDecoded", "decoded from the mean"),
    ("sampler", TORCH, "NeverSampled", "never a sample"),
    ("sampler", TORCH, "OneHead", "from one head"),
    ("sampler", JAX, "one_key", "shared by all 4 data"),
    ("sampler", JAX, "squared", "multiplies the noise by sigma^2"),
    ("detach", TORCH, "SampleDetached", "detach in whole_models.py"),
    ("detach", TORCH, "MeanDetached", "detach in whole_models.py"),
    ("detach", TORCH, "NoGrad", "no_grad in whole_models.py"),
    ("detach", TORCH, "SampleNotRsample", "sample() in whole_models.py"),
    ("detach", TORCH, "Item", "item in whole_models.py"),
    ("detach", TORCH, "Frozen", "requires_grad is False"),
    ("detach", NOISE, "AveragedDetached", "detach in whole_noise.py"),
    ("detach", NOISE, "DenoisingDetached", "detach in whole_noise.py"),
    ("detach", NOISE, "WeightedThrough", "detach the normalised weights"),
    ("detach", DESIGNS, "FreeBitsDetached", "detach in whole_objectives.py"),
    ("detach", DESIGNS, "HouseholderDetached", "detach in whole_objectives.py"),
    ("detach", JAX, "stopped", "stop_gradient in whole_jax.py"),
    ("second draw", TORCH, "SecondDraw", "second draw"),
    ("second draw", JAX, "second_key", "second draw"),
    ("train mode", TORCH, "AlwaysDropout", "dropout is active in evaluation"),
    ("train mode", TORCH, "AlwaysBatch", "depends on the others in its batch"),
    ("weights", TORCH, "SignOfKl", "-1 x the KL"),
    ("weights", TORCH, "LogVarSign", "log sigma^2 weighs 0.5, where -0.5 is right"),
    ("weights", TORCH, "HalfMissing", "2 x KL"),
    ("weights", TORCH, "NoKl", "the KL is missing"),
    ("weights", TORCH, "NearlyLogVar", "log sigma^2 weighs -0.50005, where -0.5 is right"),
    ("weights", TORCH, "NearlyMean", "mean^2 weighs 0.5000005, where 0.5 is right"),
    ("reductions", TORCH, "DataAveraged", "averaged over the batch and the observed dimensions"),
    ("reductions", NOISE, "Added", "subtract log K"),
    ("reductions", NOISE, "ByPixel", "the observed dimensions"),
    ("reductions", JAX, "kl_averaged", "averaged over the batch and the latent dimensions"),
)


def asked(fault: Sequence[str]) -> dict[str, Any]:
    """Check one model in this process."""
    from elbo_compare.compare.checking.models.check import check_model
    from elbo_compare.compare.checking.models.loading import load_model

    kind, file, name, words = fault
    if file != JAX:
        import torch

        torch.manual_seed(16)
    loaded, started = load_model(str(TARGETS / file) + f":{name}"), time.process_time()
    result = check_model(loaded.found, names=loaded.names, target=name)
    cause = result.diagnosis
    text = f"{cause.text}; {cause.advice}" if cause else result.message
    return {
        "kind": kind,
        "framework": "JAX" if file == JAX else "torch",
        "model": name,
        "verdict": str(result.verdict),
        "cause": text,
        "wanted": words,
        "caught": result.exit_code == 1,
        "named": cause is not None and words in text,
        "cpu_s": round(time.process_time() - started, 1),
    }


def rows(answers: Sequence[dict[str, Any]], tree: str) -> Iterator[str]:
    """The table."""
    yield "# Faults planted in whole models\n"
    yield (
        f"{len(answers)} models with one fault each (`tests/compare/targets`), at commit {tree}: "
        f"{sum(each['caught'] for each in answers)} caught, {sum(each['named'] for each in answers)} with the cause "
        "named in the words that were written down first. CPU seconds in one process, its imports apart; the first JAX "
        "model compiles what others use again. Made by `benchmarks/planted_models.py`.\n"
    )
    yield "| kind | framework | model | verdict | caught | named | says | CPU s |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in answers:
        says = each["cause"].replace("|", "/")[:200]
        marks = " | ".join("yes" if each[key] else "no" for key in ("caught", "named"))
        head = f"| {each['kind']} | {each['framework']} | {each['model']} | {each['verdict']}"
        yield f"{head} | {marks} | {says} | {each['cpu_s']} |"


def main() -> None:
    """Check all and write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tree", required=True, help="the commit of this checkout")
    parser.add_argument("-o", type=Path, default=OUT, dest="out")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(TARGETS)]
    answers = []
    for fault in FAULTS:
        answers.append(asked(fault))
        print("named" if answers[-1]["named"] else "OTHERWISE", *fault[:3], answers[-1]["cpu_s"], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "planted.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    (options.out / "planted.md").write_text("\n".join(rows(answers, options.tree)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
