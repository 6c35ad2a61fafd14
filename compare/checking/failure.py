"""Why a check could not come to a verdict. The exit codes are those of `compare check`."""

from elbo_compare.compare.errors import CompareError


class TargetError(CompareError):
    """The target can't be loaded, or its parameters can't be read (exit code 2)."""

    exit_code = 2


class FunctionError(CompareError):
    """The function raises, hangs, ends the process, or returns NaN or a wrong shape (exit code 3)."""

    exit_code = 3


class LackingError(TargetError):
    """A method reads an attribute that its object never got."""

    def __init__(self, attribute: str, target: str, owner: str, method: str) -> None:
        super().__init__(
            f"{target} reads self.{attribute}, which {owner} has not got; name an instance that has it, as in "
            f"FILE.py:my_object.{method}."
        )
        self.attribute = attribute
