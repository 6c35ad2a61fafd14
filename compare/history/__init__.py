"""What the libraries' ELBO objects meant, release by release: the semantics programs under a matrix of versions."""
