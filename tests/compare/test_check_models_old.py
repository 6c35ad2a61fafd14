"""Old source and parts that are fixed on purpose: what is said of them."""

from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("torch")
import torch

from elbo_compare.compare.checking.failure import TargetError
from elbo_compare.compare.checking.models.aged import became, heard, of_syntax
from elbo_compare.compare.checking.models.check import check_model
from elbo_compare.compare.checking.models.loading import load_model
from elbo_compare.compare.checking.result import CheckVerdict

TARGETS = Path(__file__).parent / "targets"
FILE, MORE = (str(TARGETS / name) for name in ("whole_models.py", "whole_objectives.py"))


@cache
def models():
    return load_model(f"{FILE}:VAE").names | load_model(f"{MORE}:FreeBits").names


def checked(name, **options):
    torch.manual_seed(16)
    return check_model(models()[name], names=models(), target=name, **options)


def error_of(call):
    with pytest.raises(Exception) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


RAISED = {
    "xrange(3)": "xrange is Python 3's range",
    "unicode(3)": "Python 2's unicode is gone",
    "range(7 / 2)": "write //",
    "torch.zeros(3).sum().data[0]": ".data[0] is .item() now",
    "torch.zeros(1).clone(volatile=True)": "torch.no_grad() since torch 0.4",
    "torch.tril(torch.ones(2, 2), k=-1)": "torch.tril's k",
    "{}.iteritems()": "Python 2's iteritems()",
    "__import__('cPickle')": "cPickle is a module of Python 2",
    "torch.rfft": "no rfft any more",
}


@pytest.mark.parametrize("source", RAISED)
def test_what_python_3_or_torch_made_of_old_source(source):
    said = became(error_of(lambda: eval(source)))
    assert said.startswith(" (old source: ")
    assert RAISED[source] in said


def test_an_error_of_today_is_not_called_old():
    assert became("ValueError: math domain error") == ""
    assert became("RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x5 and 13x7)") == ""


SYNTAX = {
    "print 'x'\n": "line 1 is Python 2",
    "def f():\n    raise E, 'x'\n": "line 2 is Python 2",
    "try:\n    pass\nexcept E, e:\n    pass\n": "is Python 2",
    "x = 0777\n": "line 1 is Python 2",
    "a <> b\n": "line 1 is Python 2",
    "x.cuda(async=True)\n": "torch calls it non_blocking",
    "if True:\n\tx = 1\n        y = 2\n": "tabs and spaces",
    "def f(:\n": "is no Python",
}


@pytest.mark.parametrize("source", SYNTAX)
def test_a_source_that_python_3_cannot_read_is_told_in_one_line(source):
    with pytest.raises(SyntaxError) as caught:
        compile(source, "old.py", "exec")
    said = of_syntax(caught.value)
    assert SYNTAX[source] in said
    assert "\n" not in said


def test_what_torch_takes_and_does_otherwise_is_a_note():
    with heard() as notes:
        torch.nn.functional.softmax(torch.zeros(2, 3))
        torch.nn.functional.mse_loss(torch.zeros(2), torch.zeros(2), size_average=False)
    assert notes[0] == "softmax without dim= takes the last of two dimensions, the first of three"
    assert "size_average" in notes[1]
    result = checked("OldWords")
    assert result.verdict is CheckVerdict.RIGHT, result.as_text()
    assert "old source: torch still takes size_average" in " ".join(result.notes)


def test_a_part_that_is_fixed_on_purpose_is_said_and_the_rest_is_judged():
    wrong = checked("Frozen")
    assert wrong.diagnosis is not None
    assert "--frozen last" in wrong.diagnosis.advice
    right = checked("Frozen", frozen="last")
    assert right.verdict is CheckVerdict.RIGHT, right.as_text()
    assert "fixed on purpose (--frozen): last.weight, last.bias" in " ".join(right.notes)
    assert checked("SampleDetached", frozen=["last"]).verdict is CheckVerdict.WRONG
    assert "fixed on purpose" not in " ".join(checked("VAE", frozen="last").notes)  # it is trained
    with pytest.raises(TargetError, match="No part 'lost'"):
        checked("VAE", frozen="lost")
