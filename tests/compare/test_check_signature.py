"""Parameter names -> roles, forms and kinds."""

import pytest

from elbo_compare.compare.checking.callee import callee_of
from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.names import Role, WrittenAs, read_name
from elbo_compare.compare.checking.roles import assignments
from elbo_compare.compare.checking.signature import FunctionKind, read_mapping


@pytest.mark.parametrize(
    ("name", "role", "form"),
    [
        ("mu", Role.MEAN, WrittenAs.PLAIN),
        ("z_mean", Role.MEAN, WrittenAs.PLAIN),
        ("q_mu", Role.MEAN, WrittenAs.PLAIN),
        ("logvar", Role.SPREAD, WrittenAs.LOG_VAR),
        ("z_log_var", Role.SPREAD, WrittenAs.LOG_VAR),
        ("log_sigma_sq", Role.SPREAD, WrittenAs.LOG_VAR),
        ("logstd", Role.SPREAD, WrittenAs.LOG_SIGMA),
        ("log_scale", Role.SPREAD, WrittenAs.LOG_SIGMA),
        ("sigma", Role.SPREAD, WrittenAs.SIGMA),
        ("std", Role.SPREAD, WrittenAs.SIGMA),
        ("variance", Role.SPREAD, WrittenAs.VAR),
        ("z", Role.Z, WrittenAs.PLAIN),
        ("recon_x", Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN),
        ("x_hat", Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN),
        ("logits", Role.OUTPUT, WrittenAs.LOGITS),
        ("x_mean", Role.OUTPUT, WrittenAs.LOCATION),
        ("key", Role.KEY, WrittenAs.PLAIN),
        ("z_q_mean", Role.MEAN, WrittenAs.PLAIN),
        ("encoded_log_var", Role.SPREAD, WrittenAs.LOG_VAR),
        ("sigma_hat", Role.SPREAD, WrittenAs.SIGMA),
        ("log_sigma_2", Role.SPREAD, WrittenAs.LOG_VAR),
        ("qv", Role.SPREAD, WrittenAs.VAR),
        ("mu1", Role.MEAN, WrittenAs.PLAIN),
        ("mu2", Role.PRIOR_MEAN, WrittenAs.PLAIN),
        ("logvar_p", Role.PRIOR_SPREAD, WrittenAs.LOG_VAR),
        ("X_sample", Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN),
        ("img_rec", Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN),
        ("generated", Role.OUTPUT, WrittenAs.OUTPUT_UNKNOWN),
        ("x_target", Role.X, WrittenAs.PLAIN),
        ("batch", Role.X, WrittenAs.PLAIN),
        ("bce_loss", Role.DATA_TERM, WrittenAs.PLAIN),
    ],
)
def test_common_names_are_understood(name, role, form):
    assert read_name(name) == (role, form)


def test_a_name_that_says_nothing_is_not_guessed():
    assert read_name("h") is None
    assert read_name("beta") is None
    assert read_name("batch_size") is None
    assert read_name("kld_weight") is None


def test_a_bare_method_may_be_given_its_self_by_name():
    """A method named without an object whose self is not used: that was a crash of ours."""

    def kl(self, mu, logvar):
        return mu + logvar

    assert callee_of(kl, {}).given(self=None).constants == {"self": None}


def analytic(mu, logvar): ...
def sampled(z, mu, logvar): ...
def loss(recon_x, x, mu, logvar, beta=1.0): ...
def log_w(x, logits, z, mean, log_var): ...
def elbo(x, logits, z, mean, log_var): ...
def negative_elbo(x, logits, z, mean, log_var): ...


@pytest.mark.parametrize(
    ("function", "kind", "positive"),
    [
        (analytic, FunctionKind.ANALYTIC_KL, False),
        (sampled, FunctionKind.SAMPLED_KL, False),
        (loss, FunctionKind.NEGATIVE_ELBO, False),
        (log_w, FunctionKind.LOG_WEIGHT, True),
        (elbo, FunctionKind.NEGATIVE_ELBO, True),
        (negative_elbo, FunctionKind.NEGATIVE_ELBO, False),
    ],
)
def test_the_kind_is_read_from_the_names(function, kind, positive):
    signature = assignments(callee_of(function, {}), None, {})[0].signature
    assert (signature.kind, signature.positive) == (kind, positive)


def test_what_is_missing_is_named():
    def half(z, mu): ...

    with pytest.raises(TargetError, match="needs spread"):
        assignments(callee_of(half, {}), None, {})


def test_two_parameters_of_one_role_are_refused():
    def twice(std, sigma): ...

    with pytest.raises(TargetError, match="'std' and 'sigma' both read as spread"):
        assignments(callee_of(twice, {}), None, {})


@pytest.mark.parametrize(
    ("pair", "says"), [("h", "wants theirs=ours"), ("h=log_vra", "log_var"), ("nope=mean", "nope")]
)
def test_a_bad_map_is_explained(pair, says):
    with pytest.raises(TargetError, match=says):
        assignments(callee_of(analytic, {}), None, read_mapping([pair]))
