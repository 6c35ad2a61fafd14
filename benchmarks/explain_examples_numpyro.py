"""Model, guide, ELBO and arguments of NumPyro's public examples, as each hands them to SVI.

EXAMPLES names the folder `examples` of a checkout. As for Pyro (`explain_examples_pyro`): an example runs as its own
`__main__`, small; what it would download is replaced by random numbers of the same shape, its sampler by nothing, and a
package that draws or plots, where it is not installed, by an empty one. flax and optax have to be installed.
"""

import runpy
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.infer import MCMC, SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoBNAFNormal, AutoNormal
from public_examples import Caught, Empty, Pair, module_of, names_of, placed

VERSION = "0.21.0"  # which the examples ask for
sys.meta_path.append(Empty("seaborn", "wordcloud"))  # type: ignore[arg-type]


def caught(run: Callable[[], object]) -> Pair:
    """The pair that SVI is asked to start with."""

    def init(svi: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        given = {name: value for name, value in kwargs.items() if name != "init_params"}
        raise Caught(Pair(model=svi.model, guide=svi.guide, elbo=svi.loss, args=args,
                          kwargs=given | svi.static_kwargs))  # fmt: skip

    nothing: dict[str, Any] = {
        "run": lambda *args, **kwargs: None, "print_summary": lambda *args, **kwargs: None,
        "get_samples": lambda *args, **kwargs: defaultdict(lambda: jnp.zeros((2, 2))),
    }  # fmt: skip
    try:
        with patch.object(SVI, "init", init), patch.multiple(MCMC, **nothing):
            run()
    except Caught as found:
        return found.pair
    raise RuntimeError("the example started no SVI")


def ran(path: str, options: str = "", data: Callable[[], Any] | None = None) -> Pair:
    """An example run by its own command line. data: puts stand-ins for what it downloads into place."""

    def run() -> None:
        with placed(path, numpyro, VERSION) as file, patch.object(sys, "argv", [str(file), *options.split()]):
            if data is not None:
                data()
            runpy.run_path(str(file), run_name="__main__")

    return caught(run)


def loaded(path: str) -> Any:
    with placed(path, numpyro, VERSION) as file:
        return module_of(file)


def images() -> None:
    """Batches of 8 images of 28 x 28."""
    from numpyro.examples import datasets

    pixels = jax.random.uniform(jax.random.key(1), (8, 28, 28))

    def fetch(i: int, index: Any = None) -> Any:
        return pixels, jnp.arange(8)

    datasets.load_dataset = lambda *args, **kwargs: (lambda: (1, jnp.arange(8)), fetch)  # pyright: ignore


def documents() -> None:
    """Counts of 20 words in 12 documents."""
    import sklearn.datasets
    from sklearn.feature_extraction import text

    class Counted:
        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

        def fit_transform(self, given: Any) -> Any:
            import scipy.sparse

            return scipy.sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (12, 20)))

        def get_feature_names_out(self) -> list[str]:
            return [f"word {i}" for i in range(20)]

    sklearn.datasets.fetch_20newsgroups = lambda **known: {"data": []}  # pyright: ignore
    text.CountVectorizer = Counted  # pyright: ignore


def fish() -> None:
    """Catches of 30 groups."""
    import pandas

    generator = np.random.default_rng(0)
    columns = ["livebait", "camper", "persons", "child"]
    table = {name: generator.integers(0, 3, 30) for name in columns} | {"count": generator.poisson(1.0, 30)}
    pandas.read_stata = lambda *args, **kwargs: pandas.DataFrame(table)  # pyright: ignore


def forest() -> Pair:
    """Covtype's flow, on 30 rows of 4 features."""
    module = loaded("covtype.py")
    features = jax.random.normal(jax.random.key(1), (30, 4))
    guide = AutoBNAFNormal(module.model, num_flows=1, hidden_factors=[8])
    return Pair(model=module.model, guide=guide, elbo=Trace_ELBO(), args=(features, features[:, 0] > 0))


def quadrants() -> Pair:
    """The conditional VAE in flax, which is given a quarter of each image."""
    with placed("cvae-flax/models.py", numpyro, VERSION):
        from models import cvae_guide, cvae_model  # pyright: ignore
    truth = jax.random.bernoulli(jax.random.key(1), 0.3, (4, 28, 28)).astype(float)
    return Pair(model=cvae_model, guide=cvae_guide, elbo=Trace_ELBO(), kwargs={"x": truth[:, 14:, :14], "y": truth})


def annealed(family: str) -> Pair:
    """Example dais_demo's two families."""
    module = loaded("dais_demo.py")
    module.args = type("Options", (), {"num_svi_steps": 1})
    return caught(lambda: module.run_svi(jax.random.key(0), *module.get_data(8), guide_family=family))


def stein_network() -> Pair:
    """Example stein_bnn's model and guide, which SteinVI trains: the ELBO is that of each of its particles."""
    module = loaded("stein_bnn.py")
    x = jax.random.normal(jax.random.key(1), (12, 3))
    return Pair(model=module.model, guide=AutoNormal(module.model), elbo=Trace_ELBO(), args=(x, x[:, 0]),
                kwargs={"hidden_dim": 4, "sub_size": 6})  # fmt: skip


def stein_chorales() -> Pair:
    """Example stein_dmm's model and guide, likewise, on sequences of 88 notes."""
    module = loaded("stein_dmm.py")
    notes = jax.random.bernoulli(jax.random.key(1), 0.3, (6, 3, 88)).astype(float)
    lengths = jnp.array([3, 2, 3, 3, 1, 3])
    sizes = {"subsample_size": 4, "latent_dim": 3, "emission_dim": 5, "transition_dim": 5, "gru_dim": 6}
    return Pair(model=module.model, guide=module.guide, elbo=Trace_ELBO(), args=(notes, notes[:, ::-1], lengths),
                kwargs=sizes)  # fmt: skip


def thompson() -> Pair:
    """The fit of a Gaussian process to six points."""
    module = loaded("thompson_sampling.py")
    x = jnp.linspace(-2.0, 2.0, 6)
    return caught(lambda: module.GP().fit(x, module.ackley_1d(x), jax.random.key(0), 1))


def catches(family: str) -> Pair:
    """Example zero_inflated_poisson's two families."""
    module = loaded("zero_inflated_poisson.py")
    generator = np.random.default_rng(0)
    x, y = jnp.array(generator.integers(0, 3, (30, 5)).astype(float)), jnp.array(generator.poisson(1.0, 30))
    options = type("Options", (), {"maxiter": 1})
    return caught(lambda: module.run_svi(module.model, family, options, x, y))


RUNS: dict[str, tuple[str, Callable[[], Pair]]] = {
    "covtype": ("covtype.py", forest),
    "cvae_flax": ("cvae-flax/train_cvae.py", quadrants),
    "dais": ("dais_demo.py", partial(annealed, "AutoDAIS")),
    "dais_normal": ("dais_demo.py", partial(annealed, "AutoDiagonalNormal")),
    "hmcecs": ("hmcecs.py", partial(ran, "hmcecs.py", "--dataset mock --subsample_size 5 --num_svi_steps 1")),
    "minipyro": ("minipyro.py", partial(ran, "minipyro.py", "-n 1")),
    "neutra": ("neutra.py", partial(ran, "neutra.py", "--num-samples 2 --num-iters 1 --num-chains 1")),
    "prodlda": ("prodlda.py", partial(ran, "prodlda.py", "-n 1 -t 3 --hidden 8 --batch-size 6", documents)),
    "stein_bnn": ("stein_bnn.py", stein_network),
    "stein_dmm": ("stein_dmm.py", stein_chorales),
    "thompson": ("thompson_sampling.py", thompson),
    "toy_mixture": ("toy_mixture_model_discrete_enumeration.py",
                    partial(ran, "toy_mixture_model_discrete_enumeration.py", "-o 20 -n 1")),
    "vae": ("vae.py", partial(ran, "vae.py", "-batch-size 8 -z-dim 5 -hidden-dim 20", images)),
    "zip_map": ("zero_inflated_poisson.py", partial(ran, "zero_inflated_poisson.py", "--maxiter 1", fish)),
    "zip_normal": ("zero_inflated_poisson.py", partial(catches, "AutoDiagonalNormal")),
}  # fmt: skip
SAMPLED = (
    "annotation", "ar2", "baseball", "bnn", "capture_recapture", "funnel", "gaussian_shells", "gp", "hmm", "hmm_enum",
    "holt_winters", "horseshoe_regression", "hsgp", "mortality", "ode", "proportion_test", "sparse_regression",
    "ssbvm_mixture", "stochastic_volatility", "ucbadmit", "var2",
)  # fmt: skip
WITHOUT = {f"{name}.py": "MCMC alone" for name in SAMPLED} | {
    "cvae-flax/data.py": "data", "cvae-flax/main.py": "runs cvae-flax/train_cvae.py",
    "cvae-flax/models.py": "part of cvae-flax/train_cvae.py", "cvae-flax/train_baseline.py": "a network alone",
    "cvae.py": "text alone: points to cvae-flax",
}  # fmt: skip


__getattr__ = names_of(RUNS)
