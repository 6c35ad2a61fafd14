"""NumPyro, through its public ELBO objects."""
