"""Model, guide, ELBO and arguments of Pyro's public examples, as each hands them to its first training step.

EXAMPLES names the folder `examples` of a checkout. An example runs as its own `__main__`, small, by its own options;
what it would download is replaced by random numbers of the same shape, and a package that draws or plots, where it is
not installed, by an empty one. `compare explain FILE.py:NAME__model FILE.py:NAME__guide --args FILE.py:NAME__arguments`
explains the pair NAME, with `--elbo FILE.py:NAME__elbo` the very object that the example trains with.
"""

import runpy
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyro
import torch
from public_examples import Caught, Empty, Pair, module_of, names_of, placed
from pyro.infer import ELBO, SVI, Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal, AutoNormalizingFlow

sys.meta_path.append(Empty("lightning", "seaborn", "torchvision", "visdom", "wget"))  # type: ignore[arg-type]


def caught(run: Callable[[], object], step: int = 1) -> Pair:
    """The pair of the given training step: of SVI, or of a loss that is differentiated by hand."""
    left = [step]

    def stepped(svi: Any, *args: Any, **kwargs: Any) -> float:
        left[0] -= 1
        if not left[0]:
            elbo = svi.loss.__self__
            raise Caught(Pair(model=svi.model, guide=svi.guide, elbo=elbo, args=args, kwargs=kwargs))
        return 0.0

    def differentiated(elbo: Any, model: Any, guide: Any, *args: Any, **kwargs: Any) -> Any:
        raise Caught(Pair(model=model, guide=guide, elbo=elbo, args=args, kwargs=kwargs))

    owners = [each for each in _subclasses(ELBO) if "differentiable_loss" in vars(each)]
    kept = {each: each.differentiable_loss for each in owners}
    try:
        for each in owners:
            each.differentiable_loss = differentiated
        with patch.object(SVI, "step", stepped):
            run()
    except Caught as found:
        return found.pair
    finally:
        for each, before in kept.items():
            each.differentiable_loss = before
    raise RuntimeError("the example made no such step")


def _subclasses(base: type) -> Iterator[Any]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


@contextmanager
def _placed(path: str) -> Iterator[Path]:
    with placed(path, pyro, "1.9.1") as file:
        pyro.set_rng_seed(0)
        yield file


def ran(path: str, options: str = "", *, step: int = 1, data: Callable[[], Any] | None = None) -> Pair:
    """An example run by its own command line. data: puts stand-ins for what it downloads into place."""

    def run() -> None:
        with _placed(path) as file, patch.object(sys, "argv", [str(file), *options.split()]):
            if data is not None:
                data()
            runpy.run_path(str(file), run_name="__main__")

    return caught(run, step)


def loaded(path: str) -> Any:
    with _placed(path) as file:
        return module_of(file)


def chorales() -> None:
    """Sequences of 88 notes."""
    from pyro.contrib.examples import polyphonic_data_loader

    def load_data(dataset: Any) -> dict[str, Any]:
        sequences = torch.bernoulli(torch.full((6, 4, 88), 0.3))
        split = {"sequences": sequences, "sequence_lengths": torch.tensor([4, 3, 4, 2, 4, 3])}
        return {name: dict(split) for name in ("train", "test", "valid")}

    polyphonic_data_loader.load_data = load_data  # pyright: ignore


def _images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.bernoulli(torch.full((n, 1, 28, 28), 0.3)), torch.arange(n) % 10


def images() -> None:
    """Batches of binary images."""
    from pyro.contrib.examples import util

    util.get_data_loader = lambda *args, **kwargs: _Batches([_images(kwargs["batch_size"])])  # pyright: ignore


class _Batches(list):
    dataset = range(8)
    num_workers = 0


def digits() -> None:
    """Batches of flat images, labelled and not."""
    from utils import mnist_cached  # pyright: ignore

    def setup_data_loaders(dataset: Any, use_cuda: bool, batch_size: int, **known: Any) -> Any:
        flat, labels = _images(8)
        batches = [(flat.reshape(8, 784), torch.nn.functional.one_hot(labels, 10).to(flat.dtype))] * 4
        named = dict.fromkeys(("sup", "unsup", "valid", "test"), batches)
        return named if "sup_num" in known else ([(flat, labels)], [(flat, labels)])

    mnist_cached.setup_data_loaders = setup_data_loaders
    mnist_cached.MNISTCached.train_data_size = 16


def canvases() -> None:
    """Images of 50 x 50 with up to two digits."""
    from pyro.contrib.examples import multi_mnist

    multi_mnist.load = lambda path: (255 * np.random.rand(8, 50, 50), [[1]] * 8)  # pyright: ignore


def rides() -> None:
    """Hourly counts between three stations."""
    from pyro.contrib.examples import bart

    bart.load_bart_od = lambda: {  # pyright: ignore
        "stations": ["12TH", "EMBR", "MONT"], "counts": torch.poisson(torch.full((400, 3, 3), 20.0)),
    }  # fmt: skip


def seals(group: str | None, individual: str | None) -> Pair:
    """Steps, angles and dives of 2 x 3 animals at three times, in the form that prepare_seal gives them."""
    with _placed("mixed_hmm/experiment.py"):
        from model import guide_generic, model_generic  # pyright: ignore

    shape = (3, 2, 3)
    config = {
        "MISSING": 1e-6, "sizes": {"state": 3, "random": 4, "group": 2, "individual": 3, "timesteps": 3},
        "group": {"random": group, "fixed": None},
        "individual": {"random": individual, "fixed": None, "mask": torch.ones(3, 2, dtype=torch.bool)},
        "timestep": {"random": None, "fixed": None, "mask": torch.ones(shape, dtype=torch.bool)},
        "observations": {"step": torch.rand(shape) + 0.5, "angle": torch.rand(shape), "omega": torch.rand(shape)},
    }  # fmt: skip
    elbo = TraceEnum_ELBO(max_plate_nesting=2)
    return Pair(model=partial(model_generic, config), guide=partial(guide_generic, config), elbo=elbo)


def trials() -> Pair:
    """The estimate of the entropy after an A/B test of 25 and 75 people."""
    module = loaded("contrib/oed/ab_test.py")
    return caught(lambda: module.estimated_ape(torch.tensor([25.0]), 1))


def halves() -> Pair:
    """A CVAE that completes images of which three quarters are hidden (-1)."""
    module = loaded("cvae/cvae.py")
    truth = torch.bernoulli(torch.full((4, 28, 28), 0.3))
    given, asked = truth.clone(), truth.clone()
    given[:, :14], given[:, 14:, 14:], asked[:, 14:, :14] = -1, -1, -1
    baseline = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 784), torch.nn.Sigmoid())
    pair = module.CVAE(20, 30, 30, baseline)
    return Pair(model=pair.model, guide=pair.guide, elbo=Trace_ELBO(), args=(given, asked))


def banana(guide: str) -> Pair:
    """Example neutra's two guides."""
    module = loaded("neutra.py")
    from pyro.distributions.transforms import block_autoregressive, iterated

    made = {"normal": lambda: AutoDiagonalNormal(module.model, init_scale=0.05),
            "flow": lambda: AutoNormalizingFlow(module.model, partial(iterated, 1, block_autoregressive))}  # fmt: skip
    options = Namespace(learning_rate=0.01, num_steps=1, param_a=1.15, param_b=1.0)
    return caught(lambda: module.fit_guide(made[guide](), options))


def faces(guide: str) -> Pair:
    """Example sparse_gamma_def's three guides, on 16 pixels and fewer units."""
    module = loaded("sparse_gamma_def.py")
    deep = module.SparseGammaDEF()
    deep.top_width, deep.mid_width, deep.bottom_width, deep.image_size = 4, 3, 2, 16
    made = {"custom": lambda: deep.guide, "easy": lambda: module.MyEasyGuide(deep.model),
            "auto": lambda: AutoDiagonalNormal(deep.model, init_loc_fn=module.init_to_feasible)}  # fmt: skip
    data = torch.poisson(torch.full((5, 16), 3.0))
    return Pair(model=deep.model, guide=made[guide](), elbo=TraceMeanField_ELBO(), args=(data,))


BACKENDS: list[Any] = []  # a context that nobody holds is left


def by_funsor(options: str) -> Pair:
    """Example contrib/funsor/hmm by its own backend, which stays in force."""
    from pyroapi import pyro_backend

    pair = ran("contrib/funsor/hmm.py", f"{options} --funsor", data=chorales)
    BACKENDS.append(pyro_backend("contrib.funsor"))
    BACKENDS[-1].__enter__()
    return pair


SMALL_HMM = "-n 1 -d 4 -b 2 -t 3"
EPIDEMIC = "--svi -n 2 -np 32 -ss 1 -sp 1 --nojit -d 6 -f 0"
NOTES = "-n 1 -mbs 3"
RUNS: dict[str, tuple[str, Callable[[], Pair]]] = {}  # name -> (the example's file, what makes its pair)


def _add(name: str, path: str, *given: Any, **named: Any) -> None:
    RUNS[name] = path, partial(ran, path, *given, **named)


AIR = "-n 1 -b 4 -t 2 --rnn-hidden-size 16 --encoder-latent-size 5 --encoder-net 16 --decoder-net 16"
_add("air", "air/main.py", AIR, data=canvases)
for number in "1345":
    _add(f"cjs_{number}", "capture_recapture/cjs.py", f"-m {number} -n 1")
_add("cjs_tmc", "capture_recapture/cjs.py", "--tmc --tmc-num-samples 2 -n 1")
_add("autoname_mixture", "contrib/autoname/mixture.py", "-n 1")
_add("autoname_scoping", "contrib/autoname/scoping_mixture.py", "-n 1")
_add("autoname_tree", "contrib/autoname/tree_data.py", "-n 1")
_add("cevae", "contrib/cevae/synthetic.py", "--num-data 60 -b 20 --hidden-dim 20 --latent-dim 5 -n 1")
_add("regional", "contrib/epidemiology/regional.py", f"{EPIDEMIC} -p 100")
for name, more in {"sir": "", "seir": "-e 2", "superspreading": "-k 1", "overdispersed": "-o 0.3",
                   "heterogeneous": "-hg"}.items():  # fmt: skip
    _add(f"epidemic_{name}", "contrib/epidemiology/sir.py", f"{EPIDEMIC} -p 100 {more}")
_add("bart", "contrib/forecast/bart.py", "--train-window 340 --test-window 24 --stride 24 -n 1", data=rides)
for number in "15":
    _add(f"funsor_hmm_{number}", "contrib/funsor/hmm.py", f"-m {number} {SMALL_HMM}", data=chorales)
for number in "137":
    RUNS[f"funsor_backend_hmm_{number}"] = "contrib/funsor/hmm.py", partial(by_funsor, f"-m {number} {SMALL_HMM}")
_add("sv_dkl", "contrib/gp/sv-dkl.py", "--num-inducing 6 --batch-size 8", data=images)
_add("sv_dkl_binary", "contrib/gp/sv-dkl.py", "--num-inducing 6 --batch-size 8 --binary", data=images)
MUE = "--test --small --no-plots --no-save -b 3 -e 1"
_add("factor_mue", "contrib/mue/FactorMuE.py", MUE)
_add("factor_mue_annealed", "contrib/mue/FactorMuE.py", f"{MUE} --anneal 5 --z-prior Laplace -idfac")
_add("profile_hmm", "contrib/mue/ProfileHMM.py", MUE)
RUNS["ab_test"] = "contrib/oed/ab_test.py", trials
_add("gp_bayes_opt", "contrib/oed/ab_test.py", "-n 1 --num-bo-steps 1")
RUNS["cvae"] = "cvae/cvae.py", halves
_add("dmm", "dmm.py", NOTES, data=chorales)
_add("dmm_flow", "dmm.py", f"{NOTES} -iafs 1", data=chorales)
_add("dmm_tmc", "dmm.py", f"{NOTES} --tmc --tmc-num-samples 2", data=chorales)
_add("dmm_tmcelbo", "dmm.py", f"{NOTES} --tmcelbo --tmc-num-samples 2", data=chorales)
_add("eight_schools", "eight_schools/svi.py", "--num-epochs 1")
for number in "01234567":
    _add(f"hmm_{number}", "hmm.py", f"-m {number} {SMALL_HMM}", data=chorales)
_add("hmm_tmc", "hmm.py", f"-m 1 {SMALL_HMM} --tmc --tmc-num-samples 2", data=chorales)
_add("hmm_raftery", "hmm.py", f"-m 6 {SMALL_HMM} -rp", data=chorales)
_add("lda", "lda.py", "-t 3 -w 20 -d 12 -wd 5 -n 1 -b 4 -l 10-10")
_add("minipyro", "minipyro.py", "-b pyro -n 1")
for group, single in ((None, None), ("discrete", "discrete"), ("continuous", "continuous")):
    RUNS[f"mixed_hmm_{group}_{single}".lower()] = "mixed_hmm/experiment.py", partial(seals, group, single)
for kind in ("normal", "flow"):
    RUNS[f"neutra_{kind}"] = "neutra.py", partial(banana, kind)
_add("scanvi", "scanvi/scanvi.py", "-d mock -n 1 -bs 20")
_add("scanvi_2", "scanvi/scanvi.py", "-d mock -n 1 -bs 20", step=2)
for kind in ("custom", "auto", "easy"):
    RUNS[f"sparse_gamma_def_{kind}"] = "sparse_gamma_def.py", partial(faces, kind)
SPARSE = "--num-data 20 --num-dimensions 12 --active-dimensions 3 --quadratic-dimensions 2 --num-restarts 1"
_add("sparse_regression", "sparse_regression.py", SPARSE)
_add("svi_horovod", "svi_horovod.py", "--no-horovod -s 200 -b 20")
_add("svi_lightning", "svi_lightning.py", "--size 200 --batch_size 20")
_add("svi_torch", "svi_torch.py", "--size 200 --batch-size 20")
_add("toy_mixture", "toy_mixture_model_discrete_enumeration.py", "-o 20 -n 1")
_add("ss_vae", "vae/ss_vae_M2.py", "-n 1 -sup 8 -zd 5 -hl 20 -bs 8", data=digits)
_add("ss_vae_supervised", "vae/ss_vae_M2.py", "-n 1 -sup 8 -zd 5 -hl 20 -bs 8", data=digits, step=2)
_add("ss_vae_auxiliary", "vae/ss_vae_M2.py", "-n 1 -sup 8 -zd 5 -hl 20 -bs 8 --aux-loss", data=digits, step=4)
_add("vae", "vae/vae.py", "-n 1", data=digits)
_add("vae_comparison", "vae/vae_comparison.py", "-n 1 --batch_size 8", data=images)

WITHOUT = {
    "air/air.py": "part of air/main.py", "air/modules.py": "part of air/main.py", "air/viz.py": "draws",
    "baseball.py": "MCMC alone", "contrib/oed/gp_bayes_opt.py": "part of contrib/oed/ab_test.py (pair gp_bayes_opt)",
    "contrib/timeseries/gp_models.py": "no guide: a log density is maximised", "cvae/baseline.py": "a network alone",
    "cvae/main.py": "runs cvae/cvae.py", "cvae/mnist.py": "data", "cvae/util.py": "draws, and a Monte Carlo estimate",
    "eight_schools/data.py": "data", "eight_schools/mcmc.py": "MCMC alone", "einsum.py": "sums alone",
    "inclined_plane.py": "importance sampling, without a guide", "lkj.py": "MCMC alone",
    "mixed_hmm/model.py": "part of mixed_hmm/experiment.py", "mixed_hmm/seal_data.py": "data",
    "rsa/generics.py": "exact search, without a guide", "rsa/hyperbole.py": "exact search, without a guide",
    "rsa/schelling.py": "exact search, without a guide", "rsa/schelling_false.py": "exact search, without a guide",
    "rsa/search_inference.py": "exact search, without a guide",
    "rsa/semantic_parsing.py": "exact search, without a guide", "sir_hmc.py": "MCMC alone",
    "smcfilter.py": "sequential Monte Carlo: no ELBO is trained", "vae/utils/custom_mlp.py": "a network alone",
    "vae/utils/mnist_cached.py": "data", "vae/utils/vae_plots.py": "draws",
}  # fmt: skip


__getattr__ = names_of(RUNS)
