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


def _pair(file: str, model: str, guide: str) -> str:
    return f"{file}:{model} {file}:{guide}"


def _torch(file: str, right: str, wrong: str, model: str, guide: str, planted: str, *words: str, data: str = "binary"):
    return Expected(right=f"{file}:{right}", first=f"{file}:{wrong}", second=_pair(file, model, guide),
                    planted=planted, words=words, data=data)  # fmt: skip


EXPECTED = (
    # A hand-written torch loss against a Pyro pair: likelihoods.
    _torch(
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
    _torch(
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
    _torch(
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
    _torch(
        "likelihoods",
        "poisson_loss",
        "poisson_twice",
        "poisson_model",
        "guide",
        "counts: KL twice, log x! dropped",
        "KL(z) weighs 2 times",
        data="counts",
    ),
    _torch(
        "likelihoods",
        "binomial_loss",
        "binomial_fractions",
        "binomial_model",
        "guide",
        "likelihood / 15",
        "KL(z) weighs 15 times",
        data="counts",
    ),
    _torch(
        "likelihoods",
        "negative_binomial_loss",
        "negative_binomial_no_prior",
        "negative_binomial_model",
        "guide",
        "log p(z) absent",
        "log p(z) is absent",
        data="counts",
    ),
    _torch(
        "likelihoods",
        "beta_loss",
        "beta_kl_subtracted",
        "beta_model",
        "guide",
        "KL subtracted",
        "KL(z) has the other sign",
        data="unit",
    ),
    _torch(
        "likelihoods",
        "grey_loss",
        "grey_no_log_q",
        "grey_model",
        "grey_guide",
        "log q(z) absent",
        "log q(z) is absent",
        data="grey",
    ),
    _torch(
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
    _torch(
        "structures",
        "ladder_loss",
        "ladder_without_z3",
        "ladder_model",
        "ladder_guide",
        "third latent missing",
        "site 'z3' is missing",
    ),
    _torch(
        "structures",
        "chain_loss",
        "chain_forgets",
        "chain_model",
        "chain_guide",
        "one transition is N(0, I)",
        "log N(0, I)",
        "log p(z_1)",
    ),
    _torch(
        "structures",
        "regression_loss",
        "regression_undivided",
        "regression_model",
        "regression_guide",
        "global KL not divided by the 500 rows",
        "KL(w) weighs 500 times",
        data="regression",
    ),
    _torch(
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
    _torch(
        "structures",
        "annealed_loss",
        "not_annealed",
        "annealed_model",
        "annealed_guide",
        "the scale 0.25 lost",
        "KL(z) weighs 4 times",
        "scale 0.25",
    ),
    _torch(
        "structures",
        "seen_loss",
        "all_labels",
        "seen_model",
        "guide",
        "mask of unlabelled rows lost",
        "y without its mask",
        data="seen",
    ),
    _torch(
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
    _torch(
        "structures",
        "wide_loss",
        "narrow_loss",
        "wide_model",
        "guide",
        "N(0, I) for a prior of scale 2",
        "N(0, I)",
        "another prior than the model's",
    ),
    _torch(
        "structures",
        "narrow_loss",
        "wide_loss",
        "narrow_model",
        "guide",
        "a prior of scale 2 in the loss alone",
        "prior",
        "standard deviation 2",
    ),
    _torch(
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
    _torch(
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
    _torch(
        "flows",
        "flow_prior_loss",
        "flow_prior_standard",
        "flow_prior_model",
        "guide",
        "N(0, I) for a flow prior",
        "log N(0, I)",
        "another prior than the model's",
    ),
    _torch(
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
    _torch(
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
    _torch(
        "discrete",
        "label_loss",
        "label_without_its_kl",
        "label_model",
        "label_guide",
        "KL of the label missing",
        "site 'y' is missing",
    ),
    _torch(
        "discrete",
        "both_loss",
        "both_without_prior_of_b",
        "both_model",
        "both_guide",
        "log p(b) of two absent",
        "log p(b) is absent",
    ),
    _torch(
        "discrete",
        "cluster_loss",
        "cluster_over_pixels",
        "cluster_model",
        "cluster_guide",
        "mixture summed over: likelihood / pixels",
        "log p(x)",
        "the pixels",
    ),
    _torch(
        "discrete",
        "seen_loss",
        "seen_label_unscored",
        "seen_model",
        "seen_guide",
        "log p(y) of a seen label absent",
        "site 'y' is missing",
        data="labelled",
    ),
    # A hand-written JAX loss against a NumPyro pair.
    _torch(
        "numpyro_models",
        "normal_loss",
        "normal_over_latents",
        "normal_model",
        "guide",
        "JAX: KL / latents",
        "KL(z)",
        "the latents",
        data="real",
    ),
    _torch(
        "numpyro_models",
        "masked_loss",
        "unmasked_loss",
        "masked_model",
        "guide",
        "JAX: mask lost",
        "x without its mask",
    ),
    _torch(
        "numpyro_models",
        "mini_loss",
        "mini_unscaled",
        "mini_model",
        "mini_guide",
        "JAX: KL not scaled",
        "KL(z)",
        "scale",
        "not in the loss",
    ),
    _torch(
        "numpyro_models",
        "deep_loss",
        "deep_without_z2",
        "deep_model",
        "deep_guide",
        "JAX: second latent missing",
        "site 'z2' is missing",
    ),
    _torch(
        "numpyro_models", "unmasked_loss", "elbo_itself", "bernoulli_model", "guide", "JAX: sign", "the sign is turned"
    ),
    _torch(
        "numpyro_models",
        "poisson_loss",
        "poisson_no_log_var",
        "poisson_model",
        "guide",
        "JAX: log var absent in KL",
        "log sigma^2 of q(z) is absent",
        data="counts",
    ),
    _torch(
        "numpyro_models",
        "image_loss",
        "image_detached",
        "image_model",
        "image_guide",
        "JAX: conv, z stopped",
        "the latents are detached in log p(x)",
        data="images",
    ),
    # Pairs against pairs, before and after, across the frameworks.
    Expected(
        right=_pair("structures", "narrow_model", "before_guide"),
        first=_pair("structures", "narrow_model", "rewritten_guide"),
        second=_pair("structures", "narrow_model", "guide"),
        planted="rewrite: exp(log var) as sigma",
        words=("q(z)", "another"),
    ),  # fmt: skip
    Expected(
        right=_pair("structures", "narrow_model", "guide"),
        first=_pair("structures", "rewritten_model", "guide"),
        second=_pair("structures", "narrow_model", "before_guide"),
        planted="rewrite: plate of 500 on x alone",
        words=("log p(x)", "scale"),
    ),  # fmt: skip
    Expected(
        right=_pair("torch_twins", "bernoulli_model", "guide"),
        first=_pair("torch_twins", "bernoulli_model", "guide"),
        second=_pair("numpyro_models", "wide_model", "guide"),
        planted="Pyro, NumPyro: prior of scale 2",
        words=("another prior than the model's",),
        changed="",
    ),  # fmt: skip
    Expected(
        right="",
        first=_pair("torch_twins", "loose_model", "guide"),
        second=_pair("numpyro_models", "tight_model", "guide"),
        planted="Pyro, NumPyro: sigma 0.2 for 0.1 of x",
        words=("log p(x)", "0.25"),
        data="real",
    ),  # fmt: skip
    Expected(
        right="",
        first=_pair("torch_twins", "deep_model", "deep_guide"),
        second=_pair("numpyro_models", "deep_model_annealed", "deep_guide"),
        planted="Pyro, NumPyro: scale 0.5 on the model's z1",
        words=("log p(z1) weighs 2 times", "scale 0.5"),
    ),  # fmt: skip
    # A loss of one framework against a pair of the other.
    Expected(
        right="torch_twins:loss",
        first="torch_twins:log_var_absent",
        second=_pair("numpyro_models", "bernoulli_model", "guide"),
        planted="torch, NumPyro: log var absent",
        words=("log sigma^2 of q(z) is absent",),
    ),  # fmt: skip
    Expected(
        right="numpyro_models:unmasked_loss",
        first="numpyro_models:two_keys",
        second=_pair("torch_twins", "bernoulli_model", "guide"),
        planted="JAX, Pyro: KL from a second draw",
        words=("KL of z comes from a second draw",),
    ),  # fmt: skip
    Expected(
        right="",
        first="torch_twins:at_the_mean",
        second=_pair("numpyro_models", "bernoulli_model", "guide"),
        planted="torch, NumPyro: decoded at the mean",
        words=("log p(x)", "zero noise"),
    ),  # fmt: skip
)
