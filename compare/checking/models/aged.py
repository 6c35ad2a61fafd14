"""Old source: what Python 3, or a later torch, NumPy, SciPy or JAX, has made of it, in one line."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# What an error says -> what has become of it. "{}" is the pattern's first group.
ERRORS = (
    (r"name 'xrange' is not defined", "Python 2's xrange is Python 3's range"),
    (r"name 'raw_input' is not defined", "Python 2's raw_input is Python 3's input"),
    (r"name '(unicode|basestring|unichr|long)' is not defined", "Python 2's {} is gone: str, or int for long"),
    (r"name '(reduce|izip|reload)' is not defined", "Python 2's {} is in functools, zip or importlib now"),
    (r"no attribute '(iteritems|itervalues|iterkeys|has_key)'", "Python 2's {}(): items(), values(), keys(), in"),
    (
        r"'float' object cannot be interpreted as an integer|slice indices must be integers",
        "in Python 2 the / of two integers rounded down, in Python 3 it gives a float: write //",
    ),
    (r"No module named '(cPickle|ConfigParser|Queue|urllib2|StringIO|Tkinter|commands)'", "{} is a module of Python 2"),
    (r"invalid index of a 0-dim tensor", "a loss had the shape (1,) before torch 0.4: .data[0] is .item() now"),
    (r"unexpected keyword argument 'volatile'", "volatile=True is torch.no_grad() since torch 0.4"),
    (r"tril\(\) got an unexpected keyword argument 'k'", "torch.tril's k is called diagonal since torch 0.2"),
    (r"cannot import name '(logsumexp|comb|imread|imresize|imsave)' from 'scipy\.misc'", "SciPy has moved {}"),
    (r"No module named 'scipy\.misc'", "SciPy has removed scipy.misc: logsumexp is in scipy.special"),
    (r"module 'torch\.?\w*' has no attribute '(\w+)'", "this torch has no {} any more, or not yet"),
    (r"module 'numpy' has no attribute '(\w+)'", "NumPy has removed np.{}"),
    (r"module 'jax\.?[\w.]*' has no attribute '(\w+)'", "this JAX has no {} any more, or not yet"),
    (r"Legacy autograd function", "a torch.autograd.Function is static since torch 0.4"),
)
# What torch warns of and goes on with.
WARNINGS = (
    (r"volatile was removed", "volatile=True does nothing since torch 0.4: torch.no_grad() is what it was"),
    (r"Implicit dimension choice for (\w+)", "{} without dim= takes the last of two dimensions, the first of three"),
    (r"nn\.functional\.(sigmoid|tanh) is deprecated", "torch still takes nn.functional.{}, as torch.{}"),
    (r"size_average and reduce args will be deprecated", "torch still takes size_average: reduction= says it now"),
)


def became(error: str) -> str:
    """What has become of what an error tells, as ` (old source: ...)`; "" where it tells of nothing old."""
    words = _first(ERRORS, error)
    return f" (old source: {words})" if words else ""


@contextmanager
def heard() -> Iterator[list[str]]:
    """The list that grows by what torch, warned of in here, makes of old source; all warnings are kept back."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    for each in caught:
        words = _first(WARNINGS, str(each.message))
        if words and words not in notes:
            notes.append(words)


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    for pattern, words in table:
        found = re.search(pattern, text)
        if found:
            return words.replace("{}", found.group(1) if found.groups() else "")
    return ""


def of_syntax(error: SyntaxError) -> str:
    """What Python 3 says of a source that it can't read, in one line."""
    text, line = (error.text or "").strip(), error.lineno
    if isinstance(error, TabError):
        return f"line {line} mixes tabs and spaces, which Python 2 took: indent it with spaces (2to3)."
    if "async" in text and "invalid syntax" in (error.msg or ""):
        return f"line {line}: async is a keyword since Python 3.7 ({text[:60]!r}); torch calls it non_blocking."
    old = "print" in (error.msg or "") or text.startswith(("print ", "exec ", "except ", "raise ")) or "<>" in text
    old = old or "leading zeros" in (error.msg or "") or "`" in text or "multiple exception types" in (error.msg or "")
    if old:
        return f"line {line} is Python 2 ({text[:60]!r}): convert the file (2to3), then check it again."
    return f"line {line} is no Python: {error.msg}."
