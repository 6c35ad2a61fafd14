"""Nonsense on the command line and in profiles: one line and exit code 2, never a traceback, never exit code 0."""

import contextlib
import io
import sys
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from elbo_compare.compare.cli import main
from elbo_compare.compare.errors import SpecError
from elbo_compare.compare.planning.spec import Block, Spec, parse_spec
from elbo_compare.compare.records import Procedure
from elbo_compare.suites.estimators import ESTIMATORS

VERBS = ("all", "plan", "run", "judge", "report", "list", "doctor", "check", "findings", "cite", "diff", "vectors")
OPTIONS = (
    *("--profile", "--device", "-j", "-k", "--seed", "-o", "--resume", "--cell-timeout", "--cell-memory"),
    *("--executor", "--scheduler", "--no-such-option", "-x", "--"),
)
VALUES = (
    "",
    "0",
    "-1",
    "nan",
    "1e999",
    "quik",
    "nowhere.toml",
    "cuda:9",
    "dask",
    "tcp://",
    "\x1b[31m",
    "a b",
    "(",
    "é",
)
FUZZ = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run the command line in this process, in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(arguments):
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["compare", *arguments])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, out.getvalue(), err.getvalue()

    return call


def assert_refused(answer):
    code, _, err = answer
    assert code == 2, answer
    assert err.startswith("compare: ")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


words = st.one_of(
    st.sampled_from(OPTIONS), st.sampled_from(VALUES), st.text(max_size=8).filter(lambda t: "\0" not in t)
)


@FUZZ
@given(st.lists(words, max_size=5))
def test_words_after_a_verb_that_plans_are_refused_in_one_line(command, arguments):
    assume("--help" not in arguments)
    # `plan` with an impossible profile at the end: whatever comes before it, the whole is nonsense.
    assert_refused(command(["plan", *arguments, "--profile", "no-such-profile"]))


@FUZZ
@given(st.text(max_size=12).filter(lambda text: text not in VERBS and not text.startswith("--") and "\0" not in text))
def test_what_is_no_verb_is_refused_in_one_line(command, verb):
    assume(verb.strip())
    assert_refused(command([verb]))


@FUZZ
@given(st.sampled_from(["judge", "report"]), st.text(min_size=1, max_size=20).filter(lambda t: "\0" not in t))
def test_a_folder_that_is_not_there_is_refused_in_one_line(command, verb, folder):
    assume(not folder.startswith("-") and "/" not in folder and folder not in (".", ".."))
    assert_refused(command([verb, folder]))


BLOCK = {"procedure": "evaluate", "problems": ["gaussian-kl@2-*"], "implementations": ["numpy-oracle"], "size": 5}
scalars = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=6))
anything = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(min_size=1), scalars, max_size=2))


def toml(value):
    """A value as TOML text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        inner = "".join(char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}" for char in value)
        return f'"{inner}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(each)}" for key, each in value.items()) + "}"
    return repr(value)


def profile(top, block):
    head = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in top.items())
    return head + "[[cells]]\n" + "".join(f"{toml(key)} = {toml(value)}\n" for key, value in block.items())


SURROGATES = st.characters(exclude_categories=["Cs"])
keys = st.one_of(
    st.sampled_from([field.name for record in (Spec, Block) for field in fields(record)]),
    st.text(SURROGATES, min_size=1, max_size=6),
)


@settings(deadline=None, max_examples=300)
@given(keys, anything, st.booleans())
def test_a_profile_is_understood_as_it_stands_or_refused_in_one_line(key, value, at_top):
    assume(key != "cells")
    text = profile({key: value}, BLOCK) if at_top else profile({}, BLOCK | {key: value})
    try:
        spec = parse_spec(text, "fuzz")
    except SpecError as error:
        assert str(error).splitlines() == [str(error)]
        return
    record = spec if at_top else spec.cells[0]
    kept = getattr(record, key)  # an accepted key is a field
    assert kept == (tuple(value) if isinstance(value, list) else value)
    assert type(value) is not bool
    assert 0 < spec.alpha < 1
    assert 0 < spec.power < 1
    assert 0 < spec.cell_timeout_s < float("inf")
    assert spec.tests >= 1
    assert 0 <= spec.seed < 2**31
    block = spec.cells[0]
    assert set(block.estimators) <= set(ESTIMATORS)
    assert isinstance(block.procedure, Procedure)
    assert min(block.data, block.seeds) >= 1
    assert min(block.size, block.chunk) >= 0


@settings(deadline=None, max_examples=200)
@given(st.text(SURROGATES))
def test_text_that_is_no_profile_is_refused_in_one_line(text):
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "fuzz")
    assert str(caught.value).splitlines() == [str(caught.value)]


@FUZZ
@given(st.binary(max_size=60))
def test_bytes_that_are_no_profile_end_with_exit_code_2(command, tmp_path, body):
    path = tmp_path / "fuzz.toml"
    path.write_bytes(body)
    assert_refused(command(["run", "--profile", str(path)]))
