"""A Pyro model and guide, ready to be drawn from through the public ELBO classes of the library."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import nan
from typing import Any

import numpy as np
import pyro
import pyro.infer
import torch
from pyro import poutine
from pyro.infer import ELBO, ReweightedWakeSleep
from pyro.infer.autoguide import AutoContinuous
from pyro.poutine.guide import GuideMessenger
from pyro.poutine.messenger import Messenger

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explaining.directions import Directions
from elbo_compare.suites.semantics.explaining.facts import INTENDED, Block, ClassFacts, Exact
from elbo_compare.suites.semantics.explaining.mending import has_exact, mending, mending_text
from elbo_compare.suites.semantics.explaining.named import elbo_classes, kind_of, one_line
from elbo_compare.suites.semantics.explaining.pyro_facts import sites_of, terms_of
from elbo_compare.suites.semantics.explaining.roles import ELBOS
from elbo_compare.suites.tracing.pyro_exact import exact_elbo
from elbo_compare.suites.tracing.pyro_rows import replaced_rows
from elbo_compare.suites.tracing.pyro_trace import drawn_names, one_thread, quiet, traced
from elbo_compare.suites.tracing.site import Traced

SEED, OTHERS = 0, (1, 2, 3)
# What the classes need beyond their defaults to run at all.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "TraceTailAdaptive_ELBO": {"num_particles": 2, "vectorize_particles": True}
}
REFERENCES = ("Trace_ELBO", "TraceEnum_ELBO")
GUESSING = ("TraceEnum_ELBO", "TraceTMC_ELBO")  # whichever number of particles they have
module = pyro.infer
base_class: type = ELBO


def public_classes() -> dict[str, type]:
    """The library's public ELBO classes that need no arguments, without their compiled variants."""
    return {
        name: each
        for name, each in elbo_classes(module, ELBO).items()
        if not name.startswith("Jit")
        and all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
                for p in inspect.signature(each).parameters.values())
    }  # fmt: skip


def prepare(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any], elbos: Mapping[str, Any]
) -> "PyroPair":
    """The pair under seed 0, with each class's value there; parameters keep what they hold.

    elbos: how it is shown -> object; empty: every public class. Lists of numbers in `args` become tensors of the
    default dtype. Raises what the model or the guide raises.
    """
    given = [torch.tensor(each, dtype=torch.get_default_dtype()) if isinstance(each, list) else each for each in args]
    classes = public_classes()
    asked = elbos or {f"{name}()": each(**ARGUMENTS.get(name, {})) for name, each in classes.items()}
    with quiet(), one_thread():
        return PyroPair(model, guide, given, dict(kwargs), asked)


class _Reweighted(Messenger):
    """Takes `unscored` sites out of the score, and multiplies the scale of others by a factor."""

    def __init__(self, unscored: Collection[str], factors: Mapping[str, float]) -> None:
        super().__init__()
        self.unscored, self.factors = unscored, factors

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.unscored:
            msg["mask"] = False
        msg["scale"] = msg["scale"] * self.factors.get(msg["name"], 1.0)


class PyroPair:
    """See `facts.Pair`."""

    library = Library.PYRO
    first_s = 0.0
    enumerates_other_rows = False
    first_trial = 0  # the seed of the first draw of an experiment

    def __init__(self, model: Callable, guide: Callable, args: list, kwargs: dict, elbos: Mapping[str, Any]) -> None:
        self.model, self.guide, self.args, self.kwargs = model, guide, args, kwargs
        # A messenger for a guide runs the model, and the ELBO objects ask it for its traces: one that is traced, or has
        # a handler around it, would take the data for draws of the guide.
        self.within_model = isinstance(guide, GuideMessenger)
        self.versions = f"pyro-ppl {pyro.__version__}, torch {torch.__version__}"
        pyro.set_rng_seed(SEED)
        guide(*args, **kwargs)  # an autoguide sets itself up on its first call, and draws while it does
        run = self._traced(SEED)
        self.sites = sites_of(run)
        values = [node.value for node in run.model.values()]
        self.bits = 64 if any(getattr(each, "dtype", None) == torch.float64 for each in values) else 32
        self.order = run.order
        rows = [plate.rows for site in self.sites if site.model and not site.observed for plate in site.model.plates
                if plate.rows < plate.size]  # fmt: skip
        self.remarks = (*self._changing(run), *(self._of_other_rows() if self._subsampled() else ()))
        self.latents_of_positions = max(rows, default=0) if isinstance(guide, AutoContinuous) else 0
        self._parameters = self._leaves()
        self._directions = Directions({name: tuple(leaf.shape) for name, leaf in self._parameters.items()})
        self.directions = self._directions.names
        changes = mending(self.sites)
        self.mended = mending_text(changes)
        self._mended = (_Reweighted(changes.unscored, {})(model), _Reweighted((), changes.factors)(guide))
        self.elbos = {shown.removesuffix("()"): each for shown, each in elbos.items()}
        self._first: dict[str, tuple[float, np.ndarray]] = {}  # of each class that runs, under SEED
        self._nesting: dict[str, float] = {}
        asked = tuple(self._class(name, each, asked=True) for name, each in self.elbos.items())
        lacking = [each for each in REFERENCES if each not in self.elbos and self._enumerates(each)]
        self.elbos |= {name: getattr(module, name)() for name in lacking}
        self.classes = (*asked, *(self._class(name, self.elbos[name], asked=False) for name in lacking))

    def block(self, first: int, n: int, names: Collection[str], *, terms: bool) -> Block:
        """Draws of `names`, and of the sites' terms where `terms` asks for them."""
        values: dict[str, list[float]] = {name: [] for name in names}
        gradients: dict[str, list[np.ndarray]] = {name: [] for name in names}
        found: list[list[tuple[float, float, float]]] = []
        with quiet(), one_thread():
            for seed in range(first, first + n):
                for name in names:
                    with _noted(seed):
                        value, gradient = self._drawn(name, seed)
                    values[name].append(value)
                    gradients[name].append(gradient)
                if terms:
                    found.append(terms_of(self._traced(seed), tuple(site.name for site in self.sites)))
        columns = np.array(found) if terms else None
        return Block(
            values={name: np.array(each) for name, each in values.items()},
            gradients={name: np.array(each) for name, each in gradients.items()},
            sampled=columns[..., 0] if columns is not None else None,
            kl=columns[..., 1] if columns is not None else None,
            guide=columns[..., 2] if columns is not None else None,
        )

    def _drawn(self, name: str, seed: int) -> tuple[float, np.ndarray]:
        """The ELBO of one draw and its gradient; of another objective, whose gradient is compared with none, zeros."""
        if name == INTENDED:
            return self.step(self.elbos["Trace_ELBO"], seed, self._mended)
        if seed == SEED:
            return self._first[name]
        elbo = self.elbos[name]
        if kind_of(elbo, module.__all__) in ELBOS:
            return self.step(elbo, seed)
        nothing = np.zeros(len(self.directions))
        if kind_of(elbo, module.__all__) == "TraceTailAdaptive_ELBO":
            return self._first[name][0], nothing  # inf by design
        pyro.set_rng_seed(seed)
        loss = elbo.loss(self.model, self.guide, *self.args, **self.kwargs)
        return -float(loss[0] if isinstance(loss, tuple) else loss), nothing

    def exact(self) -> Exact | None:
        """See `pyro_exact`."""
        if not has_exact(self.sites) or self.within_model:
            return None
        with quiet(), one_thread():
            try:
                found = exact_elbo(self.model, self.guide, self.args, self.kwargs)
            except Exception:  # the pair may refuse values that its draws do not reach
                return None
            if found is None:
                return None
            value, route = found
            gradient = self.along(value)
        return Exact(value=float(value.detach()), gradient=gradient, route=route)

    def _changing(self, run: Traced) -> tuple[str, ...]:
        """Said where other draws have other sites: what is told of sites holds for the draw of seed 0."""
        others = []
        for seed in OTHERS:
            with _noted(seed):
                others.append(drawn_names(self.model, self.guide, self.args, self.kwargs, seed))
        if all(names == set(run.names) for names in others):
            return ()
        unseen = sorted(set().union(*others) - set(run.names))
        found = f"; other draws have {', '.join(unseen)} too" if unseen else ""
        return (f"The sites change from draw to draw: those of seed 0 are told{found}.",)

    def _subsampled(self) -> bool:
        sides = [site.model for site in self.sites if site.model]
        return any(plate.rows < plate.size for side in sides for plate in side.plates)

    def _of_other_rows(self) -> tuple[str, ...]:
        """Said where the model is given rows that it does not get."""
        names = () if self.within_model else replaced_rows(self.model, self.guide, self.args, self.kwargs, SEED)
        return tuple(
            f"Plate {name!r}: the model is given rows (subsample=) and gets others, those of the guide. Data that were "
            "chosen by the given rows, and not by what the plate returns, meet latents of other rows; nothing warns. "
            "Give the guide the same rows (an autoguide: create_plates)." for name in names
        )  # fmt: skip

    def _traced(self, seed: int) -> Traced:
        pyro.set_rng_seed(seed)
        return traced(self.model, self.guide, self.args, self.kwargs)

    def _leaves(self) -> dict[str, torch.Tensor]:
        """The unconstrained parameters that SVI would hand to the optimiser."""
        pyro.set_rng_seed(SEED)
        with poutine.trace(param_only=True) as capture:
            guide_trace = poutine.trace(self.guide).get_trace(*self.args, **self.kwargs)
            replayed = poutine.replay(self.model, trace=guide_trace)
            model_trace = poutine.trace(replayed).get_trace(*self.args, **self.kwargs)
        found: dict[str, Any] = {name: node.get("value") for name, node in capture.trace.nodes.items()}
        trained = {name: value for name, value in found.items() if getattr(value, "requires_grad", False)}
        leaves = {name: getattr(value, "unconstrained", lambda value=value: value)() for name, value in trained.items()}
        return _of_densities(leaves, (guide_trace, model_trace))

    def _enumerates(self, name: str) -> bool:
        """Whether a reference class is of use: TraceEnum_ELBO only where a latent of the model alone is enumerated."""
        marked = any(site.guide is None and site.model and site.model.enumerate for site in self.sites)
        return marked or name != "TraceEnum_ELBO"

    def _class(self, name: str, elbo: Any, *, asked: bool) -> ClassFacts:
        value, error, unchecked = nan, "", nan
        try:
            if getattr(elbo, "max_plate_nesting", 0) == float("inf") and _guesses(elbo):
                if _guesses(elbo) not in self._nesting:  # guessed once for all that guess alike: it runs the pair
                    self.step(elbo, SEED)
                    self._nesting[_guesses(elbo)] = elbo.max_plate_nesting
                elbo.max_plate_nesting = self._nesting[_guesses(elbo)]
            self._first[name] = value, _ = self.step(elbo, SEED)
        except Exception as raised:  # whatever the class raises on this pair is what is told
            error, unchecked = one_line(raised), self._unchecked(elbo) if isinstance(raised, ValueError) else nan
        particles = int(getattr(elbo, "num_particles", 1))
        kind = kind_of(elbo, module.__all__)
        return ClassFacts(name=name, kind=kind, value=value, error=error, particles=particles, asked=asked,
                          unchecked=unchecked)  # fmt: skip

    def _unchecked(self, elbo: Any) -> float:
        """What a class that raises returns without Pyro's validation; nan where it raises then too."""
        try:
            with pyro.validation_enabled(False):
                return self.step(elbo, SEED)[0]
        except Exception:  # it was not the validation
            return nan

    def step(self, elbo: Any, seed: int, pair: tuple[Callable, Callable] | None = None) -> tuple[float, np.ndarray]:
        """The ELBO of one call under `seed`, and minus the gradient of its surrogate loss along the directions."""
        model, guide = pair or (self.model, self.guide)
        pyro.set_rng_seed(seed)
        leaves = list(self._parameters.values())
        kept = [leaf.grad for leaf in leaves]
        for leaf in leaves:
            leaf.grad = None
        try:
            one_value = leaves or not isinstance(elbo, ReweightedWakeSleep)  # which wants something to differentiate
            call = elbo.loss_and_grads if one_value else elbo.loss
            loss = call(model, guide, *self.args, **self.kwargs)
            gradient = -self._along([leaf.grad for leaf in leaves])
        finally:
            for leaf, before in zip(leaves, kept, strict=True):
                leaf.grad = before
        return -float(loss[0] if isinstance(loss, tuple) else loss), gradient

    def along(self, value: torch.Tensor) -> np.ndarray:
        """The gradient of `value` along the directions."""
        leaves = list(self._parameters.values())
        found = torch.autograd.grad(value, leaves, allow_unused=True) if leaves and value.requires_grad else ()
        return self._along(list(found) or [None] * len(leaves))

    def _along(self, slopes: Sequence[torch.Tensor | None]) -> np.ndarray:
        shapes = [leaf.shape for leaf in self._parameters.values()]
        return self._directions.along([
            np.zeros(shape) if each is None else each.detach().double().numpy()
            for each, shape in zip(slopes, shapes, strict=True)
        ])  # fmt: skip


def _of_densities(leaves: dict[str, torch.Tensor], traces: Sequence[poutine.Trace]) -> dict[str, torch.Tensor]:
    """Without those of a baseline: its own squared error trains them, which is no part of an ELBO. They are those that
    no density reads, and those of its module, even where q reads them too."""
    nodes = [node for trace in traces for node in trace.nodes.values() if node.get("type") == "sample"]
    named = [baseline for node in nodes if (baseline := (node.get("infer") or {}).get("baseline"))]
    if not named:
        return leaves
    modules = [each for baseline in named if isinstance(each := baseline.get("nn_baseline"), torch.nn.Module)]
    own = {id(parameter) for each in modules for parameter in each.parameters()}
    total = torch.zeros(())
    for trace in traces:
        trace.compute_log_prob()
        total = total + trace.log_prob_sum()
    slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True) if total.requires_grad else ()
    read = {name for name, slope in zip(leaves, slopes, strict=True) if slope is not None}
    return {name: leaf for name, leaf in leaves.items() if name in read and id(leaf) not in own}


@contextmanager
def _noted(seed: int) -> Iterator[None]:
    """What a draw raises that seed 0 does not raise says under which seed it did."""
    try:
        yield
    except Exception as error:
        error.add_note(f"under seed {seed}, not under seed {SEED}")
        raise


def _guesses(elbo: Any) -> str:
    """How a class guesses the nesting of the plates, by a run of the pair, which draws; empty where it does not."""
    if getattr(elbo, "vectorize_particles", False) and elbo.num_particles > 1:
        return "one more for the particles"
    return "plates" if kind_of(elbo, module.__all__) in GUESSING else ""
