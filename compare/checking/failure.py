"""Why a check could not come to a verdict. The exit codes are those of `compare check`."""

from elbo_compare.compare.errors import CompareError


class TargetError(CompareError):
    """The target can't be loaded, or its parameters can't be read (exit code 2)."""

    exit_code = 2


class FunctionError(CompareError):
    """The function raises, hangs, ends the process, or returns NaN or a wrong shape (exit code 3)."""

    exit_code = 3
