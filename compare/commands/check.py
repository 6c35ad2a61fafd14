"""`compare check`: its options. The command line imports this: nothing heavy on top."""

from typing import Annotated

import typer

from elbo_compare.compare.commands.vectors import AsJson, Framework, Kind, Mapping, Seconds


def check(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="FILE.py:NAME or MODULE:NAME: a function, Class.method, object, model."),
    ],
    init: Annotated[str | None, typer.Option(metavar="JSON", help="A whole model's arguments.")] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="A whole model's loss.  [default: found]")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="ROWS", help="A whole model's data: FILE.npy, digits, mnist.")
    ] = None,
    frozen: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="A whole model's part that is not trained, on purpose.")
    ] = None,
    kind: Kind = None,
    mapping: Mapping = None,
    framework: Framework = None,
    likelihood: Annotated[str | None, typer.Option(help="bernoulli, normal, laplace, …  [default: by value]")] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="beta, free-bits, capacity, annealing, per-pixel, scaled, prior, kl-balancing, iwae, renyi."),
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A number it needs.")
    ] = None,
    args: Annotated[str, typer.Option(metavar="A,B,…", help="What *args takes, in order.")] = "",
    batch: Annotated[int | None, typer.Option(metavar="N", help="Fixed rows.  [default: several]")] = None,
    latent: Annotated[int | None, typer.Option(metavar="N", help="Fixed latents.  [default: several]")] = None,
    observed: Annotated[int | None, typer.Option(metavar="N", help="Fixed observed.  [default: several]")] = None,
    verbose: Annotated[bool, typer.Option(help="Every claim, how it was called, where the time went.")] = False,
    as_json: AsJson = False,
    timeout: Seconds = 120.0,  # a whole JAX model is compiled on a busy machine
) -> None:
    """Judge your own KL, loss or VAE: 0 right or by design, 1 wrong, 2 not loaded, 3 raises, hangs or gives NaN."""
    from elbo_compare.compare.checking.command import check_command, constants_of

    raise typer.Exit(
        check_command(
            target,
            model={"init": init, "loss": loss, "data": data, "frozen": frozen},
            kind=kind,
            mapping=mapping or (),
            framework=framework,
            likelihood=likelihood,
            objective=objective,
            constants=constants_of(constants or ()),
            args=[name.strip() for name in args.split(",") if name.strip()],
            batch=batch,
            latent=latent,
            observed=observed,
            verbose=verbose,
            as_json=as_json,
            timeout_s=timeout,
        )
    )
