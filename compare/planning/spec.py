"""A TOML profile -> a frozen Spec: which cells, with which margins. An unknown key or a wrong type is an error."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from elbo_compare.compare.errors import SpecError, unknown
from elbo_compare.compare.records import Procedure
from elbo_compare.compare.statistics import POWER, VARIANCE_MARGIN
from elbo_compare.suites import datasets
from elbo_compare.suites.contract import DType
from elbo_compare.suites.estimators import CORE_ESTIMATORS, ESTIMATORS, SAMPLED_KL
from elbo_compare.suites.protocol import PROTOCOLS

SHIPPED = ("quick", "standard", "full", "gpu", "choose", "papers")
ALL = "all"
LONGEST, WIDEST = 2**18, 2_000  # bytes of a profile, characters of a line: hundreds of times the longest shipped ones
MOST = 100_000  # seeds or data of one block: each is a cell with a file of its own
LONGEST_TIMEOUT_S = 30 * 86_400.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """One rectangle of cells: every problem x implementation x estimator x dtype x datum x seed of it.

    `problems`: patterns such as `vae@trained` or `gaussian-kl@*`. `size`: what the procedure counts (see `Cell`); 0 for
    DRAW and GRADIENT means: as many draws as the margins need. `data`: how many data, one cell each (DRAW, GRADIENT);
    in one cell: rows of the test set (LIKELIHOOD, SPREAD), trainings (FIT_PAIRS). `seeds`: how many seeds. `chunk`:
    draws per vectorised block. `dataset`: another data set than the problem's own, of as many pixels; where its files
    are not there, its cells are not run. `protocol`: how FIT trains (`suites.protocol`). `replicas`: how many of the
    seeds FIT trains in one program, by implementations that can.
    """

    procedure: Procedure
    problems: tuple[str, ...]
    implementations: tuple[str, ...] = (ALL,)
    estimators: tuple[str, ...] = tuple(CORE_ESTIMATORS)
    dtypes: tuple[str, ...] = (DType.FLOAT64.value,)
    size: int = 0
    data: int = 1
    seeds: int = 1
    chunk: int = 0
    dataset: str = ""
    protocol: str = ""
    replicas: int = 0


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Everything that decides which cells there are and how they are judged.

    `alpha`: family-wise error of all statistical verdicts together, shared by at most `tests` of them. `power`: the
    probability that a true equality comes out as *agrees*. `variance_margin`: relative; the margin of a mean is the
    same in all profiles (`statistics.MEAN_MARGIN`). `cell_timeout_s` is no part of the digest: it changes no number.
    """

    name: str
    cells: tuple[Block, ...]
    alpha: float = 1e-6
    tests: int = 1000
    power: float = POWER
    variance_margin: float = VARIANCE_MARGIN
    cell_timeout_s: float = 300.0
    seed: int = 0
    device: str = "auto"

    @property
    def digest(self) -> str:
        """SHA-256 of the fields that decide the cells and their verdicts; 16 hex digits."""
        content = asdict(self)
        del content["cell_timeout_s"]
        for block in content["cells"]:  # keys that were added later, so that older profiles keep their digest
            for name in ("dataset", "protocol"):
                if not block[name]:
                    del block[name]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_spec(profile: str) -> Spec:
    """The Spec of a shipped profile's name or of a TOML file.

    Raises SpecError, in one line, for anything that is not understood.
    """
    if profile in SHIPPED:
        return parse_spec(
            files("elbo_compare.compare").joinpath(f"profiles/{profile}.toml").read_text("utf-8"), profile
        )
    if not profile.endswith(".toml"):
        raise SpecError(unknown("profile", profile, SHIPPED) + " Or name a file that ends in .toml.")
    return parse_spec(_profile_text(Path(profile)), Path(profile).stem)


def _profile_text(path: Path) -> str:
    """The text of a profile: a regular file of at most LONGEST bytes, for what never ends is no profile."""
    try:
        if path.exists() and not path.is_file():
            raise SpecError(f"Profile {path} is no regular file. Name a TOML file.")
        with path.open("rb") as file:
            body = file.read(LONGEST + 1)
        if len(body) > LONGEST:
            raise SpecError(f"Profile {path} has more than {LONGEST:,} bytes; a profile is a page of TOML.")
        return body.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"Profile {path} can't be read: {error}") from error


def parse_spec(text: str, name: str) -> Spec:
    """The Spec in a profile's text; `name` is the profile's name, used in messages too."""
    # A dotted key of many thousand parts keeps the parser busy for minutes; a list as deep ends its stack.
    if (widest := max(map(len, text.splitlines()), default=0)) > WIDEST:
        raise SpecError(f"Profile {name} has a line of {widest:,} characters; at most {WIDEST:,} are read.")
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise SpecError(
            f"Profile {name} is nested too deeply: a profile is a table of values and [[cells]]."
        ) from error
    except ValueError as error:  # TOMLDecodeError, and what Python says of an integer of thousands of digits
        raise SpecError(f"Profile {name} is not TOML: {' '.join(str(error).split())}") from error
    values = _typed(table, Spec, where=f"profile {name}", reserved=("name",))
    blocks = table.get("cells")
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise SpecError(f"Profile {name} holds no cells: add at least one [[cells]] table.")
    values["cells"] = tuple(_block(block, f"cells[{i}] of profile {name}") for i, block in enumerate(blocks))
    _within(values, "alpha", 0, 1, name)
    _within(values, "power", 0, 1, name)
    _within(values, "variance_margin", 0, 1, name)
    _within(values, "cell_timeout_s", 0, LONGEST_TIMEOUT_S, name)
    if not 0 <= values.get("seed", 0) < 2**31:
        raise SpecError(f"'seed' in profile {name} must be within 0 and 2^31 - 1, not {values['seed']}.")
    if values.get("tests", 1) < 1:
        raise SpecError(f"'tests' in profile {name} must be at least 1, not {values['tests']}.")
    return Spec(name=name, **values)


def spec_from_dict(content: Mapping[str, Any]) -> Spec:
    """The Spec of `dataclasses.asdict(spec)` after a round trip through JSON.

    Raises SpecError where the content is not one: of another version, or altered.
    """
    try:
        values: dict[str, Any] = dict(content)
        values["cells"] = tuple(_block_from_dict(block) for block in content["cells"])
        spec = Spec(**values)
        for key, value in content.items():
            if key != "cells":
                _value(value, Spec.__annotations__[key], f"'{key}' of the specification")
        return spec
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise SpecError(f"The run record holds no specification of this version ({reason}). Run again.") from error


def _block_from_dict(content: Mapping[str, Any]) -> Block:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    values["procedure"] = Procedure(values["procedure"])
    return Block(**values)


def _block(table: Mapping[str, Any], where: str) -> Block:
    values = _typed(table, Block, where=where)
    for key in ("procedure", "problems"):
        if key not in values:
            raise SpecError(f"{where} has no '{key}'.")
    _choice(values["procedure"], [str(member) for member in Procedure], "procedure", where)
    values["procedure"] = Procedure(values["procedure"])
    for name in values.get("estimators", ()):
        _choice(name, ESTIMATORS, "estimator", where)
    for name in values.get("dtypes", ()):
        _choice(name, [str(member) for member in DType], "dtype", where)
    for key, least in (("size", 0), ("data", 1), ("seeds", 1), ("chunk", 0)):
        if values.get(key, least) < least:
            raise SpecError(f"'{key}' in {where} must be at least {least}, not {values[key]}.")
        if key in ("data", "seeds") and values.get(key, least) > MOST:
            raise SpecError(f"'{key}' in {where} must be at most {MOST:,}, not {values[key]:,}.")
        if values.get(key, least) >= 2**63:
            raise SpecError(f"'{key}' in {where} must be below 2^63.")
    _check_later_keys(values, where)
    block = Block(**values)
    if block.size == 0 and block.procedure not in (Procedure.DRAW, Procedure.GRADIENT):
        raise SpecError(
            f"{where} needs a 'size': how many rows (evaluate, time), steps (fit, fit-path, fit-pairs) or draws "
            "(likelihood, spread)."
        )
    return block


def _check_later_keys(values: dict[str, Any], where: str) -> None:
    """`dataset` and `protocol` are known, a protocol is FIT's, and LIKELIHOOD draws log weights (its only default)."""
    if values.get("dataset"):
        _choice(values["dataset"], tuple(datasets.OBSERVED), "data set", where)
    if values.get("protocol"):
        _choice(values["protocol"], tuple(PROTOCOLS), "protocol", where)
        if values["procedure"] is not Procedure.FIT:
            raise SpecError(f"{where}: a 'protocol' is for the procedure 'fit', not {str(values['procedure'])!r}.")
    if replicas := values.get("replicas", 0):
        _check_replicas(values, replicas, where)
    if values["procedure"] is Procedure.LIKELIHOOD:
        values.setdefault("estimators", (SAMPLED_KL.name,))
        if values["estimators"] != (SAMPLED_KL.name,):
            raise SpecError(f"{where}: 'likelihood' needs log weights: estimators = ['sampled-kl'].")


def _check_replicas(values: dict[str, Any], replicas: int, where: str) -> None:
    """Whole programs of a FIT without a protocol, whose early stopping ends each run at a step of its own."""
    if values["procedure"] is not Procedure.FIT or values.get("protocol"):
        raise SpecError(f"{where}: 'replicas' is for the procedure 'fit' without a protocol.")
    if replicas < 0 or values.get("seeds", 1) % replicas:
        raise SpecError(f"{where}: 'seeds' must be a multiple of 'replicas' = {replicas}.")


def _choice(name: str, known: Any, kind: str, where: str) -> None:
    if name not in known:
        raise SpecError(f"{where}: {unknown(kind, name, known)}")


def _within(values: Mapping[str, Any], key: str, low: float, high: float, name: str) -> None:
    if key in values and not low < values[key] < high:
        raise SpecError(f"'{key}' in profile {name} must lie between {low} and {high}, not {values[key]}.")


def _typed(table: Mapping[str, Any], record: type, where: str, reserved: tuple[str, ...] = ()) -> dict[str, Any]:
    """The table's values, each checked against the record's field of that name (`cells` is left to the caller)."""
    kinds = {field.name: field.type for field in fields(record) if field.name not in reserved}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in kinds:
            raise SpecError(f"{where}: {unknown('key', key, kinds)}")
        if key != "cells":
            values[key] = _value(value, kinds[key], f"'{key}' in {where}")
    return values


def _value(value: Any, kind: Any, what: str) -> Any:
    arrived = f"not {value!r} ({type(value).__name__})."
    if kind is int:
        if type(value) is int:
            return value
        raise SpecError(f"{what} must be an integer, {arrived}")
    if kind is float:
        if type(value) is float or (type(value) is int and abs(value) < 2**1000):  # a larger one is no float
            return float(value)
        raise SpecError(f"{what} must be a number, {arrived}")
    if kind == tuple[str, ...]:
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise SpecError(f"{what} must be a list of strings with at least one item, {arrived}")
    if isinstance(value, str):
        return value
    raise SpecError(f"{what} must be a string, {arrived}")
