"""Hand-written JAX."""
