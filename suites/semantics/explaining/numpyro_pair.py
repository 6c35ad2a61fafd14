"""A NumPyro model and guide, ready to be drawn from: every public ELBO class in one compiled function of the key."""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.infer
from numpyro.infer import ELBO
from numpyro.primitives import Messenger

from elbo_compare.suites.semantics.case import Library
from elbo_compare.suites.semantics.explaining.directions import Directions
from elbo_compare.suites.semantics.explaining.facts import INTENDED, Block, ClassFacts, Exact
from elbo_compare.suites.semantics.explaining.mending import has_exact, mending, mending_text
from elbo_compare.suites.semantics.explaining.named import elbo_classes, kind_of, one_line
from elbo_compare.suites.semantics.explaining.numpyro_facts import columns, extract, sites_of
from elbo_compare.suites.semantics.explaining.numpyro_rows import other_rows
from elbo_compare.suites.semantics.explaining.roles import ELBOS
from elbo_compare.suites.tracing.compiling import QUICK_TO_COMPILE, each_once
from elbo_compare.suites.tracing.numpyro_exact import exact_elbo
from elbo_compare.suites.tracing.numpyro_trace import quiet, started, traced

SEED = 0
ROWS, FEW_ROWS = 16, 4  # draws of one call of the compiled function; where a draw is no small one
LARGE = 100_000  # parameters; beyond them a draw is none
REFERENCES = ("Trace_ELBO", "TraceGraph_ELBO", "TraceEnum_ELBO")
module = numpyro.infer
base_class: type = ELBO
Function = Callable[[Any, Any], Any]


def public_classes() -> dict[str, type]:
    """The library's public ELBO classes."""
    return elbo_classes(module, ELBO)


def prepare(
    model: Callable, guide: Callable, args: Sequence[Any], kwargs: Mapping[str, Any], elbos: Mapping[str, Any]
) -> "NumPyroPair":
    """The pair under key 0, each parameter at its initial value, with every class's value there.

    elbos: how it is shown -> object; empty: every public class. Lists of numbers in `args` become arrays of the default
    dtype. Raises what the model or the guide raises.
    """
    given = [jnp.array(each, dtype=float) if isinstance(each, list) else each for each in args]
    asked = elbos or {f"{name}()": each() for name, each in public_classes().items()}
    with quiet():
        return NumPyroPair(model, guide, given, dict(kwargs), asked)


class NumPyroPair:
    """See `facts.Pair`. All classes are traced as one function of the key, which is compiled once."""

    library = Library.NUMPYRO
    order: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    latents_of_positions = 0
    remarks: tuple[str, ...] = ()

    def __init__(self, model: Callable, guide: Callable, args: list, kwargs: dict, elbos: Mapping[str, Any]) -> None:
        self.model, self.guide, self.args, self.kwargs = model, guide, args, kwargs
        self.versions = f"numpyro {numpyro.__version__}, jax {jax.__version__}"
        self._started = started(model, guide, args, kwargs, SEED)
        self._params = self._started.params
        leaves = jax.tree_util.tree_flatten_with_path(self._params)[0]
        self._directions = Directions({_name(path): tuple(np.shape(leaf)) for path, leaf in leaves})
        self.directions = self._directions.names
        self._static: dict[str, Any] = {}
        self._large = sum(np.size(leaf) for _, leaf in leaves) > LARGE
        self._rows = FEW_ROWS if self._large else ROWS
        self.elbos: dict[str, Any] = {shown.removesuffix("()"): each for shown, each in elbos.items()}
        self._asked, self._errors = frozenset(self.elbos), dict[str, str]()
        self.mended, self._changes = "", mending(())
        self._compiled: Callable | None = self._compile()
        began = monotonic()
        self._first = self._call(0, self._rows)
        self.first_s = monotonic() - began
        self.sites = sites_of(self._static, jax.tree.map(lambda leaf: leaf[0], self._first[""][1]))
        self.bits = 64 if self._first[""][0].dtype == np.float64 else 32
        self.classes = tuple(
            ClassFacts(
                name=name, kind=kind_of(each, module.__all__), error=self._errors.get(name, ""),
                asked=name in self._asked, particles=int(each.num_particles),
                value=float(self._first[name][0][0]) if name in self._first else float("nan"),
            )
            for name, each in self.elbos.items()
        )  # fmt: skip
        said = self._of_other_rows()
        self.enumerates_other_rows = bool(said)
        self.remarks = said if any(each.kind == "TraceEnum_ELBO" and each.asked for each in self.classes) else ()

    def _of_other_rows(self) -> tuple[str, ...]:
        """Said where a class that is explained runs the model on other rows than the guide."""
        plates = [plate for site in self.sites if site.guide for plate in site.guide.plates]
        named = [each.name for each in self.classes if each.kind == "TraceEnum_ELBO" and not each.error]
        if not named or all(plate.rows == plate.size for plate in plates):
            return ()
        try:
            return other_rows(self, self.elbos[named[0]], self._started.held(self._params))
        except Exception:  # outside of a compilation a distribution may refuse values, and nothing is seen
            return ()

    @property
    def compiles(self) -> bool:
        """Whether a compiler can follow the pair."""
        return self._compiled is not None

    @property
    def mutable(self) -> bool:
        """Whether the pair has mutable state."""
        return bool(jax.tree.leaves(self._started.mutable))

    def _every(self, seed: Any, params: Any) -> dict[str, Any]:
        """The sites and every class at one key, in one trace; what a class raises is kept, and the others go on."""
        key = jax.random.key(seed)
        found: dict[str, Any] = {"": self._facts(key, params)}
        self._choose(found[""][1])
        for name, elbo in self.elbos.items():
            try:
                found[name] = self._loss(elbo, self.model, self.guide)(key, params)
            except Exception as raised:  # whatever the class raises on this pair is what is told
                self._errors[name] = one_line(raised)
        if self.mended:
            pair = (_Reweighted(self.model, self._changes.unscored, {}),
                    _Reweighted(self.guide, (), self._changes.factors))  # fmt: skip
            found[INTENDED] = self._loss(self.elbos["Trace_ELBO"], *pair)(key, params)
        return found

    def _choose(self, arrays: Any) -> None:
        """The references that are of use beside the classes that are asked for, and what has to be mended."""
        shapes = jax.tree.map(lambda leaf: np.ones(np.shape(leaf)), arrays)  # of which `mending` reads none
        self._changes = mending(sites_of(self._static, shapes))
        self.mended = mending_text(self._changes)
        unguided = any("guide" not in each and not each["observed"] for each in self._static.values())
        self.elbos |= {name: getattr(module, name)() for name in REFERENCES
                       if name not in self.elbos and (name != "TraceEnum_ELBO" or unguided)}  # fmt: skip

    def _compile(self) -> Callable | None:
        """(seeds, parameters) -> `_every` of each seed, compiled; None for a pair that no compiler can follow.

        What the classes have in common is compiled once. A large pair is drawn from in a loop, which is compiled as one
        draw; of a small one `_rows` draws are one program, which is several times as fast for each.
        """
        try:
            closed, shape = jax.make_jaxpr(self._every, return_shape=True)(np.int32(0), self._params)
        except jax.errors.JAXTypeError:
            self._errors.clear()
            self._rows = FEW_ROWS
            return None
        program = each_once(closed.jaxpr)

        # What the pair holds of data goes in as an argument: a compiler would fold it.
        def rows(consts: Any, seeds: Any, *params: Any) -> Any:
            def one(seed: Any) -> Any:
                return jax.core.eval_jaxpr(program, consts, seed, *params)

            return jax.lax.map(one, seeds) if self._large else jax.vmap(one)(seeds)

        lowered = jax.jit(rows).lower(
            closed.consts, np.arange(self._rows, dtype=np.int32), *jax.tree.leaves(self._params)
        )
        compiled, tree = lowered.compile(compiler_options=QUICK_TO_COMPILE), jax.tree.structure(shape)

        def called(seeds: Any, params: Any) -> Any:
            return jax.tree.unflatten(tree, compiled(closed.consts, seeds, *jax.tree.leaves(params)))

        return called

    def block(self, first: int, n: int, names: Collection[str], *, terms: bool) -> Block:
        """Draws of every class; n is filled up to whole calls of the compiled function."""
        with quiet():
            found = [self._first if start == 0 else self._call(start, self._rows)
                     for start in range(first, first + n, self._rows)]  # fmt: skip
        joined = {name: [np.concatenate(each) for each in zip(*(call[name] for call in found), strict=True)]
                  for name in found[0] if name}  # fmt: skip
        table = np.concatenate([call[""][0] for call in found]).astype(float)
        return Block(
            values={name: values.astype(float) for name, (values, _) in joined.items()},
            gradients={name: slopes.astype(float) for name, (_, slopes) in joined.items()},
            sampled=table[..., 0], kl=table[..., 1], guide=table[..., 2],
        )  # fmt: skip

    def exact(self) -> Exact | None:
        """See `numpyro_exact`."""
        if not self.compiles or not has_exact(self.sites):
            return None
        try:
            with quiet():
                found = exact_elbo(self.model, self.guide, self.args, self.kwargs, self._params, self._started.held)
        except Exception:  # the pair may refuse values that its draws do not reach
            return None
        if found is None:
            return None
        value, slopes, route = found
        gradient = self._directions.along([np.asarray(leaf, dtype=float) for leaf in jax.tree.leaves(slopes)])
        return Exact(value=value, gradient=gradient, route=route)

    def _loss(self, elbo: Any, model: Callable, guide: Callable) -> Function:
        """(key, parameters) -> the ELBO and its gradient, by the call that SVI.update makes."""
        call = elbo.loss
        if self.mutable:

            def call(*given: Any, **named: Any) -> Any:
                return elbo.loss_with_mutable_state(*given, **named)["loss"]

        estimates = kind_of(elbo, module.__all__) in ELBOS  # the gradient of another objective is compared with none

        def negative(params: Any, key: Any) -> Any:
            loss = call(key, self._started.held(params), model, guide, *self.args, **self.kwargs)
            return -sum(loss.values()) if isinstance(loss, dict) else -loss

        def both(key: Any, params: Any) -> Any:
            if not estimates:
                return negative(params, key), jnp.zeros(len(self.directions))
            value, slopes = jax.value_and_grad(negative)(params, key)
            parts = [leaf.ravel() if signs is None else jnp.asarray(signs, dtype=leaf.dtype) @ leaf.ravel()
                     for leaf, signs in zip(jax.tree.leaves(slopes), self._directions.signs, strict=True)]  # fmt: skip
            return value, jnp.concatenate(parts) if parts else jnp.zeros(0)

        return both

    def _facts(self, key: Any, params: Any) -> Any:
        """Guide and model with the keys of Trace_ELBO's single particle: the sites' terms and arrays."""
        run = traced(self.model, self.guide, self.args, self.kwargs, self._started.held(params), key)
        self._static, arrays = extract(run)
        self.order = run.order
        return columns(arrays), arrays

    def _call(self, first: int, n: int) -> dict[str, Any]:
        if self._compiled is not None:
            return jax.device_get(self._compiled(np.arange(first, first + n, dtype=np.int32), self._params))
        found = [self._every(seed, self._params) for seed in range(first, first + n)]
        return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *found)


class _Reweighted(Messenger):
    """Takes `unscored` sites out of the score, and multiplies the scale of others by a factor."""

    def __init__(self, fn: Callable, unscored: Collection[str], factors: Mapping[str, float]) -> None:
        super().__init__(fn)
        self.unscored, self.factors = unscored, factors

    def process_message(self, msg: Any) -> None:
        """Mask and scale as the library's own handlers do."""
        if msg["type"] != "sample":
            return
        if msg["name"] in self.unscored:
            msg["fn"] = msg["fn"].mask(False)
        factor = self.factors.get(msg["name"])
        if factor is not None:
            msg["scale"] = factor if msg.get("scale") is None else factor * msg["scale"]


def _name(path: Any) -> str:
    return ".".join(str(getattr(part, "key", getattr(part, "idx", part))) for part in path)
