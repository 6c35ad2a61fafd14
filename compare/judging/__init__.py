"""Measurements -> verdicts (`judge`), the frames beside them, and the answer in words."""
