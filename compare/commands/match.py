"""`compare match`: its options. The command line imports this: nothing heavy on top."""

from typing import Annotated

import typer

from elbo_compare.compare.commands.vectors import AsJson, Seconds
from elbo_compare.compare.terminal import say


def match(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="LOSS MODEL GUIDE | MODEL GUIDE -- MODEL2 GUIDE2", help="Each one FILE.py:NAME or MODULE:NAME."
        ),
    ],
    ties: Annotated[
        list[str] | None, typer.Option("--tie", metavar="THEIRS=OURS", help="A weight, or a prefix, of both sides.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="FILE.npy, FILE.npz, digits, mnist, or FILE.py:NAME.  [default: random rows]")
    ] = "",
    verbose: Annotated[bool, typer.Option(help="Every weight and total, where the time went.")] = False,
    as_json: AsJson = False,
    timeout: Seconds = 120.0,
) -> None:
    """Is a loss what a Pyro or NumPyro pair computes, is a pair another? Which term differs. 0 same, 1 differs."""
    from elbo_compare.compare.matching.process import match_targets

    answer = match_targets(targets, ties=ties or (), data=data, timeout_s=timeout, verbose=verbose)
    say(answer.json if as_json else answer.text)
    raise typer.Exit(answer.exit_code)
