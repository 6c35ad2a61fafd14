"""The equation of what is right, and what to know beside it: in the field's words."""

from elbo_compare.compare.checking.fitting import short
from elbo_compare.compare.checking.likelihoods import OF_PROPORTIONS
from elbo_compare.compare.checking.names import RARE_SPREADS, Role, WrittenAs, letters_of, read_name
from elbo_compare.compare.checking.normalisers import constant_note
from elbo_compare.compare.checking.readings import Quantity, Reading, Reduction
from elbo_compare.compare.checking.signature import Signature, unit_prior

VARIANCE = {
    WrittenAs.LOG_VAR: "exp({})",
    WrittenAs.LOG_SIGMA: "exp(2 {})",
    WrittenAs.SIGMA: "{}^2",
    WrittenAs.VAR: "{}",
} | {
    WrittenAs.RAW: "softplus({})^2",
    WrittenAs.PRECISION: "1 / {}",
    WrittenAs.LOG_PRECISION: "exp(-{})",
}
REDUCED = {
    Reduction.SUM: "summed over the batch",
    Reduction.MEAN: "averaged over the batch",
    Reduction.NONE: "one value per datum",
    Reduction.ELEMENTS: "one value per datum and dimension",
}


def equation_of(reading: Reading, reduction: Reduction, signature: Signature) -> str:
    """`-ELBO = -log Bernoulli(x | recon_x) + KL(q || N(0, I)), summed over the batch`."""
    return f"{_quantity(reading, signature)}, {REDUCED[reduction]}"


def _quantity(reading: Reading, signature: Signature) -> str:
    kl = _kl(reading, signature)
    data = _data(reading, signature)
    if reading.quantity is Quantity.NEGATIVE_ELBO:
        return f"-ELBO = {data} + {kl}" if reading.sign > 0 else f"ELBO = -({data} + {kl})"
    if reading.quantity is Quantity.RECONSTRUCTION:
        return data if reading.sign > 0 else data.removeprefix("-")
    sign = "" if reading.sign > 0 else "-"
    if reading.quantity is Quantity.KL:
        return f"{sign}{kl}"
    return f"{sign}{_log_q(reading, signature) if reading.quantity is Quantity.LOG_Q else 'log N(z; 0, I)'}"


def _log_q(reading: Reading, signature: Signature) -> str:
    """With the names of the arguments, where what stands for z is called like data."""
    z, mean, spread = (signature.find(role) for role in (Role.Z, Role.MEAN, Role.SPREAD))
    pair = read_name(z.name) if z else None
    if not (z and mean and spread and pair and pair[0] is Role.X):
        return "log N(z; mean, sigma^2)"
    return f"log N({z.name}; {mean.name}, {VARIANCE[reading.spread].format(spread.name)})"


def _kl(reading: Reading, signature: Signature) -> str:
    if reading.joint:
        return "KL(q1 || N(0, I)) + KL(q2 || N(0, I))"
    prior = reading.prior_text
    if reading.relative:
        return "KL(q || p), q given by its change from p"
    if unit_prior(signature) and reading.prior is not None:
        mean, spread = signature.find(Role.PRIOR_MEAN), signature.find(Role.PRIOR_SPREAD)
        variance = VARIANCE.get(spread.form, "{}").format(spread.name) if spread else "I"
        prior = f"N({mean.name if mean else 0}, {variance})"
    if reading.sampled:
        return "(log q(z) - log p(z))"
    mean, other = signature.find(Role.MEAN), signature.find(Role.PRIOR_MEAN)
    turned = mean and other and "p" in letters_of(mean.name) and "q" in letters_of(other.name)
    return "KL(p || q), its first from its second" if turned else f"KL(q || {prior})"


def _data(reading: Reading, signature: Signature) -> str:
    if reading.data is None:
        return "the given reconstruction loss"
    argument = signature.find(Role.OUTPUT)
    name = argument.name if argument else "output"
    x = signature.find(Role.X)
    law = reading.data.law.replace("output", name).replace("(x |", f"({x.name} |" if x else "(x |")
    own = signature.find(Role.OUTPUT_SPREAD)
    if own is not None and reading.data.spread is not None:
        return f"-log {law.replace('{}', VARIANCE[reading.data.spread].format(own.name))}"
    if "{}" in law:
        law = law.replace("{}", short(1 / reading.weight))
    return f"-log {law}"


def standing_notes(reading: Reading) -> tuple[str, ...]:
    """The constant that is left out; the source of the likelihood."""
    notes = [note] if (note := constant_note(reading)) else []
    if reading.quantity is Quantity.RECONSTRUCTION:
        notes.append("a likelihood term alone: no KL is judged")
    if reading.data is not None and reading.has_data and reading.data.up_to_a_constant:
        full = reading.data.constant(reading.weight)
        if abs(full - reading.constant) > 1e-6:
            left = full - reading.constant
            notes.append(f"up to a constant, {left:.4g} nats per observed dimension, that no gradient sees")
    if reading.data is not None and reading.constant and not reading.data.up_to_a_constant:
        notes.append(f"with a constant, {reading.constant:.2g} nats per observed dimension, that no gradient sees")
    if reading.data is OF_PROPORTIONS:
        text = "the output sums to one over the dimensions of a datum, as its source says or its values show"
        notes.append(f"{text}; of independent binary pixels (1 - x) log(1 - p) would be missing")
    if reading.data is not None and reading.data.source:
        notes.append(f"{reading.data.likelihood} likelihood: {reading.data.source}")
    return tuple(notes)


def name_notes(signature: Signature, reading: Reading) -> tuple[str, ...]:
    """Names that say something else than the value."""
    notes = []
    if signature.positive and reading.sign > 0 and reading.quantity is Quantity.NEGATIVE_ELBO:
        notes.append(f"a loss to be minimised, though named {signature.name}")
    if signature.positive and reading.sign < 0 and reading.quantity is Quantity.NEGATIVE_ELBO:
        notes.append(signature.use or "the ELBO itself, as its name says: minimise minus it")
    spread = signature.find(Role.SPREAD)
    unusual = reading.spread in RARE_SPREADS
    if spread is not None and reading.has_kl and (unusual or len(spread.forms) > 1):
        notes.append(f"by its use {spread.name} is the {_word(reading.spread)}")
    output = signature.find(Role.OUTPUT)
    if (
        output is not None
        and reading.data is not None
        and output.form not in (WrittenAs.OUTPUT_UNKNOWN, reading.data.form)
    ):
        notes.append(f"by its use {output.name} is {_outputs(reading)}")
    return tuple(notes)


def _word(form: WrittenAs) -> str:
    words = {
        WrittenAs.LOG_VAR: "log variance",
        WrittenAs.LOG_SIGMA: "log sigma",
        WrittenAs.SIGMA: "sigma",
        WrittenAs.VAR: "variance",
    }
    words |= {
        WrittenAs.RAW: "raw sigma (softplus)",
        WrittenAs.PRECISION: "precision",
        WrittenAs.LOG_PRECISION: "log precision",
    }
    return words[form]


def _outputs(reading: Reading) -> str:
    words = {
        WrittenAs.PROBS: "probabilities",
        WrittenAs.LOGITS: "logits",
        WrittenAs.LOCATION: "a mean",
        WrittenAs.PLAIN: "a rate",
    }
    return words[reading.output]
