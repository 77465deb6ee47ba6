"""What is false in the gallery is refuted by the search itself, what is true is not, and what is tight is shown to be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mdplab import falsify
from mdplab.falsifier import load
from mdplab.instances.stored import encode
from quality.gallery import GALLERY, size_of
from quality.gallery.entry import is_small

FALSE = [name for name, entry in GALLERY.items() if not entry.true]
TRUE = [name for name, entry in GALLERY.items() if entry.true]


def test_there_are_enough_of_each_kind() -> None:
    assert len(FALSE) >= 30
    assert len(TRUE) >= 15
    assert sum(GALLERY[name].tight for name in TRUE) >= 8


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_refuted_by_a_small_counterexample(name: str, tmp_path: Path) -> None:
    entry = GALLERY[name]
    found = falsify(entry.conjecture, entry.family, evaluations=entry.evaluations)
    assert (found.verdict, found.failed) == ("refuted", 0), found
    assert is_small(found.instance), size_of(found.instance)
    again = load(found.save(tmp_path / "found.json"))
    assert encode(again.instance) == encode(found.instance)
    assert entry.conjecture.surely_violated(again.instance)


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_not_refuted(name: str) -> None:
    entry = GALLERY[name]
    found = falsify(entry.conjecture, entry.family, evaluations=entry.evaluations)
    assert (found.verdict, found.failed) == ("not refuted", 0), found
    if entry.tight:
        assert found.tightness is not None
        assert 0.999 <= found.tightness <= 1.0


def test_another_seed_refutes_and_another_process_agrees(tmp_path: Path) -> None:
    name = "mixture_is_no_worse_than_the_worse_policy"
    entry = GALLERY[name]
    found = falsify(entry.conjecture, entry.family, evaluations=entry.evaluations, seed=7)
    assert found.extremal is not None
    path = found.save(tmp_path / "found.json")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from mdplab.falsifier import load\n"
        "from quality.gallery import GALLERY\n"
        "found = load(sys.argv[2])\n"
        "conjecture = GALLERY[found.conjecture].conjecture\n"
        "print(conjecture.surely_violated(found.instance), *conjecture.sides(found.instance))\n"
    )
    tests = str(Path(__file__).resolve().parents[1])
    output = subprocess.run(
        [sys.executable, "-c", code, tests, str(path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert output[0] == "True"
    np.testing.assert_allclose(
        [float(x) for x in output[1:]], [found.extremal.left, found.extremal.right], rtol=1e-12
    )
