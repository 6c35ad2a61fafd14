"""`compare findings`: what the published run measured, the findings that are named, reports for the maintainers."""

import ast
import json
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from elbo_compare.suites.semantics.findings import FINDINGS


def test_findings_without_a_run_say_what_the_published_one_measured(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = command("findings", "FIND-PYRO-001")[1]
    assert re.search(r"seen: +reproduced with pyro-ppl .* in the published run of \d{4}-\d\d-\d\d", out)
    assert "(gives the right number)" in out
    monkeypatch.setattr("elbo_compare.compare.citing.evidence.newest_published", lambda **_: None)
    rows = json.loads(command("findings", "--json")[1])
    assert {row["outcome"] for row in rows} == {"not run here"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("FIND-PYRO-01",), "No finding 'FIND-PYRO-01'. Did you mean"),
        (("--issue",), "--issue needs the ID of a finding"),
        (("a", "b"), "one folder, and IDs such as FIND-PYRO-001, are taken; a, b were given"),
    ],
)
def test_findings_asked_for_wrongly_are_told_in_a_line(command, arguments, said):
    code, out, err = command("findings", *arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("name", ["FIND-PYRO-001", "FIND-NUMPYRO-007"])
def test_an_issue_s_program_as_it_stands_prints_the_numbers_of_its_table(command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if find_spec(name.split("-")[1].lower()) is None:
        pytest.skip("the library is not installed")
    code, out, err = command("findings", name, "--issue")
    assert code == 0, err
    program = re.search(r"```python\n(.*?)```", out, re.DOTALL)
    rows = re.findall(r"^\| SEM-\S+ \| `(\w+)` \| (\S+) \| (\S+) \|$", out, re.MULTILINE)
    assert program and rows
    (tmp_path / "pasted.py").write_text(program[1])
    done = subprocess.run([sys.executable, "pasted.py"], capture_output=True, text=True, check=True)
    printed = ast.literal_eval(done.stdout)
    for quantity, expected, observed in rows:
        assert printed[quantity] == pytest.approx(float(observed), rel=1e-8)  # ten digits are shown
        assert abs(float(expected) - float(observed)) > 1e-3
    for part in ("Versions: ", "**Documented**", "**Mathematics**", "**Suggested fix**", "**Related**"):
        assert part in out


def test_an_issue_of_what_was_not_reproduced_is_refused(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("elbo_compare.compare.citing.evidence.newest_published", lambda **_: None)
    code, out, err = command("findings", "FIND-PYRO-001", "--issue")
    assert (code, out) == (2, "")
    assert "FIND-PYRO-001 was not reproduced" in err


def test_every_finding_suggests_a_fix_and_names_its_unit():
    for finding in FINDINGS:
        assert finding.fix.strip(), finding.id
        assert not finding.fix.endswith("."), finding.id


def test_every_finding_says_since_when_it_shows():
    """A release by its number: as it was run, or by the source of that release."""
    for finding in FINDINGS:
        assert re.match(
            r"(pyro-ppl|numpyro|jax|torch|tensorflow-probability|pythae|pymc3?|blackjax|normflows) \d+\.\d+",
            finding.since,
        ), finding.id
