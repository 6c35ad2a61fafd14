"""A Gaussian whose covariance is a matrix: said to be no diagonal one, before any array of another shape is given."""

import ast
import re

from elbo_compare.compare.checking.callee import Callee
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import Role, read_name
from elbo_compare.compare.checking.source import handed_to, methods_called, own_nodes

MATRIX = frozenset(
    [
        *("logdet", "slogdet", "det", "cholesky", "cholesky_ex", "inverse", "inv", "pinv", "cholesky_inverse"),
        *("trace", "solve", "cholesky_solve", "MultivariateNormal", "MultivariateNormalFullCovariance"),
        *("MultivariateNormalTriL",),
    ]
)  # what a matrix is handed to, or asked for
KEYWORDS = frozenset(["scale_tril", "covariance_matrix", "precision_matrix"])
CALLED = re.compile(r"cov|tril|chol|^l$|^l_|_l$|sigma_?mat|covmat")


def refuse_full_covariance(callee: Callee) -> None:
    """Raises TargetError where the body treats a spread as a matrix."""
    for name in (parameter.name for parameter in callee.parameters):
        asked = KEYWORDS & set(methods_called(callee.function, name))
        if asked:
            raise TargetError(
                f"{callee.label}: {name} is asked for its {min(asked)}: a Gaussian with a full covariance is not "
                "judged here; KLs and losses of diagonal Gaussians are."
            )
        pair = read_name(name)
        spread = pair is not None and pair[0] in (Role.SPREAD, Role.PRIOR_SPREAD)
        if (spread or CALLED.search(name.lower())) and (used := _as_a_matrix(callee, name)):
            raise TargetError(
                f"{callee.label}: {name} is a matrix for every datum (it is given to {used}): a Gaussian with a full "
                "covariance, which is not judged here; KLs and losses of diagonal Gaussians are."
            )


def matrices_in(callee: Callee) -> str:
    """What of linear algebra the body calls, where its parameters can't be told: `cholesky`, `logdet`; "" for none."""
    called = {
        ast.unparse(node.func).rsplit(".", 1)[-1] for node in own_nodes(callee.function) if isinstance(node, ast.Call)
    }
    return min(called & MATRIX, default="")


def told_of_matrices(callee: Callee, unread: str) -> str:
    """The refusal of parameters that no name tells, beside linear algebra."""
    return (
        f"{callee.label}: {unread} can't be told from the name, and the body calls {matrices_in(callee)}: a Gaussian "
        "with a full covariance is not judged here; KLs and losses of diagonal Gaussians are."
    )


def _as_a_matrix(callee: Callee, name: str) -> str:
    """What says so."""
    function = callee.function
    found = MATRIX & {*handed_to(function, name), *methods_called(function, name)}
    named = [
        keyword.arg
        for node in own_nodes(function)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in KEYWORDS and getattr(keyword.value, "id", "") == name
    ]
    return min([*found, *(word for word in named if word)], default="")
