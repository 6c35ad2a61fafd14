"""Fixtures of the fault suite: a bench for real runs, and one run that nothing has disturbed."""

import pytest
from real_runs import Bench, make_bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Bench:
    """The trivial package, installed in a folder of its own, and the profile."""
    return make_bench(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def whole(bench, tmp_path_factory):
    """The frames of a run that nothing has disturbed, and its folder."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    code, _, err = bench.run(folder)
    assert code == 0, err
    return folder, *bench.frames(folder)
