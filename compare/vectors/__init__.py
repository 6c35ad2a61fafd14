"""Test vectors for any language: inputs, values at 50 digits, tolerances, and the values that wrong code gives."""
