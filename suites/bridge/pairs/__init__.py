"""Whole programs run at a tape: a loss, and a Pyro or NumPyro pair with its own terms, site by site."""
