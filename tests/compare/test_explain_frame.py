"""`elbo_compare.explain` in the caller's process: the frame, the printed lines and `--json` say the same."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from elbo_compare.compare.semantics.explain_frame import _rows

pytestmark = pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")
PROGRAM = """
import json, sys
sys.path.insert(0, TARGETS)
import explain_pyro_pairs as pairs, random, torch
from elbo_compare import explain
from pyro.infer import TraceEnum_ELBO
from elbo_compare.compare.semantics.explain_child import answer

request = {"model": "explain_pyro_pairs:lit_model", "guide": "explain_pyro_pairs:learned_switch_guide", "args": "[]",
           "library": "pyro", "seconds": 0.0, "elbo": "TraceGraph_ELBO()"}
child = answer(request, lambda stage: None)["explanation"]
torch.manual_seed(123)
before = torch.get_rng_state(), random.getstate()
frame = explain(pairs.lit_model, pairs.learned_switch_guide, "TraceGraph_ELBO()")
after = torch.get_rng_state(), random.getstate()
try:
    explain(pairs.lit_model, pairs.learned_switch_guide, "Trce_ELBO()")
    said = ""
except Exception as error:
    said = f"{type(error).__name__}: {error}"


def turned_model():
    x = pairs.pyro.sample("x", pairs.dist.Normal(0.0, 1.0))
    pairs.pyro.sample("i", pairs.dist.Bernoulli(torch.where(x > 0, torch.tensor(0.8), torch.tensor(0.3))))


@pairs.config_enumerate
def turned_guide():
    i = pairs.pyro.sample("i", pairs.dist.Bernoulli(0.3)).long()
    pairs.pyro.sample("x", pairs.dist.Normal(torch.tensor([-0.5, 1.0])[..., i], 1.0))


turned = explain(turned_model, turned_guide, "TraceEnum_ELBO()").attrs["text"]
pairs.pyro.set_rng_seed(0)
with pairs.pyro.validation_enabled(False):
    unchecked = TraceEnum_ELBO(max_plate_nesting=0).loss(turned_model, turned_guide)
print(json.dumps({
    "turned": turned, "unchecked": unchecked,
    "rows": frame.to_dict("records"), "child": child, "own": frame.attrs["explanation"], "text": frame.attrs["text"],
    "kept": bool(torch.equal(before[0], after[0]) and before[1] == after[1]), "said": said,
}))
"""


@pytest.fixture(scope="module")
def told():
    targets = str(Path(__file__).parent / "targets")
    program = PROGRAM.replace("TARGETS", repr(targets))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_frame_lines_and_json_say_the_same(told):
    (one,) = told["own"]["classes"]
    assert {row["site"] for row in told["rows"]} == {"z", "x"}
    for row in told["rows"]:
        assert row["role"] == " + ".join(one["roles"][row["site"]])
        assert row["term_nats"] == one["terms"][row["site"]]
        assert f"  TraceGraph_ELBO: {row['role']}, {row['term_nats']:.6g} nats" in told["text"]
        assert f"TraceGraph_ELBO: loss {row['loss_nats']:.6g} nats at seed 0" in told["text"]
        assert (row["bias_nats"], row["n"]) == (one["difference"]["mean"], one["difference"]["n"])


def test_the_commands_json_differs_by_its_draws_alone(told):
    (own,), (child,) = (told[name]["classes"] for name in ("own", "child"))
    drawn = ("mean", "difference", "gradient")
    assert {key: value for key, value in own.items() if key not in drawn} == {
        key: value for key, value in child.items() if key not in drawn
    }
    for key in ("library", "versions", "bits", "objective", "exact", "sites", "remarks"):
        assert told["own"][key] == told["child"][key], key


def test_the_reference_has_no_bias_of_its_own():
    """It was compared with itself alone: 0 nats would be a right that judged nothing."""
    one = {"name": "Trace_ELBO", "kind": "Trace_ELBO", "estimates_elbo": True, "loss": 1.0, "error": "",
           "roles": {"z": ["point"]}, "terms": {"z": -1.0}}  # fmt: skip
    zero = {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 16}
    for beside, measured in (("Trace_ELBO", False), ("", True), ("TraceGraph_ELBO", True)):
        (row,) = _rows(one | {"difference": zero | {"beside": beside}}, {"findings": []})
        assert [row[name] == 0.0 for name in ("bias_nats", "bias_low", "bias_high")] == [measured] * 3
        assert row["n"] == (16 if measured else 0)


def test_random_numbers_of_the_caller_go_on_where_they_were(told):
    assert told["kept"]


def test_an_elbo_that_does_not_exist_is_one_line(told):
    assert told["said"].startswith("UsageError: No ELBO class 'Trce_ELBO'")


def test_a_right_pair_that_validation_refuses_is_told_as_such(told):
    """A guide that draws i before x, and x by i, enumerated: Pyro's check of shapes knows the model's order alone."""
    (line,) = [each for each in told["turned"].splitlines() if each.startswith("TraceEnum_ELBO: raises")]
    assert line.endswith(f"(it is Pyro's validation that refuses: without it the loss is {told['unchecked']:.6g} nats)")
