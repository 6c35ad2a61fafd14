"""What was to be reached and what was, and in words where a library's form is slower than its plain one."""

from collections.abc import Iterable, Iterator, Mapping
from math import isnan, nan, nextafter
from typing import Any

import pandas as pd

from elbo_compare.compare.bench.frames import ACCOUNTED, ratio
from elbo_compare.compare.records import Outcome, SuiteVerdict
from elbo_compare.suites.contract import Device, Kind
from elbo_compare.suites.forms import FORMS

Frame = Any  # pandas.DataFrame, which no checker can narrow after `frame[mask]`
# Of the rate of the model's own products alone, in the framework and the way that is fastest at them, by batch: a share
# of one's own framework's large product says as much of that framework's products as of the step.
SHARES = {100: 0.75, 1000: 0.85}
EXPLAINED = 0.95  # of a step's time, by its parts: neither more than a twentieth missing nor counted twice
REDUCED_SHARE = 0.60  # on a GPU: hidden 4,096, batch 4,096, the best hand-written form in TF32 or bfloat16
REDUCED = ("torch-hand TF32", "torch-hand bfloat16")
FLOOR = 2.0  # on a GPU: a small model's step over the time of as many kernels that do nothing
UNROLLED = ("torch-hand CUDA graph", "jax-hand scan", "jax-hand joined scan")  # one call starts all their kernels
LIBRARY_OF = {"torch-hand": "pyro", "jax-hand": "numpyro"}
SPEED_UPS = {
    ("pyro", "vae"): 2.0,
    ("numpyro", "vae"): 5.0,
    ("pyro", "gaussian-kl"): 50.0,
    ("numpyro", "gaussian-kl"): 50.0,
}
PLAIN = {form.implementation: form.plain for form in FORMS if form.kind is Kind.LIBRARY}
MANY = 32  # seeds in one program: at most as many single trainings on a CPU, at most 4 on a GPU
MANY_ON_GPU = 4.0
# Unit roundoffs of the largest value: 16 of a sum of absolute terms, as the pointwise claims allow, and such sums are
# up to 64 times what is left of them (log q - log p, 784 pixels). Other random numbers are a million roundoffs away.
DRAW_ROUNDOFFS = 16.0 * 64.0


WORDS: Mapping[Outcome | None, str] = {
    Outcome.AGREES: "reached",
    Outcome.DIFFERS: "missed",
    Outcome.INCONCLUSIVE: "not decided",
    Outcome.NOT_RUN: "not measured",
}
Spread = tuple[float, float, float]  # the median over rounds and its interval
NONE: Spread = (nan, nan, nan)


def target(what: str, wanted: str, found: Spread, mark: float, by: str = "", least: bool = False) -> SuiteVerdict:
    """AGREES or DIFFERS where the whole interval lies on one side of the mark, INCONCLUSIVE where it holds the mark or
    there is none (fewer than six rounds), NOT_RUN where nothing was measured. `least`: the mark is a floor."""
    value, low, high = found
    outcome = Outcome.NOT_RUN
    if not isnan(value):
        above, below = low >= mark, high <= mark
        outcome = {(True, False): Outcome.AGREES, (False, True): Outcome.DIFFERS}.get(
            (above, below) if least else (below, above), Outcome.AGREES if low == high == mark else Outcome.INCONCLUSIVE
        )
    return SuiteVerdict(
        id="", subject=by, case=what, rule=wanted, value=value, shown_low=low, shown_high=high, outcome=outcome
    )


def _row(each: SuiteVerdict) -> dict[str, Any]:
    return {
        "target": each.case,
        "wanted": each.rule,
        "value": each.value,
        "low": each.shown_low,
        "high": each.shown_high,
        "by": each.subject,
        "outcome": WORDS[each.outcome],
    }


def spread_of(row: Any, name: str) -> Spread:
    """A median with its interval, as a frame's row holds them."""
    return float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"])


def targets(tables: Mapping[str, Frame]) -> pd.DataFrame:
    """Every target with its number. Its outcome is read off the median's interval, three-way."""
    steps, rounds = tables["steps"], tables["rounds"]
    rows = [*of_steps(steps, rounds), *of_account(tables["account"]), *of_draws(tables["draws"])]
    on_gpu = len(steps) > 0 and bool((steps["device"] == Device.CUDA).any())
    rows += [of_replicas(tables["replicas"], name, on_gpu) for name in LIBRARY_OF]
    return pd.DataFrame(map(_row, [*rows, _reduced(steps, on_gpu), _floor(steps, on_gpu)]))


def of_steps(steps: Frame, rounds: Frame) -> list[SuiteVerdict]:
    """The targets of the steps in these frames."""
    if not len(steps):
        return []
    return [*_shares(steps), *_against_libraries(steps, rounds), *_against_peers(steps, rounds)]


def undecided(found: Iterable[SuiteVerdict]) -> bool:
    """Whether an interval holds its mark, so that more rounds could decide; without intervals none is asked for."""
    return any(each.outcome is Outcome.INCONCLUSIVE and not isnan(each.shown_low) for each in found)


def best(steps: Frame, setting: str, **where: str) -> Any | None:
    """The fastest timed form in a setting, of an implementation or a kind."""
    found = steps[(steps["setting"] == setting) & (steps["status"] == "ok") & ~steps["step_s"].isna()]
    for column, value in where.items():
        found = found[found[column] == value]
    return None if found.empty else found.loc[found["step_s"].idxmin()]


def _settings(steps: Frame) -> Iterator[tuple[str, Any]]:
    for setting, part in steps.groupby("setting", sort=False):
        yield str(setting), part.iloc[0]


def _shares(steps: Frame) -> Iterator[SuiteVerdict]:
    for setting, first in _settings(steps):
        wanted = SHARES.get(first["batch"])
        if wanted is None or first["problem"] != "vae" or first["device"] != Device.CPU:
            continue
        form = best(steps, setting, kind=Kind.HAND)
        found = NONE if form is None else spread_of(form, "products_share")
        what = f"{setting}: the best hand-written form's share of the rate of the model's own products alone"
        yield target(what, f"≥ {wanted:.0%}", found, wanted, "" if form is None else form["form"], least=True)


def of_account(account: Frame) -> Iterator[SuiteVerdict]:
    """How much of a step its parts explain."""
    for row in account[account["part"] == ACCOUNTED].to_dict("records") if len(account) else ():
        what = f"{row['setting']}: share of the step's time that its parts account for"
        yield target(what, f"≥ {EXPLAINED:.0%}", spread_of(row, "share"), EXPLAINED, row["form"], least=True)


def _between(rounds: Frame, setting: str, one: str, other: str) -> Spread:
    """Median over rounds of the ratio of two forms' times, and its interval."""
    here = rounds[rounds["setting"] == setting].pivot(index="round", columns="form", values="step_s")
    if one not in here or other not in here:
        return NONE
    both = here[[one, other]].dropna()
    found = ratio("ratio", both[one].tolist(), both[other].tolist())
    return spread_of(found, "ratio")


def _against_libraries(steps: Frame, rounds: Frame) -> Iterator[SuiteVerdict]:
    for setting, _ in _settings(steps):
        for hand, library in LIBRARY_OF.items():
            ours, theirs = best(steps, setting, implementation=hand), best(steps, setting, implementation=library)
            found, by = NONE, ""
            if ours is not None and theirs is not None:
                found = _between(rounds, setting, ours["form"], theirs["form"])
                by = f"{ours['form']} / {theirs['form']}"
            yield target(f"{setting}: {hand}'s time over {library}'s best", "≤ 1", found, 1, by)


def _against_peers(steps: Frame, rounds: Frame) -> Iterator[SuiteVerdict]:
    for setting, _ in _settings(steps):
        ours = best(steps, setting, kind="by hand")
        for peer in steps[(steps["setting"] == setting) & (steps["kind"] == "peer")]["form"]:
            found = NONE if ours is None else _between(rounds, setting, ours["form"], peer)
            by = "" if ours is None else f"{ours['form']} / {peer}"
            yield target(f"{setting}: our best form's time over {peer}'s", "< 1", found, nextafter(1, 0), by)


def of_draws(draws: Frame) -> Iterator[SuiteVerdict]:
    """The libraries' blocks of draws against their loops."""
    for (library, problem), wanted in SPEED_UPS.items():
        here = [
            row for row in draws.to_dict("records") if (row["implementation"], row["problem"]) == (library, problem)
        ]
        if not here:
            yield target(
                f"{library}, {problem}: draws per second over the loop's", f"≥ {wanted:g}", NONE, wanted, least=True
            )
            continue
        for row in here:
            what = f"{library}, {problem}: draws per second over the {row['loop']}'s"
            yield target(what, f"≥ {wanted:g}", spread_of(row, "speed_up"), wanted, least=True)


def of_replicas(replicas: Frame, implementation: str, on_gpu: bool) -> SuiteVerdict:
    """32 seeds of `vae` in one program."""
    column, wanted, of = (
        ("over_one", MANY_ON_GPU, "one training's") if on_gpu else ("over_singles", 1.0, f"{MANY} single trainings'")
    )
    found = NONE
    if len(replicas):
        here = replicas[(replicas["implementation"] == implementation) & (replicas["problem"] == "vae")]
        many = here[here["replicas"] == MANY]
        found = spread_of(many.iloc[0], column) if len(many) else NONE
    what = f"{MANY} seeds of vae in one program, {implementation}: time over {of}"
    return target(what, f"≤ {wanted:g}", found, wanted)


def _reduced(steps: Frame, on_gpu: bool) -> SuiteVerdict:
    """The share of the ceiling in the same precision."""
    what = "GPU, hidden 4,096, batch 4,096, TF32 or bfloat16: share of the matrix-product ceiling"
    wanted = f"≥ {REDUCED_SHARE:.0%}"
    if not on_gpu:
        return target(what, wanted, NONE, nan)
    found = steps[steps["form"].isin(REDUCED) & (steps["batch"] == 4096) & steps["share"].notna()]
    if found.empty:
        return target(what, wanted, NONE, nan)
    row = found.loc[found["share"].idxmax()]
    return target(what, wanted, spread_of(row, "share"), REDUCED_SHARE, row["form"], least=True)


def _floor(steps: Frame, on_gpu: bool) -> SuiteVerdict:
    """The small model's step over the launch floor."""
    what, wanted = "GPU, vae, batch 100: time per step over the launch floor's", f"≤ {FLOOR:g}"
    if not on_gpu:
        return target(what, wanted, NONE, nan)
    found = steps[steps["form"].isin(UNROLLED) & (steps["batch"] == 100) & steps["floor_ratio"].notna()]
    if found.empty:
        return target(what, wanted, NONE, nan)
    row = found.loc[found["floor_ratio"].idxmin()]
    return target(what, wanted, spread_of(row, "floor_ratio"), FLOOR, row["form"])


def remarks(tables: Mapping[str, Frame]) -> list[str]:
    """Sentences: where a library's form is slower than its plain one, which forms were refused, which draws differ."""
    steps, rounds, lines = tables["steps"], tables["rounds"], []
    for setting, _ in _settings(steps) if len(steps) else ():
        here = steps[(steps["setting"] == setting)]
        for name, plain in PLAIN.items():
            for form in here[(here["implementation"] == name) & (here["status"] == "ok")]["form"]:
                value, low, _ = NONE if form == plain else _between(rounds, setting, form, plain)
                if value > 1 and not low <= 1:
                    certain = "" if low > 1 else " (too few rounds for an interval)"
                    lines.append(f"{setting}: {form} takes {value:.2f} times as long as {plain}{certain}.")
        for _, row in here[here["status"] == "refused"].iterrows():
            lines.append(f"{setting}: {row['form']} was not timed, since it is not the same step: {row['reason']}.")
    return lines + [
        f"{row['implementation']}, {row['problem']}: the draws of blocks and of single calls differ, by "
        f"{max(row['elbo_distance'], row['kl_distance']):.3g} unit roundoffs: their rates are of two different things."
        for row in tables["draws"].to_dict("records")
        if not max(row["elbo_distance"], row["kl_distance"]) <= DRAW_ROUNDOFFS
    ]
