"""`compare explain` as exit code and text."""

from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.suites.semantics.case import OF_PROGRAMS


def explain_command(
    model: str, guide: str, args: str, elbo: str | None, library: str | None, *, as_json: bool, timeout_s: float
) -> tuple[int, str]:
    """Exit code and text of `compare explain`: 0 explained, 1 the class that `elbo` names is seen to be off on this
    pair, 2 it can't be loaded, 3 it raises or hangs. Raises UsageError for a library that does not exist."""
    from elbo_compare.compare.semantics.explaining import explain_pair

    if library is not None and library not in OF_PROGRAMS:
        raise UsageError(unknown("library", library, OF_PROGRAMS))
    answer = explain_pair(model, guide, args, library, timeout_s, elbo=elbo)
    return answer.exit_code, answer.json if as_json else answer.text
