"""Shape types hold what they promise under test, and cost a user nothing."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from shape_types import LACKING

from elbo_compare.suites.contract import Draws, DType, GradientDraws, Training
from elbo_compare.suites.exact import gaussian_kl, linear_gaussian
from elbo_compare.suites.exact.quadratic import Quadratic

TWO, THREE = np.zeros(2), np.zeros(3)
checked = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")


def training(**more) -> Training:
    """Five steps on batches of three."""
    fields = {"x": np.zeros((9, 4)), "batches": np.zeros((5, 3), int), "learning_rate": 1e-3, "seed": 0}
    return Training(**(fields | more))


@checked
@pytest.mark.parametrize(
    "call",
    [
        lambda: gaussian_kl.kl(TWO, THREE),
        lambda: gaussian_kl.sampled_kl(TWO, TWO, np.zeros((5, 3))),
        lambda: Quadratic(constant=0.0, linear=TWO, matrix=np.eye(3)),
        lambda: Quadratic(constant=0.0, linear=TWO, matrix=np.zeros((2, 3))),
        lambda: linear_gaussian.Decoder(weight=np.zeros((4, 2)), bias=THREE, tau=1.0),
        lambda: Draws(elbo=TWO, kl=THREE, dtype=DType.FLOAT64),
        lambda: GradientDraws(mean=np.zeros((5, 2)), log_var=np.zeros((4, 2)), dtype=DType.FLOAT64),
        lambda: GradientDraws(mean=TWO, log_var=TWO, dtype=DType.FLOAT64),
        lambda: gaussian_kl.kl(np.zeros(2, int), TWO),
        lambda: training(noise=np.zeros((4, 1, 3, 2))),
        lambda: training(kl_weights=np.zeros(4)),
        lambda: training(batches=np.zeros((5, 3))),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call):
    from jaxtyping import TypeCheckError

    with pytest.raises(TypeCheckError):
        call()


def test_shapes_that_fit_pass():
    assert gaussian_kl.kl(np.zeros((5, 1, 2)), np.zeros((4, 2))).shape == (5, 4)
    assert gaussian_kl.kl(TWO, TWO) == 0.0
    assert training(noise=np.zeros((5, 1, 3, 2)), kl_weights=np.zeros(5)).asked == {"noise", "kl_weights"}


def test_outside_the_tests_nothing_is_checked_and_jaxtyping_is_not_imported():
    code = (
        "import sys; import numpy as np; from elbo_compare.suites.exact import expected, gaussian_kl; "
        "from elbo_compare.suites import contract, shapes; "
        "assert gaussian_kl.kl(np.zeros(2, int), np.zeros(2)) == 0; "
        "sys.exit(bool({'jaxtyping', 'beartype'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


WRITTEN = {"log_bernoulli", "log_laplace", "log_mixture", "log_normal", "log_normal_diag", "log_normal_standard"}
REFUSED = """
import sys
from importlib import import_module
import numpy as np
sys.path.insert(0, sys.argv[2])
from shape_types import DENSITIES, check_densities, check_shape_types
check_shape_types()
print(*check_densities(sys.argv[1]))
vae, framework = import_module(DENSITIES[sys.argv[1]]), sys.argv[1].partition("-")[0]
from jaxtyping import TypeCheckError
made = {"torch": "torch.zeros", "jax": "jax.numpy.zeros", "numpy": "numpy.zeros"}[framework].rpartition(".")
zeros = getattr(import_module(made[0]), made[2])
assert vae.log_normal_diag(zeros((5, 1, 2)), zeros((4, 2)), zeros((4, 2))).shape == (5, 4)
for call in (lambda: vae.log_normal_diag(zeros(2), zeros(3), zeros(3)), lambda: vae.log_bernoulli(zeros(2), zeros(3))):
    try:
        call()
    except TypeCheckError:
        continue
    sys.exit("not refused")
"""


@checked
@pytest.mark.parametrize(
    ("implementation", "framework"), [("numpy-oracle", "numpy"), ("torch-hand", "torch"), ("jax-hand", "jax")]
)
def test_a_backends_densities_bear_shape_types_and_refuse_what_does_not_fit(implementation, framework):
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    command = [sys.executable, "-W", "error", "-c", REFUSED, implementation, str(Path(__file__).resolve().parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) >= WRITTEN
