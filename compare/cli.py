"""The command line: reads arguments, calls `commands`, prints. Nothing heavy is imported before a verb needs it."""

import os
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elbo_compare.compare.commands.bench import bench
from elbo_compare.compare.commands.check import check
from elbo_compare.compare.commands.data import data
from elbo_compare.compare.commands.env import env
from elbo_compare.compare.commands.history import history
from elbo_compare.compare.commands.match import match
from elbo_compare.compare.commands.search import search
from elbo_compare.compare.commands.vectors import AsJson, Seconds, vectors
from elbo_compare.compare.errors import printable
from elbo_compare.compare.launching import ending, interruption
from elbo_compare.compare.planning.suite import holds_suites
from elbo_compare.compare.terminal import note, say

if TYPE_CHECKING:
    from elbo_compare.compare.commands.judge import RunEnd
    from elbo_compare.compare.commands.run import Executed, Request
    from elbo_compare.reports.building import DrawingProcesses

STARTED = monotonic()
INCOMPLETE = 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Is a hand-written sampled KL what Pyro and NumPyro compute? Reference tests with controlled error.",
)

for verb in (bench, check, match, search, history):
    app.command()(verb)
app.add_typer(vectors, name="vectors")
app.add_typer(data, name="data")
app.add_typer(env, name="env")

Profile = Annotated[str, typer.Option(help="quick, standard, full, gpu, choose, papers or a TOML file.")]
DeviceName = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.  [default: auto]")]
Jobs = Annotated[int | None, typer.Option("-j", metavar="N", help="Untimed cells side by side.  [default: cores]")]
Expression = Annotated[str | None, typer.Option("-k", metavar="EXPR", help="Cells whose label matches, as in pytest.")]
Seed = Annotated[int | None, typer.Option(metavar="S", help="The first seed of every cell.  [default: 0]")]
Output = Annotated[Path | None, typer.Option("-o", metavar="DIR", help="Results.  [default: results/<profile>]")]
Resume = Annotated[bool, typer.Option("--resume", help="Run only what is missing or stale in DIR.")]
Timeout = Annotated[float | None, typer.Option("--cell-timeout", metavar="S", help="Seconds that one cell may take.")]
Memory = Annotated[str | None, typer.Option("--cell-memory", metavar="SIZE", help="Of a worker, as 800M or 4G.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="local or dask (many machines; extra [dask]).")]
Scheduler = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Of a Dask scheduler, as tcp://host:8786.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="Data files; see `data list`.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `compare run` wrote.")]


@app.command("all")
def all_(
    profile: Profile = "standard",
    device: DeviceName = None,
    jobs: Jobs = None,
    expression: Expression = None,
    seed: Seed = None,
    output: Output = None,
    resume: Resume = False,
    cell_timeout: Timeout = None,
    cell_memory: Memory = None,
    executor: ExecutorName = "local",
    scheduler: Scheduler = None,
    data_dir: DataDir = None,
) -> None:
    """Run a profile, judge it, draw the report, and print the answer."""
    request = _request(
        profile=profile,
        device=device,
        jobs=jobs,
        expression=expression,
        seed=seed,
        output=output,
        resume=resume,
        cell_timeout_s=cell_timeout,
        cell_memory=cell_memory,
        executor=executor,
        scheduler=scheduler,
        data_dir=data_dir,
    )
    _run_suites(request, executed := _run(request, judged=True))
    raise typer.Exit(_judge_and_report(executed.store.folder, request.jobs, executed))


@app.command()
def plan(
    profile: Profile = "standard",
    device: DeviceName = None,
    expression: Expression = None,
    seed: Seed = None,
    data_dir: DataDir = None,
) -> None:
    """Print the cells that `run` would run: one label per line, with its size."""
    from elbo_compare.compare.commands.run import planned

    request = _request(profile=profile, device=device, expression=expression, seed=seed, data_dir=data_dir)
    prepared = planned(request)
    if prepared.device == "cuda":
        note(f"Devices: {prepared.placed.in_words()}")
    for cell in prepared.cells:
        say(f"{cell.key}  {printable(cell.label)}  size {cell.size}" + (f"  datum {cell.datum}" if cell.datum else ""))


@app.command()
def run(
    context: typer.Context,
    suite: Annotated[str | None, typer.Argument(metavar="[SUITE]", help="semantics or questions; no profile.")] = None,
    profile: Profile = "standard",
    device: DeviceName = None,
    jobs: Jobs = None,
    expression: Expression = None,
    seed: Seed = None,
    output: Output = None,
    resume: Resume = False,
    cell_timeout: Timeout = None,
    cell_memory: Memory = None,
    executor: ExecutorName = "local",
    scheduler: Scheduler = None,
    data_dir: DataDir = None,
) -> None:
    """Run a profile and store the measurements; judge nothing. `run semantics|questions`: run and judge that suite."""
    if suite is not None:
        raise typer.Exit(_run_suite(suite, output, jobs, resume, _given(context)))
    request = _request(
        profile=profile,
        device=device,
        jobs=jobs,
        expression=expression,
        seed=seed,
        output=output,
        resume=resume,
        cell_timeout_s=cell_timeout,
        cell_memory=cell_memory,
        executor=executor,
        scheduler=scheduler,
        data_dir=data_dir,
    )
    executed = _run(request)
    say(f"Results: {executed.store.folder}. Next: compare judge {executed.store.folder}")
    say(executed.account().in_words())
    if executed.broken:
        note(f"Cells that failed, crashed or timed out: {executed.broken}.")
        raise typer.Exit(INCOMPLETE)


@app.command()
def judge(folder: Folder) -> None:
    """Judge the measurements of a folder again; no framework is needed."""
    from elbo_compare.compare.commands.judge import judge_folder

    judged = judge_folder(folder)
    _print_judged(judged)
    say(f"Next: compare report {folder}")
    raise typer.Exit(judged.exit_code)


@app.command()
def report(
    folder: Folder,
    single_file: Annotated[bool, typer.Option("--single-file", help="One HTML document, to be mailed.")] = False,
    site: Annotated[str, typer.Option(metavar="URL", help="Where the pages will stand, for their BibTeX.")] = "",
) -> None:
    """Draw the report of a judged folder again: a folder of pages that work from disk."""
    with _drawing_processes() as drawing:
        from elbo_compare.compare.commands.report import report_folder

        say(f"Report: {report_folder(folder, drawing, single_file, site)}")


@app.command()
def site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results, such as reports/published.")],
    address: Annotated[str, typer.Option("--site", metavar="URL", help="Where it will stand, for BibTeX.")] = "",
    draw: Annotated[bool, typer.Option("--draw/--no-draw", help="Draw judged folders again.")] = True,
) -> None:
    """Join the reports of a folder into one site: an index, the latest, and every ID in every report."""
    with _drawing_processes() as drawing:
        from elbo_compare.compare.commands.site import site_folder

        say(f"Site: {site_folder(folder, drawing, note, site=address, draw=draw)}")


@app.command()
def mutants(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Mutants.  [default: all]")] = None,
    jobs: Jobs = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the draws.")] = 0,
    output: Annotated[Path | None, typer.Option("-o", metavar="DIR", help="Results whose report shows it.")] = None,
) -> None:
    """Judge planted wrong implementations by the very claims that judge the libraries: 0 if every one is caught."""
    from elbo_compare.compare.commands.mutants import judge_mutants

    raise typer.Exit(judge_mutants(ids or (), jobs, seed, output, print))


@app.command()
def cite(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A permanent ID: KL-003, FIND-PYRO-001; see `list`.")],
    results: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Outcomes of this folder.  [default: the newest published report]"),
    ] = None,
) -> None:
    """Print what an ID stands for (a claim, case, finding, mutant, vector), its outcomes by version, and BibTeX."""
    from elbo_compare.compare.citing.cite import cite as cited

    say(cited(identifier, results))


@app.command()
def why(
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="A claim's ID, such as KL-003.")],
    cell: Annotated[str, typer.Argument(metavar="CELL", help="A cell's key or label, or a part of one.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Judged results.  [default: the newest below results]")
    ] = None,
) -> None:
    """Say how one verdict came about: both numbers, tolerance and its reason, interval, seed, how to measure again."""
    from elbo_compare.compare.commands.why import why_command

    say(why_command(claim, cell, folder))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A judged result folder, or a report folder.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another one: other versions, device or date.")],
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> None:
    """Print which verdicts changed and which numbers changed beyond their error; exit code 1 where a verdict did."""
    from elbo_compare.compare.commands.diff import diff_command

    raise typer.Exit(diff_command(old, new, as_json=as_json))


@app.command()
def findings(
    asked: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR] [ID]...", help="Results  [default: the newest, else the published]; findings."),
    ] = None,
    as_json: AsJson = False,
    as_issue: Annotated[
        bool, typer.Option("--issue", help="As a report for the maintainers; nothing is sent.")
    ] = False,
) -> None:
    """List the register of library divergences, the most harmful first, or the ones that are named."""
    from elbo_compare.compare.commands.findings import findings_command

    say(findings_command(asked or [], as_json=as_json, as_issue=as_issue))


@app.command()
def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="FILE.py:MODEL or MODULE:MODEL, Pyro or NumPyro.")],
    guide: Annotated[str, typer.Argument(metavar="GUIDE", help="FILE.py:GUIDE or MODULE:GUIDE.")],
    args: Annotated[
        str, typer.Option(help="A JSON list, or MODULE:FUNCTION that returns a tuple of arguments, or (args, kwargs).")
    ] = "[]",
    elbo: Annotated[
        str | None,
        typer.Option(help="'TraceEnum_ELBO(max_plate_nesting=1)', or FILE.py:NAME.  [default: every class]"),
    ] = None,
    library: Annotated[str | None, typer.Option(help="pyro or numpyro.  [default: the imported one]")] = None,
    as_json: AsJson = False,
    timeout: Seconds = 60.0,
) -> None:
    """Say, site by site, what each ELBO class does with your model and guide, and what each finding costs there."""
    from elbo_compare.compare.commands.explain import explain_command

    code, text = explain_command(model, guide, args, elbo, library, as_json=as_json, timeout_s=timeout)
    say(text)
    raise typer.Exit(code)


@app.command("list")
def list_(
    sort: Annotated[
        str | None,
        typer.Argument(
            metavar="[SORT]",
            help="claims, questions, semantics, sweep, findings, ...  [default: all]",
        ),
    ] = None,
) -> None:
    """List profiles, problems, estimators, implementations, and all that has an ID which `cite` answers."""
    from elbo_compare.compare.commands.list_ import list_command

    say("\n".join(list_command(sort)))


@app.command()
def doctor() -> None:
    """Say what is installed, which devices there are, what will not run and why."""
    from elbo_compare.compare.commands.doctor import diagnose

    say("\n".join(diagnose()))


def command() -> int | None:
    """Do what the arguments say; the exit code. Raises whatever went wrong."""
    os.environ["MPLBACKEND"] = "agg"  # canvases of our own are drawn on; what the shell names may not exist here
    return app(standalone_mode=False)


def main() -> None:
    """`entry.main` for those who have imported this module: one line and an exit code for whatever goes wrong."""
    with interruption.listening():
        code = ending.of(command)
    sys.exit(code)


def _request(**asked: Any) -> "Request":
    from elbo_compare.compare.commands.run import Request

    return Request(**asked)


def _run(request: "Request", *, judged: bool = False) -> "Executed":
    from elbo_compare.compare.commands.run import execute, planned
    from elbo_compare.compare.running.expected import seconds_after

    prepared = planned(request)
    interruption.advise(interruption.RESUME)
    after_s = seconds_after(len(prepared.cells), holds_suites(request.profile, request.expression)) if judged else 0.0
    return execute(prepared, note, STARTED, after_s)


def _given(context: typer.Context) -> list[str]:
    """The options of a command that were given, as they are written: --profile, -k, ..."""
    return [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name
        and parameter.opts[-1].startswith("-")
        and getattr(context.get_parameter_source(parameter.name), "name", "DEFAULT") != "DEFAULT"
    ]


def _run_suite(name: str, output: Path | None, jobs: int | None, resume: bool, given: list[str]) -> int:
    from elbo_compare.compare.commands.run_suites import check_suite, run_command
    from elbo_compare.compare.judging.suites import summary

    suite = check_suite(name, given)
    interruption.advise(interruption.RESUME)
    judged = run_command(suite, output, jobs, resume, note)
    say("\n".join(summary(judged)))
    return judged.exit_code


def _run_suites(request: "Request", executed: "Executed") -> None:
    if not holds_suites(request.profile, request.expression):
        return
    from elbo_compare.compare.commands.run_suites import run_part
    from elbo_compare.compare.running.expected import seconds_after

    began = monotonic()
    run_part(request.folder, request.jobs, note, seconds_after(len(executed.store.keys()), suites=False))
    executed.spans.append(("call", began, monotonic()))  # its programs import the frameworks and call into them


def _drawing_processes(jobs: int | None = None) -> "DrawingProcesses":
    """Processes that draw, by default one per core. Started first: they import while this one does, and judges."""
    from elbo_compare.compare.environment import cores
    from elbo_compare.compare.launching.child import Child
    from elbo_compare.reports.building import DrawingProcesses

    return DrawingProcesses(min(jobs or cores(), cores()), Child)


def _judge_and_report(folder: Path, jobs: int | None, executed: "Executed") -> int:
    interruption.advise(f"The measurements are kept: go on with compare judge {folder} and compare report {folder}.")
    with _drawing_processes(jobs) as drawing:
        from elbo_compare.compare.commands.judge import judge_folder
        from elbo_compare.compare.commands.report import report_folder

        judged = judge_folder(folder)
        page = report_folder(folder, drawing)
    _print_judged(judged)
    say(f"Report: {page}")
    say(executed.account().in_words())
    return judged.exit_code


def _print_judged(judged: "RunEnd") -> None:
    from elbo_compare.compare.commands.judge import in_words

    for line in judged.damaged:
        note(line)
    say("\n".join(in_words(judged)))
