"""Results as a run would hand them over, for tests of claims: right by default, with one row changed by `altered`."""

from dataclasses import replace
from math import sqrt

from elbo_compare.compare.records import Cell, CellResult, Measurement, Procedure, Quantity, Status

LATENT = 40
DRAWS = 50_000
HALF_LOG_TWO_PI = 0.91893853320467274178


def cell(**fields) -> Cell:
    """A cell of torch-hand evaluating the sampled KL of `vae`, but for `fields`."""
    plain = {
        "problem": "vae",
        "weights": "trained",
        "dataset": "mnist-5k",
        "implementation": "torch-hand",
        "estimator": "sampled-kl",
        "procedure": Procedure.EVALUATE,
        "dtype": "float64",
        "device": "cpu",
        "seed": 0,
        "size": 7,
    }
    return Cell(**(plain | fields))


def result(of: Cell, rows: list[Measurement]) -> CellResult:
    return CellResult(cell=of, status=Status.OK, measurements=tuple(rows))


def ended(of: Cell, status: Status, reason: str) -> CellResult:
    return CellResult(cell=of, status=status, reason=reason)


def row(quantity: Quantity, value: float, **fields) -> Measurement:
    return Measurement(quantity=quantity, value=value, **({"reference": value} | fields))


def evaluated(of: Cell, *, dropped: bool = True) -> CellResult:
    """Every row of a correct EVALUATE cell: KL 25 (sampled) or 24 (analytic), likelihood -80, dropped normalisers."""
    kl = 24.0 if "analytic" in of.estimator or "mean-field" in of.estimator else 25.0
    offset = LATENT * HALF_LOG_TWO_PI if dropped else 0.0
    raw = 80.0 + kl
    return result(
        of,
        [
            row(Quantity.ELBO, -80.0 - kl, scale=300.0, n=of.size),
            row(Quantity.KL, kl, scale=120.0, n=of.size),
            row(Quantity.LOG_LIKELIHOOD, -80.0, scale=180.0, n=of.size),
            row(Quantity.LOG_Q, -38.0 + offset, reference=-38.0, scale=60.0, n=of.size),
            row(Quantity.LOG_PRIOR, -63.0 + offset, reference=-63.0, scale=60.0, n=of.size),
            row(Quantity.GRADIENT_DISTANCE, 1e-15, part="encoder.mean.weight", reference=3.0, scale=9.0),
            row(Quantity.GRADIENT_DISTANCE, 1e-15, part="decoder.output.bias", reference=2.0, scale=4.0),
            row(Quantity.GRADIENT_DIRECTION, 0.0, part="encoder.mean.weight", scale=9.0),
            row(Quantity.GRADIENT_DIRECTION, 2.0, part="decoder.output.bias", scale=4.0),
            row(Quantity.RAW_LOSS, raw, part="- mean", scale=300.0),
            row(Quantity.RAW_LOSS_SPLIT, raw, part="- mean", scale=300.0),
            row(Quantity.KL_DETERMINISTIC, 24.0, scale=120.0, n=2),
            row(Quantity.ELBO_DETERMINISTIC, -100.0, scale=300.0, n=80),
            row(Quantity.FLOW_KL_DETERMINISTIC, 24.0, scale=120.0, n=80),
            row(Quantity.KL_OF_HEADS, kl, scale=120.0, n=of.size),
            row(Quantity.LOG_EVIDENCE, -80.0 - kl, n=of.size),
        ],
    )


def drawn(of: Cell, n: int = DRAWS) -> CellResult:
    """Every row of a correct DRAW cell whose variances are not zero."""
    return result(
        of,
        [
            mean_row(Quantity.ELBO_MEAN, -105.0, 8.0, n),
            mean_row(Quantity.KL_MEAN, 24.0, 6.0, n),
            variance_row(Quantity.ELBO_VARIANCE, 64.0, n),
            variance_row(Quantity.KL_VARIANCE, 36.0, n),
            row(Quantity.KL_EXACT, 10.0),
            row(Quantity.LOG_EVIDENCE, -100.0),
            row(Quantity.TIE, -105.1, scale=105.1, n=n),
        ],
    )


def constant(of: Cell, n: int = 1_000) -> CellResult:
    """A correct DRAW cell whose draws are all equal."""
    return result(
        of,
        [
            row(
                Quantity.ELBO_DEVIATION,
                1e-14,
                reference=-100.0,
                scale=300.0,
                n=n,
                least=-100.0 - 1e-14,
                largest=-100.0 + 1e-14,
            ),
            row(Quantity.KL_DEVIATION, 1e-14, reference=24.0, scale=120.0, n=n),
            row(Quantity.LOG_EVIDENCE, -100.0),
        ],
    )


def differentiated(of: Cell, n: int = DRAWS) -> CellResult:
    """Every row of a correct GRADIENT cell."""
    return result(
        of,
        [
            variance_row(Quantity.GRADIENT_VARIANCE, 5.0, n, part="mean"),
            variance_row(Quantity.GRADIENT_VARIANCE, 7.0, n, part="log_var"),
            mean_row(Quantity.GRADIENT_PROJECTION, 0.3, 2.0, n, part="mean"),
            mean_row(Quantity.GRADIENT_PROJECTION, 0.1, 1.0, n, part="log_var"),
        ],
    )


def weighed(of: Cell, n: int = DRAWS, sd: float = 3.0) -> CellResult:
    """Every row of a correct LIKELIHOOD cell of ten data; `sd`: of a weight over its mean."""
    error = sd / sqrt(n)
    return result(
        of,
        [
            *(row(Quantity.LOG_PX, -7.0 - i, index=i, n=n, standard_error=error, scale=sd) for i in range(10)),
            row(Quantity.LOG_PX_MEAN, -11.5, n=10, standard_error=0.3, scale=error / sqrt(10)),
            *(row(Quantity.LOG_WEIGHT_DEVIATION, 1e-14, index=i, n=n, scale=300.0) for i in range(10)),
        ],
    )


def spread(of: Cell, pairs: int = 64) -> CellResult:
    """Every row of a right SPREAD or FIT_PAIRS cell: quieter gradients with the analytic KL, and quieter values only
    where the weights are initial ones; a little ahead."""
    analytic = "analytic" in of.estimator
    louder = of.procedure is Procedure.FIT_PAIRS or of.weights == "trained"
    value = (1.5 if louder else 0.5) if analytic else 1.0
    rows = []
    for i in range(pairs):
        rows += [
            row(Quantity.ELBO_SPREAD, 9.0 * value * (1 + i / 900), index=i, n=1_000),
            row(Quantity.GRADIENT_SPREAD, (5.0 if analytic else 7.0) * (1 + i / 900), index=i, n=1_000),
            row(Quantity.PAIR_ELBO, -100.0 + 0.1 * analytic + i / 900, index=i, n=297),
        ]
    return result(of, rows)


def path(of: Cell) -> CellResult:
    """Every row of a correct FIT_PATH cell."""
    return result(
        of,
        [
            *(row(Quantity.PATH_ELBO, -200.0 + step, index=step, scale=1e-13) for step in range(3)),
            row(Quantity.PATH_DISTANCE, 1e-14, part="encoder.mean.weight", reference=3.0, scale=1e-14),
        ],
    )


def mean_row(quantity: Quantity, value: float, sd: float, n: int, **fields) -> Measurement:
    return row(quantity, value, scale=sd, standard_error=sd / sqrt(n), n=n, **fields)


def variance_row(quantity: Quantity, value: float, n: int, **fields) -> Measurement:
    """Of normal draws: relative standard error sqrt(2 / n)."""
    return row(quantity, value, standard_error=value * sqrt(2 / n), n=n, unit="nats^2", **fields)


def altered(given: CellResult, quantity: Quantity, **fields) -> CellResult:
    """The same result with `fields` of every row of `quantity` replaced; `shift` and `factor` change its value."""
    shift, factor = fields.pop("shift", 0.0), fields.pop("factor", 1.0)
    rows = [
        replace(each, **({"value": each.value * factor + shift} | fields)) if each.quantity is quantity else each
        for each in given.measurements
    ]
    assert tuple(rows) != given.measurements
    return replace(given, measurements=tuple(rows))


def without(given: CellResult, quantity: Quantity) -> CellResult:
    return replace(given, measurements=tuple(each for each in given.measurements if each.quantity is not quantity))
