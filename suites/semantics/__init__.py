"""What `Trace_ELBO`, `TraceMeanField_ELBO` and their relatives really compute, one exactly solvable case per behaviour.

`catalogue` lists the cases (NumPy and SciPy oracles only), `cases/` holds one pasteable program per case and library,
`runner` executes programs in fresh processes, `findings` says where a library departs from its documentation.
"""
