"""What is run on the pretend devices in `make test`, and the faults that are planted there. Imports no framework.

A covering choice: every problem's kind (flow, prior, likelihood) and every kind of estimator occurs; all pairs are run
by benchmarks/device_pairs.py.
"""

BY_HAND_PAIRS = (
    ("gaussian-kl", "control-variate"),
    ("gaussian-kl", "k3"),
    ("gaussian-kl", "sobol-8"),
    ("linear-gaussian", "renyi-2"),
    ("vae-small", "sampled-kl"),
    ("householder-small", "analytic-kl"),
    ("linear-iaf-small", "elbo-5"),
    ("convex-linear-iaf-small", "antithetic"),
    ("planar-small", "stl"),
    ("iaf-small", "iwae-5"),
    ("mixture-small", "dreg-5"),
    ("vamp-small", "dreg-1"),
    ("laplace-small", "renyi-half"),
)
PYRO_PAIRS = (
    ("gaussian-kl", "analytic-kl"),
    ("linear-gaussian", "renyi-2"),
    ("vae-small", "sampled-kl"),
    ("convex-linear-iaf-small", "analytic-kl"),
    ("mixture-small", "iwae-5"),
    ("vamp-small", "stl"),
)
JAX_PAIRS = (
    ("jax-hand", "vamp-small", "antithetic"),
    ("jax-hand", "iaf-small", "stl"),
    ("numpyro", "householder-small", "sampled-kl"),
    ("numpyro", "laplace-small", "renyi-half"),
)
CAPTURED = {  # compiled form -> the type of its products; torch.compile's graphs are read, not run
    "torch-hand compiled": "float32",
    "torch-hand compiled joined": "float32",
    "torch-hand bfloat16": "bfloat16",
}
PRECISIONS = ("full", "TF32", "bfloat16")

# fault -> (the check that must see it, a pattern of what it must say); the contexts stand in the processes' `planted`
TORCH_FAULTS = {
    "1: the TF32 flag is reset before the products": ("ceiling TF32", "products with TF32 off"),
    "2: the device's random state is not put back": (
        "pyro, vae-small, sampled-kl",
        "warm-up with own numbers: .elbo differs",
    ),
    "3: the captured loss is float32": ("torch-hand CUDA graph", "loss: value differs"),
    "4: a bfloat16 form's loss is its own": ("torch-hand bfloat16", "2 compiled losses of two preparations"),
    "8: eager Adam is the default": ("torch-hand eager", "Adam is over lists; the label says a loop"),
    "9: a replay is counted as one launch": ("launches", "launches of the captured step"),
    "10: the graph's pool is not in the peak": ("memory", "in the graph's pool alone"),
    "14: a form takes the outline's weights": ("seeded weights", "the loss is no number"),
    "14: seeded weights travel": ("seeded weights", "bytes travel, the weights are"),
    "15: the prior's encoder has the copies' biases": ("pyro, vamp-small, stl", "must match the size of tensor"),
    "mixed devices": ("torch-hand joined", "mixed devices: add"),
    "a number read in a step": ("torch-hand eager", "1 syncs per step, stated 0"),
    "an upload in a step": ("torch-hand eager", "1 uploads per step, stated 0"),
    "a number read in a capture": ("torch-hand CUDA graph", "not permitted while a graph is captured"),
    "a random number in a capture": ("torch-hand CUDA graph", "the generator is not registered"),
    "mixed devices, compiled": ("torch-hand compiled joined", "found (at least two|two different) devices"),
    "a number read, compiled": ("torch-hand compiled", "Could not guard on data-dependent"),
    "products of the host's autocast": ("torch-hand bfloat16", "the form multiplies in bfloat16"),
    "random numbers of the host": ("torch-hand, vae-small, sampled-kl", "drawn on the host"),
    "TF32 on in a full form": ("torch-hand joined", "products with TF32 on"),
}
JAX_FAULTS = {
    "5: the learning rate is a Python number": ("loops of jax-hand", "step: JaxRuntimeError: INVALID_ARGUMENT: Disall"),
    "6: reducers are counted as launches": ("kernels", "instructions, by hand 4 and 5"),
    "12: every batch travels": ("training by jax-hand", "arrays travel in 3 steps"),
    "14: a form takes the outline's weights": ("seeded weights", "its seeded weights are not the loop's"),
    "products in the default precision": ("jax-hand loop", "products not in full precision"),
    "a number travels in a loop": ("jax-hand loop", "Disallowed host-to-device transfer"),
    "a number travels with an epoch": ("jax-hand joined scan", "Disallowed host-to-device transfer"),
}
