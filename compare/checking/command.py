"""The verb `compare check`: prints the answer and returns the exit code."""

from collections.abc import Sequence

from elbo_compare.compare.checking.process import TIMEOUT_S, check_target
from elbo_compare.compare.errors import printable_lines


def check_command(
    target: str,
    *,
    kind: str | None = None,
    mapping: Sequence[str] = (),
    framework: str | None = None,
    as_json: bool = False,
    timeout_s: float = TIMEOUT_S,
    likelihood: str | None = None,
) -> int:
    """Check one target and print the verdict (`as_json`: the same as one JSON object).

    Returns 0 right, 1 wrong, 2 it can't be loaded or its parameters can't be read, 3 it raises, hangs, gives NaN or
    stays inconclusive.
    """
    answer = check_target(
        target, kind=kind, mapping=mapping, framework=framework, likelihood=likelihood, timeout_s=timeout_s
    )
    print(answer.json if as_json else printable_lines(answer.text))
    return answer.exit_code
