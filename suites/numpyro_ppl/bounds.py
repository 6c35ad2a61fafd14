"""The estimators as NumPyro's public ELBO objects, and what they return."""

from functools import partial
from typing import Any

import numpyro.infer
from jax import Array as JaxArray

from elbo_compare.suites.bridge.form import Form
from elbo_compare.suites.contract import Bound
from elbo_compare.suites.numpyro_ppl.layers import Weights
from elbo_compare.suites.numpyro_ppl.vae import OWN_NUMBERS, Given, guide, model

ELBOClass = type[numpyro.infer.ELBO]

# --- bounds


def elbo_object(elbo_class: ELBOClass, form: Form) -> numpyro.infer.ELBO:
    """The public object: RenyiELBO with its alpha (0 is IWAE), any other class with its number of particles."""
    options: dict[str, Any] = {"num_particles": form.particles}
    if form.bound is Bound.RENYI:
        options["alpha"] = form.alpha
    return elbo_class(**options)


def object_loss(
    elbo_class: ELBOClass, form: Form, weights: Weights, x: JaxArray, key: JaxArray, given: Given = OWN_NUMBERS
) -> JaxArray:
    """What the public ELBO object returns: minus the bound summed over the batch, in nats."""
    elbo = elbo_object(elbo_class, form)
    loss = elbo.loss(key, weights, partial(model, form), partial(guide, form), x, given)
    assert isinstance(loss, JaxArray)  # a dict only under sum_sites=False
    return loss
