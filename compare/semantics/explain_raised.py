"""What is said of a pair that raises: the error on one line, where in the person's code, and what to do about it."""

import re
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCALE_ZERO = ("expected scale > 0", "'scale' argument should be positive", "scale.*positive")
CALLED_OTHERWISE = r"missing .*argument|takes .* positional argument|unexpected keyword argument|multiple values for"
NO_TENSOR = "expected sequence of length|too many dimensions 'str'|inhomogeneous|could not convert string"
TREE = Path(__file__).resolve().parents[2]
ELSEWHERE = tuple(
    f"{path}/" for path in (TREE / "compare", TREE / "suites", TREE / "elbo_compare",
                            *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")))
)  # fmt: skip


def raised_by_pair(error: Exception, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The message for what model or guide raised when they were called with these arguments."""
    from elbo_compare.suites.semantics.explaining.named import one_line

    notes = "".join(f", {each}" for each in getattr(error, "__notes__", ()) if each.startswith("under seed"))
    return f"The pair raises {one_line(error, 400)}{_place(error)}{notes}{_hint(str(error), args, kwargs)}"


def _place(error: Exception) -> str:
    """The last line of the person's own code that was running; empty where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename).resolve()
        if path.is_file() and not str(path).startswith(ELSEWHERE):
            return f" ({path.name}, line {frame.lineno}, in {frame.name})"
    return ""


def _hint(message: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    if any(re.search(pattern, message, re.IGNORECASE) for pattern in SCALE_ZERO):
        return " (SEM-SCALE-004: neither library takes a scale of 0; start the warm-up above it)"
    if re.search(CALLED_OTHERWISE, message):
        keywords = f"the keywords {', '.join(kwargs)}" if kwargs else "no keyword"
        return (
            f"; --args gave {len(args)} positional and {keywords}: it is a JSON list, as in '[1.0]', '[[1.0], "
            '{"key": 2}]\', or FILE.py:FUNCTION that returns a tuple, or (args, kwargs)'
        )
    if re.search(NO_TENSOR, message):
        return "; a list in --args becomes a tensor: it has to be rectangular, of numbers"
    if "must be a Tensor" in message and any(isinstance(each, int | float | str) for each in args):
        return "; a number in --args stays a Python number, a list is a tensor: FILE.py:FUNCTION gives others"
    return ""
