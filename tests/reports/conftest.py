"""What is drawn twice in a test run is drawn once: most of what a rendering costs is its figures."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest

from elbo_compare.reports import figures


@pytest.fixture(scope="module")
def drawn_once():
    """Figures of the same panels are taken from the run's folder, where any of its processes has drawn them.

    That the same panels give the same bytes, here and in another process, is tested without it.
    """
    folder, draw = Path(os.environ["ELBO_COMPARE_TESTS_MEASURED"], "figures"), figures._drawn
    folder.mkdir(exist_ok=True)

    def known(shown, columns, one_scale):
        asked = hashlib.sha256(pickle.dumps((shown, columns, one_scale))).hexdigest()
        file = folder / asked
        if not file.exists():
            unfinished = file.with_suffix(f".{os.getpid()}")
            unfinished.write_bytes(draw(shown, columns, one_scale))
            unfinished.replace(file)
        return file.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_drawn", known)
        yield
