"""The compiled forms for a device that is not there: their whole loss captured, forward and backward, and read.

torch.compile refuses an operation mode of Python's, so these forms can't run on the pretend device. Here Dynamo and
AOTAutograd capture them from tensors without numbers that lie on it: a break of the graph, a number that is read, two
devices in one operation, a copy and a product in the wrong type are seen. What Inductor makes of the graph is not, nor
are values: those are compared on a CPU (tests/suites/test_forms.py), and Adam and noise are the joined form's.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from covered import CAPTURED
from patching import patched
from pretend_device import DEVICE, PRODUCTS
from torch._dynamo.backends.common import aot_autograd
from torch._inductor import config as inductor
from torch._subclasses.fake_tensor import FakeTensorMode

from elbo_compare.suites.forms import Workload
from elbo_compare.suites.torch_hand import forms

COPIES = frozenset({"_to_copy", "copy_", "lift_fresh_copy", "device_put"})
_AUTOCAST = torch.library.Library("aten", "IMPL")
_PASSING = torch.library.Library("_", "IMPL")


def install_autocast() -> None:
    """What CUDA's autocast does to a layer's product, for the pretend device; everything else passes."""

    def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)):
            chosen = torch.get_autocast_dtype(DEVICE.type)
            cast = (each if each is None else each.to(chosen) for each in (x, weight, bias))
            return torch.nn.functional.linear(*cast)

    _PASSING.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    _AUTOCAST.impl("linear", linear, "AutocastPrivateUse1")


def captured(name: str, case: Workload) -> list[str]:
    """Complaints about a compiled form's graphs."""
    graphs: list[Any] = []

    def keep(graph: Any, inputs: Any) -> Callable[..., Any]:
        graphs.append(graph)
        run = lambda given: graph(*given)  # noqa: E731  an attribute of it says how it takes its arguments
        run._boxed_call = True
        return run

    short = name.removeprefix("torch-hand ")
    losses: dict[Any, Any] = {}
    backend = patched(forms, BACKEND=aot_autograd(fw_compiler=keep), _COMPILED=losses)
    no_triton = patched(inductor, triton_disable_device_detection=True)  # a CUDA build brings it, and asks the driver
    with warnings.catch_warnings(), backend, no_triton, FakeTensorMode():
        warnings.simplefilter("ignore", DeprecationWarning)  # modules that Dynamo imports
        torch._dynamo.reset()
        for _ in range(2):  # a form prepared again finds what was compiled
            forms._compile_ahead(forms._make(short, case))()
    found = [] if len(graphs) == 2 else [f"{len(graphs)} graphs of two preparations, not one forward and one backward"]
    if len(losses) != 1:  # torch 2.13 finds the graph again by its code, whatever it is wrapped in; others may not
        found.append(f"{len(losses)} compiled losses of two preparations")
    return found + [line for graph in graphs for line in read(graph, CAPTURED[name])]


def read(graph: Any, product_type: str) -> list[str]:
    """What is wrong with one graph: devices, copies from one to another, products."""
    found, products = [], 0
    for node in graph.graph.nodes:
        value, name = node.meta.get("val"), str(node.target).split(".")[1:2]
        if not isinstance(value, torch.Tensor):
            continue
        if value.device != DEVICE:
            found.append(f"{node.target} lies on {value.device}")
        if node.op != "call_function" or not name:
            continue
        if name[0] in COPIES and node.args[0].meta["val"].device != value.device:
            found.append(f"{node.target}: a copy from {node.args[0].meta['val'].device}")
        if name[0] in PRODUCTS:
            products += 1
            if str(value.dtype) != f"torch.{product_type}":
                found.append(f"{node.target} in {value.dtype}, the form multiplies in {product_type}")
    return found if products else [*found, "no product was seen"]
