"""Own base noise in torch: independent normals, or any number of independently scrambled Sobol sets at once."""

from functools import cache

import torch
from torch import Tensor

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Noise

BITS = 30  # of torch's Sobol points


def base_noise(form: Form, size: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Standard normal noise of `size` data, shape (noise_rows, size, latent), on the generator's device."""
    if form.noise is Noise.SOBOL:
        return sobol_noise(form.particles, form.latent, size, generator).to(dtype)
    shape = (form.noise_rows, size, form.latent)
    return torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)


@cache
def leading_points(points: int, dimension: int, device: torch.device) -> Tensor:
    """The first `points` (a power of two) unscrambled Sobol points as integers of their leading log2(points) bits.

    Shape: (points, dimension), int64. The other bits of these points are zero. They travel to the device once.
    """
    engine = torch.quasirandom.SobolEngine(dimension)
    return (engine.draw(points, dtype=torch.float64) * points).round().to(device, torch.int64)


def scrambled(points: int, dimension: int, sets: int, generator: torch.Generator) -> Tensor:
    """Points of independently scrambled sets, uniform on (0, 1). Shape: (points, sets, dimension), float64.

    A random lower triangular bit matrix and a random shift per dimension and set (Matousek 1998, the scramble of
    `SobolEngine(scramble=True)`, which takes milliseconds for one set): bits below the leading ones of these points are
    zero, so that only the leading columns of the matrix are drawn. Half a cell is added: u is never 0 or 1.
    """
    device, leading = generator.device, points.bit_length() - 1
    bits = leading_points(points, dimension, device)[:, None]
    shape = (sets, dimension)
    result = torch.randint(2**BITS, shape, generator=generator, device=device).expand(points, *shape)
    for c in range(leading):
        place = BITS - 1 - c  # of the c-th leading bit; the column has a one there and anything below
        column = 2**place + torch.randint(2**place, shape, generator=generator, device=device)
        result = result ^ (((bits >> (leading - 1 - c)) & 1) * column)
    return (result.to(torch.float64) + 0.5) / 2.0**BITS


def sobol_noise(points: int, dimension: int, sets: int, generator: torch.Generator) -> Tensor:
    """Standard normal quantiles of `scrambled`. Shape: (points, sets, dimension), float64."""
    return torch.special.ndtri(scrambled(points, dimension, sets, generator))
