"""Pinned families, and the sweep over the registry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.sweeps.pinned import Question, find_question, pinned
from experiments.sweeps.tightness import STUDY, exponents, inequalities, rows, tasks
from mdplab import plotting
from mdplab.instances import Draw, LatticeDraw, ReplayDraw, SeededDraw, dirichlet_mdp
from mdplab.models import MDP

CLAIMS = ("rql-prior-error", "npg-one-over-t", "best-of-n-kl", "demreg-bc-rate")


def twice_asked(draw: Draw) -> MDP:
    """A family that asks twice for a number in the same range; the second one is the discount."""
    draw.number(0.1, 0.9)
    return MDP(np.ones((1, 1, 1)), np.ones((1, 1)), draw.number(0.1, 0.9))


def test_the_question_of_a_discount_is_found() -> None:
    assert find_question(dirichlet_mdp, "discount") == Question("uniform", 0.3, 0.97, 0)
    assert find_question(twice_asked, "discount") == Question("uniform", 0.1, 0.9, 1)
    assert find_question(dirichlet_mdp, "states") == Question("integers", 2, 6, 0)
    assert find_question(dirichlet_mdp, "actions") == Question("integers", 2, 4, 0)
    assert find_question(twice_asked, "states") is None
    assert find_question(lambda draw: draw.number(0.1, 0.9), "discount") is None


@pytest.mark.parametrize("engine", [SeededDraw, LatticeDraw])
def test_only_the_pinned_answer_changes(engine: type[SeededDraw] | type[LatticeDraw]) -> None:
    question = find_question(dirichlet_mdp, "discount")
    assert question is not None
    free = dirichlet_mdp(engine(5))
    held = pinned(dirichlet_mdp, question, 0.75)(engine(5))
    assert held.discount == 0.75
    np.testing.assert_array_equal(held.transition, free.transition)
    np.testing.assert_array_equal(held.reward, free.reward)


def test_a_pinned_tape_can_be_replayed() -> None:
    question = find_question(dirichlet_mdp, "states")
    assert question is not None
    family, draw = pinned(dirichlet_mdp, question, 5), SeededDraw(3)
    first, again = family(draw), family(ReplayDraw(draw.tape))
    assert first.n_states == again.n_states == 5
    np.testing.assert_array_equal(first.transition, again.transition)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The small version on four claims: with discount and states, with states, with neither."""
    configuration = STUDY.read(fast=True)
    chosen = [parameters for parameters in tasks(configuration) if parameters["claim"] in CLAIMS]
    return pd.DataFrame(
        [{**parameters, **row} for parameters in chosen for row in rows(configuration, parameters)]
    )


def test_every_inequality_of_the_registry_is_a_task() -> None:
    named = [(task["claim"], task["part"]) for task in tasks(STUDY.read())]
    assert named == [(claim.id, part.name) for claim, part in inequalities()]
    assert len(named) > 150


def test_what_a_family_takes_is_swept(table: pd.DataFrame) -> None:
    knobs = {claim: set(lines.knob) for claim, lines in table.groupby("claim")}
    assert knobs == {
        "rql-prior-error": {"discount", "states"},
        "npg-one-over-t": {"discount", "states"},
        "demreg-bc-rate": {"states", "none"},  # its consequence is of models of fixed size
        "best-of-n-kl": {"none"},
    }
    swept = table[table.knob != "none"]
    assert (swept.violated == 0).all()
    measured = swept.dropna(subset=["typical"])
    assert (measured.typical <= measured.found).all()
    assert (measured.found <= 1 + 1e-9).all()


def test_a_bound_with_a_horizon_too_many_is_seen(table: pd.DataFrame) -> None:
    powers = exponents(table, "discount").set_index(["claim", "part"]).power
    assert -1.4 < powers[("rql-prior-error", "(ii)")] < -0.6


def test_an_exact_power_is_fitted() -> None:
    discounts = np.array([0.5, 0.75, 0.9])
    lines = pd.DataFrame({"claim": "c", "part": "p", "knob": "discount", "value": discounts})
    lines["typical"] = (1 - discounts) ** 1.5
    assert exponents(lines, "discount").power.tolist() == pytest.approx([-1.5])


def test_the_figure_and_the_findings(table: pd.DataFrame) -> None:
    configuration = STUDY.read(fast=True)
    found = STUDY.findings(table, configuration)
    assert "rql-prior-error" in STUDY.answer.format(**found)
    with plotting.style():
        picture = STUDY.figure(table, configuration)
    names = [text.get_text() for text in picture.legends[0].get_texts()]
    assert "rql-prior-error (ii)" in names
    assert names[-1] == "median"
