"""What is compared: problems, data, estimators, closed forms and one file per implementation.

NumPy only, except inside the backends (`torch_hand`, `jax_hand`, `pyro_ppl`, `numpyro_ppl`, `tfp_ppl`) and `bridge`.
"""
