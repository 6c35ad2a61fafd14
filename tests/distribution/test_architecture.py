"""docs/architecture.md speaks of the tree that is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PICTURE = TEXT.split("```mermaid\n")[1].split("```")[0]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./-]+(?:/|\.py|\.toml|\.md))`", TEXT))))
def test_a_path_that_it_names_exists(path):
    assert (ROOT / path).exists()


def test_the_picture_holds_every_stage_and_every_folder():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    stages = {stage.strip().rsplit(".", 1)[1] for layer in layers for stage in layer.split("|")}
    folders = {path.parent.name for path in (ROOT / "compare").glob("*/__init__.py")}
    missing = {name for name in folders if not re.search(rf"\b{name}\b", PICTURE)}
    missing |= {name for name in stages - folders if not re.search(rf"\b{name}\b|`{name}`", TEXT)}
    assert not missing


def test_the_pictures_arrows_join_boxes_that_it_has():
    boxes = set(re.findall(r"(\w+)(?=\[|\()", PICTURE))
    ends = re.findall(r"^ *(\w+)(?:[\[(].*?[\])])*\)? (?:-->|-\.->) (.+)$", PICTURE, re.MULTILINE)
    named = {name for start, rest in ends for name in [start, *re.findall(r"^\w+|(?<=& )\w+", rest)]}
    assert len(ends) >= 15
    assert named <= boxes
