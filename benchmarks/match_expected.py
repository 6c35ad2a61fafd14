"""Matches whose answer was written down before the first run: right ones, and one planted difference each.

Every row has a pair of its own. `words`: parts that the answer must have, in any order. Where a row was changed after
its first run, `changed` says what and why.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Expected:
    """first, second: programs as `file:name`, blank between; right: the first side without the difference, if there is
    one to try. data: which rows (see `match_pairs.ROWS`)."""

    right: str
    first: str
    second: str
    planted: str
    words: tuple[str, ...]
    data: str = "binary"
    changed: str = ""


def pair(file: str, model: str, guide: str) -> str:
    return f"{file}:{model} {file}:{guide}"


def against(
    file: str,
    right: str,
    wrong: str,
    model: str,
    guide: str,
    planted: str,
    *words: str,
    data: str = "binary",
) -> Expected:
    return Expected(
        right=f"{file}:{right}",
        first=f"{file}:{wrong}",
        second=pair(file, model, guide),
        planted=planted,
        words=words,
        data=data,
    )


EXPECTED = (
    # A hand-written torch loss against a Pyro pair: likelihoods.
    against(
        "likelihoods",
        "normal_loss",
        "normal_mse",
        "normal_model",
        "guide",
        "squared error, the scale is learned",
        "squared error of x",
        "instead of log p(x)",
        data="real",
    ),
    against(
        "likelihoods",
        "image_loss",
        "image_over_latents",
        "image_model",
        "image_guide",
        "conv: KL / latents",
        "KL(z)",
        "the latents",
        data="images",
    ),
    against(
        "likelihoods",
        "laplace_loss",
        "laplace_l1",
        "laplace_model",
        "guide",
        "L1 for a Laplace of learned scale",
        "absolute error of x",
        "instead of log p(x)",
        data="real",
    ),
    against(
        "likelihoods",
        "poisson_loss",
        "poisson_twice",
        "poisson_model",
        "guide",
        "counts: KL twice, log x! dropped",
        "KL(z) weighs 2 times",
        data="counts",
    ),
    against(
        "likelihoods",
        "binomial_loss",
        "binomial_fractions",
        "binomial_model",
        "guide",
        "likelihood / 15",
        "KL(z) weighs 15 times",
        data="counts",
    ),
    against(
        "likelihoods",
        "negative_binomial_loss",
        "negative_binomial_no_prior",
        "negative_binomial_model",
        "guide",
        "log p(z) absent",
        "log p(z) is absent",
        data="counts",
    ),
    against(
        "likelihoods",
        "beta_loss",
        "beta_kl_subtracted",
        "beta_model",
        "guide",
        "KL subtracted",
        "KL(z) has the other sign",
        data="unit",
    ),
    against(
        "likelihoods",
        "grey_loss",
        "grey_no_log_q",
        "grey_model",
        "grey_guide",
        "log q(z) absent",
        "log q(z) is absent",
        data="grey",
    ),
    against(
        "likelihoods",
        "labelled_loss",
        "labelled_heavily",
        "labelled_model",
        "guide",
        "label's likelihood x 50",
        "log p(y) weighs 50 times",
        data="labelled",
    ),
    # Several latents, plates, scales, masks, priors.
    against(
        "structures",
        "ladder_loss",
        "ladder_without_z3",
        "ladder_model",
        "ladder_guide",
        "third latent missing",
        "site 'z3' is missing",
    ),
    against(
        "structures",
        "chain_loss",
        "chain_forgets",
        "chain_model",
        "chain_guide",
        "one transition is N(0, I)",
        "log N(0, I)",
        "log p(z_1)",
    ),
    against(
        "structures",
        "regression_loss",
        "regression_undivided",
        "regression_model",
        "regression_guide",
        "global KL not divided by the 500 rows",
        "KL(w) weighs 500 times",
        data="regression",
    ),
    against(
        "structures",
        "mini_loss",
        "mini_unscaled",
        "mini_model",
        "mini_guide",
        "KL not scaled by 500 / batch",
        "KL(z)",
        "scale",
        "not in the loss",
    ),
    against(
        "structures",
        "annealed_loss",
        "not_annealed",
        "annealed_model",
        "annealed_guide",
        "the scale 0.25 lost",
        "KL(z) weighs 4 times",
        "scale 0.25",
    ),
    against(
        "structures",
        "seen_loss",
        "all_labels",
        "seen_model",
        "guide",
        "mask of unlabelled rows lost",
        "y without its mask",
        data="seen",
    ),
    against(
        "structures",
        "given_loss",
        "given_standard",
        "given_model",
        "guide",
        "KL against N(0, I), prior is learned",
        "N(0, I)",
        "another prior than the model's",
        data="given",
    ),
    against(
        "structures",
        "wide_loss",
        "narrow_loss",
        "wide_model",
        "guide",
        "N(0, I) for a prior of scale 2",
        "N(0, I)",
        "another prior than the model's",
    ),
    against(
        "structures",
        "narrow_loss",
        "wide_loss",
        "narrow_model",
        "guide",
        "a prior of scale 2 in the loss alone",
        "prior",
        "standard deviation 2",
    ),
    against(
        "structures",
        "mixture_loss",
        "mixture_second_draw",
        "mixture_model",
        "guide",
        "log p at a second draw",
        "log p(z)",
        "second draw",
    ),
    # Flows and transformed latents.
    against(
        "flows",
        "flow_loss",
        "flow_no_determinant",
        "model",
        "flow_guide",
        "log determinant of the guide's flow",
        "log determinant",
        "q(z)",
        "absent",
    ),
    against(
        "flows",
        "flow_prior_loss",
        "flow_prior_standard",
        "flow_prior_model",
        "guide",
        "N(0, I) for a flow prior",
        "log N(0, I)",
        "another prior than the model's",
    ),
    against(
        "flows",
        "positive_loss",
        "positive_one_jacobian",
        "positive_model",
        "positive_guide",
        "Jacobian of a log-normal in log p alone",
        "log determinant",
        "q(z)",
        "absent",
    ),
    against(
        "flows",
        "topic_loss",
        "topic_kl_per_word",
        "topic_model",
        "topic_guide",
        "topic model: KL / words",
        "KL(theta)",
        "the pixels",
        data="words",
    ),
    # Discrete latents that are summed over.
    against(
        "discrete",
        "label_loss",
        "label_without_its_kl",
        "label_model",
        "label_guide",
        "KL of the label missing",
        "site 'y' is missing",
    ),
    against(
        "discrete",
        "both_loss",
        "both_without_prior_of_b",
        "both_model",
        "both_guide",
        "log p(b) of two absent",
        "log p(b) is absent",
    ),
    against(
        "discrete",
        "cluster_loss",
        "cluster_over_pixels",
        "cluster_model",
        "cluster_guide",
        "mixture summed over: likelihood / pixels",
        "log p(x)",
        "the pixels",
    ),
    against(
        "discrete",
        "seen_loss",
        "seen_label_unscored",
        "seen_model",
        "seen_guide",
        "log p(y) of a seen label absent",
        "site 'y' is missing",
        data="labelled",
    ),
)
