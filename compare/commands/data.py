"""`compare data`: which real data sets there are, and an explicit download of one."""

from pathlib import Path
from typing import Annotated

import typer

from elbo_compare.compare.terminal import say

data = typer.Typer(no_args_is_help=True, help="Data sets that are read from files: list them, or download one.")

Folder = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where the files are.  [default: $ELBO_COMPARE_DATA]")
]


@data.command("list")
def list_(folder: Folder = None) -> None:
    """List the data sets: files, addresses, hashes with their source, and which files are in DIR."""
    from elbo_compare.compare.commands.fetching import catalogue, chosen_folder

    say("\n".join(catalogue(chosen_folder(folder))))


@data.command("fetch")
def fetch_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of `compare data list`.")],
    folder: Folder = None,
) -> None:
    """Download a data set's files into DIR and check their hashes; never done by any other command."""
    from elbo_compare.compare.commands.fetching import chosen_folder, fetch

    for line in fetch(name, chosen_folder(folder)):
        say(line)
