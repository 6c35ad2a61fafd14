"""The doors of a site, of a suite's stored results, and of the checksum beside a downloaded file."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from doors import Door, harmed, renamed, truly
from folder_doors import Sample, resealed_cell

from elbo_compare.compare.commands.fetching import SUFFIX, recorded
from elbo_compare.compare.commands.judge import judge_folder
from elbo_compare.compare.commands.site import site_folder
from elbo_compare.compare.judging.seal import seal
from elbo_compare.compare.running.codec import dumps
from elbo_compare.compare.running.store import sealed
from elbo_compare.suites.datasets.catalogue import DataFile

BENCH = b"""{"date": "2026-01-02 03:04 UTC", "command": "compare bench", "environment":
{"device": "cpu", "cpu": "one", "packages": {"torch": "2.13.0", "jax": "0.10.2"}}}"""
ROW = {"claim": "UNI-001", "case": "near", "quantity": "closed form", "value": 1.0, "reference": 1.0} | {
    "standard_error": 0.0,
    "scale": 1.0,
    "margin": "nan",
    "at": "nan",
    "n": 1,
    "skewness": 0.0,
    "unit": "nats",
    "group": "",
}
RESULT = {"program": "UNI", "status": "ok", "reason": "", "measured": {}, "rows": [ROW], "warnings": []} | {
    "elapsed_s": 0.5,
    "versions": {"numpy": "2.0"},
    "fingerprint": "f",
}


def site_doors(sample: Sample) -> tuple[Door, ...]:
    """Of what other verbs than `judge` read; `sample`: a judged folder."""
    answer = (sample.folder / "answer.json").read_bytes()

    def answered(body: bytes, folder: Path) -> str:
        """A site of a judged folder whose answer says something else, under a seal that fits."""
        (folder / "site").mkdir()
        copy = sample.with_file(folder / "site", "answer.json", body)
        seal(copy / "answer.json")
        (copy / "timings.parquet").unlink()  # whose IDs are not looked up then: that takes seconds
        return site_folder(folder / "site", None, print, draw=False).read_text("utf-8")

    def suited(body: bytes, folder: Path) -> int:
        copy = sample.with_file(folder, "answer.json", answer)
        (copy / "questions").mkdir()
        (copy / "questions" / "UNI.json").write_bytes(body)
        return judge_folder(copy).exit_code

    return (
        Door("checksum of data", lambda: [b"0" * 64 + b"  images\n"], _recorded, _is_digest),
        Door("bench of a site", lambda: [BENCH], _joined("bench.json"), _is_page, _json_of, cost=100),
        Door("record of a site", lambda: [BENCH], _joined("environment.json"), _is_page, _json_of, cost=100),
        Door("title of a site", lambda: [b"# Title\n\nText.\n"], _joined("README.md"), _is_page, cost=100),
        Door("answer, sealed", lambda: [answer], answered, _is_page, _json_of, cost=100),
        Door("suite's result", lambda: [sealed(dumps(RESULT))], suited, truly, _resealed, cost=90, coded=True),
    )


def _joined(name: str) -> Callable[[bytes, Path], str]:
    """A site of one folder, which holds a page and what it says of itself."""

    def entered(body: bytes, folder: Path) -> str:
        one = folder / "site" / "one"
        one.mkdir(parents=True)
        (one / "index.html").write_text("<html></html>")
        (one / name).write_bytes(body)
        return site_folder(folder / "site", None, print, draw=False).read_text("utf-8")

    return entered


def _recorded(body: bytes, folder: Path) -> str:
    (folder / f"images{SUFFIX}").write_bytes(body)
    return recorded(DataFile(name="images", url=""), folder)


def _is_digest(body: bytes, digest: str) -> bool:
    """Nothing, or the 64 digits with which the file begins."""
    return not digest or body.startswith(digest.removeprefix("sha256:").encode())


def _is_page(_body: bytes, page: str) -> bool:
    """A site was written, to its end."""
    return page.rstrip().endswith("</html>")


def _json_of(body: bytes, rng: random.Random) -> bytes:
    """JSON of other content, or harmed bytes."""
    return harmed(body, rng) if rng.random() < 0.3 else json.dumps(renamed(json.loads(body), rng)).encode()


def _resealed(body: bytes, rng: random.Random) -> bytes:
    """A result of other content under a digest that fits; or harmed bytes."""
    return harmed(body, rng) if rng.random() < 0.3 else resealed_cell(body, rng)
