"""Profiles: what is not understood is an error that names what arrived, and nothing is lost on the way to disk."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbo_compare.compare.errors import SpecError
from elbo_compare.compare.planning.spec import SHIPPED, Block, Spec, parse_spec, read_spec, spec_from_dict
from elbo_compare.compare.records import Procedure

CELLS = '[[cells]]\nprocedure = "evaluate"\nproblems = ["vae@initial"]\nsize = 1\n'

blocks = st.builds(
    Block,
    procedure=st.sampled_from(Procedure),
    problems=st.lists(st.text(min_size=1), min_size=1).map(tuple),
    size=st.integers(1, 10**6),
    seeds=st.integers(1, 100),
)
specs = st.builds(
    Spec,
    name=st.text(),
    cells=st.lists(blocks, min_size=1, max_size=4).map(tuple),
    alpha=st.floats(1e-9, 0.5),
    seed=st.integers(0, 2**31 - 1),
)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_are_read(name):
    assert read_spec(name).name == name


def test_shipped_profiles_are_read_from_any_folder(tmp_path):
    program = "from elbo_compare.compare.planning.spec import SHIPPED, read_spec; print(*map(read_spec, SHIPPED))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]


@given(specs)
def test_a_spec_survives_json(spec):
    again = spec_from_dict(json.loads(json.dumps(asdict(spec))))
    assert again == spec
    assert again.digest == spec.digest


@given(specs, st.integers(0, 2**31 - 1), st.floats(1, 1e6))
def test_the_digest_follows_the_cells_and_not_the_time_limit(spec, seed, timeout_s):
    assert replace(spec, cell_timeout_s=timeout_s).digest == spec.digest
    assert (replace(spec, seed=seed).digest == spec.digest) == (seed == spec.seed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variance_margn = 0.1\n" + CELLS, "No key 'variance_margn'. Did you mean 'variance_margin'"),
        (CELLS + "sizes = 3\n", "cells[0] of profile p: No key 'sizes'. Did you mean 'size'"),
        ("alpha = 'tiny'\n" + CELLS, "must be a number, not 'tiny' (str)"),
        ("alpha = 2.0\n" + CELLS, "must lie between 0 and 1, not 2.0"),
        ("alpha = nan\n" + CELLS, "must lie between 0 and 1, not nan"),
        ("tests = true\n" + CELLS, "must be an integer, not True (bool)"),
        ("tests = 0\n" + CELLS, "must be at least 1, not 0"),
        ("seed = -1\n" + CELLS, "must be within 0 and 2^31 - 1, not -1"),
        ("cell_timeout_s = 0\n" + CELLS, "must lie between 0 and 2592000"),
        (
            CELLS.replace("size = 1", "size = 1.5"),
            "'size' in cells[0] of profile p must be an integer, not 1.5 (float)",
        ),
        (CELLS.replace("size = 1", ""), "needs a 'size'"),
        (CELLS.replace("size = 1", "size = -4"), "must be at least 0, not -4"),
        (CELLS.replace('"evaluate"', '"evalute"'), "No procedure 'evalute'. Did you mean 'evaluate'"),
        (CELLS.replace('["vae@initial"]', "[]"), "list of strings with at least one item, not []"),
        (CELLS.replace('["vae@initial"]', '"vae@initial"'), "list of strings"),
        (CELLS + 'estimators = ["sampled"]\n', "No estimator 'sampled'. Did you mean 'sampled-kl'"),
        (CELLS + 'dtypes = ["float16"]\n', "No dtype 'float16'"),
        ("alpha = 1e-6\n", "holds no cells"),
        ("cells = 3\n", "holds no cells"),
        ("alpha = = 1", "is not TOML"),
        ('procedure = "evaluate"\n', "No key 'procedure'"),
        ('name = "mine"\n' + CELLS, "No key 'name'"),
    ],
)
def test_what_is_not_understood_is_named(text, message):
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "p")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused_in_one_line(text):
    try:
        parse_spec(text, "p")
    except SpecError as error:
        assert str(error)


def test_unknown_profiles_are_refused_with_the_nearest():
    with pytest.raises(SpecError, match=r"No profile 'quik'\. Did you mean 'quick'"):
        read_spec("quik")
    with pytest.raises(SpecError, match=r"nowhere\.toml can't be read"):
        read_spec("nowhere.toml")
