"""What is right only if a name says what it does not say: neither right nor wrong, and told with the way to say it."""

from elbo_compare.compare.checking.attributes import part_of
from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.names import Role, forms_of, read_name
from elbo_compare.compare.checking.result import CheckResult
from elbo_compare.compare.checking.roles import Assignment, of_a_stem
from elbo_compare.compare.checking.source import deleted

PREFIX = {Role.PRIOR_SPREAD: "prior_", Role.OUTPUT_SPREAD: "output_"}


def not_told(result: CheckResult, assignment: Assignment) -> str:
    """Why a right value is not judged, or "" where nothing keeps it from that: it leaves out the decoder's spread, puts
    the mean of a layer's weights beside the spread of its bias, or takes an argument for another form than the stem of
    its name states."""
    callee = assignment.callee
    left_out = [name for name in variances_not_read(callee) if name not in deleted(callee.function)]
    if left_out:
        text = f"right with a fixed variance, and {left_out[0]}, a spread of the decoder by its name, is never read"
        return f"{callee.label}: {text}: not judged (`del {left_out[0]}` would say that it is meant)"
    mean, spread = (assignment.signature.find(role) for role in (Role.MEAN, Role.SPREAD))
    if mean and spread and {part_of(mean.name), part_of(spread.name)} == {"weight", "bias"}:
        both = f"{mean.name} and {spread.name}"
        return f"{callee.label}: right if {both} are of one Gaussian, and their names say of two: not judged"
    for argument in assignment.signature.arguments:
        if not of_a_stem(argument):
            continue
        stated, taken = forms_of(argument.name, argument.role, argument.forms[0]), result.parameters[argument.name]
        if len(stated) == 1 and taken != stated[0].value:
            said = f"--map {argument.name}={PREFIX.get(argument.role, '')}{taken}"
            text = f"right if {argument.name} is taken for {taken}, where the stem of its name says {stated[0].value}"
            return f"{callee.label}: {text}: not judged; {said}, if that is what it is"
    return ""


def variances_not_read(callee: Callee) -> list[str]:
    """Variances of the decoder that the function takes and never reads."""
    given = [name for name, value in callee.constants.items() if value is None]
    return [name for name in given if (pair := read_name(name)) and pair[0] is Role.OUTPUT_SPREAD]
