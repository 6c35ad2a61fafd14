"""A user's function called with TensorFlow tensors, eagerly: values, and gradients by `tf.GradientTape`.

Keras 3 has no arrays of its own: a function of `keras.ops` gets those of the backend that is configured.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from elbo_compare.suites.bridge.user_arrays import (
    DETACHED,
    PYTHON_NUMBER,
    Call,
    NumPyArrays,
    Term,
    UserFunction,
    leaves,
)


class TensorFlowArrays:
    """TensorFlow tensors on the default device."""

    name = "tensorflow"

    def __init__(self) -> None:
        self.tf: Any = import_module("tensorflow")
        self.numpy = NumPyArrays()

    def call(self, function: UserFunction, call: Call) -> tuple[Term, ...]:
        """See `UserArrays`; a key is a `tf.random.Generator`."""
        tf = self.tf
        arguments: dict[str, Any] = {n: tf.constant(array, str(call.dtype)) for n, array in call.arrays.items()}
        inputs = {name: arguments[name] for name in call.differentiate}
        for name in call.keys:
            arguments[name] = call.seed if "seed" in name else tf.random.Generator.from_seed(call.seed)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(list(inputs.values()))
            found = list(leaves(function(**arguments)))
        terms = [self._term(name, value, inputs, tape) for name, value in found]
        return tuple(term for term in terms if term is not None)

    def _term(self, name: str, value: Any, inputs: Mapping[str, Any], tape: Any) -> Term | None:
        if isinstance(value, (float, np.floating)):
            return Term(name=name, value=np.asarray(value, float), dtype="float64", no_gradient=PYTHON_NUMBER)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return Term(name=name, value=value.astype(float), dtype=str(value.dtype), no_gradient=DETACHED)
        if not self.tf.is_tensor(value) or not value.dtype.is_floating:
            return None
        parts = tape.gradient(value, list(inputs.values())) if inputs else []
        gradients = None
        if any(part is not None for part in parts):
            gradients = {
                key: np.zeros(inputs[key].shape) if part is None else self._array(part)
                for key, part in zip(inputs, parts, strict=True)
            }
        why = "" if gradients or not inputs else DETACHED
        return Term(name=name, value=self._array(value), dtype=value.dtype.name, gradients=gradients, no_gradient=why)

    def _array(self, value: Any) -> np.ndarray:
        return np.array(self.tf.cast(self.tf.convert_to_tensor(value), "float64"))

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """See `UserArrays`; TensorFlow tells nobody its global seed: it is seeded anew afterwards."""
        self.tf.random.set_seed(seed)
        try:
            with self.numpy.seeded(seed):
                yield
        finally:
            self.tf.random.set_seed(int(np.random.default_rng().integers(2**31)))
