"""Runs a program with the shape types of the contract, the closed forms and one backend's densities checked.

    python -W error checked_process.py IMPLEMENTATION PROGRAM ARGUMENTS...

IMPLEMENTATION: whose densities; one that writes none itself (a library) has none to check.
"""

import runpy
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
from shape_types import DENSITIES, check_densities, check_shape_types

check_shape_types()
implementation = sys.argv[1]
if implementation in DENSITIES:
    check_densities(implementation)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
