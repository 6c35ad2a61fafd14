"""Run as a program, `python mat_file.py FILE NAME...`: the named arrays of a MATLAB file, as .npz on standard output.

In a process of its own: on a damaged file SciPy's reader may end the process that it runs in (seen: a segmentation
fault), or ask for whatever a header promises.
"""

import io
import resource
import sys

import numpy as np
from scipy.io import loadmat

MEMORY = 6 * 2**30  # bytes of address space: the largest published file unpacks to a quarter of a gigabyte


def main() -> None:
    """Exit code 1 and a line on standard error where SciPy raises."""
    path, *names = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard < 0 else min(MEMORY, hard), hard))
    try:
        found = loadmat(path, variable_names=names)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: np.asarray(found[name]) for name in names if name in found})
    except Exception as error:  # SciPy raises what the damage happens to lead to
        sys.exit(" ".join(str(error).split())[:120] or type(error).__name__)
    sys.stdout.buffer.write(buffer.getvalue())


if __name__ == "__main__":
    main()
