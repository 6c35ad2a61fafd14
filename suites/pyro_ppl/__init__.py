"""Pyro, through its public ELBO objects."""
