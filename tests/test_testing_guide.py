"""The guide to testing: its wrong code fails as it says, its correct code passes, and what it names exists."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import find

from mdplab import strategies, testing
from mdplab.models import MDP

TEXT = (Path(__file__).parents[1] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# ([^\n]+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
PRINTED = re.findall(r"^```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TESTS = [
    "test_the_actor_is_a_policy",
    "test_the_critic_is_right_in_expectation",
    "test_the_critic_ends_at_the_optimum",
]


def module(name: str, source: str) -> Any:
    made = ModuleType(name)
    exec(compile(source, name, "exec"), made.__dict__)
    return made


def run_on(source: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tests of the guide, run on an agent."""
    monkeypatch.setitem(sys.modules, "sac", module("sac", source))
    return module("test_sac", BLOCKS["test_sac.py"])


def test_the_guide_has_its_blocks() -> None:
    assert set(BLOCKS) == {"sac.py, wrong", "sac.py", "test_sac.py", "families.py"}


@pytest.mark.parametrize("test", TESTS)
def test_the_correct_code_passes(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    getattr(run_on(BLOCKS["sac.py"], monkeypatch), test)()


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # the third mistake
def test_the_wrong_code_fails_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    actor, critic, optimum = (getattr(run_on(BLOCKS["sac.py, wrong"], monkeypatch), test) for test in TESTS)
    actor()
    for test in (critic, optimum):
        with pytest.raises(AssertionError):
            test()
    smallest = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[0.0], [0.0]], 0.95)
    with pytest.raises(AssertionError) as said:
        critic.hypothesis.inner_test(smallest)
    assert [str(said.value) + "\n"] == PRINTED
    alone = MDP([[[1.0], [1.0]]], [[0.0, 0.0]], 0.5)
    with pytest.raises(AssertionError) as said:
        optimum.hypothesis.inner_test(alone)
    assert " ".join(re.findall(r"fails, and the third .*?`(.*?)`", TEXT, re.DOTALL)[0].split()) in str(
        said.value
    )


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_each_repair_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = BLOCKS["sac.py"]
    for repaired, undone in [("0.0 if terminal else ", ""), ("q - self", "q + self")]:
        assert repaired in right
        with pytest.raises(AssertionError):
            getattr(run_on(right.replace(repaired, undone), monkeypatch), TESTS[1])()


def test_a_family_of_ones_own() -> None:
    least = find(module("families", BLOCKS["families.py"]).strategy, lambda mdp: True)
    assert isinstance(least, MDP)
    assert least.n_states == 2


def test_what_the_guide_names_exists() -> None:
    names = set(re.findall(r"`((?:assert|check)_\w+)", TEXT))
    assert names <= set(testing.__all__)
    assert {name for name in testing.__all__ if name.startswith(("assert", "check"))} <= names
    assert set(strategies.__all__) - {"HypothesisDraw"} <= set(re.findall(r"`(\w+)[`(]", TEXT))


def test_the_example_of_the_readme_fails_as_it_says() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = [
        b for b in re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S) if "test_q_learning" in b
    ]
    with pytest.raises(
        AssertionError, match=r"off at state \d, action \d(?s:.*)it bootstraps from terminal states"
    ):
        module("readme", block).test_q_learning()
