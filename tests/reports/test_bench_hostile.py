"""A bench page whose every text is somebody else's payload, in a real browser."""

import json
from pathlib import Path

import pandas as pd
import pytest
import synthetic
from browsing import BROWSER, visited

import elbo_compare
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
# What sections look rows up by: everything else that is text may be anything.
KEPT = {"status", "outcome", "kind", "unit", "dtype", "device", "mode", "setting", "part", "quantity"}


def hostile(value):
    """The same record, every text in it with the payload behind it."""
    if isinstance(value, dict):
        return {f"{name}": hostile(each) for name, each in value.items()}
    if isinstance(value, list):
        return [hostile(each) for each in value]
    return f"{value} {PAYLOAD}" if isinstance(value, str) else value


def planted(frame):
    """The frame, every text but what rows are looked up by with the payload behind it."""
    texts = [name for name in frame.columns if frame[name].dtype == object and name not in KEPT]
    return frame.assign(**{name: [hostile(each) for each in frame[name]] for name in texts})


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_no_payload_in_a_bench_s_record_or_frames_runs(tmp_path):
    folder = tmp_path / "report"
    there = {path.stem for path in PUBLISHED.glob("*.parquet")}
    assert {"steps", "ceilings", "draws", "curves", "targets"} <= there <= set(TABLES)
    frames = {name: planted(pd.read_parquet(PUBLISHED / f"{name}.parquet")) for name in sorted(there)}
    record = hostile(json.loads((PUBLISHED / "bench.json").read_text("utf-8"))) | {
        "units": {PAYLOAD: "cut"},
        "box_s": 1.0,
        "remarks": [PAYLOAD],
    }
    write_bench(folder, record, frames)
    text = (folder / "report.html").read_text("utf-8")
    assert text.count("TAKEN") >= 50  # it stands in the remarks, the units and every table
    assert text.count("Content-Security-Policy") == 1
    assert visited(folder, ["report.html"]) == []
