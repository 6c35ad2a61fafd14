"""One run of a model and its guide, read site by site: what `compare explain` and `compare match` both stand on.

`site` is free of any framework; `pyro_trace` and `numpyro_trace` make its records from a run of either library, and
`pyro_enumeration` and `numpyro_enumeration` sum over every state of a pair whose latents are all discrete and few.
"""
