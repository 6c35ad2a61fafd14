"""`compare explain`: what a person names as model, guide, arguments and ELBO, and what is said of what is none."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.semantics.explain_raised import raised_by_pair
from elbo_compare.compare.semantics.explain_target import arguments, loaded
from elbo_compare.compare.semantics.explaining import explain_pair

LACKING = pytest.mark.skipif(find_spec("pyro") is None, reason="pyro is not installed")

CLASSES = """
class Pair:
    def __init__(self, size): ...
    def model(self): ...

class Whole:
    def model(self): return id(self)
    def guide(self): return id(self)

class Holder:  # its part is given by __getattr__, as a torch module gives its own
    def __getattr__(self, name):
        if name != "part":
            raise AttributeError(name)
        return lambda: 4

held = Holder()

def keywords(): return {"x": 1.5}
def both(): return [1], {"x": 1.5}
def tensors(): return 1, 2
number = 3
def broken(): raise ValueError("no data")
def wanting(n): return (n,)
def nothing(): pass
def stepwise(): yield 1
async def later(): pass
class ELBO:
    def __call__(self): ...
class Trace_ELBO(ELBO): ...
elbo = Trace_ELBO()
"""


@pytest.fixture
def classes(tmp_path):
    (tmp_path / "some_classes.py").write_text(CLASSES)
    return f"{tmp_path / 'some_classes.py'}:"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Pair", "is a class that can't be made without arguments"),
        ("Pair.model", "name an object of it, as in FILE.py:my_pair"),
        ("modle", "No function 'modle'"),
        ("number", "is of type int; name a function or a callable object"),
        ("stepwise", "returns a generator (its body has a yield): a call of it draws nothing"),
        ("later", "returns a coroutine: a call of it draws nothing"),
        ("elbo", "is an ELBO object (Trace_ELBO); name it with --elbo"),
    ],
)
def test_what_is_no_model_is_told_in_one_line(classes, name, says):
    with pytest.raises(TargetError, match=re.escape(says)) as raised:
        loaded(classes + name)
    assert "\n" not in str(raised.value)


def test_model_and_guide_of_a_class_are_methods_of_one_object(classes):
    assert loaded(f"{classes}Whole.model")() != 0
    from elbo_compare.compare.semantics import explain_target

    owners = [loaded(f"{classes}Whole.{name}").__self__ for name in ("model", "guide")]
    assert [type(each).__name__ for each in owners] == ["Whole", "Whole"]
    assert explain_target._MADE


def test_a_part_that_an_object_gives_by_itself_is_found(classes):
    assert loaded(f"{classes}held.part")() == 4
    with pytest.raises(TargetError, match="No function 'whole'"):
        loaded(f"{classes}held.whole")


def test_forms_of_arguments(classes):
    assert arguments("[1, [2, 3]]") == ([1, [2, 3]], {})
    assert arguments('[[1], {"x": 2}]') == ([1], {"x": 2})
    assert arguments('{"x": 2}') == ([], {"x": 2})
    assert arguments(f"{classes}both") == ([1], {"x": 1.5})
    assert arguments(f"{classes}tensors") == ([1, 2], {})
    with pytest.raises(TargetError, match="keyword arguments alone"):
        arguments(f"{classes}keywords")
    with pytest.raises(TargetError, match="not a JSON list"):
        arguments("[1, 2")


@pytest.mark.parametrize(("call", "hint"), [("model()", True), ("model(1, 2)", True), ("model(1, y=2)", True),
                                            ("model(1, x=2)", True), ("int('a')", False)])  # fmt: skip
def test_a_pair_that_is_called_with_other_arguments_is_told_what_args_gave(call, hint):
    def model(x):
        return x

    with pytest.raises((TypeError, ValueError)) as raised:
        eval(call, {"model": model})
    assert ("--args gave 2 positional and the keywords y: " in raised_by_pair(raised.value, [1, 2], {"y": 2})) == hint


def test_what_a_pair_raises_is_told_with_the_line_of_the_persons_own_code(tmp_path):
    (tmp_path / "raising_pair.py").write_text("def model(x):\n    import json\n    assert x\n    json.loads('{')\n")
    model = loaded(f"{tmp_path / 'raising_pair.py'}:model")
    for x, says in ((0, "AssertionError without a message (raising_pair.py, line 3, in model)"),
                    (1, "(raising_pair.py, line 4, in model)")):  # fmt: skip
        with pytest.raises((AssertionError, ValueError)) as raised:
            model(x)
        told = raised_by_pair(raised.value, [x], {})
        assert says in told
        assert "\n" not in told


def test_the_table_of_shapes_and_the_seed_of_a_draw():
    error = ValueError("too large\nTrace Shapes:\n Param Sites:\n")
    error.add_note("under seed 3, not under seed 0")
    assert raised_by_pair(error, [], {}) == "The pair raises ValueError: too large, under seed 3, not under seed 0"


@pytest.mark.parametrize(
    ("message", "args", "says"),
    [
        ("The value argument to log_prob must be a Tensor", [1.0], "a number in --args stays a Python number"),
        ("expected sequence of length 1 at dim 1 (got 2)", [[[1], [1, 2]]], "it has to be rectangular, of numbers"),
        ("Expected scale > 0 but got 0.0", [], "SEM-SCALE-004"),
        ("Value is not broadcastable", [1.0], "not broadcastable"),
    ],
)
def test_what_a_message_means_is_said(message, args, says):
    told = raised_by_pair(ValueError(message), args, {})
    assert says in told
    assert told.startswith(f"The pair raises ValueError: {message}")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("1.0", "--args is a JSON list, as in '[1.0]', or FILE.py:FUNCTION; '1.0' arrived."),
        ("broken", "broken raises ValueError: no data; it is called without arguments."),
        ("wanting", "wanting raises TypeError: wanting() missing 1 required positional argument: 'n'"),
        ("nothing", "nothing gives None; return a tuple of arguments, or (args, kwargs)."),
    ],
)
def test_arguments_that_are_none_are_told_in_one_line(classes, args, says):
    with pytest.raises(TargetError, match=re.escape(says)):
        arguments(args if args == "1.0" else classes + args)


def test_torch_is_seeded_as_soon_as_it_is_imported(tmp_path):
    """A stand-in under its name: whoever imports it, what is drawn while modules load is the same in every run."""
    (tmp_path / "torch.py").write_text("SEEDS = []\nmanual_seed = SEEDS.append\n")
    program = (
        "import sys; from elbo_compare.compare.launching.seeding import seeded_imports;"
        f"sys.path.insert(0, {str(tmp_path)!r}); seeded_imports(); import torch; print(torch.SEEDS, torch.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"[0] {tmp_path}/torch.py\n"


def test_modules_of_neither_library_are_refused(tmp_path):
    (tmp_path / "plain.py").write_text("def model(): pass\n")
    told = explain_pair(f"{tmp_path}/plain.py:model", f"{tmp_path}/plain.py:model", "[]", None, 60)
    assert told.exit_code == 2
    assert "neither pyro nor numpyro" in told.text


@pytest.mark.parametrize("library", [pytest.param("pyro", marks=LACKING)])
def test_a_pair_that_hangs_is_ended(tmp_path, library):
    (tmp_path / "slow.py").write_text("import time\ndef model(): time.sleep(600)\n")
    told = explain_pair(f"{tmp_path}/slow.py:model", f"{tmp_path}/slow.py:model", "[]", library, 2)
    assert told.exit_code == 3
    assert "No answer after 2 s" in told.text


def test_an_elbo_that_is_no_call_of_a_class_is_refused_before_anything_is_imported():
    told = explain_pair("a.py:m", "a.py:g", "[]", None, 60, elbo="__import__('os').system('true')")
    assert told.exit_code == 2
    assert "--elbo is a class by its bare name with literal arguments" in told.text


def test_explaining_imports_no_framework_in_the_parent():
    program = (
        "import sys, elbo_compare.compare.semantics.explaining, elbo_compare.compare.semantics.explain_child;"
        "import elbo_compare.compare.semantics.explained, elbo_compare.compare.semantics.measuring;"
        "print([name for name in ('torch', 'jax', 'pyro', 'numpyro') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "[]\n"
