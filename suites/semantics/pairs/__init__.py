"""Every registered analytic divergence against numerical integration: `table` lists them, `oracle` integrates,
`measure_pyro` and `measure_numpyro` ask the libraries.
"""
