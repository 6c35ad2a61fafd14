"""Parameters that are no arrays: numbers and switches that --set gives."""

import re

from elbo_compare.compare.checking.names import WEIGHTS

SWITCHES = re.compile(
    r"^mode$|distribution|_type$|reduction|likelihood|^train(ing)?$|^device$|^(use|is|do|with|has|return|apply|learn)_|^(reduce|average|verbose|binary)$"
)  # words, no arrays


def is_number(name: str) -> bool:
    """Whether a parameter is called like a number or a switch, and not like an array."""
    return bool(WEIGHTS.search(name.lower()) or SWITCHES.search(name.lower()))


def set_option(name: str) -> str:
    """`--set use_bce=True`, `--set mode=WORD`, `--set beta=1`: how it is given."""
    if re.match(r"(use|is|do|with|has|return|apply|learn)_", name.lower()):
        return f"--set {name}=True"
    return f"--set {name}={'WORD' if SWITCHES.search(name.lower()) else 1}"
