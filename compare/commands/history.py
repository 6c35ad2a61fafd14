"""`compare history`: its options. The command line imports this: nothing heavy on top."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.launching import interruption
from elbo_compare.compare.terminal import note, say

if TYPE_CHECKING:
    from elbo_compare.compare.history.releases import Release
    from elbo_compare.suites.semantics.case import Library


def history(
    library: Annotated[str, typer.Option(help="pyro, numpyro, tfp, pymc.")] = "pyro",
    case: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="SEM-…, again and again.  [default: all]")
    ] = None,
    version: Annotated[list[str] | None, typer.Option(metavar="V", help="As 1.8.5.  [default: all]")] = None,
    new: Annotated[bool, typer.Option("--new", help="Only releases that the registry has and DIR lacks.")] = False,
    output: Annotated[Path, typer.Option("-o", metavar="DIR", help="Goes on where it was.")] = Path("results/history"),
) -> None:
    """What a library's ELBO objects meant, release by release: right, registered, other, raises. 3: one is missing."""
    from elbo_compare.compare.history.running import run_release
    from elbo_compare.compare.history.writing import write
    from elbo_compare.compare.running.locking import held
    from elbo_compare.suites.semantics.catalogue import BY_ID

    chosen = _releases(library, version or [], new, output)
    for each in case or []:
        if each.upper() not in BY_ID:
            raise UsageError(unknown("case", each, BY_ID))
    cases = [BY_ID[each.upper()] for each in case] if case else list(BY_ID.values())
    interruption.advise("What has finished is kept: the same command goes on.")
    with held(output):
        for release in chosen:
            run_release(output, release, cases, note, claims=not case)
        page, missing = write(output, chosen[0].library if chosen else _library(library), say)
    say(f"Page: {page}")
    raise typer.Exit(3 if missing else 0)


def _library(name: str) -> "Library":
    from elbo_compare.compare.history.releases import VERSIONS

    if name not in VERSIONS:
        raise UsageError(unknown("library with a history", name, map(str, VERSIONS)))
    return next(each for each in VERSIONS if each == name)


def _releases(name: str, versions: list[str], new: bool, folder: Path) -> list["Release"]:
    """Those that are asked for, a version that nobody knows is tried, and its row says what came of it."""
    from elbo_compare.compare.history.releases import VERSIONS, Release, place, releases
    from elbo_compare.compare.launching.interpreter import available

    library = _library(name)
    if not new:
        return [Release(library=library, version=each) for each in versions] or list(releases(library))
    oldest = place(VERSIONS[library][0])
    there = {path.name for path in (folder / library).glob("*") if path.is_dir()}
    found = available(Release(library=library, version="").distribution)
    wanted = [each for each in found if each not in there and place(each) >= oldest]
    return [Release(library=library, version=each) for each in sorted(wanted, key=place)]
