"""Whatever somebody else wrote: a harmed file, record or argument never ends in a traceback or is taken for sound."""

import random

import pytest
from doors import ALONE, Door, fault, harmed
from folder_doors import Sample
from site_doors import site_doors

TRIES = 100  # of the cheapest doors, about 1,000 of all; 100,000: benchmarks/fuzz.py


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return Sample(tmp_path_factory.mktemp("sample"))


def struck(door: Door, tries: int, place) -> list[str]:
    """What was wrong, one text for each input that was taken wrongly; the input is in it."""
    rng, found = random.Random(door.name), []
    for body in door.samples():
        if wrong := fault(door, body, place / "sound"):
            found.append(f"{wrong} after the sound {body[:300]!r}")
    for number in range(tries):
        body = (door.strike or harmed)(rng.choice(door.samples()), rng)
        if wrong := fault(door, body, place / f"try-{number}"):
            found.append(f"{wrong} after {body[:300]!r} (try {number})")
    return found


@pytest.mark.parametrize("door", ALONE, ids=lambda door: door.name)
def test_what_arrives_harmed_is_refused_in_one_line_or_understood_as_it_stands(door, tmp_path):
    tries = max(TRIES // door.cost, 3)
    assert struck(door, tries, tmp_path) == []


def test_a_harmed_result_folder_is_refused_in_one_line_or_judged_without_what_is_damaged(sample, tmp_path):
    for number, door in enumerate((*sample.doors(), *site_doors(sample))):
        place = tmp_path / str(number)
        place.mkdir()
        assert struck(door, max(2 * TRIES // door.cost, 3), place) == []


def test_a_door_that_lets_nonsense_in_is_seen(tmp_path):
    def crashes(body, folder):
        raise KeyError(body)

    def leaves(body, folder):
        (folder.parent / "outside").write_bytes(body)

    def swallows(body, folder):
        return "something else"

    for enter in (crashes, leaves, swallows):
        door = Door("mine", lambda: [b"a"], enter, lambda body, value: body.decode() == value)
        place = tmp_path / enter.__name__
        place.mkdir()
        assert struck(door, 0, place), enter
