"""What a parameter's name hints at: a role and a form, and the other forms that such a name may as well stand for.

A name is a hint; which reading holds is decided by the function's value.
"""

import re
from enum import StrEnum


class Role(StrEnum):
    """What a parameter is."""

    X = "x"
    OUTPUT = "output"
    Z = "z"
    MEAN = "mean"
    SPREAD = "spread"
    PRIOR_MEAN = "prior mean"
    PRIOR_SPREAD = "prior spread"
    OUTPUT_SPREAD = "output spread"
    DATA_TERM = "reconstruction loss"
    KEY = "key"


class WrittenAs(StrEnum):
    """How a parameter writes its quantity. OUTPUT_UNKNOWN: probabilities, logits or a mean; found out by trying."""

    PLAIN = "plain"
    LOG_VAR = "log_var"
    LOG_SIGMA = "log_sigma"
    SIGMA = "sigma"
    VAR = "var"
    RAW = "raw_sigma"  # softplus of it is sigma
    PRECISION = "precision"
    LOG_PRECISION = "log_precision"
    LOGITS = "logits"
    PROBS = "probs"
    LOCATION = "location"
    OUTPUT_UNKNOWN = "output"
    SQUARED = "mean_squared"  # in place of the mean
    LOG_LIKELIHOOD = "log_likelihood"  # of a reconstruction term that comes in as a number: minus the loss


OWN = "self."  # in front of what a method reads of its object
SPREADS = (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA, WrittenAs.SIGMA, WrittenAs.VAR)
RARE_SPREADS = (WrittenAs.RAW, WrittenAs.PRECISION, WrittenAs.LOG_PRECISION)  # tried where a name allows them
OUTPUTS = (WrittenAs.LOGITS, WrittenAs.PROBS, WrittenAs.LOCATION)

# Each name in lower case without underscores and digits' separators; "ours" comes first.
NAMES: dict[tuple[Role, WrittenAs], str] = {
    (Role.X, WrittenAs.PLAIN): "x data target targets input inputs image images img imgs xtrue ytrue xin original y xs "
    "value values",
    (Role.OUTPUT, WrittenAs.LOGITS): "logits logit xlogits xlogit logitsx reconlogits outputlogits decoderlogits "
    "reconxlogits xreconlogits logitsp",
    (Role.OUTPUT, WrittenAs.PROBS): "probs prob probabilities probability xprobs p xprob reconprobs",
    (
        Role.OUTPUT,
        WrittenAs.LOCATION,
    ): "location xmean meanx mux xmu xloc locx reconmean meanrecon xlocation decodermean outputmean",
    (Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN): "output reconx recon xrecon reconstruction reconstructions reconstructed "
    "reconstructedx xreconstructed xhat outputs out decoded decoderoutput ypred yhat pred prediction recons xrec recx "
    "rec xprime xtilde xout reconbatch xdecoded xdecodedmean rate rates",
    (Role.Z, WrittenAs.PLAIN): "z sample samples zs zsample zsamples zsampled sampledz latent latents zq code",
    (Role.MEAN, WrittenAs.PLAIN): "mean mu loc means mus m qm",
    (Role.MEAN, WrittenAs.SQUARED): "meansquared meansq meansqr meansquare squaredmean sqmean musquared musq musqr "
    "squaredmu locsquared locsq",
    (
        Role.SPREAD,
        WrittenAs.LOG_VAR,
    ): "logvar logvariance logvariances logvars lnvar lv logsigma2 logsigmasq logsigmasquared logstd2 "
    "logsigmasqr logv logsig2 logsigma2s logcov",
    (
        Role.SPREAD,
        WrittenAs.LOG_SIGMA,
    ): "logsigma logstd logscale logscales logsd logstddev logstdev lnsigma logstds lnstd logs lsigma logsig logsigmas "
    "loggamma",  # of the decoder, in two-stage VAEs
    (
        Role.SPREAD,
        WrittenAs.SIGMA,
    ): "sigma std scale sd spread stddev stdev sigmas stds scales standarddeviation s sig stddevs",
    (Role.SPREAD, WrittenAs.VAR): "var variance vars sigma2 sigmasq sigmasquared std2 variances qv v cov sigmasqr",
    (
        Role.SPREAD,
        WrittenAs.RAW,
    ): "rawsigma sigmaraw rho rawscale scaleraw rawstd stdraw prestd presigma prescale unconstrainedscale "
    "unconstrainedstd rhos",
    (Role.SPREAD, WrittenAs.PRECISION): "precision prec precisions",
    (Role.SPREAD, WrittenAs.LOG_PRECISION): "logprecision logprec",
    (Role.PRIOR_MEAN, WrittenAs.PLAIN): "pm",
    (Role.PRIOR_SPREAD, WrittenAs.VAR): "pv",
    (Role.KEY, WrittenAs.PLAIN): "key rng rngkey prngkey generator gen seed",
}
LOOKUP = {name: pair for pair, names in NAMES.items() for name in names.split()}
OURS = (
    *(
        "x",
        "logits",
        "probs",
        "location",
        "output",
        "z",
        "mean",
        "log_var",
        "log_sigma",
        "sigma",
        "var",
        "raw_sigma",
        "precision",
        "log_precision",
    ),
    *("mean_squared", "prior_mean", "prior_log_var", "prior_log_sigma", "prior_sigma", "prior_var"),
    *("output_log_var", "output_log_sigma", "output_sigma", "output_var", "recon_loss", "key"),
)

LATENT = "q z qz latent latents enc encoder encoded post posterior phi variational inference hidden 0 1 first zq " + (
    "w weight weights bias"  # of a Bayesian network: its latents
)
PRIOR = "p prior pz 2 second priors"
DECODED = "recon recons rec reconstruct reconstructed reconstruction reconstructions reconstr pred preds " + (
    "predict predicted prediction predictions hat output outputs out decoded decoder dec generated gen fake tilde prime"
)
OBSERVED = (
    "x xs data target targets true input inputs inp image images img imgs batch orig original real label labels "
    + (
        "gt truth y obs observed observation observations feature features counts count clicks xb sequence pixels "
        "adj adjacency action actions pixel value values waveform audio wav spectrogram mel mels signal series"
    )
)
COUNTED = "size sizes dim dims batch nodes len length count numel points rows examples samples channels pixels"
TIMES = frozenset(["step", "steps", "epoch", "epochs", "iter", "iters", "iterations", "warmup", "cycles"])
RELATIVE = frozenset(["delta", "residual", "resid", "relative", "rel", "diff", "offset", "dmu", "dmean"])
CONFIGURATION = re.compile(r"config|cfg|hparams|args|opts?$|options|params|settings")
WEIGHTS = re.compile(
    r"beta|weight|shape|gamma|alpha|lam|anneal|step|epoch|capacity|free|num|size|dim|coef|warm|temp|eps|^norm$|^n_|^k$|^c$"
)
SIZES = "size num n dim dims weight weights index idx len length type shape channels width height norm mask reduction"
NUMBER = "loss losses error err bce mse nll cost xent ce crossentropy l1 l2 mae"
STRONG = "target targets original orig gt truth true input inputs"  # an observation, whatever stands beside it
GIVEN = "log px p x y given z lik likelihood loglikelihood loglik logpx recon reconstruction prob data"
# What a name says of the array and not of its meaning: a framework's or a loop's suffix, a step's, a flattened copy's.
HELD = "v t np tf th pt jnp tensor tensors arr array arrays vec vector val vals b i j k flat all seq list param params"
WORDS = {
    "HELD": frozenset(HELD.split()),
    "STRONG": frozenset(STRONG.split()),
    "GIVEN": frozenset(GIVEN.split()),
    "LATENT": frozenset(LATENT.split()),
    "PRIOR": frozenset(PRIOR.split()),
    "DECODED": frozenset(DECODED.split()),
    "OBSERVED": frozenset(OBSERVED.split()),
    "NUMBER": frozenset(NUMBER.split()),
    "SIZES": frozenset(SIZES.split()),
}
NO_CORE = frozenset({"scale", "cov", "qm", "qv", "pm", "pv", "sd", "sig", "lv", "scales", "prec", "loc"})
# A name of these may stand for another form as well: the variance or its logarithm.
EITHER = {
    "var": (WrittenAs.VAR, WrittenAs.LOG_VAR),
    "vars": (WrittenAs.VAR, WrittenAs.LOG_VAR),
    "variance": (WrittenAs.VAR, WrittenAs.LOG_VAR),
    "v": (WrittenAs.VAR, WrittenAs.LOG_VAR, WrittenAs.SIGMA, WrittenAs.LOG_SIGMA),
    "spread": (WrittenAs.SIGMA, WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA, WrittenAs.VAR, *RARE_SPREADS),  # no form at all
    "qv": (WrittenAs.VAR, WrittenAs.LOG_VAR),
    "pv": (WrittenAs.VAR, WrittenAs.LOG_VAR),
    "cov": (WrittenAs.VAR, WrittenAs.LOG_VAR),
    "s": (WrittenAs.SIGMA, WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA, WrittenAs.VAR),
    "logs": (WrittenAs.LOG_SIGMA, WrittenAs.LOG_VAR),
    "lsigma": (WrittenAs.LOG_SIGMA, WrittenAs.LOG_VAR),
    "loggamma": (WrittenAs.LOG_SIGMA, WrittenAs.LOG_VAR),
    "sig": (WrittenAs.SIGMA, WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA, WrittenAs.VAR),
    "scale": (WrittenAs.SIGMA, WrittenAs.VAR),
    "sigma2": (WrittenAs.VAR, WrittenAs.SIGMA),  # a square, or the second of two
    "std2": (WrittenAs.VAR, WrittenAs.SIGMA),
    "logsigma2": (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA),
    "logstd2": (WrittenAs.LOG_VAR, WrittenAs.LOG_SIGMA),
}


def words_of(name: str) -> list[str]:
    """`recon_logVar2` -> recon, log, var, 2; `self.weight_mu` -> weight, mu."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name.removeprefix(OWN)).lower()
    return re.findall(r"[a-z]+|\d+", spaced.replace("_", " ").replace(".", " "))


def letters_of(name: str) -> frozenset[str]:
    """p and q among the words of a name, or at an end of one that is a mean or a spread without it: `m_p`, `pv`."""
    words = set(words_of(name))
    for word in tuple(words):
        for letter, rest in ((word[:1], word[1:]), (word[-1:], word[:-1])):
            pair = LOOKUP.get(rest)
            if letter in ("p", "q") and pair and pair[0] in (Role.MEAN, Role.SPREAD):
                words.add(letter)
    return frozenset(words & {"p", "q"})


def promises_kl(label: str) -> bool:
    """Whether a function's name says KL: `kl_loss`, `gaussiankl`, `vae_kld`; `likelihood`, misspelt too, does not."""
    return bool(re.search(r"(?<![a-z])kl|kl(?![a-z])|kld|diverg|kullback", label.lower()))


def names_a_size(name: str) -> bool:
    """Whether a number is called like a size of the data: `n_nodes`, `num_batches`, `latent_dim`, `batch`."""
    words = words_of(name.rsplit(".", 1)[-1])
    counted = words[:1] in (["n"], ["num"], ["number"]) or bool(set(words) & set(COUNTED.split()))
    return counted and not set(words) & TIMES


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.removeprefix(OWN).lower())


def read_name(name: str) -> tuple[Role, WrittenAs] | None:
    """The role and form that a parameter's name says, or None: `z_mu` -> mean, `logstd` -> log sigma; where the whole
    name says nothing, by its stem, `mu0_v` -> mean."""
    return next((pair for each in (name, *stems_of(name)) if (pair := _read_whole(each))), None)


def read_by_stem(name: str) -> bool:
    """Whether only a stem of the name says what it is: a hint, so that every form of a spread is tried."""
    return _read_whole(name) is None and read_name(name) is not None


def stems_of(name: str) -> tuple[str, ...]:
    """The name without the words that say how an array is held, then without numbers, then without a plural:
    `log_stdevs_v` -> `log_stdevs`, `log_stdev`; none that is a single letter but x, y and z."""
    words = [word for word in words_of(name) if word not in WORDS["HELD"]]
    found: dict[str, None] = {}
    places = [n for n, word in enumerate(words) if not word.isdigit() or words[:n][-1:] in (["log"], ["ln"])]  # log10
    for each in (words, [words[n] for n in places]):
        for stem in (each, [*each[:-1], each[-1].removesuffix("s")] if each else []):
            text = "_".join(stem)
            found |= {text: None} if text and (len(text) > 1 or text in "xyz") else {}
    found.pop("_".join(words_of(name)), None)
    return tuple(found)


def _read_whole(name: str) -> tuple[Role, WrittenAs] | None:
    plain = _plain(name)
    if plain in LOOKUP:
        return LOOKUP[plain]
    if plain in {"reconloss", "recloss"}:
        return Role.DATA_TERM, WrittenAs.PLAIN
    words = words_of(name)
    if _log_likelihood(words):
        return Role.DATA_TERM, WrittenAs.LOG_LIKELIHOOD
    if "log" in words and {"w", "weight", "weights", "prob", "px", "lik", "likelihood"} & set(words):
        return None
    gaussian = _gaussian(words)
    if gaussian:
        return gaussian
    if (WORDS["NUMBER"] & set(words) and len(words) > 1) or words in (["bce"], ["mse"], ["nll"]):
        known = WORDS["NUMBER"] | WORDS["DECODED"] | {"likelihood", "rec", "log", "neg", "negative", "pixel", "px"}
        return (Role.DATA_TERM, WrittenAs.PLAIN) if set(words) <= known else None
    return _of_the_decoder(words) or _observed(words) or _of_its_core(words)


def _log_likelihood(words: list[str]) -> bool:
    """`log_px_given_z`, `log_likelihood`: a reconstruction term that comes in with the other sign."""
    given = set(words)
    named = given & {"px", "lik", "likelihood", "loglikelihood", "loglik", "logpx"} or {"p", "x"} <= given
    log = {"log", "loglikelihood", "loglik", "logpx"} & given
    return bool(named and log) and given <= WORDS["GIVEN"]


def _of_its_core(words: list[str]) -> tuple[Role, WrittenAs] | None:
    """`present_mu`, `future_log_sigma`, `logstd_noise`: a mean or a spread beside a word that says nothing here."""
    if set(words) & (WORDS["NUMBER"] | WORDS["SIZES"] | {"kl", "kld", "beta", "factor", "grad", "lr"}):
        return None
    for k in range(1, len(words)):
        for core, rest in (("".join(words[k:]), words[:k]), ("".join(words[:-k]), words[-k:])):
            found = LOOKUP.get(core)
            if set(rest) & {"log", "ln", "raw", "inv", "softplus"} or any(len(word) == 1 for word in rest):
                continue
            if len(core) > 1 and core not in NO_CORE and found and found[0] in (Role.MEAN, Role.SPREAD):
                return found
    return None


def _of_the_decoder(words: list[str]) -> tuple[Role, WrittenAs] | None:
    """`x_logvar`, `recon_sigma`, `dec_log_var`: the decoder's own variance."""
    for end in (words, _without_sigma_power(words)):
        qualifiers = [word for word in end if word in WORDS["DECODED"] | {"x", "px", "y", "obs", "f"}]
        found = LOOKUP.get("".join(word for word in end if word not in qualifiers))
        if qualifiers and found and found[0] is Role.SPREAD:
            return Role.OUTPUT_SPREAD, found[1]
    return None


def _gaussian(words: list[str]) -> tuple[Role, WrittenAs] | None:
    """A mean or spread of q, of a prior or of the decoder, by its qualifying word; z by `z_sample`."""
    words = [word for word in words if word != "hat"] if not {"x", "y"} & set(words) else words  # sigma_hat, mu_hat
    for end in (words, _without_sigma_power(words)):
        qualifiers = [word for word in end if word in WORDS["LATENT"] | WORDS["PRIOR"]]
        rest = "".join(word for word in end if word not in qualifiers)
        found = LOOKUP.get(rest)
        if not found or found[0] not in (Role.MEAN, Role.SPREAD, Role.Z):
            continue
        if not qualifiers and found[0] is not Role.Z:
            return found
        if set(qualifiers) <= WORDS["LATENT"] and qualifiers:
            return found
        if found[0] is not Role.Z and set(qualifiers) & WORDS["PRIOR"]:
            return (Role.PRIOR_MEAN if found[0] is Role.MEAN else Role.PRIOR_SPREAD), found[1]
    plain = "".join(words)
    for affix in ("qz", "z", "q", "latent", "encoder", "enc", "posterior", "post", "phi"):
        for rest in (plain.removeprefix(affix), plain.removesuffix(affix)):
            found = LOOKUP.get(rest)
            if rest != plain and found and found[0] in (Role.MEAN, Role.SPREAD, Role.Z):
                return found
    return _of_p(plain)


def _of_p(plain: str) -> tuple[Role, WrittenAs] | None:
    """`mup`, `psigma`, `muprior`."""
    for rest in (plain.removeprefix("p"), plain.removesuffix("p"), plain.removesuffix("prior")):
        found = LOOKUP.get(rest)
        if rest != plain and len(rest) > 1 and found and found[0] in (Role.MEAN, Role.SPREAD):
            return (Role.PRIOR_MEAN if found[0] is Role.MEAN else Role.PRIOR_SPREAD), found[1]
    return None


def _without_sigma_power(words: list[str]) -> list[str]:
    """`log_sigma_2` is a log variance, `mu_2` a second mean."""
    for i, word in enumerate(words[1:], 1):
        if word in {"2", "sq", "squared", "square"} and words[i - 1] in {"sigma", "std", "sig"}:
            return [*words[: i - 1], words[i - 1] + ("2" if word == "2" else "sq"), *words[i + 1 :]]
    return words


def _observed(words: list[str]) -> tuple[Role, WrittenAs] | None:
    given = set(words)
    if "logits" in given or "logit" in given:
        return (Role.SPREAD, WrittenAs.LOG_VAR) if given & {"var", "variance"} else (Role.OUTPUT, WrittenAs.LOGITS)
    if given & {"weight", "weights", "coef", "coeff", "factor", "beta"}:
        return None
    if given & WORDS["DECODED"] or {"x", "sample"} <= given or any(word.startswith("recon") for word in words):
        if {"prob", "probs"} & given:
            return Role.OUTPUT, WrittenAs.PROBS
        return Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN
    if {"x", "px", "f"} & given and {"mean", "mu", "loc"} & given:  # f: of a Gaussian process at the data
        return Role.OUTPUT, WrittenAs.LOCATION
    if (
        given
        and given <= WORDS["OBSERVED"] | {"in", "flat", "t", "0", "1", "2", "train", "raw"}
        and given & WORDS["OBSERVED"]
    ):
        return Role.X, WrittenAs.PLAIN
    others = WORDS["NUMBER"] | WORDS["SIZES"] | {"kl", "std", "mean", "mu", "sigma", "var", "log", "logvar", "logstd"}
    if given & WORDS["STRONG"] and not given & others:
        return Role.X, WrittenAs.PLAIN
    return None


def forms_of(name: str, role: Role, form: WrittenAs) -> tuple[WrittenAs, ...]:
    """The forms that this name may stand for, likeliest first: one where the name states it."""
    if role in (Role.SPREAD, Role.PRIOR_SPREAD, Role.OUTPUT_SPREAD):
        whole, others = name, WORDS["LATENT"] | WORDS["PRIOR"]
        others |= WORDS["DECODED"] | {"x", "px", "y", "obs", "f"} if role is Role.OUTPUT_SPREAD else set()
        if _read_whole(name) is None:
            name = next((stem for stem in stems_of(name) if _read_whole(stem)), name)
        core = "".join(word for word in words_of(name) if word not in others)
        core = "spread" if "spread" in words_of(name) else core
        if form is WrittenAs.SIGMA and {"param", "params"} & set(words_of(whole)):
            return (form, WrittenAs.RAW)  # a layer's parameter, that softplus may make a sigma
        return EITHER.get(core) or EITHER.get(_plain(name)) or EITHER.get(core.removeprefix("z")) or (form,)
    return (form,)
