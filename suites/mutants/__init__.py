"""Planted wrong implementations that the claims must catch, and legitimate variants that they must not fail."""
