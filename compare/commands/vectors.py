"""`compare vectors`: write the test vectors, or hold a function against them."""

from pathlib import Path
from typing import Annotated

import typer

from elbo_compare.compare.terminal import say

vectors = typer.Typer(
    no_args_is_help=True, help="Test vectors for any language: write them, or run them on a function."
)

Kind = Annotated[str | None, typer.Option(help="What the function computes.  [default: from its name and parameters]")]
Mapping = Annotated[list[str] | None, typer.Option("--map", metavar="THEIRS=OURS", help="Say what a parameter is.")]
Framework = Annotated[str | None, typer.Option(help="torch, jax or numpy.  [default: found by trying]")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as one JSON object.")]
Seconds = Annotated[
    float, typer.Option("--timeout", metavar="S", min=0.1, help="Seconds that the target may take, imports aside.")
]


@vectors.command("write")
def write_(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")]) -> None:
    """Write one JSON file per claim family, and their JSON Schema, into DIR."""
    from elbo_compare.compare.vectors.write import write

    for path in write(folder):
        say(path)


@vectors.command("run")
def run_(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="FILE.py:FUNCTION or MODULE:FUNCTION.")],
    kind: Kind = None,
    mapping: Mapping = None,
    framework: Framework = None,
    as_json: AsJson = False,
    timeout: Seconds = 120.0,
) -> None:
    """Hold a function against the vectors of its kind: 0 right, 1 wrong, 2 can't be loaded, 3 raises or gives NaN."""
    from elbo_compare.compare.vectors.process import run_vectors

    answer = run_vectors(target, kind=kind, mapping=mapping or (), framework=framework, timeout_s=timeout)
    say(answer.json if as_json else answer.text)
    raise typer.Exit(answer.exit_code)
