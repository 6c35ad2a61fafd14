"""Random models with exact answers: `description` says what a pair is, `grammar` draws one, `exact` gives its ELBO,
`rendering` writes it for a library, `measure_pyro` and `measure_numpyro` run it through the public ELBO classes.
"""
