"""What was to be reached and what was, and in words where a library's form is slower than its plain one."""

from collections.abc import Iterator
from math import isnan, nan
from typing import Any

import pandas as pd

from compare.bench.frames import ratio

Frame = Any  # pandas.DataFrame, which no checker can narrow after `frame[mask]`
SHARES = {("jax-hand", 100): 0.50, ("torch-hand", 100): 0.45, ("jax-hand", 1000): 0.75, ("torch-hand", 1000): 0.75}
LIBRARY_OF = {"torch-hand": "pyro", "jax-hand": "numpyro"}
SPEED_UPS = {
    ("pyro", "vae"): 2.0,
    ("numpyro", "vae"): 5.0,
    ("pyro", "gaussian-kl"): 50.0,
    ("numpyro", "gaussian-kl"): 50.0,
}
NOT_HERE = (
    "GPU, hidden 4,096, batch 4,096, bfloat16 or TF32: 60% of the matrix-product ceiling",
    "GPU, vae: within 2x of the launch floor",
    "32 replicas on 2 cores: no more than 32 single runs",
)


def target(what: str, wanted: str, value: float, reached: bool, by: str = "") -> dict[str, Any]:
    """One row; `outcome` is `reached`, `missed` or `not measured`."""
    outcome = "not measured" if isnan(value) else "reached" if reached else "missed"
    return {"target": what, "wanted": wanted, "value": value, "by": by, "outcome": outcome}


def targets(steps: Frame, rounds: Frame, draws: Frame) -> pd.DataFrame:
    """Every target with its number. A target is reached when the median is on its side of the mark."""
    rows = [*_shares(steps), *_against_libraries(steps, rounds), *_against_peers(steps, rounds), *_draws(draws)]
    rows += [target(what, "", nan, False) for what in NOT_HERE]
    return pd.DataFrame(rows)


def best(steps: Frame, setting: str, **where: str) -> Any | None:
    """The fastest timed form in a setting, of an implementation or a kind."""
    found = steps[(steps["setting"] == setting) & (steps["status"] == "ok") & ~steps["step_s"].isna()]
    for column, value in where.items():
        found = found[found[column] == value]
    return None if found.empty else found.loc[found["step_s"].idxmin()]


def _settings(steps: Frame) -> Iterator[tuple[str, Any]]:
    for setting, part in steps.groupby("setting", sort=False):
        yield str(setting), part.iloc[0]


def _shares(steps: Frame) -> Iterator[dict[str, Any]]:
    for setting, first in _settings(steps):
        for (implementation, batch), wanted in SHARES.items():
            if batch != first["batch"] or first["problem"] != "vae" or first["device"] != "cpu":
                continue
            form = best(steps, setting, implementation=implementation)
            value = nan if form is None else float(form["share"])
            what = f"{setting}: {implementation}'s share of the matrix-product ceiling"
            yield target(what, f"≥ {wanted:.0%}", value, value >= wanted, "" if form is None else form["form"])


def _between(rounds: Frame, setting: str, one: str, other: str) -> tuple[float, float]:
    """Median over rounds of the ratio of two forms' times, and the lower end of its interval."""
    here = rounds[rounds["setting"] == setting].pivot(index="round", columns="form", values="step_s")
    if one not in here or other not in here:
        return nan, nan
    both = here[[one, other]].dropna()
    found = ratio("ratio", both[one].tolist(), both[other].tolist())
    return found["ratio"], found["ratio_low"]


def _against_libraries(steps: Frame, rounds: Frame) -> Iterator[dict[str, Any]]:
    for setting, _ in _settings(steps):
        for hand, library in LIBRARY_OF.items():
            ours, theirs = best(steps, setting, implementation=hand), best(steps, setting, implementation=library)
            value, by = nan, ""
            if ours is not None and theirs is not None:
                value, _ = _between(rounds, setting, ours["form"], theirs["form"])
                by = f"{ours['form']} / {theirs['form']}"
            yield target(f"{setting}: {hand}'s time over {library}'s best", "≤ 1", value, value <= 1, by)


def _against_peers(steps: Frame, rounds: Frame) -> Iterator[dict[str, Any]]:
    for setting, _ in _settings(steps):
        ours = best(steps, setting, kind="by hand")
        for peer in steps[(steps["setting"] == setting) & (steps["kind"] == "peer")]["form"]:
            value = nan if ours is None else _between(rounds, setting, ours["form"], peer)[0]
            by = "" if ours is None else f"{ours['form']} / {peer}"
            yield target(f"{setting}: our best form's time over {peer}'s", "< 1", value, value < 1, by)


def _draws(draws: Frame) -> Iterator[dict[str, Any]]:
    for (library, problem), wanted in SPEED_UPS.items():
        here = [
            row for row in draws.to_dict("records") if (row["implementation"], row["problem"]) == (library, problem)
        ]
        if not here:
            yield target(f"{library}, {problem}: draws per second over the loop's", f"≥ {wanted:g}", nan, False)
            continue
        for row in here:
            what = f"{library}, {problem}: draws per second over the {row['loop']}'s"
            yield target(what, f"≥ {wanted:g}", float(row["speed_up"]), row["speed_up"] >= wanted)


def remarks(steps: Frame, rounds: Frame) -> list[str]:
    """Sentences: where a library's form is slower than its plain one, which forms were refused, what was missed."""
    lines = []
    for setting, _ in _settings(steps):
        here = steps[(steps["setting"] == setting)]
        for name, plain in (("pyro", "pyro SVI.step"), ("numpyro", "numpyro update loop")):
            for form in here[(here["implementation"] == name) & (here["status"] == "ok")]["form"]:
                value, low = (nan, nan) if form == plain else _between(rounds, setting, form, plain)
                if value > 1 and not low <= 1:
                    certain = "" if low > 1 else " (too few rounds for an interval)"
                    lines.append(f"{setting}: {form} takes {value:.2f} times as long as {plain}{certain}.")
        for _, row in here[here["status"] == "refused"].iterrows():
            lines.append(f"{setting}: {row['form']} was not timed, since it is not the same step: {row['reason']}.")
    return lines
