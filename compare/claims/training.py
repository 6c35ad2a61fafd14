"""Training on everybody's noise: the paths coincide, within what rounding does to such a path."""

from elbo_compare.compare.claims import cells, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Rows
from elbo_compare.compare.records import Procedure, Quantity, Strength

FAMILY = "training"
ULPS_ALLOWED = 100.0

TOLERANCE = "100 times the oracle's divergence from itself when its weights move by one ulp; float64 only"
REASON = (
    "Training amplifies rounding by a factor that only the path itself knows, so it is measured on the path. An "
    "implementation errs by some ulps at every step where the oracle was moved by one ulp at the first: 100 covers 50 "
    "steps of about two ulps. A wrong path leaves by 10¹⁰ ulps. In float32 the paths part visibly and are described."
)


def _path(rows: Rows, _: Context) -> list[Judgement]:
    steps = [
        pointwise.compared(row.value, row.reference, ULPS_ALLOWED * row.scale, part=f"step {row.index}", n=row.n)
        for row in rows.all(Quantity.PATH_ELBO)
    ]
    return [pointwise.worst(steps)]


def _weights(rows: Rows, _: Context) -> list[Judgement]:
    tensors = rows.all(Quantity.PATH_DISTANCE)
    return [pointwise.worst([pointwise.distance_within(row, ULPS_ALLOWED * row.scale) for row in tensors])]


def _claim(identifier: str, statement: str, derivation: str, judge) -> Claim:
    return Claim(
        id=identifier,
        family=FAMILY,
        strength=Strength.TRAINING,
        statement=statement,
        derivation=derivation,
        source="Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1, on the batch-mean loss; ε = 10⁻⁸",
        tolerance=TOLERANCE,
        reason=REASON,
        procedure=Procedure.FIT_PATH,
        applies_to=cells.every(cells.not_oracle, cells.float64),
        judge=judge,
    )


CLAIMS = (
    _claim(
        "TRAIN-001",
        "ELBO_t = ELBO*_t at every step t, from the same weights on the same batches with the same noise",
        "Equal gradients and one optimiser give one path; a wrong loss scale, sign or ε gives another.",
        _path,
    ),
    _claim(
        "TRAIN-002",
        "|w_T − w*_T|₂ = 0 for every parameter tensor w after the last step",
        "As TRAIN-001, for what training is for: the weights. It sees tensors that hardly move the ELBO.",
        _weights,
    ),
)
