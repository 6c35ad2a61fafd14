"""Breaks one installed ELBO class or loss in a worker, so that tests can see whose claims go red.

Put on PYTHONPATH by tests/compare/test_sabotage.py with ELBO_SABOTAGE="<library>:<class>+...:<kind>", a class that
inherits from another one before it (or it would inherit the break too and have two). Every worker reads it, and only
the one that imports that library's ELBO module is touched.
"""

import importlib.abc
import importlib.util
import os
import sys

MODULES = {
    "pyro": "pyro.infer",
    "numpyro": "numpyro.infer",
    "tfp": "tensorflow_probability.substrates.jax",
}
WIDER = 1.05
CONSTANT_NATS = 0.01
GRADIENT_FACTOR = 1.01


class PatchAfterImport(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Runs `patch(module)` right after the named module has been imported."""

    def __init__(self, name, patch):
        self.name, self.patch, self.busy = name, patch, False

    def find_spec(self, fullname, path, target=None):
        if fullname != self.name or self.busy:
            return None
        self.busy = True
        spec = importlib.util.find_spec(fullname)
        self.busy = False
        self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        self.patch(module)


def flip_pyro_sign(elbo):
    particle, loss = elbo._differentiable_loss_particle, elbo.loss
    elbo._differentiable_loss_particle = lambda *a: tuple(-part for part in particle(*a))
    if elbo.__name__ == "Trace_ELBO":  # whose loss does not go through _differentiable_loss_particle
        elbo.loss = lambda *a, **k: -loss(*a, **k)


def add_pyro_constant(elbo):
    particle, loss = elbo._differentiable_loss_particle, elbo.loss
    elbo._differentiable_loss_particle = lambda *a: tuple(part + CONSTANT_NATS for part in particle(*a))
    if elbo.__name__ == "Trace_ELBO":
        elbo.loss = lambda *a, **k: loss(*a, **k) + CONSTANT_NATS


def scale_pyro_gradient(elbo):
    particle = elbo._differentiable_loss_particle

    def off_by_one_percent(*a):
        value, surrogate = particle(*a)
        extra = (GRADIENT_FACTOR - 1) * surrogate
        return value, surrogate + extra - extra.detach()

    elbo._differentiable_loss_particle = off_by_one_percent


def lose_pyro_prior(elbo):
    get_trace = elbo._get_trace

    def without_prior(self, *a):
        model_trace, guide_trace = get_trace(self, *a)
        site = model_trace.nodes["z"]
        site["is_observed"] = True
        site["log_prob"] = site["log_prob"] * 0
        site["log_prob_sum"] = site["log_prob"].sum()
        return model_trace, guide_trace

    elbo._get_trace = without_prior


def widen_pyro_samples(elbo):
    from pyro.poutine.messenger import Messenger

    get_trace = elbo._get_trace

    class Widen(Messenger):
        def _pyro_sample(self, msg):
            if msg["name"] == "z":
                loc = msg["fn"].base_dist.loc
                value = msg["fn"]() if msg["value"] is None else msg["value"]
                msg["value"] = loc + WIDER * (value - loc)

    elbo._get_trace = lambda self, model, guide, *a: get_trace(self, model, Widen()(guide), *a)


PYRO = {
    "sign": flip_pyro_sign,
    "constant": add_pyro_constant,
    "gradient": scale_pyro_gradient,
    "lost-site": lose_pyro_prior,
    "wide": widen_pyro_samples,
}


def break_pyro(module, class_name, kind):
    """Break a pyro.infer ELBO class inside the methods that all its public ones go through."""
    PYRO[kind](getattr(module, class_name))


def break_numpyro(module, class_name, kind):
    """Break a numpyro.infer ELBO class at its public loss."""
    import jax
    import numpyro.distributions as dist
    from numpyro.primitives import Messenger

    elbo = getattr(module, class_name)
    original = elbo.loss_with_mutable_state

    class WideNormal(dist.Normal):
        def sample(self, key, sample_shape=()):
            return self.loc + WIDER * (super().sample(key, sample_shape) - self.loc)

    class Widen(Messenger):
        def process_message(self, msg):
            if msg.get("name") == "z":  # a message may be about a key, without a name
                normal, shape = msg["fn"], msg["fn"].shape()
                while not isinstance(normal, dist.Normal):
                    normal = normal.base_dist  # through expand and to_event
                loc, scale = (jax.numpy.broadcast_to(array, shape) for array in (normal.loc, normal.scale))
                msg["fn"] = WideNormal(loc, scale).to_event(1)

    class LosePrior(Messenger):
        def process_message(self, msg):
            if msg.get("name") == "z":  # a message may be about a key, without a name
                msg["fn"] = msg["fn"].mask(False)

    def broken(self, key, params, model, guide, *a, **k):
        if kind == "wide":
            return original(self, key, params, model, Widen(guide), *a, **k)
        if kind == "lost-site":
            return original(self, key, params, LosePrior(model), guide, *a, **k)
        result = original(self, key, params, model, guide, *a, **k)
        loss = result["loss"]
        changed = {
            "sign": lambda: -loss,
            "constant": lambda: loss + CONSTANT_NATS,
            "gradient": lambda: GRADIENT_FACTOR * loss - jax.lax.stop_gradient((GRADIENT_FACTOR - 1) * loss),
        }[kind]()
        return {**result, "loss": changed}

    elbo.loss_with_mutable_state = broken


def break_tfp(module, function, kind):
    """Break a public function of the library where it is looked up."""
    import jax

    owner = {"monte_carlo_variational_loss": module.vi, "kl_divergence": module.distributions}[function]
    original = getattr(owner, function)

    class Wide:
        """A surrogate whose samples are too wide, scored where they lie."""

        def __init__(self, whole):
            self.whole = whole

        def __getattr__(self, name):
            return getattr(self.whole, name)

        def experimental_sample_and_log_prob(self, *a, **k):
            z = self.whole.mean() + WIDER * (self.whole.sample(*a, **k) - self.whole.mean())
            return z, self.whole.log_prob(z)

    def broken(first, second, *a, **k):
        if kind == "wide":
            return original(first, Wide(second), *a, **k)
        if kind == "lost-site":  # the target, or the prior, has no density of z
            if function == "kl_divergence":
                return -first.entropy()
            return original(
                lambda z: first(z) - module.distributions.Normal(0 * z, 1.0).log_prob(z).sum(-1), second, **k
            )
        loss = original(first, second, *a, **k)
        return {
            "sign": lambda: -loss,
            "constant": lambda: loss + CONSTANT_NATS,
            "gradient": lambda: GRADIENT_FACTOR * loss - jax.lax.stop_gradient((GRADIENT_FACTOR - 1) * loss),
        }[kind]()

    setattr(owner, function, broken)


def add_to_what_is_returned(module, class_name):
    """A constant on what the class's own public methods return, in either library, whatever they go through."""
    elbo = getattr(module, class_name)
    for name in ("loss", "loss_and_grads"):
        method = elbo.__dict__.get(name)
        if method is not None:
            setattr(elbo, name, lambda *a, _method=method, **k: _method(*a, **k) + CONSTANT_NATS)


def install():
    """Hook the module named in ELBO_SABOTAGE; do nothing where the variable is absent."""
    wanted = os.environ.get("ELBO_SABOTAGE")
    if not wanted:
        return
    library, classes, kind = wanted.split(":")
    breaker = {"pyro": break_pyro, "numpyro": break_numpyro, "tfp": break_tfp}[library]
    if kind == "returned":

        def breaker(module, class_name, kind):
            add_to_what_is_returned(module, class_name)

    def patch(module):
        for class_name in classes.split("+"):
            breaker(module, class_name, kind)

    sys.meta_path.insert(0, PatchAfterImport(MODULES[library], patch))


install()
