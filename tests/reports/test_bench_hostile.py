"""A bench page whose every text is somebody else's payload, in a real browser."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
import synthetic
from browsing import BROWSER, visited

import elbo_compare
from elbo_compare.compare.bench.frames import account_frame
from elbo_compare.compare.bench.records import Setting
from elbo_compare.reports.bench.page import write_bench
from elbo_compare.reports.bench.sections.steps import TABLES

PAYLOAD = " ".join(
    (
        synthetic.HOSTILE[0],
        "<img src=x onerror=\"document.title='TAKEN'\">",
        '"><svg onload="document.title=\'TAKEN\'">',
        "</pre></title><iframe srcdoc=\"<script>top.document.title='TAKEN'</script>\">",
    )
)
PUBLISHED = Path(elbo_compare.__file__).parent / "reports" / "published" / "2026-11-28-bench-cpu"
KEPT = {
    "status",
    "outcome",
    "kind",
    "precision",
    "products",
}  # what rows are looked up by: any other text may be anything
SHOWN = {"steps", "ceilings", "account", "draws", "replicas", "exponents", "targets"}  # a table each
SETTING = Setting(problem="vae", weights="initial", batch=100, batches=4)


def apart(seconds):
    """A step's times whole, without a part and of parts alone, as its clock gives them."""
    alone = {"matrix products": 7.0 * seconds, "optimiser": seconds}
    return {"whole": {"whole": 9.0 * seconds}, "without": {"optimiser": 8.0 * seconds}, "alone": alone}


TURNS = [{"parts": {"sized": apart(1.0), "empty": apart(0.01)}}] * 7


def hostile(value, mark="in-record"):
    """The same record, every text in it a formula for a spreadsheet, with a mark and the payload behind it."""
    if isinstance(value, dict):
        return {f"{name}": hostile(each, mark) for name, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, mark) for each in value]
    return f"={value} {mark} {PAYLOAD}" if isinstance(value, str) else value


def planted(name, frame):
    """The frame, every text but what rows are looked up by with the frame's name and the payload behind it."""
    texts = [column for column in frame.select_dtypes(["object", "str"]) if column not in KEPT]
    assert texts
    return frame.assign(**{column: [hostile(each, f"in-{name}") for each in frame[column]] for column in texts})


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_payload_in_a_bench_s_record_or_frames_runs(tmp_path):
    folder = tmp_path / "report"
    there = {path.stem: pd.read_parquet(path) for path in sorted(PUBLISHED.glob("*.parquet"))}
    there.setdefault("account", account_frame(SETTING, "jax-hand joined scan", TURNS))  # later than that bench
    assert set(there) == set(TABLES)
    frames = {name: planted(name, frame) for name, frame in there.items()}
    record = hostile(json.loads((PUBLISHED / "bench.json").read_text("utf-8"))) | {
        "units": {PAYLOAD: "cut"},
        "box_s": 1.0,
        "remarks": [PAYLOAD],
    }
    record["environment"]["packages"][PAYLOAD] = PAYLOAD
    write_bench(folder, record, frames)
    text = (folder / "report.html").read_text("utf-8")
    for name in ("record", *SHOWN):
        assert f"in-{name}" in text, name
    assert text.count("Content-Security-Policy") == 1
    assert not [path for path in folder.rglob("*.svg") if "<script" in path.read_text("utf-8")]
    lines = (folder / "report.md").read_text("utf-8").splitlines()
    assert not [line for line in lines if "<script" in line and not line.startswith("    ")]  # which is code
    tables = [path.read_text("utf-8") for path in folder.rglob("*.csv")]
    cells = [cell for text in tables for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any("in-steps" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith("=")]
    assert visited(folder, ["report.html"]) == []
