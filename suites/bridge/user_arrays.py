"""A user's function called with torch, JAX or NumPy arrays: values and gradients come back as float64 NumPy arrays.

Frameworks are imported by name and only when asked for, so that whoever imports this module imports none. No maths.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from elbo_compare.suites.contract import Array, DType

NO_AUTODIFF = "NumPy has no automatic differentiation"
PYTHON_NUMBER = "a Python number carries no gradient"
DETACHED = "the result is cut off from every input"

UserFunction = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One array or number that the function returned. `name`: its key or position, "" for a lone result.

    `gradients`: argument name -> d sum(value) / d argument, or None with the reason why there is none.
    """

    name: str
    value: Array
    dtype: str
    gradients: Mapping[Any, Array] | None = None
    no_gradient: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a call takes. `arrays` by parameter name, cast to `dtype`; `differentiate`: the names to differentiate by.

    `keys`: names of parameters that take a random key, generator or seed; `seed` makes it.
    """

    arrays: Mapping[str, Array]
    dtype: DType
    differentiate: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    seed: int = 0


class UserArrays(Protocol):
    """One framework's arrays."""

    name: str

    def call(self, function: UserFunction, call: Call) -> tuple[Term, ...]:
        """Every numeric term that the function returns. Whatever the function raises passes through."""
        ...

    def seeded(self, seed: int) -> Any:
        """A context in which the framework's global random numbers start from `seed`; afterwards they are put back."""
        ...


def leaves(result: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of every leaf of nested tuples, lists, dicts and dataclasses; names joined by dots."""
    if isinstance(result, Mapping):
        parts = [(str(key), value) for key, value in result.items()]
    elif is_dataclass(result) and not isinstance(result, type):
        parts = [(field.name, getattr(result, field.name)) for field in fields(result)]
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        parts = list(zip(result._fields, result, strict=True))  # type: ignore[attr-defined]
    elif isinstance(result, (tuple, list)):
        parts = [(str(position), value) for position, value in enumerate(result)]
    else:
        yield name, result
        return
    for key, value in parts:
        yield from leaves(value, f"{name}.{key}" if name else key)


def _is_number(value: Any) -> bool:
    return isinstance(value, (float, np.floating))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


class NumPyArrays:
    """Plain NumPy: values only."""

    name = "numpy"

    def call(self, function: UserFunction, call: Call) -> tuple[Term, ...]:
        """See `UserArrays`; a key is a `numpy.random.Generator`."""
        arguments: dict[str, Any] = {name: np.array(array, str(call.dtype)) for name, array in call.arrays.items()}
        for name in call.keys:
            arguments[name] = call.seed if "seed" in name else np.random.default_rng(call.seed)
        terms = []
        for name, value in leaves(function(**arguments)):
            if _is_number(value) or _is_array(value):
                array = np.asarray(value)
                terms.append(
                    Term(name=name, value=array.astype(float), dtype=str(array.dtype), no_gradient=NO_AUTODIFF)
                )
        return tuple(terms)

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """See `UserArrays`."""
        before = np.random.get_state()
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


class TorchArrays:
    """torch tensors on the CPU: values, and gradients by torch.autograd."""

    name = "torch"

    def __init__(self) -> None:
        self.torch: Any = import_module("torch")
        self.numpy = NumPyArrays()

    def call(self, function: UserFunction, call: Call) -> tuple[Term, ...]:
        """See `UserArrays`; a key is a `torch.Generator`."""
        torch, arguments, inputs = self.torch, {}, {}
        for name, array in call.arrays.items():
            tensor = torch.tensor(np.asarray(array), dtype=getattr(torch, str(call.dtype)))
            if name in call.differentiate:
                inputs[name] = tensor.requires_grad_(True)
                tensor = tensor.clone()  # an activation, as in training: a leaf can't be written to in place
            arguments[name] = tensor
        for name in call.keys:
            arguments[name] = call.seed if "seed" in name else torch.Generator().manual_seed(call.seed)
        terms = [self._term(name, value, inputs) for name, value in leaves(function(**arguments))]
        return tuple(term for term in terms if term is not None)

    def _term(self, name: str, value: Any, inputs: Mapping[str, Any]) -> Term | None:
        if _is_number(value):
            return Term(name=name, value=np.asarray(value, float), dtype="float64", no_gradient=PYTHON_NUMBER)
        if _is_array(value):
            return Term(name=name, value=value.astype(float), dtype=str(value.dtype), no_gradient=DETACHED)
        if not self.torch.is_tensor(value) or not value.is_floating_point():
            return None
        gradients = None
        if value.requires_grad and inputs:
            found = self.torch.autograd.grad(value.sum(), list(inputs.values()), retain_graph=True, allow_unused=True)
            gradients = {
                key: np.zeros(tuple(inputs[key].shape)) if part is None else part.to(self.torch.float64).numpy().copy()
                for key, part in zip(inputs, found, strict=True)
            }
        array = value.detach().to("cpu", self.torch.float64).numpy().copy()
        dtype = str(value.dtype).removeprefix("torch.")
        return Term(
            name=name,
            value=array,
            dtype=dtype,
            gradients=gradients,
            no_gradient="" if gradients or not inputs else DETACHED,
        )

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """See `UserArrays`; a torch function may draw by NumPy too."""
        with self.torch.random.fork_rng(devices=[]), self.numpy.seeded(seed):
            self.torch.manual_seed(seed)
            yield


@dataclass
class _Compiled:
    """How one function is called: compiled, or operation by operation where it can't be traced."""

    run: Callable[..., Any]
    names: list[str] = field(default_factory=list)


class JaxArrays:
    """JAX arrays on the default device, x64 switched on: values, and gradients by `jax.vjp`.

    Calls are compiled, one program for each shape, which is ten times faster than compiling each operation; a function
    that can't be traced, or whose compiled value is another one (it draws by NumPy), is called operation by operation.
    """

    name = "jax"

    def __init__(self) -> None:
        self.jax: Any = import_module("jax")
        self.numpy = NumPyArrays()
        self._compiled: dict[tuple[Any, ...], _Compiled] = {}
        self._eager: set[UserFunction] = set()

    def call(self, function: UserFunction, call: Call) -> tuple[Term, ...]:
        """See `UserArrays`; a key is a `jax.random.PRNGKey`."""
        arrays = {name: self.jax.numpy.asarray(array, str(call.dtype)) for name, array in call.arrays.items()}
        keys: dict[str, Any] = {
            name: call.seed if "seed" in name else self.jax.random.PRNGKey(call.seed) for name in call.keys
        }
        inputs = {name: arrays.pop(name) for name in call.differentiate}
        if function not in self._eager and not any("seed" in name for name in keys):
            shapes = tuple((name, array.shape) for name, array in {**inputs, **arrays}.items())
            signature = (function, str(call.dtype), shapes)
            if signature not in self._compiled:
                self._compile(signature, function, inputs, arrays, keys)
            if function not in self._eager:
                compiled = self._compiled[signature]
                return self._terms(compiled.names, *compiled.run(inputs, arrays, keys))
        return self._eagerly(function, inputs, arrays, keys)

    def _compile(self, signature: tuple[Any, ...], function: UserFunction, inputs: Any, arrays: Any, keys: Any) -> None:
        first = not any(key[0] is function for key in self._compiled)
        names: list[str] = []
        compiled = _Compiled(run=self.jax.jit(self._differentiated(function, names)), names=names)
        try:
            values, _ = compiled.run(inputs, arrays, keys)
        except Exception:  # whatever a traced function raises, the plain call decides whether it is the user's error
            self._eager.add(function)
            return
        if first:
            plain = [np.asarray(value) for _, value in self._leaves(function(**inputs, **arrays, **keys))]
            same = [np.allclose(value, other, 1e-4, 1e-4, equal_nan=True) for value, other in zip(values, plain)]  # noqa: B905
            if len(values) != len(plain) or not all(same):
                self._eager.add(function)
                return
        self._compiled[signature] = compiled

    def _leaves(self, result: Any) -> list[tuple[str, Any]]:
        numeric = (self.jax.Array, np.ndarray)
        return [
            (name, value)
            for name, value in leaves(result)
            if _is_number(value) or (isinstance(value, numeric) and value.dtype.kind == "f")
        ]

    def _differentiated(self, function: UserFunction, names: list[str]) -> Callable[..., Any]:
        jax = self.jax

        def run(inputs: Any, arrays: Any, keys: Any) -> Any:
            def values(inputs: Any) -> Any:
                found = self._leaves(function(**inputs, **arrays, **keys))
                names[:] = [name for name, _ in found]
                return [jax.numpy.asarray(value) for _, value in found]

            primal, pull_back = jax.vjp(values, inputs)
            zeros = [jax.numpy.zeros_like(value) for value in primal]
            gradients = []
            for position, value in enumerate(primal):
                one = [jax.numpy.ones_like(value) if other == position else zero for other, zero in enumerate(zeros)]
                gradients.append(pull_back(one)[0])
            return primal, gradients

        return run

    def _eagerly(self, function: UserFunction, inputs: Any, arrays: Any, keys: Any) -> tuple[Term, ...]:
        plain = self._leaves(function(**inputs, **arrays, **keys))
        names: list[str] = []
        try:
            _, gradients = self._differentiated(function, names)(inputs, arrays, keys)
        except Exception:  # the plain call succeeded: only the gradient is missing (it converts to NumPy inside)
            gradients = None
        return self._terms([name for name, _ in plain], [value for _, value in plain], gradients)

    def _terms(self, names: list[str], values: list[Any], gradients: list[Any] | None) -> tuple[Term, ...]:
        terms = []
        for position, (name, value) in enumerate(zip(names, values, strict=True)):
            array = np.asarray(value)
            found = None if gradients is None else {k: np.array(g, float) for k, g in gradients[position].items()}
            reason = "jax.vjp can't follow it (it converts to NumPy inside)" if found is None else ""
            terms.append(
                Term(name=name, value=array.astype(float), dtype=str(array.dtype), gradients=found, no_gradient=reason)
            )
        return tuple(terms)

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """See `UserArrays`; JAX has no global random numbers, but a switch for float64, which is put back too."""
        before = self.jax.config.read("jax_enable_x64")
        self.jax.config.update("jax_enable_x64", True)
        try:
            with self.numpy.seeded(seed):
                yield
        finally:
            self.jax.config.update("jax_enable_x64", before)


def side_by_side(arrays: Sequence[Any]) -> Any:
    """Arrays of one framework concatenated along the axis after the batch."""
    framework = type(arrays[0]).__module__.split(".")[0]
    module, name = JOINING.get(framework, ("jax.numpy", "concatenate"))
    return getattr(import_module(module), name)(list(arrays), 1)


def logarithm(array: Any) -> Any:
    """The natural logarithm in an array's own framework."""
    return _elementwise(array).log(array)


def exponential(array: Any) -> Any:
    """e to the power of an array, in its own framework."""
    return _elementwise(array).exp(array)


def _elementwise(array: Any) -> Any:
    framework = type(array).__module__.split(".")[0]
    return import_module(ELEMENTWISE.get(framework, "jax.numpy"))


ELEMENTWISE = {"torch": "torch", "tensorflow": "tensorflow.math", "numpy": "numpy"}
JOINING = {"torch": ("torch", "cat"), "tensorflow": ("tensorflow", "concat"), "numpy": ("numpy", "concatenate")}


ADAPTERS: dict[str, str] = {  # module and class: TensorFlow's is imported only where it is asked for
    "torch": f"{__name__}:TorchArrays",
    "jax": f"{__name__}:JaxArrays",
    "numpy": f"{__name__}:NumPyArrays",
    "tensorflow": f"{__package__}.tensorflow_arrays:TensorFlowArrays",
}


def installed() -> tuple[str, ...]:
    """The frameworks that can be imported here, without importing them."""
    return tuple(name for name in ADAPTERS if find_spec(name) is not None)


def open_arrays(framework: str) -> UserArrays:
    """The adapter of one framework. Raises ImportError where it is not installed, KeyError for an unknown name."""
    module, _, name = ADAPTERS[framework].partition(":")
    return getattr(import_module(module), name)()
