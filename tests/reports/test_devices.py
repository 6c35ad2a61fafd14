"""CPU and GPU side by side. Every number here is synthetic: none was measured on a GPU."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from elbo_compare.reports.data import CLAIMS, MEASUREMENTS, TIMINGS, VERDICTS, ReportData, complete
from elbo_compare.reports.sections import devices

U64 = 2.0**-53
NAMES = ("torch-hand", "pyro", "numpyro")


def on(device, name, value, quantity="elbo", procedure="evaluate", **more):
    cell = synthetic.cell(procedure, implementation=name, device=device)
    return synthetic.row(cell, quantity, value, **({"reference": -90.0, "scale": 300.0} | more))


def frames(rows, verdicts=(), timings=()):
    return ReportData(
        measurements=complete(pd.DataFrame(rows), MEASUREMENTS),
        verdicts=complete(pd.DataFrame(verdicts, columns=VERDICTS), VERDICTS),
        claims=complete(synthetic.claims(), CLAIMS, numeric=frozenset()),
        environment={},
        answer={},
        ledger=pd.DataFrame(),
        timings=complete(pd.DataFrame(timings, columns=TIMINGS), TIMINGS),
        images={},
    )


def both(shift=3.0):
    """torch-hand and pyro on both devices, numpyro on the CPU; the GPU's ELBO `shift` roundoffs from the CPU's."""
    rows = [on("cpu", name, -90.0 + 300 * U64) for name in NAMES]
    return [*rows, *(on("cuda", name, -90.0 + (1 + shift) * 300 * U64) for name in NAMES[:2])]


def table(section, name):
    return next(block for block in section.blocks if getattr(block, "name", "") == name)


def test_without_a_gpu_the_section_says_not_measured():
    section = devices.build(frames([on("cpu", name, -90.0) for name in NAMES]))
    assert "GPU: not measured" in section.blocks[0].text


def test_both_devices_stand_side_by_side_with_what_lies_between():
    section = devices.build(frames(both()))
    assert "On the GPU: torch-hand, pyro. On the CPU only: numpyro." in section.blocks[0].text
    frame = table(section, "device-agreement").frame
    assert frame["implementation"].tolist() == ["torch-hand", "pyro"]
    spacing = 90 * 2.0**-52 / (300 * U64)  # what one step of a number near 90 is, in units of u x scale
    assert frame["cpu"].tolist() == pytest.approx([1.0] * 2, abs=spacing)
    assert frame["cuda"].tolist() == pytest.approx([4.0] * 2, abs=spacing)
    assert frame["between"].tolist() == pytest.approx([1.5] * 2, abs=spacing)  # 3 of 300 over a scale of 600
    assert frame["pairs"].tolist() == [1, 1]


def test_a_value_that_is_no_number_on_the_gpu_cannot_hide():
    frame = table(devices.build(frames([*both(), on("cuda", "numpyro", np.nan)])), "device-agreement").frame
    assert frame.set_index("implementation").loc["numpyro", ["cuda", "between"]].tolist() == [np.inf, np.inf]


def test_verdicts_are_counted_by_device():
    cells = [synthetic.cell(device=device) for device in ("cpu", "cuda", "cuda")]
    outcomes = ("agrees", "agrees", "differs")
    rows = [{"claim": "KL-001", "outcome": o} | c for o, c in zip(outcomes, cells, strict=True)]
    frame = table(
        devices.build(frames(both(), [{n: r.get(n) for n in VERDICTS} for r in rows])), "device-verdicts"
    ).frame
    assert frame[["on cpu", "on cuda"]].values.tolist() == [
        ["agrees\N{NO-BREAK SPACE}1", "differs\N{NO-BREAK SPACE}1 · agrees\N{NO-BREAK SPACE}1"]
    ]


def test_draws_and_times_are_shown_only_where_both_devices_have_them():
    drawn = [on(at, "pyro", -90.0, "elbo_mean", "draw", n=50, standard_error=0.1) for at in ("cpu", "cuda")]
    alone = on("cuda", "torch-hand", -90.0, "elbo_mean", "draw", n=50, standard_error=0.1)
    time = {
        "implementation": "pyro",
        "estimator": "sampled-kl",
        "problem": "vae@initial",
        "dtype": "float32",
        "size": 100,
    }
    timings = [time | {"device": at, "steady_step_s": s} for at, s in (("cpu", 4e-3), ("cuda", 1e-3))]
    section = devices.build(frames([*both(), *drawn, alone], timings=timings))
    assert table(section, "device-draws").frame["implementation"].tolist() == ["pyro"]
    assert table(section, "device-times").frame[["steady_step_s_cpu", "steady_step_s_cuda"]].values.tolist() == [[4, 1]]
    names = {getattr(block, "name", "") for block in devices.build(frames([*both(), alone])).blocks}
    assert not {"device-draws", "device-times"} & names


def test_the_claim_that_is_named_exists():
    from elbo_compare.compare.claims import CLAIMS as REAL

    assert devices.CLAIM in {claim.id for claim in REAL}
