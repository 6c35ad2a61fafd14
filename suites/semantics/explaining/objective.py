"""What a pair optimises, in one sentence: effective beta, mini-batch factor, weights that differ, masks, constants."""

from collections.abc import Iterator, Sequence
from math import log, pi

from elbo_compare.suites.semantics.explaining.facts import Draw, Side, SiteFacts

HALF_LOG_2PI = 0.5 * log(2 * pi)


def optimised(sites: Sequence[SiteFacts]) -> tuple[str, ...]:
    """The objective in plain words, then a line for each thing that weighs a site otherwise than once."""
    sites = [site for site in sites if not site.deterministic]
    likelihood = [site for site in sites if site.observed and site.model is not None]
    latent = [site for site in sites if site.model is not None and not site.observed]
    draws = {site.guide.draw for site in sites if site.guide is not None and not site.guide.given}
    drawn = not draws or bool(draws - {Draw.POINT})
    points = _points(sites, latent)
    lacking = [site for site in latent if site.guide is None]
    inside, moved = [*likelihood, *points], [site for site in latent if site not in (*points, *lacking)]
    data, names = (", ".join(site.name for site in each) for each in (inside, moved))
    first = f"Maximised on average: E_q[log p({data})]" if data else "Maximised on average (no site is observed): 0"
    first += f" - {_beta(inside, moved, drawn=drawn)}, z = {names}" if moved else ""
    summed = [site.name for site in lacking if site.model and site.model.enumerate]
    if lacking and not moved and len(summed) == len(lacking) and not points:
        first = f"Maximised: log p({data}), {', '.join(summed)} summed out by TraceEnum_ELBO"
        summed = []
    lines = [f"{first}.", *_apart(points, [each for each in lacking if each.name in summed],
                                   [each for each in lacking if each.model and not each.model.enumerate])]  # fmt: skip
    lines += [line for line in (_batches(likelihood, latent), _masks(sites)) if line]
    lines += [line for site in latent for line in _differing(site)]
    return tuple(lines)


def _apart(points: Sequence[SiteFacts], summed: Sequence[SiteFacts], drawn: Sequence[SiteFacts]) -> Iterator[str]:
    """Latents that are no part of the divergence: points of the guide, and what it lacks."""
    said = (
        (points, "a point in the guide (MAP); no integral is done"),
        (summed, "not in the guide; summed out by TraceEnum_ELBO, drawn from the prior by the others"),
        (drawn, "not in the guide; drawn from the prior, and log p at the draw is added"),
    )
    for sites, words in said:
        if sites:
            yield f"{', '.join(site.name for site in sites)}: {words}."


def _points(sites: Sequence[SiteFacts], latent: Sequence[SiteFacts]) -> list[SiteFacts]:
    """Latents that are points beside others that are drawn; none where a Delta may hold what an auxiliary site drew."""
    found = [site for site in latent if site.guide is not None and site.guide.draw is Draw.POINT]
    auxiliary = any(site.model is None and site.guide is not None and not site.guide.given
                    and site.guide.draw is not Draw.POINT for site in sites)  # fmt: skip
    return [] if auxiliary or len(found) == len(latent) else found


def _own_scale(side: Side, factor: float) -> float | None:
    """The scale without the model's mini-batch factor; None where it differs from element to element."""
    low, high = side.scale
    return low / factor if low == high else None


def _beta(likelihood: Sequence[SiteFacts], latent: Sequence[SiteFacts], *, drawn: bool) -> str:
    """Effective beta: the scale of log p and log q of the latents over that of the likelihood."""
    moved = any(site.guide is not None and site.guide.log_density for site in latent)
    point = "MAP of the unconstrained values: log q holds log |du/dz|" if moved else "MAP, no integral"
    what = "KL(q(z) || p(z))" if drawn else f"(-log p(z)) at a point ({point})"
    masked = [site.name for site in latent if site.model and site.guide and _holds_log_q(site.guide)
              and site.model.mask_digest != site.guide.mask_digest]  # fmt: skip
    over = {_own_scale(site.model, site.model.batch_factor) for site in likelihood if site.model}
    prior = {_own_scale(site.model, site.model.batch_factor) for site in latent if site.model}
    guide = {_own_scale(site.guide, site.model.batch_factor) for site in latent
             if site.guide and site.model and _holds_log_q(site.guide)}  # fmt: skip
    scales = over | prior | guide
    if None in scales or len(over) > 1 or len(prior) > 1 or len(guide) > 1:
        shown = "; ".join(f"{site.name} {_scale(site)}" for site in (*latent, *likelihood))
        alike = not any(_differing(site) for site in latent) and not masked
        if not alike:
            own = "scale and mask" if masked else "scale"
            return f"E_q[log q(z) - log p(z)], each with its own {own}, which is no KL (in the model: {shown})"
        return f"KL(q(z) || p(z)), each site with its own scale ({shown})"
    unit = next(iter(over), 1.0) or 1.0
    beta, beta_q = (next(iter(each), 1.0) or 0.0 for each in (prior, guide))
    if guide and abs(beta - beta_q) > 1e-6 * abs(beta):
        return f"E_q[{beta_q / unit:g} log q(z) - {beta / unit:g} log p(z)], which is no multiple of a KL"
    if masked:
        times = "" if abs(beta / unit - 1) < 1e-6 else f"{beta / unit:g} "
        return f"{times}E_q[log q(z) - log p(z)], each with its own mask, which is no KL (of {', '.join(masked)})"
    if abs(beta / unit - 1) < 1e-6:
        return f"{what} (effective beta 1)"
    return f"{beta / unit:g} {what} (effective beta {beta / unit:g})"


def _batches(likelihood: Sequence[SiteFacts], latent: Sequence[SiteFacts]) -> str:
    """The mini-batch factor N / B, or that there is none."""
    factors = {
        f"{plate.size}/{plate.rows} = {plate.size / plate.rows:g} (plate {plate.name!r}: {plate.rows} of {plate.size})"
        for site in (*likelihood, *latent) if site.model for plate in site.model.plates
        if plate.rows and plate.rows != plate.size
    }  # fmt: skip
    if factors:
        return f"Mini-batch factor N/B: {'; '.join(sorted(factors))}."
    weighted = [site for site in likelihood if site.model and site.model.scale != (1.0, 1.0)]
    if weighted:
        counted = "; ".join(f"each datum of {site.name} counts {_scale(site)} times" for site in weighted)
        return f"No mini-batch factor of a plate; {counted}."
    plated = {plate.name for site in likelihood if site.model for plate in site.model.plates}
    globals_ = [
        site.name
        for site in latent
        if site.model
        and not (site.guide is None and site.model.enumerate)
        and not plated & {each.name for each in site.model.plates}
    ]
    many = sum(site.model.weight for site in likelihood if site.model) > 1
    if many and globals_:
        return (
            f"No mini-batch factor: each datum counts once. Right for a whole data set; if the arguments are one of "
            f"many mini-batches, {', '.join(globals_)} {'weigh' if len(globals_) > 1 else 'weighs'} N/B times too much "
            f"in each step."
        )
    return "No mini-batch factor: each datum counts once."


def _masks(sites: Sequence[SiteFacts]) -> str:
    kept = [
        f"{site.name} keeps {side.kept:.0%} in the {role}"
        for site in sites for role, side in (("model", site.model), ("guide", site.guide))
        if side is not None and side.kept < 1 and not (site.observed and role == "guide")
    ]  # fmt: skip
    return f"Masks: {'; '.join(kept)}." if kept else ""


def _differing(site: SiteFacts) -> tuple[str, ...]:
    model, guide = site.model, site.guide
    if model is None or guide is None or model.scale == guide.scale or not _holds_log_q(guide):
        return ()
    return (f"{site.name} is weighted differently: {_shown(model)} in the model, {_shown(guide)} in the guide.",)


def _holds_log_q(guide: Side) -> bool:
    """Whether a scale weighs anything in the guide: log q of a point is 0, but for a log_density that it was given."""
    return guide.draw is not Draw.POINT or guide.log_density != 0.0


def _scale(site: SiteFacts) -> str:
    return _shown(site.model) if site.model else ""


def _shown(side: Side) -> str:
    low, high = side.scale
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def constants(sites: Sequence[SiteFacts], analytic: Sequence[str]) -> str:
    """½ log 2π over the whole pair, as scales and masks weight it: in log q, in log p, and what is left in the ELBO.

    `analytic`: sites whose KL is taken in closed form, where both are gone.
    """
    kept = [site for site in sites if site.name not in analytic]
    in_p = -HALF_LOG_2PI * sum(site.model.normal_dims for site in kept if site.model)
    in_q = -HALF_LOG_2PI * sum(site.guide.normal_dims for site in kept if site.guide and not site.observed)
    if not any(side and side.normal_dims for site in sites for side in (site.model, site.guide)):
        return "½ log 2π: none; every density is fully normalised"
    if in_p == in_q == 0:
        return "½ log 2π: gone from the analytic KL; none elsewhere"
    left = in_p - in_q
    rest = f"{left:+.6g} nats stay in the ELBO" if abs(left) > 1e-9 * abs(in_p) else "nothing stays in the ELBO"
    return f"½ log 2π: log p holds {in_p + 0.0:+.6g}, log q {in_q + 0.0:+.6g} nats; {rest}"
