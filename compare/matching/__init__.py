"""Is one program the objective of another? A loss against a Pyro or NumPyro pair, or two pairs, at one tape."""
