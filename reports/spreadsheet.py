"""Text of others in a CSV file, which a spreadsheet would evaluate."""

import re

import pandas as pd

# What a spreadsheet would evaluate: a text that begins with one of these and is no number.
FORMULA = re.compile(r"(?![+-]?[\d.]+(?:e[+-]?\d+)?$)[=+\-@\t\r\n]")


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame for a CSV file: a text that a spreadsheet would take for a formula stands behind an apostrophe.

    Source: OWASP, CSV injection.

    >>> print(list(guarded(pd.DataFrame({"name": ["=1+1", "pyro", "-2.5"]}))["name"]))
    ["'=1+1", 'pyro', '-2.5']
    """
    changed = {}
    for column in [name for name in frame.columns if frame[name].dtype.kind not in "biuf"]:
        held = frame[column].to_list()  # arrays among them, as images are
        behind = [f"'{each}" if isinstance(each, str) and FORMULA.match(each) else each for each in held]
        if any(new is not old for new, old in zip(behind, held, strict=True)):
            changed[column] = pd.Series(behind, index=frame.index, dtype=object)
    return frame.assign(**changed) if changed else frame
