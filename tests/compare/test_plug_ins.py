"""Plug-ins: names that are taken, entry points that are none, and what `doctor` and a plan say about them."""

import pytest

from elbo_compare.compare.commands.doctor import diagnose
from elbo_compare.compare.errors import UsageError
from elbo_compare.compare.planning.availability import implementations
from elbo_compare.suites import registry
from elbo_compare.suites.roster import BY_NAME, ROSTER


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """A function that installs a distribution with these lines of entry points."""

    def install(*lines: str, distribution: str = "their-vae") -> None:
        record = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (record / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines]) + "\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_name_of_ours_stays_ours_and_is_refused_in_one_line(plug_in, name):
    plug_in(f"{name} = their_vae:Mine")
    assert registry.installed()[name].value == BY_NAME[name].target
    with pytest.raises(UsageError) as caught:
        implementations(["all"])
    said = str(caught.value)
    assert f"'{name}' of their-vae" in said and "give it another" in said and "\n" not in said
    assert any("refused:" in line and "their-vae" in line for line in diagnose())


def test_two_plug_ins_of_one_name_are_refused(plug_in):
    plug_in("same = first:One", distribution="first-vae")
    plug_in("same = second:Two", distribution="second-vae")
    assert len(registry.refused()) == 1


@pytest.mark.parametrize("value", ["", "no_class", "not a module:Class", "module:", "1:2", ":Class"])
def test_a_malformed_entry_point_is_one_line_of_doctor(plug_in, value):
    plug_in(f"odd = {value}")
    (line,) = [line for line in diagnose() if line.split()[:1] == ["odd"]]
    assert "will not run" in line and "their-vae" in line and "\n" not in line


def test_a_malformed_entry_point_is_named_where_it_is_loaded(plug_in):
    plug_in("odd = no_class")
    with pytest.raises(ValueError, match="'odd' of their-vae can't be loaded: its entry point says 'no_class'"):
        registry.load("odd")


def test_ours_are_those_of_the_roster():
    assert {row.name for row in ROSTER} <= registry.installed().keys()
