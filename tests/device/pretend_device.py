"""A GPU that is not there, on a CPU build of torch: PrivateUse1 as a Python backend.

Tensors on it hold a CPU tensor, so numbers are a CPU's, bit for bit; the rules are a GPU's. Mixing devices raises. The
device has a default generator of its own. Every synchronisation and every upload is counted, by file and line; so are
random numbers drawn on the host, and matrix products with the precision flag of their moment.

`install()` patches torch for the whole process: only a process made for it may do so. CUDA graphs: `pretend_graphs`.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from nested import mapped, tensors_in
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

NAME = "pretend"
PROJECT = ("/suites/", "/compare/")
aten = torch.ops.aten

# --- what is counted


@dataclass
class Ledger:
    """What happened, by (what, file:line)."""

    syncs: Counter = field(default_factory=Counter)
    uploads: Counter = field(default_factory=Counter)
    uploaded_bytes: int = 0
    host_draws: Counter = field(default_factory=Counter)
    products: Counter = field(default_factory=Counter)  # (TF32 allowed, dtype)
    operations: Counter = field(default_factory=Counter)
    made_bytes: int = 0  # of every result


class Watching:
    """The ledger that is being written."""

    ledger = Ledger()
    capture: Any = None  # of a graph: see `pretend_graphs`
    hidden = False  # inside a replay, which a profiler sees as one launch


def watched(call: Callable[[], Any]) -> tuple[Any, Ledger]:
    """What a call returns, and what happened in it."""
    outer, Watching.ledger = Watching.ledger, Ledger()
    try:
        return call(), Watching.ledger
    finally:
        Watching.ledger = outer


def where() -> str:
    """The innermost line of the project's that is running, and the library's line that it is in."""
    frame, library = sys._getframe(2), ""
    while frame is not None:
        name = frame.f_code.co_filename
        if any(part in name for part in PROJECT):
            return f"{library}{name.split('elbo_compare/')[-1]}:{frame.f_lineno}"
        if not library and "/pyro/" in name:
            library = f"pyro/{name.split('/pyro/')[-1]}:{frame.f_lineno} <- "
        frame = frame.f_back
    return library or "autograd"


# --- the device and its generators


class Module:
    """`torch.pretend`: what torch asks a backend's module for."""

    default = torch.Generator()

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def _lazy_init() -> None: ...

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def manual_seed(seed: int) -> None:
        Module.default.manual_seed(seed)

    manual_seed_all = manual_seed

    @staticmethod
    def get_rng_state(device: Any = None) -> torch.Tensor:
        return Module.default.get_state()

    @staticmethod
    def set_rng_state(state: torch.Tensor, device: Any = None) -> None:
        Module.default.set_state(state)

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.bfloat16]


_PlainGenerator = torch.Generator
_OURS: dict[int, Any] = {}  # by address: a generator comes back from C++ as another Python object


class DeviceGenerator(_PlainGenerator):
    """A generator that says that it lives on the device."""

    @property
    def device(self) -> torch.device:
        return DEVICE


class _AnyGenerator(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, _PlainGenerator)


class Generator(metaclass=_AnyGenerator):
    """In place of torch.Generator."""

    def __new__(cls, device: Any = "cpu") -> Any:
        if torch.device(device).type != NAME:
            return _PlainGenerator(device)
        made = DeviceGenerator()
        _OURS[made._cdata] = made
        return made


# --- tensors


class DeviceTensor(torch.Tensor):
    """A tensor on the device; `held` is the CPU tensor that it stands for."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, real: torch.Tensor) -> "DeviceTensor":
        assert real.device.type == "cpu" and not isinstance(real, DeviceTensor)
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            real.shape,
            strides=real.stride(),
            storage_offset=real.storage_offset(),
            dtype=real.dtype,
            device=DEVICE,
        )
        made.held = real
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return f"on the device: {self.held!r}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(func, args, kwargs or {})


class Pretending(TorchDispatchMode):
    """Sees every operation, those that make a tensor on the device from nothing too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatched(func, args, kwargs or {})


RANDOM = frozenset(
    {"normal_", "uniform_", "bernoulli_", "random_", "randn", "rand", "randint", "randperm", "bernoulli", "normal"}
    | {"multinomial", "exponential_", "log_normal_", "geometric_", "cauchy_", "poisson", "binomial"}
    | {"_standard_gamma", "_sample_dirichlet", "native_dropout", "rand_like", "randn_like", "randint_like"}
)
READ_BY_HOST = frozenset(
    {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "is_nonzero", "equal", "_linalg_check_errors"}
)
TRANSFERS = frozenset({"_to_copy", "copy_", "lift_fresh", "_copy_from"})
INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_"})
PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm", "addmv", "mv"})


def dispatched(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation under the device's rules."""
    name, _ = _known(func)
    tensors = tensors_in((args, kwargs))
    asked = kwargs.get("device")
    there = torch.device(asked).type == NAME if asked is not None else any(_on(each) for each in tensors)
    _check_generator(name, kwargs.get("generator"), there)
    if not there and not any(_on(each) for each in tensors):
        if (
            name in RANDOM and kwargs.get("generator") is None
        ):  # one with a generator of its own would show as an upload
            Watching.ledger.host_draws[name, where()] += 1
        return func(*args, **kwargs)
    if name not in TRANSFERS:
        _check_devices(name, args, tensors)
    elif (crossed := _crossed(func, name, args, kwargs, there)) is not None:
        return crossed
    if name in READ_BY_HOST or (name in INDEXING and _by_mask(args)):
        _synchronised(name)
    if name in PRODUCTS:
        Watching.ledger.products[torch.backends.cuda.matmul.allow_tf32, str(tensors[-1].dtype)] += 1
    return _run(func, name, args, kwargs, tensors)


@cache
def _known(func: Any) -> tuple[str, bool]:
    """An operation's plain name, and whether a result may share memory with an argument."""
    schema = func._schema
    return schema.name.split("::")[1], any(each.alias_info is not None for each in schema.returns)


def _on(x: Any) -> bool:
    return isinstance(x, DeviceTensor)


def _real(x: Any) -> Any:
    return x.held if isinstance(x, DeviceTensor) else x


def _check_generator(name: str, generator: Any, there: bool) -> None:
    if generator is not None and there != (generator._cdata in _OURS):
        raise RuntimeError(f"{name} at {where()}: a generator of the other device")


def _check_devices(name: str, args: Any, tensors: list[torch.Tensor]) -> None:
    """A CPU tensor may join only as one number, or as an index, which then travels."""
    if not any(_on(each) for each in tensors):
        return
    plain = [each for each in tensors if not _on(each)]
    if name in INDEXING and any(each.dim() for each in plain):
        _uploaded(f"{name} by an index on the host", sum(each.nbytes for each in plain))
    elif any(each.dim() for each in plain):
        raise RuntimeError(f"mixed devices: {name} at {where()} takes a tensor on the host and one on the device")


def _by_mask(args: Any) -> bool:
    indices = [each for each in args[1] or () if isinstance(each, torch.Tensor)]
    return any(each.dtype in (torch.bool, torch.uint8) for each in indices)


def _synchronised(what: str) -> None:
    if Watching.capture is not None:
        raise RuntimeError(f"{what} at {where()}: not permitted while a graph is captured")
    Watching.ledger.syncs[what, where()] += 1


def _uploaded(what: str, size: int) -> None:
    if Watching.capture is not None:
        raise RuntimeError(f"{what} at {where()}: a copy from the host while a graph is captured")
    Watching.ledger.uploads[what, where()] += 1
    Watching.ledger.uploaded_bytes += size


def _crossed(func: Any, name: str, args: Any, kwargs: dict[str, Any], there: bool) -> Any:
    """The result of a copy between host and device; None where nothing crosses."""
    if name == "copy_" and _on(args[0]) != _on(args[1]):
        _uploaded("copy_", args[1].nbytes) if _on(args[0]) else _synchronised("copy_")
        _real(args[0]).copy_(_real(args[1]))
        return args[0]
    if name != "_to_copy" or "device" not in kwargs or _on(args[0]) == there:
        return None
    options = {key: value for key, value in kwargs.items() if key not in ("device", "non_blocking")}
    if there:
        _uploaded("to the device", args[0].nbytes)
        return DeviceTensor(func(args[0], **options).clone())
    _synchronised("to the host")
    return func(args[0].held, **options).clone()


def _run(func: Any, name: str, args: Any, kwargs: dict[str, Any], tensors: list[torch.Tensor]) -> Any:
    real_args, real_kwargs = mapped(_real, args), mapped(_real, kwargs)
    if real_kwargs.get("device") is not None:
        real_kwargs["device"] = torch.device("cpu")
    real_kwargs.pop("pin_memory", None)
    run = _with_default_generator(func, name, real_kwargs) if name in RANDOM else func
    if Watching.capture is not None:
        Watching.capture.before(run, name, real_args)
    out = run(*real_args, **real_kwargs)
    if Watching.capture is not None:
        Watching.capture.after(run, real_args, real_kwargs, out)
    Watching.ledger.operations[name] += 1
    known = {id(each.held): each for each in tensors if isinstance(each, DeviceTensor)}

    def wrapped(x: Any) -> Any:
        if not isinstance(x, torch.Tensor) or isinstance(x, DeviceTensor):
            return x
        if id(x) in known:
            return known[id(x)]
        Watching.ledger.made_bytes += 0 if x._is_view() else x.nbytes
        return DeviceTensor(x)

    out = mapped(wrapped, out)
    _, aliases = _known(func)
    return return_and_correct_aliasing(func, args, kwargs, out) if run is func and aliases else out


def _with_default_generator(func: Any, name: str, kwargs: dict[str, Any]) -> Any:
    """The operation that draws from the device's default generator where none is given."""
    if kwargs.get("generator") is not None:
        return func
    kwargs["generator"] = Module.default
    if any(each.name == "generator" for each in func._schema.arguments):
        return func
    return getattr(aten, name).generator  # an overload of the same arguments


# --- installed


def _empty_strided(
    size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None
) -> Any:
    return DeviceTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _empty(
    size: Any,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: Any = None,
    memory_format: Any = None,
) -> Any:
    return DeviceTensor(torch.empty(size, dtype=dtype, device="cpu"))


def _copy_from(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    if not _on(source):
        _uploaded("copy", source.nbytes)
    elif not _on(target):
        _synchronised("copy")
    _real(target).copy_(_real(source))
    return target


backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=Module)
DEVICE = torch.device(NAME, 0)
_LIBRARY = torch.library.Library("aten", "IMPL")
_LIBRARY.impl("empty_strided", _empty_strided, "PrivateUse1")
_LIBRARY.impl("empty.memory_format", _empty, "PrivateUse1")
_LIBRARY.impl("_copy_from", _copy_from, "PrivateUse1")


def install() -> None:
    """From here on the project opens this device where it asks for CUDA. Before any of its backends is imported."""
    from torch.optim import optimizer

    from elbo_compare.suites.bridge import torch_arrays

    torch.Generator = Generator  # pyright: ignore[reportAttributeAccessIssue]
    torch.cuda.is_available = lambda: True
    torch.cuda.manual_seed_all = lambda seed: None
    torch.cuda.is_current_stream_capturing = lambda: Watching.capture is not None  # a CUDA build asks the driver
    torch.cuda.current_device, torch.cuda.device_count = lambda: 0, lambda: 1
    torch.cuda.get_device_capability = lambda *_: (8, 0)
    torch.cuda.get_rng_state, torch.cuda.set_rng_state = Module.get_rng_state, Module.set_rng_state
    optimizer._foreach_supported_types.append(DeviceTensor)  # as CUDA's own tensors: Adam's default is foreach there
    whole = torch_arrays.open_device

    def open_device(device: Any) -> torch.device:
        opened = whole(device)
        return DEVICE if opened.type == "cuda" else opened

    torch_arrays.open_device = open_device
    torch_arrays.synchronise = lambda device: _synchronised("synchronise") if device.type == NAME else None
