"""What a timed step may cost in waiting: synchronisations and uploads per step, by form and by session.

A synchronisation is the host waiting for the device (a number read, a mask's size asked), an upload a copy from the
host's memory. Every call of k steps ends in one synchronisation more, and in a form's case the loss is read once.
Counted with torch 2.13 and pyro-ppl 1.9.2; more than these is waiting that someone added.
"""

# form -> (synchronisations, uploads) per step
FORMS: dict[str, tuple[int, int]] = {
    "torch-hand eager": (0, 0),
    "torch-hand foreach": (0, 0),
    "torch-hand fused Adam": (0, 0),
    "torch-hand joined": (0, 0),
    "torch-hand CUDA graph": (0, 0),
    "torch-hand TF32": (0, 0),
    "pyro SVI.step": (21, 0),
    "pyro without validation": (3, 0),
    "pyro tutorial loop": (21, 1),  # the tutorial's batches lie on the host
}
# JAX's forms: nothing travels to the device in a call, however many steps it has; a guard forbids it. Its end is read.
JAX_FORMS = dict.fromkeys(
    (
        *("jax-hand loop", "jax-hand donated", "jax-hand scan", "jax-hand joined", "jax-hand joined scan"),
        *("numpyro update loop", "numpyro update scan", "numpyro example fori_loop"),
    ),
    0,
)
ENDS = 2  # of every call: a synchronisation, and the loss is read

# A step of a session. Pyro's classes read their loss, and with validation look at every distribution's parameters.
# Its Jit forms and classes are not here: torch.jit's interpreter does not go through the pretend device.
BY_HAND = (0, 0)
PYRO: dict[tuple[str, str], tuple[int, int]] = {
    ("gaussian-kl", "analytic-kl"): (11, 0),
    ("linear-gaussian", "renyi-2"): (16, 1),  # `Normal(mean, scale)` with a Python number for its scale
    ("vae-small", "sampled-kl"): (21, 0),
    ("convex-linear-iaf-small", "analytic-kl"): (19, 0),
    ("mixture-small", "iwae-5"): (17, 0),
    ("vamp-small", "stl"): (25, 0),
}
ANY_PYRO = (30, 1)  # the rest, in benchmarks/device_pairs.py
