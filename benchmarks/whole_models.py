"""Public VAE programs, whole and without an edit, under `compare check`: entered how, which verdict, which words.

    python benchmarks/whole_models.py FOLDER --tree COMMIT [--only TEXT]

FOLDER holds a checkout of each repository as `owner+name`, with its commit in a file COMMIT; nothing of them is kept.
Each program is one command, in a process of its own with one thread; its CPU seconds (imports too) are counted, since
the clock depends on what else runs. `wanted` is what a reading of the program says: the verdict, and words of it.
Writes `programs.json` (everything) and `README.md` (the table), of all programs that were run so far.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "reports" / "published" / "whole-models"
LIMIT_S = 15.0
FOLDERS = re.compile(r"(?<=[( '\"])/[^ )'\"]*/")  # of this machine
OTHER = "another objective"
RIGHT, BY_DESIGN, WRONG, NOT_JUDGED = "right", "by design", "wrong", "not judged"
FAILED, NOT_LOADED = "failed", "not loaded"
IMAGES = '{"in_channels": 3, "latent_dim": 8}'
MEANS = "the squared error is a mean over pixels, the KL one over the batch times M_N"
TOLD = "the sampler is right"
JUDGED = (RIGHT, WRONG, BY_DESIGN, OTHER)


@dataclass(frozen=True, kw_only=True)
class Public:
    """One program. place: of its file in the repository; weight: M_N of its loss; init: its arguments; given:
    other numbers, as --set takes them; runs: `torch` or `flax`, which packages it wants; path: its sources, where
    it is a package; why: what a reader finds in it; made: the text of a factory, `made_here.py`, for a class that wants
    objects: what a user would write, beside the unedited files."""

    repository: str
    target: str
    wanted: str
    words: str
    place: str = "."
    init: str = ""
    loss: str = ""
    weight: str = ""
    why: str = ""
    runs: str = "torch"
    path: str = ""
    given: tuple[str, ...] = ()
    batch: str = ""
    objective: str = ""
    made: str = ""

    @property
    def options(self) -> list[str]:
        """Of the command."""
        given = {
            "--init": self.init,
            "--loss": self.loss,
            "--set": f"M_N={self.weight}" if self.weight else "",
            "--batch": self.batch,
            "--objective": self.objective,
        }
        pairs = [*given.items(), *(("--set", each) for each in self.given)]
        return [part for option, value in pairs if value for part in (option, value)]


def antixk(file: str, name: str, wanted: str, words: str, *, weight: str = "0.00025", init: str = IMAGES,
           why: str = "") -> Public:  # fmt: skip
    """One of the collection's models; 0.00025 is the weight in its own configurations."""
    return Public(repository="AntixK/PyTorch-VAE", target=f"models/{file}.py:{name}", wanted=wanted, words=words,
                  weight=weight, init=init, why=why)  # fmt: skip


def questioned(file: str, loss: str, wanted: str, words: str, why: str) -> Public:
    """One of the authors' models."""
    init = (
        '{"args": {"input_size": [1, 28, 28], "z1_size": 10, "cuda": false, "dynamic_binarization": false, '
        '"warmup": 0, "number_combination": 2, "number_of_flows": 2}}'
    )
    return Public(repository="jmtomczak/vae_vpflows", target=f"models/{file}.py:VAE", init=init,
                  loss=f"utils/training.py:{loss}", wanted=wanted, words=words, why=why)  # fmt: skip


def vampprior(file: str, prior: str, wanted: str, words: str, why: str) -> Public:
    """One of the models of Tomczak and Welling 2018; its settings are those of its own experiment, smaller."""
    settings = {
        "input_size": [1, 28, 28], "z1_size": 8, "z2_size": 8, "input_type": "binary", "prior": prior, "cuda": False,
        "number_components": 5, "pseudoinputs_mean": 0.05, "pseudoinputs_std": 0.01, "use_training_data_init": False,
    }  # fmt: skip
    return Public(repository="jmtomczak/vae_vampprior", target=f"models/{file}.py:VAE", wanted=wanted, words=words,
                  init=json.dumps({"args": settings}), why=why)  # fmt: skip


def pythae(name: str, wanted: str, words: str, why: str = "", objective: str = "", **more: Any) -> Public:
    """One of Pythae's models, with its own multilayer networks; its settings are an object of JSON."""
    settings = json.dumps({"model_config": {"input_dim": [784], "latent_dim": 6, **more}})
    return Public(repository="clementchadebec/benchmark_VAE", target=f"pythae.models:{name}", path="src", init=settings,
                  wanted=wanted, words=words, why=why, objective=objective)  # fmt: skip


SOLVER = "solver.py:Solver.train"
SEMI_SUPERVISED = """import torch
from inference.variational import SVI
from models.dgm import DeepGenerativeModel


def cross_entropy(output, x):
    return -(x * torch.log(output + 1e-8) + (1 - x) * torch.log(1 - output + 1e-8)).sum(-1)


def made():
    return SVI(DeepGenerativeModel([20, 4, 3, [16]]), likelihood=cross_entropy)
"""
KERAS = """import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from vae import VariationalAutoencoder


def made():
    model = VariationalAutoencoder(original_dim=784)
    model(np.zeros((2, 784), "float32"))
    model.compile("adam", loss=keras.losses.MeanSquaredError())
    return model
"""
PROGRAMS = (
    Public(repository="pytorch/examples", place="vae", target="main.py:VAE", wanted=RIGHT, words="TraceMeanField_ELBO"),
    questioned("VAE", "train_vae", RIGHT, "Trace_ELBO of your own networks / batch", "the questioned code"),
    questioned("VAE_HF", "train_vae_VPflow", FAILED, "expand", "a sum kept its dimension before torch 0.2"),
    questioned("VAE_ccLinIAF", "train_vae_VPflow", FAILED, "old source: torch.tril's k", "told in one line"),
    Public(repository="yunjey/pytorch-tutorial", place="tutorials/03-advanced/variational_autoencoder",
           target="main.py:VAE", wanted=RIGHT, words="TraceMeanField_ELBO"),
    Public(repository="google/flax", place="examples/vae", target="train.py:models.VAE", init="[8]", wanted=RIGHT,
           words="TraceMeanField_ELBO", runs="flax", why="by what its train_step differentiates"),
    antixk("vanilla_vae", "VanillaVAE", BY_DESIGN, "M_N", why=MEANS),
    antixk("vanilla_vae", "VanillaVAE", WRONG, "averaged over the batch and the observed", weight="1", why=MEANS),
    antixk("beta_vae", "BetaVAE", NOT_JUDGED, TOLD, why="gamma |KL - C|, C grows with the steps"),
    antixk("logcosh_vae", "LogCoshVAE", NOT_JUDGED, TOLD, why="log cosh in place of a likelihood"),
    antixk("iwae", "IWAE", NOT_JUDGED, "5 samples a datum", why="softmax of the losses, not of the log weights"),
    antixk("vampvae", "VampVAE", NOT_JUDGED, TOLD, why="a mixture of encoders for a prior"),
    antixk("hvae", "HVAE", NOT_JUDGED, "a hierarchy", init='{"in_channels": 3, "latent1_dim": 8, "latent2_dim": 8}'),
    antixk("info_vae", "InfoVAE", NOT_JUDGED, TOLD, why="an MMD beside the KL"),
    antixk("dip_vae", "DIPVAE", NOT_JUDGED, TOLD, why="a penalty on the covariance of the means"),
    antixk("vq_vae", "VQVAE", NOT_JUDGED, "no noise is drawn", weight="",
           init='{"in_channels": 3, "embedding_dim": 8, "num_embeddings": 16}', why="a codebook"),
    antixk("cat_vae", "CategoricalVAE", NOT_JUDGED, "Gumbel", why="a relaxed categorical latent"),
    Public(repository="pyro-ppl/pyro", place="examples/vae", target="vae.py:VAE", wanted=RIGHT,
           words="Trace_ELBO of your own networks", why="a pair"),
    Public(repository="pyro-ppl/pyro", place="examples/vae", target="ss_vae_M2.py:SSVAE", wanted=NOT_JUDGED,
           words="no Gaussian sample", init='{"z_dim": 4, "hidden_layers": [16]}',
           why="semi-supervised: a categorical latent first; its default of layers is a tuple, added to a list"),
    Public(repository="pyro-ppl/pyro", place="examples/cvae", target="cvae.py:CVAE", wanted=NOT_LOADED,
           words="pre_trained_baseline_net", why="it wants another trained network"),
    Public(repository="pyro-ppl/numpyro", place="examples", target="vae.py:model", wanted=RIGHT,
           words="Trace_ELBO of your own networks", why="a pair of functions", runs="flax"),
    pythae("VAE", RIGHT, "TraceMeanField_ELBO"),
    pythae("VAE", RIGHT, "TraceMeanField_ELBO", reconstruction_loss="bce"),
    pythae("BetaVAE", BY_DESIGN, "scaled by 4", beta=4.0),
    pythae("IWAE", BY_DESIGN, "IWAE", "a surrogate with the gradient of the bound of 3 samples", "iwae",
           number_samples=3),
    pythae("VAMP", RIGHT, "mixture of 5", "a prior of 5 pseudo-inputs", number_components=5),
    pythae("VAE_LinNF", NOT_JUDGED, "log-determinant", "planar and radial flows: its gradient is not judged"),
    pythae("DisentangledBetaVAE", BY_DESIGN, "|KL -", "beta |KL - C|", beta=2.0, C=3.0),
    pythae("INFOVAE_MMD", NOT_JUDGED, TOLD, "an MMD beside the KL"),
    pythae("BetaTCVAE", RIGHT, "Trace_ELBO", "alpha = beta = gamma = 1: the parts of the KL add up to it"),
    pythae("WAE_MMD", NOT_JUDGED, "no network reads it", "no sample is decoded"),
    Public(repository="sksq96/pytorch-vae", target="vae.py:VAE", wanted=FAILED, words="no loss was found",
           why="its loss is in a notebook"),
    Public(repository="1Konny/Beta-VAE", target="model.py:BetaVAE_H", loss=SOLVER, wanted=BY_DESIGN, words="4 x KL",
           given=("objective=H", "beta=4", "decoder_dist=bernoulli"), why="its loss is in a solver's loop"),
    Public(repository="1Konny/Beta-VAE", target="model.py:BetaVAE_H", loss=SOLVER, wanted=FAILED,
           words="self.decoder_dist, self.objective, self.beta", why="the same, without what its command line sets"),
    Public(repository="bhpfelix/Variational-Autoencoder-PyTorch", place="src", target="vanila_vae.py:VAE",
           wanted=FAILED, init='{"nc": 3, "ngf": 8, "ndf": 8, "latent_variable_size": 8}', words="Kernel size",
           why="its channels are the sides of its images: of 8 its strides leave nothing; its own 128 was not run"),
    Public(repository="podgorskiy/VAE", target="net.py:VAE", init='{"zsize": 8, "layer_count": 3}', loss="VAE.py:main",
           wanted=WRONG, words="averaged", why="the squared error and 0.1 KL, both averaged over everything"),
    Public(repository="unnir/cVAE", target="cvae.py:CVAE", wanted=RIGHT, words="TraceMeanField_ELBO",
           why="conditional, made and trained by its own file's lines"),
    Public(repository="altosaar/variational-autoencoder", target="train_variational_autoencoder_pytorch.py:"
           "VariationalMeanField", init='{"latent_size": 8, "data_size": 784}', wanted=FAILED,
           words="'model' is not defined", why="half of a model, in a script that makes the rest below"),
    Public(repository="ethanluoyc/pytorch-vae", target="vae.py:VAE", wanted=RIGHT, words="TraceMeanField_ELBO",
           why="of two modules, made as its own file makes it"),
    Public(repository="timbmg/VAE-CVAE-MNIST", target="train.py:VAE", wanted=RIGHT, words="TraceMeanField_ELBO",
           why="made and trained in main(args), by a loss that is defined there"),
    Public(repository="timbmg/VAE-CVAE-MNIST", target="train.py:VAE", wanted=RIGHT, words="TraceMeanField_ELBO",
           init='{"encoder_layer_sizes": [784, 64], "latent_size": 4, "decoder_layer_sizes": [64, 784], '
           '"conditional": true, "num_labels": 10}', given=("conditional=1",), why="the same, given the labels"),
    Public(repository="kuc2477/pytorch-vae", target="model.py:VAE", loss="train.py:train_model", wanted=RIGHT,
           init='{"label": "mnist", "image_size": 32, "channel_num": 1, "kernel_num": 8, "z_size": 4}',
           words="TraceMeanField_ELBO", why="batch normalisation in both networks"),
    Public(repository="SashaMalysheva/Pytorch-VAE", target="model.py:VAE", loss="train.py:train_model", wanted=WRONG,
           init='{"label": "mnist", "image_size": 32, "channel_num": 1, "kernel_num": 8, "z_size": 7}',
           words="the KL, averaged over the batch and the latent dimensions", why="written for torch 0.1"),
    Public(repository="ctallec/world-models", target="models/vae.py:VAE", init="[3, 8]",
           loss="trainvae.py:loss_function", wanted=RIGHT, words="N(x | output, 0.5)",
           why="the squared error, summed, and a sigma by its logarithm"),
    Public(repository="coolvision/vae_conv", target="vae_conv_model_mnist.py:VAE", init="[8]",
           loss="vae_conv_mnist.py:loss_function", wanted=OTHER, words="3 x KL", why="BCE + 3 * KLD, undeclared"),
    Public(repository="debtanu177/CVAE_MNIST", target="train_vae.py:Model", wanted=WRONG,
           words="averaged over the batch and the latent dimensions", why="a summed error beside a mean of the KL"),
    Public(repository="atinghosh/VAE-pytorch", target="main.py:VAE", wanted=RIGHT, words="TraceMeanField_ELBO"),
    Public(repository="atinghosh/VAE-pytorch", target="VAE_facebook.py:VAE", batch="128", wanted=OTHER,
           words="/ the observed dimensions", why="everything averaged, the KL for the batch size of its loader"),
    Public(repository="jax-ml/jax", target="examples/mnist_vae.py:elbo", wanted=RIGHT, runs="flax",
           words="Trace", why="functions of stax; its weights are made in its main block"),
    pythae("VAE_IAF", NOT_JUDGED, "flow", "an inverse autoregressive flow: its log-determinant at random weights"),
    pythae("RAE_L2", NOT_JUDGED, "no noise is drawn", "a regularised autoencoder"),
    pythae("CIWAE", NOT_JUDGED, "samples a datum", "a mixture of the ELBO and IWAE", number_samples=3, beta=0.5),
    vampprior("VAE", "standard", RIGHT, "Trace_ELBO of your own networks", "a density by each, sampled"),
    vampprior("VAE", "vampprior", RIGHT, "mixture of 5", "VampPrior, as its authors wrote it"),
    vampprior("HVAE_2level", "standard", RIGHT, "the prior of latent", "two latents, p(z1 | z2) by a network"),
    Public(repository="L1aoXingyu/pytorch-beginner", place="08-AutoEncoder", target="Variational_autoencoder.py:VAE",
           wanted=RIGHT, words="N(x | output, 0.5)", why="the squared error, summed; torch 0.3's .data[0] in its loop"),
    Public(repository="bvezilic/Variational-autoencoder", target="vae/model.py:VAE", loss="vae/loss.py:loss_criterion",
           init='{"input_size": 784, "hidden_size": 64}', wanted=RIGHT, words="TraceMeanField_ELBO",
           why="a loss of (inputs, targets, logvar, mu), inputs being what the decoder gave"),
    Public(repository="nadavbh12/VQ-VAE", target="vq_vae/auto_encoder.py:VAE", wanted=FAILED,
           words="no attribute 'tanh'", why="it calls a layer that it does not have"),
    Public(repository="EugenHotaj/pytorch-generative", target="pytorch_generative/models/vae/vae.py:VAE",
           wanted=FAILED, words="loss", why="its loss is within reproduce(), for a trainer"),
    Public(repository="riannevdberg/sylvester-flows", target="models/VAE.py:VAE", loss="optimization/loss.py:"
           "binary_loss_function", wanted=RIGHT, words="Trace_ELBO", why="the base of its flows: z_k is z_0",
           init='{"args": {"z_size": 8, "input_size": [1, 28, 28], "input_type": "binary", "density_evaluation": false,'
           ' "cuda": false}}'),
    Public(repository="jsxlei/SCALE", target="scale/model.py:VAE", init='{"dims": [20, 4, [16], [16]]}', wanted=RIGHT,
           words="TraceMeanField_ELBO", why="its loss comes back in two parts, which its fit adds"),
    Public(repository="jsxlei/SCALE", target="scale/model.py:SCALE", wanted=NOT_JUDGED, words=TOLD,
           init='{"dims": [20, 4, [16], [16]], "n_centroids": 3}', why="a mixture of Gaussians for a prior"),
    Public(repository="ilya-shenbin/RecVAE", target="model.py:VAE", wanted=NOT_JUDGED, words=TOLD,
           init='{"hidden_dim": 16, "latent_dim": 4, "input_dim": 30}', why="a composite prior, a KL weight by user"),
    Public(repository="debtanu177/CVAE_MNIST", target="train_cvae.py:Model", wanted=RIGHT, words="N(x | output, 0.5)",
           why="conditional, by one-hot labels; its loss comes back in two parts"),
    Public(repository="AntixK/PyTorch-VAE", target="models/cvae.py:ConditionalVAE", wanted=BY_DESIGN, words="M_N",
           init='{"in_channels": 3, "num_classes": 40, "latent_dim": 8}', weight="0.00025",
           why="labels by a keyword, cast to float32; else as vanilla_vae"),
    Public(repository="unnir/cVAE", target="cvae.py:CVAE", loss="loss_function", wanted=RIGHT, words="10 classes",
           why="the same by its loss function: labels are given"),
    Public(repository="wohlert/semi-supervised-pytorch", target="made_here.py:made", path="semi-supervised",
           given=("classes=4",), made=SEMI_SUPERVISED, wanted=NOT_JUDGED, words="what forward gives is the ELBO itself",
           why="Kingma's M2, the bound of labelled data, which nothing in its file minimises or maximises"),
    Public(repository="wohlert/semi-supervised-pytorch", target="made_here.py:made", path="semi-supervised",
           made=SEMI_SUPERVISED, wanted=NOT_JUDGED, words="no Gaussian sample",
           why="the same, of data without labels: every class for each datum"),
    Public(repository="scverse/scvi-tools", place="old", target="scvi/models/vae.py:VAE", wanted=RIGHT, words="ZINB(x",
           init='{"n_input": 20, "n_hidden": 16, "n_latent": 4}', given=("local_l_mean=1.0", "local_l_var=0.5"),
           why="scVI 0.6.8: zero-inflated negative binomial, a latent for the library's size; a loss in two parts"),
    Public(repository="unnamed/keras-jax-vae", target="made_here.py:made", runs="flax", made=KERAS, wanted=WRONG,
           words="averaged over the batch and the latent dimensions",
           why="Keras 3, of an index without addresses: compiled with a mean squared error, beside the mean of the KL"),
    Public(repository="dragen1860/pytorch-mnist-vae", target="vae.py:get_loss", wanted=NOT_LOADED, words="",
           why="a loss of two networks"),
    Public(repository="geyang/variational_autoencoder_pytorch", target="model.py:VariationalAutoEncoder",
           loss="model.py:VAELoss", wanted=NOT_LOADED, words="visdom_helper", why="its loss draws a dashboard"),
    Public(repository="martinyanev94/generative-ai-projects", place="Lesson_1_Introduction_To_Generative_Models",
           target="part_3_variational_autoencoder.py:VAE", wanted=NOT_LOADED, words="name 'nn' is not defined",
           why="a part of a text, without its imports"),
    Public(repository="wiseodd/generative-models", place="VAE/vanilla_vae", target="vae_pytorch.py:Q",
           wanted=NOT_LOADED, words="tensorflow", why="a script that reads its data with TensorFlow"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one command gave."""

    program: Mapping[str, Any]
    commit: str
    tree: str
    verdict: str
    text: str
    entered: str
    exit_code: int
    as_wanted: bool
    cpu_s: float
    wall_s: float


def asked(program: Public, folder: Path, pythons: Mapping[str, str], tree: str) -> Answer:
    """Run one program."""
    checkout = folder / program.repository.replace("/", "+")
    sources = [str(ROOT), *([str((checkout / program.path).resolve())] if program.path else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sources)}
    if program.made:
        (checkout / program.place / "made_here.py").write_text(program.made, encoding="utf-8")
    command = [pythons[program.runs], "-m", "elbo_compare", "check", program.target, *program.options, "--json"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "--timeout", "300"],
        cwd=checkout / program.place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    given: dict[str, Any]
    try:
        given = json.loads(done.stdout)
    except ValueError:
        given = {"verdict": "no answer", "message": (done.stderr or done.stdout).strip()[-300:]}
    commit = checkout / "COMMIT"
    return Answer(
        program=asdict(program) | {"options": program.options},
        tree=tree,
        commit=commit.read_text(encoding="utf-8").strip()[:10] if commit.is_file() else "",
        verdict=str(given.get("verdict")),
        text=told(given),
        entered=str((given.get("parameters") or {}).get("loss", "")),
        exit_code=done.returncode,
        as_wanted=given.get("verdict") == program.wanted and program.words in told(given),
        cpu_s=round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        wall_s=round(wall, 1),
    )


def told(given: Mapping[str, Any]) -> str:
    """The words of an answer: message, diagnosis, equation."""
    diagnosis: Mapping[str, Any] = given.get("diagnosis") or {}
    parts = (given.get("message"), diagnosis.get("text"), given.get("equation"), *(given.get("notes") or ()))
    return FOLDERS.sub("", " | ".join(str(part) for part in parts if part))


def rows(answers: Mapping[str, Any]) -> Iterator[str]:
    """The table."""
    yield "# Public VAE programs, whole, under `compare check`\n"
    as_read = sum(each["as_wanted"] for each in answers.values())
    judged = Counter(each["verdict"] for each in answers.values() if each["verdict"] in JUDGED and each["as_wanted"])
    trees = sorted({each["tree"] for each in answers.values()})
    slow = sum(each["cpu_s"] > LIMIT_S for each in answers.values())
    slow_judged = sum(each["cpu_s"] > LIMIT_S and each["verdict"] in JUDGED for each in answers.values())
    yield (
        f"{len(answers)} programs, each tried without an edit by the command shown, at commit {', '.join(trees)}; "
        f"{as_read} gave what a reading of "
        "the program says (verdict and words; some were read again after a first answer). "
        f"{judged.total()} of these were judged ({', '.join(f'{n} {verdict}' for verdict, n in judged.items())}). "
        f"{slow}, {slow_judged} of them judged, took more than {LIMIT_S:.0f} CPU seconds (the command in one "
        "thread, imports included; the machine "
        "was busy, so its clock is not shown). Nothing is right that was not judged: what can't be judged or entered "
        "is *not judged*, *failed* or *not loaded*, and says why. Made by `benchmarks/whole_models.py`; "
        "`programs.json` has every answer whole, with the commit of this project.\n"
    )
    yield "| program | commit | command | entered by | verdict | as read | says | CPU s |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in answers.values():
        one = each["program"]
        options = " ".join(part if part.startswith("--") else f"'{part}'" for part in one["options"])
        place = "" if one["place"] == "." else f" {one['place']}"
        says = each["text"].replace("|", "/").replace("\n", " ")[:200]
        command = f"{one['target']} {options}".strip()
        yield (
            f"| {one['repository']}{place} | {each['commit']} | `{command}` | {each['entered']} | {each['verdict']} | "
            f"{'yes' if each['as_wanted'] else 'no'} | {says} | {each['cpu_s']} |"
        )


def main() -> None:
    """Run what is asked for and write both files anew after each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--left", action="store_true", help="only those that have no answer yet that is as read")
    parser.add_argument("--tree", required=True, help="the commit of this checkout")
    parser.add_argument("--python", action="append", default=[], help="flax=PYTHON: another interpreter for these")
    parser.add_argument("-o", type=Path, default=OUT, dest="out")
    options = parser.parse_args()
    pythons: dict[str, str] = dict.fromkeys(("torch", "flax"), sys.executable)
    pythons |= {each.partition("=")[0]: each.partition("=")[2] for each in options.python}
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / "programs.json"
    answers = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    for program in PROGRAMS:
        key = " ".join([program.repository, program.place, program.target, *program.options])
        if options.only not in key or (options.left and answers.get(key, {}).get("as_wanted")):
            continue
        answer = asked(program, options.folder, pythons, options.tree)
        answers[key] = asdict(answer)
        ok = answer.verdict == program.wanted and program.words in answer.text
        print(
            f"{'as wanted' if ok else 'OTHERWISE'}  {key}: {answer.verdict}, {answer.cpu_s} s CPU: {answer.text[:160]}",
            flush=True,
        )
        store.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
        (options.out / "README.md").write_text("\n".join(rows(answers)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
