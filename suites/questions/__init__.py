"""Neighbouring questions about a sampled KL, one module each: words, formula, source, and rows measured at fixed seeds.

NumPy and SciPy; scikit-learn is imported where a classifier is trained, mpmath where an integral is the reference.
"""
