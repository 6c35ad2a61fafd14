"""Text of others in a CSV file, which a spreadsheet would evaluate."""

import re

import pandas as pd

# What a spreadsheet would evaluate: a text that begins with one of these and is no number.
FORMULA = re.compile(r"(?![+-]?[\d.]+(?:e[+-]?\d+)?$)[=+\-@\t\r]")


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame for a CSV file: a text that a spreadsheet would take for a formula stands behind an apostrophe.

    Source: OWASP, CSV injection.

    >>> print(list(guarded(pd.DataFrame({"name": ["=1+1", "pyro", "-2.5"]}))["name"]))
    ["'=1+1", 'pyro', '-2.5']
    """
    changed = {}
    for column in [name for name in frame.columns if frame[name].dtype.kind not in "biuf"]:
        codes, texts = pd.factorize(frame[column].astype(object), use_na_sentinel=False)
        behind = [f"'{text}" if isinstance(text, str) and FORMULA.match(text) else text for text in texts]
        if any(new is not old for new, old in zip(behind, texts, strict=True)):
            changed[column] = pd.Series(behind, dtype=object).to_numpy()[codes]
    return frame.assign(**changed) if changed else frame
