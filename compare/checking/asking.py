"""Parameters that are no arrays: numbers and switches that --set gives."""

import re

from elbo_compare.compare.checking.names import OWN, WEIGHTS

SWITCHES = re.compile(
    r"^mode$|distribution|_type$|reduction|likelihood|^train(ing)?$|^device$|^(use|is|do|with|has|return|apply|learn)_|^(reduce|average|verbose|binary)$"
)  # words, no arrays


def is_number(name: str) -> bool:
    """Whether a parameter is called like a number or a switch, and not like an array."""
    name = name.removeprefix(OWN).lower()
    return bool(WEIGHTS.search(name) or SWITCHES.search(name))


def set_option(name: str) -> str:
    """`--set use_bce=True`, `--set mode=WORD`, `--set beta=1`: how it is given."""
    bare = name.removeprefix(OWN).lower()
    if re.match(r"(use|is|do|with|has|return|apply|learn)_", bare):
        return f"--set {name}=True"
    return f"--set {name}={'WORD' if SWITCHES.search(bare) else 1}"
