"""Workflows, hooks and templates: their syntax, and that what they name exists and is what the project does itself."""

import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXT, LIST = {"type": "string", "minLength": 1}, {"type": "array", "minItems": 1}
STEP = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "uses": {"type": "string", "pattern": r"^[\w.-]+/[\w./-]+@v\d+$"},
        "run": TEXT,
        "with": {"type": "object", "additionalProperties": TEXT},
        "if": TEXT,
    },
    "oneOf": [{"required": ["uses"]}, {"required": ["run"], "not": {"required": ["with"]}}],
    "additionalProperties": False,
}
JOB = {
    "type": "object",
    "properties": {
        "runs-on": {"enum": ["ubuntu-latest"]},
        "timeout-minutes": {"type": "string", "pattern": r"^\d+$"},
        "strategy": {
            "type": "object",
            "properties": {
                "fail-fast": {"enum": ["true", "false"]},
                "matrix": {"type": "object", "additionalProperties": {**LIST, "items": TEXT}},
            },
            "required": ["matrix"],
            "additionalProperties": False,
        },
        "steps": {**LIST, "items": STEP},
    },
    "required": ["runs-on", "timeout-minutes", "steps"],
    "additionalProperties": False,
}
CRON = {"type": "string", "pattern": r"^(\*|[\d,/*-]+)( (\*|[\d,/*-]+)){4}$"}
EVENTS = {
    "type": "object",
    "properties": {
        "push": {"type": "object", "properties": {"branches": LIST}, "additionalProperties": False},
        "pull_request": {"const": ""},
        "workflow_dispatch": {"const": ""},
        "schedule": {**LIST, "items": {"type": "object", "properties": {"cron": CRON}, "required": ["cron"]}},
    },
    "minProperties": 1,
    "additionalProperties": False,
}
# GitHub's syntax as far as it is used here; a further key is added with its meaning, so that a typing error is found.
WORKFLOW = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "on": EVENTS,
        "permissions": {"const": {"contents": "read"}},
        "concurrency": {"type": "object", "required": ["group"]},
        "jobs": {"type": "object", "minProperties": 1, "patternProperties": {r"^[a-z_][\w-]*$": JOB}},
    },
    "required": ["name", "on", "permissions", "jobs"],
    "additionalProperties": False,
}
HOOK = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "entry": TEXT,
        "language": {"const": "system"},
        "pass_filenames": {"const": "false"},
        "types": LIST,
    },
    "required": ["id", "name", "entry", "language", "pass_filenames"],
    "additionalProperties": False,
}
REPOSITORY = {
    "type": "object",
    "properties": {"repo": {"const": "local"}, "hooks": {**LIST, "items": HOOK}},
    "required": ["repo", "hooks"],
    "additionalProperties": False,
}
HOOKS = {"type": "object", "properties": {"repos": {**LIST, "items": REPOSITORY}}, "required": ["repos"]}


def read(path: Path):
    """Every scalar as text: YAML 1.1 would read the key `on` as true, and the version 3.10 as 3.1."""
    return yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)


def jobs():
    return [
        pytest.param(job, id=f"{path.stem}-{name}") for path in WORKFLOWS for name, job in read(path)["jobs"].items()
    ]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, with `$(BIN)` put in."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in found[1].splitlines()]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_well_formed(path):
    jsonschema.validate(read(path), WORKFLOW)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("runs-on:", "run-on:"),
        ("uses: actions/checkout@v4", "uses: actions/checkout"),
        ("      - run: make test", "      - run: make test\n        uses: actions/checkout@v4"),
        ('python: ["3.11", "3.12", "3.13"]', "python: 3.11"),
        ("contents: read", "contents: write"),
    ],
)
def test_a_malformed_workflow_is_refused(before, after):
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    assert before in text
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.load(text.replace(before, after, 1), Loader=yaml.BaseLoader), WORKFLOW)


@pytest.mark.parametrize("job", jobs())
def test_a_job_names_only_what_there_is(job):
    matrix = job.get("strategy", {}).get("matrix", {})
    named = re.findall(r"\$\{\{ *(.*?) *\}\}", yaml.dump(job))
    assert {name for name in named if name.startswith("matrix.")} == {f"matrix.{key}" for key in matrix}
    for step in job["steps"]:
        for target in re.findall(r"^make (\w+)", step.get("run", "")):
            assert recipe(target)
        path = step.get("with", {}).get("cache-dependency-path")
        assert path is None or (ROOT / path).exists()


def test_the_readmes_two_commands_run_on_every_python_that_is_declared():
    declared = [line.rsplit(" ", 1)[1] for line in project()["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
    assert project()["requires-python"] == f">={declared[0]}"
    tests = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    commands = [step["run"] for job in tests.values() for step in job["steps"] if "run" in step]
    assert sorted(commands) == ["make report", "make test"]
    assert all(command in (ROOT / "README.md").read_text("utf-8") for command in commands)
    assert [job["strategy"]["matrix"]["python"] for job in tests.values()] == [declared, declared]


def test_the_nightly_run_takes_the_newest_releases():
    (job,) = read(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    (install,) = [command for command in commands if "pip install" in command]
    assert "compare run semantics" in commands
    assert "--upgrade-strategy eager" in install
    assert "constraints" not in install


def test_the_hooks_are_the_lint_that_ci_runs():
    hooks = read(ROOT / ".pre-commit-config.yaml")
    jsonschema.validate(hooks, HOOKS)
    assert [hook["entry"] for hook in hooks["repos"][0]["hooks"]] == recipe("lint")


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1] == "make test"


def test_the_release_notes_ask_for_verdicts_corrections_and_versions():
    template = (ROOT / ".github" / "RELEASE_NOTES_TEMPLATE.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)$", template, re.MULTILINE)
    assert headings[:3] == ["Verdicts that changed", "Corrections", "Findings"]
    assert {"Measured with", "Before the tag"} <= set(headings)
