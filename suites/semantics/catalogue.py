"""All cases of the semantics suite, by family; IDs are permanent."""

from suites.semantics.case import Case
from suites.semantics.families import delta, fallback, plate, scale

FAMILIES: dict[str, tuple[Case, ...]] = {"scale": scale.CASES, "fallback": fallback.CASES, "plate": plate.CASES, "delta": delta.CASES}
CASES: tuple[Case, ...] = tuple(case for cases in FAMILIES.values() for case in cases)
BY_ID: dict[str, Case] = {case.id: case for case in CASES}
