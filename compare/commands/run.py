"""`compare plan` and `compare run`: from a request to results on disk."""

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from elbo_compare.compare import environment, files
from elbo_compare.compare.commands.first_verdict import FirstVerdict
from elbo_compare.compare.commands.resume import Standing, replaces, standing, unfinished
from elbo_compare.compare.errors import DamagedRecordError, IncompleteError, StoreError, UsageError, unknown
from elbo_compare.compare.planning.availability import Placement, interpreters, placement, reason_not_to_run
from elbo_compare.compare.planning.plan import plan, preflight
from elbo_compare.compare.planning.select import selector
from elbo_compare.compare.planning.spec import LONGEST_TIMEOUT_S, Spec, read_spec
from elbo_compare.compare.records import Cell, CellResult, Status
from elbo_compare.compare.running.account import Account, Span, account
from elbo_compare.compare.running.expected import TimeLeft
from elbo_compare.compare.running.memory import default_limit, parse_size
from elbo_compare.compare.running.pool import Options
from elbo_compare.compare.running.progress import progress
from elbo_compare.compare.running.run import run
from elbo_compare.compare.running.store import Store
from elbo_compare.suites import datasets
from elbo_compare.suites.contract import Device

if TYPE_CHECKING:
    from elbo_compare.compare.running.dask_cluster import DaskCluster

MOST_JOBS_ON_A_GPU = 4  # they share its memory
LOCAL, DASK = "local", "dask"
BROKEN = (Status.FAILED, Status.CRASHED, Status.TIMED_OUT)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for; None where nothing was said."""

    profile: str = "standard"
    device: str | None = None
    jobs: int | None = None
    expression: str | None = None
    seed: int | None = None
    output: Path | None = None
    resume: bool = False
    cell_timeout_s: float | None = None
    cell_memory: str | None = None
    executor: str = LOCAL
    scheduler: str | None = None
    data_dir: Path | None = None

    @property
    def folder(self) -> Path:
        """-o, else results/<profile>, with a suffix of its own for each -k."""
        if self.output is not None:
            return self.output
        name = Path(self.profile).stem
        if self.expression is not None:
            name += "-k-" + hashlib.sha256(self.expression.encode()).hexdigest()[:6]
        return Path("results") / name


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A request after planning: nothing has been run or written yet."""

    request: Request
    spec: Spec
    placed: Placement
    cells: list[Cell]

    @property
    def device(self) -> Device:
        """Where the cells of the frameworks that can run: cuda where one of them sees it."""
        return self.placed.device


@dataclass(frozen=True, kw_only=True)
class Executed:
    """What a run leaves besides its files. `broken`: cells that failed, crashed or timed out; `spans`: where the
    workers' time went; `started`: when the wall time began, by the monotonic clock."""

    store: Store
    broken: int
    spans: list[Span]
    started: float

    def account(self) -> Account:
        """The account of the wall time until now."""
        return account(self.spans, monotonic() - self.started)


def planned(request: Request) -> Planned:
    """Read the profile, check the request, plan the cells. Raises UsageError in one line for whatever is wrong."""
    select = selector(request.expression) if request.expression is not None else lambda label: True
    if request.jobs is not None and request.jobs < 1:
        raise UsageError(f"-j must be at least 1, not {request.jobs}.")
    _check_executor(request)
    _use_data_of(request)
    spec = _with_overrides(read_spec(request.profile), request)
    placed = placement(spec.device)
    spec = replace(spec, device=str(placed.device))
    try:
        cells = list(plan(spec, placed, select))
        preflight(cells)
    except (ValueError, OSError, ImportError) as error:  # weights or data that are not what they should be
        raise UsageError(" ".join(str(error).split())) from error
    if not cells:
        raise UsageError(f"-k {request.expression!r} matches no cell of profile {spec.name}. See `compare plan`.")
    return Planned(request=request, spec=spec, placed=placed, cells=cells)


def _check_executor(request: Request) -> None:
    if request.cell_memory is not None:
        parse_size(request.cell_memory)
    if request.executor not in (LOCAL, DASK):
        raise UsageError(unknown("executor", request.executor, (LOCAL, DASK)))
    if (request.executor == DASK) != (request.scheduler is not None):
        raise UsageError("--executor dask and --scheduler ADDRESS go together: give both or neither.")


def _use_data_of(request: Request) -> None:
    """Let this process, and so its workers, read data files from --data-dir."""
    if request.data_dir is None:
        return
    if not request.data_dir.is_dir():
        raise UsageError(f"--data-dir {request.data_dir} is no folder. See `compare data list`.")
    os.environ[datasets.FOLDER] = str(request.data_dir.resolve())


def _with_overrides(spec: Spec, request: Request) -> Spec:
    if request.seed is not None and not 0 <= request.seed < 2**31:
        raise UsageError(f"--seed must be within 0 and 2^31 - 1, not {request.seed}.")
    timeout = request.cell_timeout_s
    if timeout is not None and not 0 < timeout < LONGEST_TIMEOUT_S:
        limit = f"{LONGEST_TIMEOUT_S:.0f}"
        raise UsageError(f"--cell-timeout must be a positive number of seconds below {limit}, not {timeout}.")
    return replace(
        spec,
        seed=spec.seed if request.seed is None else request.seed,
        device=request.device or spec.device,
        cell_timeout_s=timeout or spec.cell_timeout_s,
    )


def execute(plan_: Planned, say: Callable[[str], None], started: float | None = None, after_s: float = 0.0) -> Executed:
    """Run what is missing and store each result as it comes. `after_s`: what follows, in the time left that is told.

    Raises StoreError for a folder that is foreign, in use or not writable, and KeyboardInterrupt through, after
    everything that has finished is on disk.
    """
    started = monotonic() if started is None else started
    if plan_.device is not Device.CPU:
        say(f"Devices: {plan_.placed.in_words()}")
    store = Store(plan_.request.folder)
    cores = environment.cores()
    most = cores if plan_.device is Device.CPU else min(cores, MOST_JOBS_ON_A_GPU)
    jobs = plan_.request.jobs or most
    threads = max(1, cores // jobs)
    surroundings = environment.describe(device=str(plan_.device), jobs=jobs, threads=threads)
    options = Options(
        jobs=jobs,
        cores=cores,
        cell_timeout_s=plan_.spec.cell_timeout_s,
        fingerprint=environment.fingerprint(surroundings),
        cell_memory=_memory_limit(plan_.request),
        interpreters=interpreters(),
    )
    if plan_.request.resume and files.is_read_only(store.folder) and _all_there(store, plan_, options.fingerprint, say):
        return Executed(store=store, broken=0, spans=[], started=started)
    with store.held(), _cluster(plan_, surroundings) as cluster:
        store.sweep()
        record = _open(store, plan_, surroundings, options.fingerprint)
        if cluster is not None:
            record["environments"] |= cluster.environments
        fresh = {options.fingerprint, *(cluster.environments if cluster else ())}
        pending = unfinished(store, plan_.cells, record, fresh, say)
        store.write_record(record)
        broken, spans = _run_cells(pending, options, store, cluster, after_s)
        if cluster is not None:
            record["environments"] |= cluster.environments
        record["account"] = as_numbers(account(spans, monotonic() - started))
        store.write_record(record)
        _check_kept(store, plan_.cells)
    return Executed(store=store, broken=broken, spans=spans, started=started)


def _all_there(store: Store, plan_: Planned, fingerprint: str, say: Callable[[str], None]) -> bool:
    """Whether a folder that can't be written to holds all that a run would measure: nothing is written then."""
    if not store.exists() or plan_.request.executor != LOCAL:
        return False
    record = store.record()
    fresh = record.get("digest") == plan_.spec.digest and all(
        standing(store.read(cell), (fingerprint,)) is Standing.DONE for cell in plan_.cells
    )
    if fresh:
        say(f"All {len(plan_.cells)} cells are there; nothing is to be run, and {store.folder} is left as it is.")
    return fresh


def _check_kept(store: Store, cells: list[Cell]) -> None:
    """Raise IncompleteError where somebody took stored cells away while the run was going on."""
    gone = len({cell.key for cell in cells} - store.keys())
    if gone:
        raise IncompleteError(
            f"{gone} of {len(cells)} cells are gone from {store.folder}: it was changed while the run was going on. "
            "Go on with the same command and --resume."
        )


def _memory_limit(request: Request) -> int | None:
    """Bytes that one worker may hold; for a cluster None where nothing was asked: each machine then has its own."""
    if request.cell_memory is not None:
        return parse_size(request.cell_memory)
    return default_limit() if request.executor == LOCAL else None


def _cluster(plan_: Planned, surroundings: dict[str, Any]) -> AbstractContextManager["DaskCluster | None"]:
    if plan_.request.executor == LOCAL or plan_.request.scheduler is None:
        return nullcontext()
    from elbo_compare.compare.running.dask_cluster import connected

    return connected(plan_.request.scheduler, str(plan_.device), surroundings, plan_.request.jobs)


def _run_cells(
    pending: list[Cell], options: Options, store: Store, cluster: "DaskCluster | None", after_s: float
) -> tuple[int, list[Span]]:
    jobs = cluster.side_by_side if cluster else options.jobs
    bar = progress(len(pending), TimeLeft(cells=pending, jobs=jobs, after_s=after_s))
    told = FirstVerdict(bar.note)

    def finish(result: CellResult) -> None:
        if replaces(store, result):
            store.write(result)
        else:
            bar.note(f"{result.cell.label}: {result.status}; the earlier result is kept, --resume tries again")
        bar.done(result)
        told.look(result)

    try:
        if cluster is None:
            spans = run(pending, options, finish, reason_not_to_run)
        else:
            spans = run(pending, options, finish, reason_not_to_run, cluster.spread, cluster.clock)
    finally:
        bar.close()
    return sum(bar.counts[status] for status in BROKEN), spans


def _open(store: Store, plan_: Planned, surroundings: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """The run record to write. Raises StoreError where the folder holds something else, or results without --resume."""
    old: dict[str, Any] = {}
    if store.exists() and (old := _old_record(store, plan_.request)):
        if old.get("digest") != plan_.spec.digest:
            raise StoreError(
                f"{store.folder} belongs to another specification (profile {old.get('profile')!r}, "
                f"digest {old.get('digest')}; this one is {plan_.spec.name!r}, {plan_.spec.digest}). Choose -o DIR."
            )
        if not plan_.request.resume:
            raise StoreError(f"{store.folder} already holds results. Add --resume to go on, or choose -o DIR.")
    elif not (plan_.request.resume and store.holds_cells()) and any(p.name != "lock" for p in store.folder.iterdir()):
        raise StoreError(f"{store.folder} is not empty and holds no results of ours. Choose -o DIR.")
    return {
        "profile": plan_.spec.name,
        "spec": asdict(plan_.spec),
        "digest": plan_.spec.digest,
        "command": command(plan_),
        "select": plan_.request.expression,
        "planned": max(len(store.keys() | {cell.key for cell in plan_.cells}), int(old.get("planned", 0))),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "fingerprint": fingerprint,
        "environments": old.get("environments", {}) | {fingerprint: surroundings},
        "data": old.get("data", {}) | _digests(plan_.cells),
        "xla_cache_held": environment.compiled_programs(),
        "account": None,
    }


def _digests(cells: list[Cell]) -> dict[str, str]:
    """SHA-256 of the rows of every data set that is read from files, where these are there."""
    names = dict.fromkeys(cell.dataset for cell in cells if cell.dataset in datasets.FROM_FILES)
    return {name: datasets.load(name).sha256 for name in names if datasets.missing(name) is None}


def _old_record(store: Store, request: Request) -> dict[str, Any]:
    """The folder's run record; empty where it can't be read, cells are there and --resume asks to go on with them."""
    try:
        return store.record()
    except DamagedRecordError:
        if not request.resume or not store.holds_cells():
            raise
        store.set_record_aside()
        return {}


def command(plan_: Planned) -> str:
    """The command that repeats this run, without this machine's paths."""
    request, profile = plan_.request, Path(plan_.request.profile).name
    parts = ["compare all", f"--profile {profile}", f"--device {'auto' if plan_.placed.on_cpu else plan_.device}"]
    parts += [f"-j {request.jobs}"] if request.jobs else []
    parts += [f"-k '{request.expression}'"] if request.expression else []
    parts += [f"--seed {plan_.spec.seed}"] if plan_.spec.seed else []
    parts += ["--data-dir DIR"] if request.data_dir else []
    return " ".join(parts)


def as_numbers(total: Account) -> dict[str, float]:
    """The account for the run record; seconds, and the harness's share."""
    return {name: round(value, 3) for name, value in asdict(total).items()} | {
        "harness_s": round(total.harness_s, 3),
        "harness_share": round(total.harness_share, 4),
    }
