"""How what `suites` defines is planned, run, judged, cited and printed. One folder a stage, in that order."""
