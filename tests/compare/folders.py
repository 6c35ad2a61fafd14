"""Result folders as a run and `compare judge` leave them, made of rows from `claim_rows`."""

from pathlib import Path

from claim_rows import LATENT

from elbo_compare.compare.judging.frames import measurement_frame, verdict_frame, write_frame
from elbo_compare.compare.judging.judge import judge
from elbo_compare.compare.records import CellResult
from elbo_compare.compare.running.store import Store

ENVIRONMENT = {
    "python": "3.11.9",
    "packages": {"torch": "2.13.0", "pyro-ppl": "1.9.2", "numpy": "2.4.6", "elbo-compare": "0.1.0"},
    "commit": "0123456789ab",
    "device": "cpu",
}


def write_folder(folder: Path, results: list[CellResult], *, date: str = "2026-01-02 03:04 UTC", **packages) -> Path:
    """A judged folder of these results; `packages` replace versions (`pyro_ppl="1.9.3"`)."""
    versions = {name.replace("_", "-"): version for name, version in packages.items()}
    environment = ENVIRONMENT | {"packages": ENVIRONMENT["packages"] | versions}
    folder.mkdir(parents=True)
    store = Store(folder)
    store.write_record(
        {
            "profile": "small",
            "spec": {"alpha": 1e-6, "tests": 2000},
            "digest": "d",
            "command": "compare all --profile small.toml --device cpu",
            "planned": len(results),
            "date": date,
            "fingerprint": "f",
            "environments": {"f": environment},
        }
    )
    for result in results:
        store.write(result)
    write_frame(folder, "measurements", measurement_frame(results))
    write_frame(folder, "verdicts", verdict_frame(judge(results, latent=lambda cell: LATENT)))
    return folder
