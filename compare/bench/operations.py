"""Floating-point operations of a training step, counted from shapes.

An affine layer (batch, in) -> (batch, out) is one product forward (2 batch in out operations) and two backward, by the
input and by the weight: three in all, two for a layer whose input is data, since nobody asks for d loss / d x.
"""

from elbo_compare.suites.contract import Likelihood, Problem

Shape = tuple[int, int, int]  # (m, k) times (k, n)
Layer = tuple[int, int, bool]  # how many numbers go in, how many come out, and whether those that go in are data
STACKED = {"linear": "gated", "gate": "gated", "mean": "heads", "log_var": "heads"}  # of one input: one product joined


def layers_of(problem: Problem, *, joined: bool = False) -> list[Layer]:
    """The affine layers of one training step with one particle; `joined`: those of the same input as one layer.

    Raises ValueError for a problem with a flow or a prior of its own, whose products are not counted here.
    """
    if problem.flow != "none" or problem.prior != "standard-normal":
        raise ValueError(f"operations are counted for the plain VAE; {problem.name} has more than that")
    found: dict[str, Layer] = {}
    for name, value in problem.params.items():
        if value.ndim != 2 or (name.startswith("decoder.") and problem.likelihood is Likelihood.NONE):
            continue
        out, width = value.shape
        before, kind = name.removesuffix(".weight").rsplit(".", 1)
        known = f"{before}.{STACKED.get(kind, kind) if joined else kind}"
        found[known] = (width, out + found.get(known, (0, 0))[1], takes_data(problem, name))
    return list(found.values())


def step_products(problem: Problem, batch: int) -> list[Shape]:
    """The matrix products of one training step with one particle, layer by layer: forward, by the weight, by the input.

    Raises ValueError where `layers_of` does.
    """
    shapes: list[Shape] = []
    for width, out, of_data in layers_of(problem):
        shapes += [(batch, width, out), (out, batch, width)]
        if not of_data:
            shapes.append((batch, out, width))
    return shapes


def takes_data(problem: Problem, name: str) -> bool:
    """Whether a layer's input is x itself."""
    return name.startswith("encoder.0." if problem.gated_layers else "encoder.")


def flops(shapes: list[Shape]) -> float:
    """Multiplications and additions of those products: 2 m k n each."""
    return float(sum(2 * m * k * n for m, k, n in shapes))


def step_flops(problem: Problem, batch: int) -> float:
    """Operations in the matrix products of one training step."""
    return flops(step_products(problem, batch))
