"""Runs and judges the semantics suite: what the libraries' ELBO objects compute, against the register of findings."""
