"""The cases by family: statements, oracles and known behaviours. NumPy and SciPy only."""
