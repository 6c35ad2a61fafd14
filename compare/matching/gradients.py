"""Gradients of a total against those of its formula, weight by weight; and which path of a term a loss has cut off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from elbo_compare.suites.bridge.pairs.records import EXPECTED, SAMPLERS, Gradient, Term, What

# Unit roundoffs of the norms that are added up. A gradient is a product of as many matrices as there are layers, each
# off by about sqrt(width) roundings, and of a sum over the batch: 1,024 is 16 layers of 4,096. A cut path is off by 1.
ROUNDINGS = 1024.0
BESIDE = 1e-3  # a weight whose gradient nearly cancels is held against this share of the largest one as well

ByWeight = Mapping[str, Gradient]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """off: the worst distance, as a share of the norms there; allowed: what rounding explains. differing: the weights
    beyond it; count: of weights compared."""

    off: float
    allowed: float
    differing: tuple[str, ...]
    count: int

    @property
    def same(self) -> bool:
        """Whether every weight has the same gradient."""
        return not self.differing


def compared(one: ByWeight, parts: Sequence[tuple[float, ByWeight]], unit: float) -> Compared:
    """|d one - sum of coefficient x d part| on every weight that both sides have."""
    names = [name for name in one if all(name in part for _, part in parts)]
    sizes = {name: one[name].norm + sum(abs(c) * part[name].norm for c, part in parts) for name in names}
    largest, worst, differing = max(sizes.values(), default=0.0), 0.0, []
    for name in names:
        size = sizes[name] + BESIDE * largest
        off = _distance(one[name], [(c, part[name]) for c, part in parts]) / size if size else 0.0
        worst = max(worst, off)
        if not off <= ROUNDINGS * unit:
            differing.append(name)
    return Compared(off=worst, allowed=ROUNDINGS * unit, differing=tuple(differing), count=len(names))


def _distance(one: Gradient, parts: Sequence[tuple[float, Gradient]]) -> float:
    """The root mean square over the projections: an estimate of the norm of the difference."""
    mixed = sum((c * np.array(part.projections) for c, part in parts), start=np.zeros(len(one.projections)))
    return float(np.sqrt(np.mean((np.array(one.projections) - mixed) ** 2)))


@dataclass(frozen=True, kw_only=True)
class Path:
    """How much of a term's gradient a loss has: through the latents (pathwise), and beside them (direct)."""

    term: Term
    pathwise: float
    direct: float
    alone: bool = False  # the direct path is its only one


def paths(one: ByWeight, terms: Mapping[Term, float], gradients: Mapping[str, ByWeight], unit: float) -> list[Path]:
    """Which share of every term's two paths the gradient `one` has; empty where no shares reproduce it.

    gradients: of `Run`; those of a term with its latents cut off are its direct path.
    """
    columns, keys = [], []
    for term, coefficient in terms.items():
        whole, direct = gradients.get(term.key), gradients.get(f"{term.key}@detached")
        if not coefficient or whole is None or direct is None:
            continue
        along = {name: np.array(whole[name].projections) - np.array(direct[name].projections) for name in whole}
        for kind, part in (("pathwise", along), ("direct", {n: np.array(g.projections) for n, g in direct.items()})):
            column = np.concatenate([coefficient * part[name] for name in one])
            if np.abs(column).max() > 1e-9 * max(g.norm for g in whole.values()):
                columns.append(column)
                keys.append((term, kind))
    if not columns:
        return []
    target = np.concatenate([np.array(each.projections) for each in one.values()])
    shares = _solved(np.stack(columns, axis=1), target, unit)
    if shares is None:
        shares = _one_missing(np.stack(columns, axis=1), target, unit)
    if shares is None:
        return []
    found = {key: _plain(share) for key, share in zip(keys, shares, strict=True)}
    return [
        Path(
            term=term,
            pathwise=found.get((term, "pathwise"), 1.0),
            direct=found.get((term, "direct"), 1.0),
            alone=(term, "pathwise") not in found,
        )
        for term in terms
    ]


def _solved(matrix: np.ndarray, target: np.ndarray, unit: float) -> np.ndarray | None:
    length = np.linalg.norm(matrix, axis=0)
    scaled = matrix / length
    values = np.linalg.svd(scaled, compute_uv=False)
    if len(target) < matrix.shape[1] + 2 or values[-1] < 1e-7 * values[0]:
        return None
    shares = np.linalg.lstsq(scaled, target, rcond=None)[0] / length
    residual = np.linalg.norm(matrix @ shares - target)
    return shares if residual <= 10 * ROUNDINGS * unit * (np.linalg.norm(target) + length.sum()) else None


def _one_missing(matrix: np.ndarray, target: np.ndarray, unit: float) -> np.ndarray | None:
    """All shares 1 but one, which is 0: where two paths cancel, as those of log q by its mean, many would do."""
    allowed = 10 * ROUNDINGS * unit * (np.linalg.norm(target) + np.linalg.norm(matrix, axis=0).sum())
    for place in range(matrix.shape[1]):
        shares = np.ones(matrix.shape[1])
        shares[place] = 0.0
        if np.linalg.norm(matrix @ shares - target) <= allowed < 1e-3 * np.linalg.norm(matrix[:, place]):
            return shares
    return None


def _plain(share: float) -> float:
    return next((each for each in (0.0, 1.0) if abs(share - each) < 1e-6), share)


def path_words(found: Sequence[Path]) -> list[str]:
    """What is cut off: the latents in the likelihood, the density's own parameters, the whole KL."""
    words = []
    for path in found:
        name = term_name(path.term)
        if path.pathwise == 0.0 and path.direct == 1.0:
            words.append(f"the latents are detached in {name}: no gradient passes through them")
        elif path.direct == 0.0 and (path.alone or path.pathwise == 0.0):
            left = ", or all of it but a constant is left out" if path.term.what is What.LOG_Q else ""
            words.append(f"{name} is detached: it gives no gradient{left}")
        elif path.direct == 0.0 and path.pathwise == 1.0 and path.term.what is What.LOG_LIKELIHOOD:
            words.append(f"the weights of {name} are frozen: no gradient reaches them")
        elif path.direct == 0.0 and path.pathwise == 1.0:
            landing = ", as in sticking the landing" if path.term.what is What.LOG_Q else ""
            words.append(f"{name}: its own parameters are detached{landing}")
        elif (path.direct, path.pathwise) != (1.0, 1.0):
            words.append(
                f"{name} has {path.pathwise:.4g} of its gradient through the latents, {path.direct:.4g} beside"
            )
    return words


def term_name(term: Term) -> str:
    """log q(z), log p(x), KL(z), …; of which draw."""
    if term.what is What.LOG_LIKELIHOOD:
        text = f"log p({term.site})"
    elif term.what is What.ENUMERATED:
        text = term.what.value
    elif term.what is What.IMPORTANCE:
        return f"log mean weight of {term.draw} draws"
    elif term.what is What.KL_STANDARD:
        text = f"KL(q({term.site}) || N(0, I))"
    elif term.what is What.COORDINATE:
        text = f"KL({term.site})"
    elif term.what in (What.LOG_Q, What.LOG_P, What.KL):
        text = f"{term.what.value}({term.site})"
    else:
        text = f"{term.what.value} of {term.site}"
    if term.what is What.TEMPERED:
        return f"log p({term.site}) at a temperature of {term.clamp:.10g} (logits / {term.clamp:.10g})"
    if term.clamp:
        place = (
            f"clamped to [{term.clamp:g}, 1 - {term.clamp:g}]"
            if term.clamp > 0
            else f"+ {-term.clamp:g} inside the logs"
        )
        text += f", probabilities {place}"
    if term.draw in (1, EXPECTED):
        return text
    return f"{text} {SAMPLERS.get(term.draw) or ('at a second draw' if term.draw == 2 else f'at draw {term.draw}')}"
