"""`compare explain`: the told treatment against the library's own loss, closed forms, and what each pair is for."""

import json
import subprocess
import sys
from importlib.util import find_spec
from math import isnan, log, pi
from pathlib import Path

import pytest

from elbo_compare.compare.cli import main
from elbo_compare.compare.semantics.explaining import explain_pair

HERE = Path(__file__).parent
TARGETS = HERE / "targets"
LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
    for name in ("pyro", "numpyro")
]
BOTH = ("pyro", "numpyro")
# What each pair was built to show: site -> treatments, for Pyro and for NumPyro, and the findings in both.
EXPECTED = {
    "plain": (({"z": "analytic"},) * 2, ()),
    "annealed in the model": (({"z": "analytic + wrong scale"},) * 2, ("001",)),
    "annealed in both": (({"z": "analytic"},) * 2, ()),
    "masked in the model": (({"z": "analytic + mask ignored"}, {"z": "sampled"}), {"pyro": ("007",), "numpyro": ()}),
    "masked in both": (({"z": "analytic"},) * 2, ()),
    "distributions masked differently": (
        ({"z": "analytic + mask ignored"},) * 2,
        {"pyro": ("020",), "numpyro": ("012",)},
    ),
    "factorised guide, correlated prior": (({"z": "analytic"}, {"z": "sampled"}), ()),
    "correlated guide, factorised prior": (({"z": "sampled"},) * 2, ()),
    "autoguide on a LogNormal": (
        ({"z": "analytic", "z_unconstrained": "auxiliary"}, {"z": "sampled"}),
        {"pyro": ("008",), "numpyro": ()},
    ),
    "order violated": (({"a": "analytic", "b": "analytic"},) * 2, ("003",)),
    "latent missing in the guide": (({"a": "analytic", "b": "raises"},) * 2, ("004",)),
    "auxiliary site": (({"z": "analytic", "u": "auxiliary"},) * 2, ()),
    "subsampled": (({"z": "analytic", "x": "log-likelihood"},) * 2, ()),
    "guide plate of the batch": (({"z": "analytic + wrong scale", "x": "log-likelihood"},) * 2, ("002",)),
    "discrete guide": (({"z": "raises"}, {"z": "sampled"}), {"pyro": (), "numpyro": ("008",)}),
    "pixel by probability": (({"z": "analytic", "x": "log-likelihood"},) * 2, ("005",)),
}


@pytest.fixture(scope="module")
def explained():
    """library -> name -> explanation; every pair of a library in one process."""
    found = {}

    def explain(library):
        if library not in found:
            command = [sys.executable, str(HERE / "explain_all.py"), library]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[library] = json.loads(done.stdout)
        return found[library]

    return explain


def _site(explanation, name):
    return next(each for each in explanation["sites"] if each["site"]["name"] == name)


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", EXPECTED)
def test_pair_is_treated_as_it_was_built_to_be(explained, library, name):
    treatments, findings = EXPECTED[name]
    explanation = explained(library)[name]
    told = {each["site"]["name"]: " + ".join(each["treatments"]) for each in explanation["sites"]}
    assert told == treatments[BOTH.index(library)]
    numbers = findings[library] if isinstance(findings, dict) else findings
    named = {*explanation["findings"], *(name for each in explanation["sites"] for name in each["findings"])}
    assert named == {f"FIND-{library.upper()}-{number}" for number in numbers}


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", EXPECTED)
def test_terms_add_up_to_what_the_library_returns(explained, library, name):
    explanation = explained(library)[name]
    if explanation["error"]:
        assert isnan(explanation["loss"])
        assert any("raises" in each["treatments"] for each in explanation["sites"])
        return
    # float64: a few dozen roundings of terms below 30 nats
    assert explanation["total"] == pytest.approx(explanation["loss"], abs=1e-12)
    sampled = -sum(each["sampled_term"] for each in explanation["sites"])
    assert sampled == pytest.approx(explanation["trace_loss"], abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_terms_are_the_closed_forms(explained, library):
    pairs = explained(library)
    kl = (0.7**2 + 0.5**2 - 1) / 2 - log(0.5)
    assert -_site(pairs["plain"], "z")["term"] == pytest.approx(kl, abs=1e-14)
    assert -_site(pairs["annealed in the model"], "z")["term"] == pytest.approx(kl, abs=1e-14)
    assert -_site(pairs["annealed in both"], "z")["term"] == pytest.approx(0.3 * kl, abs=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_scales_masks_plates_and_constants_in_force(explained, library):
    pairs = explained(library)
    annealed = _site(pairs["annealed in the model"], "z")
    assert (annealed["site"]["model"]["scale"], annealed["site"]["guide"]["scale"]) == ([0.3, 0.3], [1.0, 1.0])
    assert _site(pairs["masked in the model"], "z")["site"]["model"]["kept"] == 0.75
    plate = {"name": "data", "size": 12, "rows": 4}
    assert _site(pairs["subsampled"], "z")["site"]["guide"]["plates"] == [plate]
    # the likelihood of four of twelve normal data keeps 12 times half log 2 pi
    assert f"{-12 * log(2 * pi) / 2:+.6g} nats; it stays" in _site(pairs["subsampled"], "x")["constants"]
    masked = _site(pairs["masked in the model"], "z")["constants"]
    assert f"{-4 * log(2 * pi) / 2:+.6g}, log p holds {-3 * log(2 * pi) / 2:+.6g}" in masked


@pytest.fixture
def command(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_command_prints_sites_and_findings_with_arguments_of_either_kind(command, library):
    module = TARGETS / f"explain_{library}_pairs.py"
    pair = (f"{module}:subsampled_model", f"{module}:small_plate_guide")
    by_list = command("explain", *pair, "--args", "[[0.3, -1.2, 2.0, 0.4]]")
    by_function = command("explain", *pair, "--args", f"{module}:arguments")
    assert by_list == by_function
    code, out, _ = by_list
    assert code == 0
    assert "z: analytic + wrong scale" in out
    assert "plates: data 4 of 12; scale 3; no mask" in out
    assert f"FIND-{library.upper()}-002  A guide plate" in out


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_pair_that_raises_or_can_not_be_loaded_is_told_in_one_line(command, library):
    module = TARGETS / f"explain_{library}_pairs.py"
    code, out, err = command("explain", f"{module}:needs_data", f"{module}:normal_guide", "--args", "[1.0]")
    assert (code, out) == (3, "")
    assert "TypeError" in err or "planted" in err
    code, _, err = command("explain", f"{module}:normal_modle", f"{module}:normal_guide")
    assert code == 2
    assert "Did you mean 'normal_model'" in err


def test_modules_of_neither_library_are_refused(tmp_path):
    (tmp_path / "plain.py").write_text("def model(): pass\n")
    told = explain_pair(f"{tmp_path}/plain.py:model", f"{tmp_path}/plain.py:model", "[]", None, 60)
    assert told.exit_code == 2
    assert "neither pyro nor numpyro" in told.text


@pytest.mark.parametrize("library", LIBRARIES[:1])
def test_a_pair_that_hangs_is_ended(tmp_path, library):
    (tmp_path / "slow.py").write_text("import time\ndef model(): time.sleep(600)\n")
    told = explain_pair(f"{tmp_path}/slow.py:model", f"{tmp_path}/slow.py:model", "[]", library, 2)
    assert told.exit_code == 3
    assert "No answer after 2 s" in told.text


def test_unknown_library_names_the_known_ones(command):
    code, _, err = command("explain", "a.py:m", "a.py:g", "--library", "pyroo")
    assert code == 2
    assert "No library 'pyroo'" in err


def test_explaining_imports_no_framework_in_the_parent():
    program = (
        "import sys, elbo_compare.compare.semantics.explaining, elbo_compare.compare.semantics.explain_child;"
        "import elbo_compare.suites.semantics.explain;"
        "print([name for name in ('torch', 'jax', 'pyro', 'numpyro') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
