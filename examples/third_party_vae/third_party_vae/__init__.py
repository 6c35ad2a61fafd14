"""A VAE of one's own, registered with elbo-compare."""
