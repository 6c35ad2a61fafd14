"""What the ELBO classes of Pyro and NumPyro do with a person's own model and guide: facts, roles, findings, draws."""
