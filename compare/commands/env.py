"""`compare env`: environments of their own for libraries that others would disturb. The command line imports this."""

from typing import Annotated

import typer

from elbo_compare.compare.terminal import note, say

env = typer.Typer(no_args_is_help=True, help="Environments of their own, for libraries that need one: list, create.")


@env.command("list")
def list_() -> None:
    """List them: what each holds, and whether it is there."""
    from elbo_compare.compare.launching.environments import known

    for each in known().values():
        hashed = ", with hashes" if each.hashes else ""
        say(f"{each.name}: {each.lacking() or 'there'}; {each.pins[0]} and {len(each.pins) - 1} more{hashed}")


@env.command("create")
def create_(name: Annotated[str, typer.Argument(metavar="NAME", help="One of `compare env list`.")]) -> None:
    """Make one: a venv with exact versions from the package registry. What needs it then runs in it."""
    from elbo_compare.compare.launching import interruption
    from elbo_compare.compare.launching.environments import of

    named = of(name)
    interruption.advise(f"Nothing is left of it: {named.command}")
    note(f"Installing {len(named.pins)} distributions for {name}; this takes minutes.")
    named.create()
    say(f"{name}: there, with {named.pins[0]}.")
