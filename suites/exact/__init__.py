"""Closed forms: what the estimators must give, on paper. NumPy only; knows nothing of the oracle."""
