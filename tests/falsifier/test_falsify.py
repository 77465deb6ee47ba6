"""The search, its answers, and what survives of a counterexample."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mdplab import falsify
from mdplab.claims import AtLeast, AtMost, Equal, Rate, Side, Undecided
from mdplab.falsifier import Conjecture, load
from mdplab.models import MDP
from statements import (
    Laws,
    exact_too_sharp,
    greedy_of_better_estimate,
    pinsker,
    raw_model,
    small_model,
    stacked_values,
    too_sharp,
    two_laws,
    value_below_horizon,
)

TESTS = Path(__file__).resolve().parents[1]


def test_a_false_statement_is_refuted_by_a_small_counterexample() -> None:
    found = falsify(greedy_of_better_estimate, small_model, evaluations=200)
    assert found.verdict == "refuted"
    assert found.instance.n_states == 1
    assert found.instance.n_actions == 1
    assert found.extremal is not None
    assert found.extremal.left > found.extremal.right
    assert found.tightness is not None
    assert found.tightness > 1


def test_a_tight_statement_is_not_refuted_and_its_ratio_found() -> None:
    found = falsify(value_below_horizon, small_model, evaluations=1500)
    assert found.verdict == "not refuted"
    assert found.tightness == pytest.approx(1.0, abs=1e-6)
    assert found.instance.n_states == 1  # shrunk without loss


def test_an_extremum_inside_is_reached_by_the_polish() -> None:
    found = falsify(pinsker, two_laws, evaluations=3000)
    assert found.verdict == "not refuted"
    assert found.tightness is not None
    assert 0.9999 < found.tightness <= 1.0


def test_the_same_evaluations_give_the_same_answer() -> None:
    first, again = (falsify(pinsker, two_laws, evaluations=700, seed=3) for _ in range(2))
    assert (first.tightness, first.evaluations) == (again.tightness, again.evaluations)
    np.testing.assert_array_equal(first.instance.p, again.instance.p)
    other = falsify(pinsker, two_laws, evaluations=700, seed=4)
    assert other.tightness != first.tightness


def test_a_larger_budget_goes_on_with_the_sequence() -> None:
    seen: list[list[float]] = []
    for budget in (150, 400):
        row: list[float] = []

        def sides(laws: Laws, row: list[float] = row) -> tuple[float, float]:
            row.append(float(laws.p[0]))
            return pinsker(laws)

        falsify(sides, two_laws, evaluations=budget)
        seen.append(row)
    assert seen[1][:100] == seen[0][:100]


def test_exact_sides_decide() -> None:
    exact = Conjecture(too_sharp, exact=exact_too_sharp)
    found = falsify(exact, two_laws, evaluations=300)
    assert found.verdict == "refuted"
    assert "exact" in str(found)
    # the same floats are not believed where exact arithmetic contradicts them
    denied = falsify(replace(exact, exact=lambda laws: (0, 1)), two_laws, evaluations=60)
    assert denied.verdict == "not refuted"
    assert denied.unconfirmed > 0
    assert "error bounds are too small" in denied.message


class Blurred:
    """A ball that overlaps everything: no comparison is certain."""

    def __lt__(self, other: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def test_overlapping_balls_are_undecided() -> None:
    blurred = Conjecture(too_sharp, exact=lambda laws: (Blurred(), Blurred()))
    assert falsify(blurred, two_laws, evaluations=60).verdict == "undecided"


def test_stated_error_bounds_are_respected() -> None:
    def wide(laws: Laws) -> tuple[Side, Side]:
        left, right = too_sharp(laws)
        return Side(left, 1.0), Side(right)

    assert falsify(wide, two_laws, evaluations=200).verdict == "not refuted"

    def narrow(laws: Laws) -> tuple[Side, Side]:
        left, right = too_sharp(laws)
        return Side(left, 1e-3), Side(right)

    found = falsify(narrow, two_laws, evaluations=200)
    assert found.verdict == "refuted"
    assert "error bounds of both sides" in str(found)


def test_a_violation_within_rounding_is_none() -> None:
    def equal_up_to_rounding(laws: Laws) -> tuple[float, float]:
        return 1.0 + 1e-8, 1.0

    found = falsify(equal_up_to_rounding, two_laws, evaluations=50)
    assert found.verdict == "not refuted"


@pytest.mark.parametrize("relation", [AtMost, AtLeast, Equal])
def test_relations_of_claims_are_conjectures(relation: Any) -> None:
    def left(laws: Laws) -> Side:
        return Side(0.5 * np.abs(laws.p - laws.q).sum(), 1e-12)

    def right(laws: Laws) -> Side:
        return Side(1.0)

    found = falsify(relation(left, right), two_laws, evaluations=200)
    assert found.verdict == ("not refuted" if relation is AtMost else "refuted")
    assert (found.tightness is None) == (relation is Equal)


def test_what_says_nothing_of_an_instance_is_refused() -> None:
    rate = Rate(lambda x: Side(x), lambda x: Side(0.0), parameter=lambda x: x, window=(0.0, 1.0))
    with pytest.raises(TypeError, match="Rate says nothing of a single instance"):
        falsify(rate, two_laws)
    with pytest.raises(TypeError, match="expected a Conjecture"):
        falsify("V <= 1", two_laws)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="evaluations is 0"):
        falsify(pinsker, two_laws, evaluations=0)
    with pytest.raises(ValueError, match="seconds is -1"):
        falsify(pinsker, two_laws, seconds=-1)
    with pytest.raises(ValueError, match="kind is 'below'"):
        Conjecture(pinsker, "below")  # type: ignore[arg-type]


def test_instances_outside_the_assumptions_are_skipped() -> None:
    near = Conjecture(too_sharp, assumes=lambda laws: bool(np.abs(laws.p - laws.q).max() < 1e-12))
    found = falsify(near, two_laws, evaluations=300)
    assert found.verdict != "refuted"
    assert found.skipped > 200


def test_failures_are_counted_and_told() -> None:
    def broken(laws: Laws) -> tuple[float, float]:
        raise RuntimeError("no such law")

    found = falsify(broken, two_laws, evaluations=20)
    assert (found.verdict, found.failed, found.extremal) == ("undecided", 20, None)
    assert "no such law" in str(found)
    not_a_number = falsify(lambda laws: (math.nan, 1.0), two_laws, evaluations=5)
    assert (not_a_number.verdict, not_a_number.failed) == ("undecided", 5)

    def stuck(laws: Laws) -> tuple[float, float]:
        raise Undecided("max_steps")

    assert falsify(stuck, two_laws, evaluations=5).undecided == 5
    with pytest.raises(ValueError, match="nothing to show"):
        found.to_latex()


def test_witnesses_come_first() -> None:
    witness = Laws(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    found = falsify(too_sharp, two_laws, evaluations=1, witnesses=(witness,))
    assert found.verdict == "refuted"
    assert found.evaluations == 1
    assert found.instance is witness


def test_many_instances_at_once_give_the_same_kind_of_answer() -> None:
    stacked = Conjecture(value_below_horizon, stacked=(raw_model, stacked_values))
    found = falsify(stacked, small_model, evaluations=3000)
    assert found.verdict == "not refuted"
    assert found.evaluations >= 3000
    assert found.tightness == pytest.approx(1.0, abs=1e-6)
    false = Conjecture(
        greedy_of_better_estimate,
        stacked=(raw_model, lambda raw: (stacked_values(raw)[0], raw[1].max(axis=(1, 2)))),
    )
    assert falsify(false, small_model, evaluations=2000).verdict == "refuted"


def test_an_interrupt_gives_the_best_so_far() -> None:
    count = 0

    def sides(laws: Laws) -> tuple[float, float]:
        nonlocal count
        count += 1
        if count == 120:
            raise KeyboardInterrupt
        return pinsker(laws)

    found = falsify(sides, two_laws, evaluations=10_000)
    assert found.interrupted
    assert found.verdict == "not refuted"
    assert found.extremal is not None


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_a_timed_search() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from statements import pinsker, two_laws\n"
        "from mdplab import falsify\n"
        "def sides(laws):\n    print('going', flush=True)\n    return pinsker(laws)\n"
        "print('INTERRUPTED', falsify(sides, two_laws, seconds=600).interrupted)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(TESTS)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "INTERRUPTED True" in output
    assert process.returncode == 0


# --- what survives --------------------------------------------------------------------------------------------------


def counterexample() -> Any:
    return falsify(Conjecture(too_sharp, exact=exact_too_sharp), two_laws, evaluations=300)


def test_a_counterexample_survives_storage_and_another_process(tmp_path: Path) -> None:
    found = counterexample()
    path = found.save(tmp_path / "found.json")
    again = load(path)
    np.testing.assert_array_equal(again.instance.p, found.instance.p)
    assert Conjecture(too_sharp).check(again.instance).verdict == "violated"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from statements import exact_too_sharp, too_sharp\n"
        "from mdplab.falsifier import Conjecture, load\n"
        "found = load(sys.argv[2])\n"
        "print(Conjecture(too_sharp, exact=exact_too_sharp).surely_violated(found.instance), found.left, found.right)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, str(TESTS), str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == ["True", repr(again.left), repr(again.right)]


def test_it_is_written_as_a_test_that_passes(tmp_path: Path) -> None:
    source = counterexample().to_pytest()
    scope: dict[str, Any] = {}
    exec(compile(source, "test", "exec"), scope)
    test = scope["test_counterexample_to_too_sharp"]
    test()
    # and fails where the conjecture holds
    scope["too_sharp"] = pinsker
    with pytest.raises(AssertionError):
        test()
    with pytest.raises(ValueError, match="not refuted"):
        falsify(pinsker, two_laws, evaluations=20).to_pytest()


def test_it_is_written_with_simple_fractions() -> None:
    found = falsify(greedy_of_better_estimate, small_model, evaluations=200)
    text, latex = str(found), found.to_latex()
    assert "P(.|0,0) = (1)" in text
    assert r"\begin{tikzpicture}" in latex
    assert r"P(\cdot\mid s_{0},a_{0})" in latex
    assert "0000000" not in text + latex  # no decimals


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{")
    with pytest.raises(ValueError, match="no JSON file"):
        load(wrong)
    wrong.write_text("{}")
    with pytest.raises(ValueError, match="no counterexample of format"):
        load(wrong)


def test_ctrl_c_within_the_search_ends_it_and_not_the_solve_alone() -> None:
    def sides(mdp: MDP) -> tuple[float, float]:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler  # so solvers leave it alone
        return value_below_horizon(mdp)

    assert falsify(sides, small_model, evaluations=20).failed == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
