"""Every place where `compare` reads what somebody else wrote: valid samples, how to harm them, how a verb enters.

What may come of harmed input: one line and exit code 2, or 3 where what is damaged is set aside by name, or it is
understood as it stands. All else is a fault: a traceback, exit code 70, several lines, a file outside the folder, an
input that was understood as something else.
"""

import contextlib
import gzip
import importlib
import io
import json
import random
import shutil
import struct
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from elbo_compare.compare import environment
from elbo_compare.compare.bench.kept import opened
from elbo_compare.compare.checking.command import constants_of
from elbo_compare.compare.checking.models.check import read_init
from elbo_compare.compare.checking.models.data import given_rows
from elbo_compare.compare.checking.signature import read_mapping
from elbo_compare.compare.commands.doctor import diagnose
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.launching import ending
from elbo_compare.compare.matching.data import named_data
from elbo_compare.compare.matching.tying import read_ties
from elbo_compare.compare.planning.select import selector
from elbo_compare.compare.planning.spec import read_spec
from elbo_compare.compare.running.memory import parse_size
from elbo_compare.compare.semantics.explain_target import arguments
from elbo_compare.suites.datasets.formats import DataError, read_amat, read_idx, read_mat

PROFILE = """# A page of TOML.
alpha = 1e-6
tests = 2000
[[cells]]
procedure = "evaluate"
problems = ["gaussian-kl@2-*", "vae-small@*"]
implementations = ["numpy-oracle"]
size = 7
[[cells]]
procedure = "draw"
problems = ["gaussian-kl@2-typical"]
chunk = 500
"""
NONSENSE = (
    *(None, True, -1, 0, 5.5, 2**63, 10**400, "", "x", "=1+1", "\x1b[31m", "a\nb", "9" * 5_000),
    *([], {}, [[]], {"": {}}, {"schema": 2}, ["a"] * 50),
)
NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 0.0, 5e-324, 2.0**63)


@dataclass(frozen=True)
class Door:
    """samples: valid input; enter: read it as a verb does, from bytes, in an empty folder; its value is what was
    understood. meant: whether the value says what the bytes say. strike: harm a sample (default: `harmed`)."""

    name: str
    samples: Callable[[], list[bytes]]
    enter: Callable[[bytes, Path], Any]
    meant: Callable[[bytes, Any], bool]
    strike: Callable[[bytes, random.Random], bytes] | None = None
    cost: int = 1  # in tries of the cheapest door
    coded: bool = False  # whether what `enter` returns is an exit code


def outcome(door: Door, body: bytes, folder: Path) -> tuple[int, str, Any]:
    """Exit code, standard error and what was understood, for one input at one door."""
    value: list[Any] = []

    def command() -> int:
        value.append(door.enter(body, folder))
        return value[0] if door.coded else 0

    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = ending.of(command)
    return code, err.getvalue(), value[0] if value else None


def fault(door: Door, body: bytes, folder: Path) -> str:
    """What is wrong with how the door took this input; "" where nothing is."""
    folder.mkdir()
    try:
        code, err, value = outcome(door, body, folder)
        beside = sorted(path.name for path in folder.parent.iterdir() if path != folder)
    finally:
        shutil.rmtree(folder)
    if beside:
        return f"it left {beside} outside its folder"
    if code in (0, 1, 3) and (value is not None or not err):
        return "" if door.meant(body, value) else f"it was understood as {str(value)[:200]!r}"
    if code != 2:
        return f"exit code {code}: {err[-600:]}"
    if not err.startswith("compare: ") or err.count("\n") != 1 or not err[:-1].isprintable():
        return f"not one plain line: {err[-600:]!r}"
    return "" if len(err) < 2_000 else f"a line of {len(err)} characters"


def harmed(body: bytes, rng: random.Random) -> bytes:
    """Valid bytes cut, flipped, doubled, with a piece of their own or noise in another place; or noise alone."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        place, length = rng.randrange(len(body) + 1), rng.choice((1, 2, 8, 64, 1_000))
        piece = rng.choice(
            (
                *(b"", rng.randbytes(length), body[place : place + length], b"\0" * length, b"\xff" * length),
                *(b"(" * length, b"[" * 30 * length, b'{"a":' * length, b"9" * 90 * length, b"\n", b"-", b"1e999"),
            )
        )
        body = rng.choice(
            (
                *(body[:place], body[:place] + piece + body[place + len(piece) :], body[:place] + piece + body[place:]),
                *(body[:place] + body[place + length :], body * 2, piece),
            )
        )
        body = body[:200_000]
    return body


def renamed(value: Any, rng: random.Random) -> Any:
    """JSON content with nonsense in the place of a random part."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        rest = {name: each for name, each in value.items() if name != key}
        changed = rng.random()
        if changed < 0.1:
            return rest
        return rest | {str(rng.choice(NONSENSE))[:40] if changed < 0.15 else key: renamed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        return [*value[:place], *([] if rng.random() < 0.2 else [renamed(value[place], rng)]), *value[place + 1 :]]
    return rng.choice((*NONSENSE, *NUMBERS[3:])) if rng.random() < 0.7 else [value]


def as_written(body: bytes, folder: Path, name: str) -> str:
    """The bytes as a file of that name."""
    path = folder / name
    path.write_bytes(body)
    return str(path)


def truly(*_: Any) -> bool:
    """Whatever was understood is right: the harm left something sound, or nothing was promised of the content."""
    return True


# Files and words that stand alone.


def _profile(body: bytes, folder: Path) -> Any:
    return read_spec(as_written(body, folder, "mine.toml"))


def _says_the_toml(body: bytes, spec: Any) -> bool:
    table = tomllib.loads(body.decode())
    blocks = [{k: tuple(v) if isinstance(v, list) else v for k, v in block.items()} for block in table.pop("cells")]
    pairs = [(spec, table), *zip(spec.cells, blocks, strict=True)]
    return all(getattr(record, key) == value for record, given in pairs for key, value in given.items())


def _npy(array: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **how)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(80.0).reshape(40, 2), label=np.arange(40))
    return buffer.getvalue()


def _promising(body: bytes, rng: random.Random) -> bytes:
    """A .npy file whose header promises other rows, 2^40 of them say, or another type; else `harmed`."""
    if rng.random() < 0.5:
        return harmed(body, rng)
    shape = rng.choice(("(1099511627776, 8)", "(0, 8)", "(-5, 8)", "(40, 9)", "()", "(2, 4, 40)", "((40, 8),)", "40"))
    kind = rng.choice(("'<f8'", "'|O'", "'<U8'", "'>f4'", "'<c16'", "'<M8[s]'", "[('a', '<f8')]", "'x'", "()"))
    text = f"{{'descr': {kind}, 'fortran_order': {rng.choice(('False', 'True', '3'))}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n" + body[128:]


def _is_array(body: bytes, arrays: Any) -> bool:
    """The rows are those of the file."""
    told = np.load(io.BytesIO(body), allow_pickle=False)
    given = [told] if isinstance(told, np.ndarray) else [told[name] for name in told.files]
    read = arrays if isinstance(arrays, list) else [arrays]
    return all(np.array_equal(np.asarray(a, float), np.asarray(b, float)) for a, b in zip(given, read, strict=True))


def _data(read: Callable[[Path], Any], name: str) -> Callable[[bytes, Path], Any]:
    def entered(body: bytes, folder: Path) -> Any:
        try:
            return read(Path(as_written(body, folder, name)))
        except DataError as error:  # as a cell tells it that needs the data
            raise UsageError(str(error)) from error

    return entered


def _idx(*lengths: int, entries: bytes) -> bytes:
    return bytes([0, 0, 8, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths) + entries


def _mat() -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, {"data": np.eye(6), "more": np.arange(4.0), "text": "words"})
    return buffer.getvalue()


def _amat_says(body: bytes, rows: Any) -> bool:
    plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return [line.split() for line in plain.split(b"\n") if line.split()] == [[b"%d" % e for e in row] for row in rows]


def _idx_says(body: bytes, rows: Any) -> bool:
    plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return plain[4 + 4 * plain[3] :] == rows.tobytes() and rows.ndim == plain[3]


def _words(read: Callable[[str], Any]) -> Callable[[bytes, Path], Any]:
    """Of what comes as an argument: the shell hands over no NUL, other bytes as surrogates."""
    return lambda body, _folder: read(body.replace(b"\0", b"").decode("utf-8", "surrogateescape"))


def _plug_in(body: bytes, folder: Path) -> Any:
    """Entry points that an installed distribution declares: what `doctor` and a plan make of them."""
    place = folder / "planted-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_bytes(body)
    (place / "entry_points.txt").write_bytes(body)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        environment.third_party_versions()
        return list(diagnose())
    finally:
        sys.path.remove(str(folder))


def _bench(body: bytes, folder: Path) -> Any:
    as_written(body, folder, "bench.json")
    return opened(folder, ("steps",), "cpu", resume=True)


def _init_says(body: bytes, value: Any) -> bool:
    return json.dumps(value) == json.dumps(json.loads(body.replace(b"\0", b"").decode("utf-8", "surrogateescape")))


def _pairs_say(body: bytes, pairs: dict[str, str]) -> bool:
    """A mapping has the one pair that the word has."""
    return ["=".join(pair) for pair in pairs.items()] == [body.replace(b"\0", b"").decode("utf-8", "surrogateescape")]


ARGUMENTS = [b"[1, 2.5, [3, 4]]", b'[[1], {"x": 2}]', b'{"x": 1}', b"[]", b'["a", null, true]']
IMAGES = _idx(3, 5, 5, entries=bytes(75))
PROMISES = _idx(2**31, 2**31, 2**31, entries=b"abc")
ROWS = [b"0 1 1 0 \n1 1 0 0 \n" * 3, gzip.compress(b"0 1 0 1\n" * 9)]
PLUG_INS = [
    b"[elbo_compare.implementations]\nmine = mine:Vae\n",
    b"Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n\n[elbo_compare.implementations]\npyro = mine:Vae",
]
BENCH = [b'{"device": "cpu", "units": {"steps/a": "whole"}}']


def _rows_of_a_model(body: bytes, folder: Path) -> Any:
    return given_rows(as_written(body, folder, "x.npy"))


def _rows_of_a_pair(name: str) -> Callable[[bytes, Path], Any]:
    return lambda body, folder: named_data(as_written(body, folder, name))


ALONE = (
    Door("profile", lambda: [PROFILE.encode()], _profile, _says_the_toml, cost=3),
    Door("-k", lambda: [b"vae and not (pyro or jax)", b"gaussian"], _words(selector), truly),
    Door("--args", lambda: ARGUMENTS, _words(arguments), truly),
    Door("--init", lambda: [*ARGUMENTS, b'{"latent_dim": 8}'], _words(read_init), _init_says),
    Door("--set", lambda: [b"beta=4.0", b"mode=sum", b"to=(3, 4)"], _words(lambda text: constants_of([text])), truly),
    Door("--map", lambda: [b"h=log_var", b"q_loc=mean"], _words(lambda text: read_mapping([text])), _pairs_say),
    Door("--tie", lambda: [b"decoder.fc1=dec.0", b"w=weight"], _words(lambda text: read_ties([text])), _pairs_say),
    Door("--cell-memory", lambda: [b"800M", b"1.5GiB", b" 4 g "], _words(parse_size), lambda _, size: size >= 2**20),
    Door("rows of a model", lambda: [_npy(np.ones((40, 8)))], _rows_of_a_model, _is_array, _promising, cost=2),
    Door("rows of a pair", lambda: [_npy(np.eye(40))], _rows_of_a_pair("x.npy"), _is_array, _promising, cost=2),
    Door("arrays of a pair", lambda: [_npz()], _rows_of_a_pair("x.npz"), _is_array, cost=3),
    Door("IDX", lambda: [IMAGES, gzip.compress(IMAGES), PROMISES], _data(read_idx, "images"), _idx_says, cost=2),
    Door(".amat", lambda: ROWS, _data(lambda path: read_amat(path, columns=4), "x.amat"), _amat_says, cost=2),
    Door(".mat", lambda: [_mat()], _data(lambda path: read_mat(path, ("data",)), "x.mat"), truly, cost=60),
    Door(
        "plug-in", lambda: PLUG_INS, _plug_in, lambda _, lines: any("numpy-oracle" in line for line in lines), cost=20
    ),
    Door("bench record", lambda: BENCH, _bench, truly, cost=3),
)
