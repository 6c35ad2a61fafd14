"""CPU and GPU compute the same numbers."""

from elbo_compare.compare.claims import cells, pointwise
from elbo_compare.compare.claims.claim import Claim, Context, Judgement, Pairing, Rows
from elbo_compare.compare.records import Procedure, Quantity, Strength

TERMS = (Quantity.ELBO, Quantity.KL, Quantity.LOG_LIKELIHOOD)


def _same_on_both(gpu: Rows, cpu: Rows, _: Context) -> list[Judgement]:
    terms = [term for term in TERMS if gpu.some(term) or cpu.some(term) or term is not Quantity.LOG_LIKELIHOOD]
    return [pointwise.worst([pointwise.both_within_rounding(gpu, cpu, term) for term in terms])]


CLAIMS = (
    Claim(
        id="DEV-001",
        family="device",
        strength=Strength.POINTWISE,
        statement="ELBO, KL and likelihood term on the GPU = on the CPU, same implementation, same noise, same dtype",
        derivation="IEEE arithmetic in another order: only rounding may differ. TF32 (10 bits) would show in float32.",
        source="IEEE 754-2019; NVIDIA, Floating Point and IEEE 754 Compliance for NVIDIA GPUs",
        tolerance="16 u (S_gpu + S_cpu)",
        reason=pointwise.REASON,
        procedure=Procedure.EVALUATE,
        applies_to=lambda cell: cell.device == "cuda",
        subject="cell on a CUDA device",
        pairing=Pairing(
            partner=cells.every(cells.not_oracle, lambda cell: cell.device == "cpu"),
            key=cells.same_noise_any_device,
            judge=_same_on_both,
            wanted="cell of this implementation on the CPU",
        ),
    ),
)
