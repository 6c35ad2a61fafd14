"""No circle among files: a module never imports, by way of others, itself. Imports inside functions count too.

import-linter's contract forbids circles among the files of a folder and among folders; a package's own file, which it
leaves out, is walked here too.
"""

import grimp
import pytest


def circles(imported: dict[str, set[str]]) -> set[str]:
    """The modules on a circle or leading to one: what is left when those that import nothing left are taken off."""
    left = {module: set(others) for module, others in imported.items()}
    while done := {module for module, others in left.items() if not others & left.keys()}:
        left = {module: others for module, others in left.items() if module not in done}
    return set(left)


def test_no_file_imports_itself_by_way_of_others():
    graph = grimp.build_graph("elbo_compare")
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imported) > 300
    assert circles(imported) == set()


@pytest.mark.parametrize(
    ("imported", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, set()),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": set()}, {"a", "b"}),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}, {"a", "b", "c"}),
    ],
)
def test_a_circle_is_seen(imported, found):
    assert circles(imported) == found
