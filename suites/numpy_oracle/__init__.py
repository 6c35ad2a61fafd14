"""The oracle: float64, gradients by hand, and the scales of rounding that tolerances are made of."""
