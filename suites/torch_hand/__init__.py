"""Hand-written torch."""
