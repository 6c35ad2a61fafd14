"""A person's whole model: run as it stands, its parts found by value, its sampler and loss judged."""
