"""An optimizer that a person's file makes, without the compiler that torch imports for it: three seconds of imports.

A new optimizer tells torch.compile to leave it alone, for which torch loads the whole of it. Nothing of a check is
compiled, so its methods are marked as left alone already.
"""

import torch

MARK = "__dynamo_disable"  # what `torch._compile` looks up on a function before it imports anything


def left_alone() -> None:
    """Mark the methods of torch's optimizers."""
    for method in vars(torch.optim.Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if plain is not None and getattr(method, "__code__", None) is _leaving.__code__:
            vars(plain).setdefault(MARK, plain)


_leaving = torch._disable_dynamo(left_alone)  # type: ignore[reportPrivateImportUsage]  # what it wraps is looked for
