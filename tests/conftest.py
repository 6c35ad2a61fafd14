"""Before anything of ours is imported: shape types are checked from here on."""

from shape_types import LACKING, check_shape_types

check_shape_types()


def pytest_report_header() -> str:
    """Whether shape types are checked in this run."""
    return f"shape types: not checked, {' and '.join(LACKING)} not installed" if LACKING else "shape types: checked"
