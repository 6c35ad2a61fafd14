"""The same VAE in every framework: how it is run and judged."""
