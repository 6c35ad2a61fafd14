"""The questions suite in the harness: run, stored, judged, answered."""
