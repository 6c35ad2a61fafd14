"""`compare search`: its options. The command line imports this: nothing heavy on top."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elbo_compare.compare.commands.vectors import AsJson
from elbo_compare.compare.errors import UsageError, unknown
from elbo_compare.compare.terminal import note, say

if TYPE_CHECKING:
    from elbo_compare.suites.semantics.case import Library

INCOMPLETE = 3


def search(
    models: Annotated[int, typer.Option(min=1, metavar="N", help="Random models.")] = 10,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="The same models on every machine.")] = 0,
    first: Annotated[int, typer.Option(metavar="K", min=0, help="Number of the first model.")] = 0,
    ways: Annotated[int, typer.Option(min=0, metavar="W", help="ELBO classes and options per model, 0: all.")] = 6,
    library: Annotated[str | None, typer.Option(help="pyro or numpyro.  [default: both]")] = None,
    elbo: Annotated[
        str, typer.Option(metavar="CLASS", help="This class alone, as TraceGraph_ELBO.  [default: all]")
    ] = "",
    relatives: Annotated[
        bool,
        typer.Option("--relatives", help="Instead: bounds of two particles, and what is no ELBO."),
    ] = False,
    divergences: Annotated[
        int, typer.Option(min=0, metavar="N", help="Instead: N random draws of every registered KL against quadrature.")
    ] = 0,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="The JSON, beside the text.")] = None,
) -> None:
    """Search for divergences: random models through every ELBO class against exact answers. 1: a new one, 3: lost."""
    from elbo_compare.compare import files
    from elbo_compare.compare.searching.searching import Request
    from elbo_compare.compare.searching.searching import search as searched
    from elbo_compare.compare.searching.text import as_json as jsoned
    from elbo_compare.compare.searching.text import new, text
    from elbo_compare.suites.semantics.case import OF_PROGRAMS, Library
    from elbo_compare.suites.semantics.searching.ways import RELATIVES, WAYS

    if library is not None and library not in OF_PROGRAMS:
        raise UsageError(unknown("library", library, OF_PROGRAMS))
    libraries = (Library(library),) if library else OF_PROGRAMS
    if divergences:
        raise typer.Exit(_divergences(libraries, seed, divergences, output, as_json=as_json))
    known = {way.elbo for each in libraries for way in (RELATIVES if relatives else WAYS)[each]}
    if elbo and elbo not in known:
        raise UsageError(unknown("ELBO class", elbo, known))
    asked = Request(
        models=models, seed=seed, first=first, ways=ways, elbo=elbo, libraries=libraries, relatives=relatives
    )
    found = searched(asked, note)
    if output is not None:
        files.write_atomically(output, jsoned(found).encode())
    say(jsoned(found) if as_json else "\n".join(text(found)))
    raise typer.Exit(1 if new(found) else INCOMPLETE if found.lost else 0)


def _divergences(libraries: "Sequence[Library]", seed: int, each: int, output: Path | None, *, as_json: bool) -> int:
    import json

    from elbo_compare.compare import files
    from elbo_compare.compare.searching.divergences import divergences, lines, recognised

    content, said, fresh, lost = {}, [], False, False
    for library in libraries:
        found = divergences(library, seed, each)
        if isinstance(found, str):
            said, lost = [*said, f"Not searched: {library}: {found}"], True
            continue
        content[str(library)] = found
        said += lines(library, found)
        fresh = fresh or any(recognised(library, name, pair)[1] for name, pair in found.items())
    text = json.dumps(content, indent=1)
    if output is not None:
        files.write_atomically(output, text.encode())
    say(text if as_json else "\n".join(said))
    return 1 if fresh else INCOMPLETE if lost else 0
