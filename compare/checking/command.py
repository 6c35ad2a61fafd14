"""The verb `compare check`: prints the answer and returns the exit code."""

import ast
from collections.abc import Iterable
from typing import Any

from elbo_compare.compare.checking.process import TIMEOUT_S, check_target
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.terminal import say


def check_command(
    target: str,
    *,
    as_json: bool = False,
    verbose: bool = False,
    timeout_s: float = TIMEOUT_S,
    **options: Any,
) -> int:
    """Check one target and print the verdict (`as_json`: all of it as one JSON object; options: of `check_function`).

    Returns 0 right or an objective by design that was declared, 1 wrong or another objective, 2 it can't be loaded or
    its parameters can't be read, 3 it raises, hangs, gives NaN, stays inconclusive or left nothing to judge.
    """
    answer = check_target(target, timeout_s=timeout_s, verbose=verbose, **options)
    say(answer.json if as_json else answer.text)
    return answer.exit_code


def constants_of(pairs: Iterable[str]) -> dict[str, Any]:
    """`["beta=4", "mode=sum"]` -> {"beta": 4, "mode": "sum"}: Python literals, else text. Raises UsageError."""
    found = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise UsageError(f"--set wants name=value, as in --set beta=4; {pair!r} arrived.")
        try:
            found[name] = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # all that the parser may raise
            found[name] = text
    return found
