"""The lessons of the classroom run, show the same picture for the same setting, and what they say is true."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mdplab
from mdplab.instances import SeededDraw

CLASSROOM = Path(__file__).resolve().parents[2] / "experiments" / "classroom"
LESSONS = {
    "value_iteration": (3, 0.9, 0.2),
    "soft_control": (0.02,),
    "residual_q_learning": (0.1, 1.0),
    "policy_gradient": (0.05, 0.6, 1.0),
    "return_conditioning": (0.2, 3.0, 0.5),
    "dual_rl": ("kl", 0.1),
    "nash_learning": (1.5, 0.6, 0.05),
    "falsify_your_conjecture": ("J(p) <= J(q)", 20),
}


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a notebook as a notebook imports its neighbours: from its own folder."""
    monkeypatch.syspath_prepend(str(CLASSROOM))
    return importlib.import_module


def test_all_notebooks_are_taught(lesson: Any) -> None:
    notebooks = {path.stem for path in CLASSROOM.glob("*.py") if "marimo.App(" in path.read_text()}
    chosen = lesson("demo").ORDER
    assert set(chosen) == set(LESSONS) == notebooks
    assert len(chosen) == len(notebooks)


@pytest.mark.parametrize("name", LESSONS)
def test_a_notebook_runs_as_a_script(name: str) -> None:
    done = subprocess.run([sys.executable, f"{name}.py"], cwd=CLASSROOM, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", LESSONS)
def test_the_same_setting_shows_the_same_picture(lesson: Any, name: str) -> None:
    draw, setting = lesson(name).draw, LESSONS[name]
    first = draw(*setting).text
    assert first.count("<svg") == 1
    assert draw(*setting).text == first


def test_the_teacher_has_a_page_for_every_lesson(lesson: Any) -> None:
    """The page names each lesson with its title and its question, word for word."""
    page = (CLASSROOM / "README.md").read_text(encoding="utf-8")
    for one in lesson("demo").lessons():
        assert f"## {one.title}\n\n`{one.path.name}`" in page
        asked = re.search(r'question\(\s*r?"(.*?)",\n', one.path.read_text(encoding="utf-8"))
        assert asked is not None
        assert asked[1] in page


def test_the_chooser_leads_to_every_lesson(lesson: Any) -> None:
    demo = lesson("demo")
    assert re.findall(r'href="/(\w+)/"', demo.index()) == list(demo.ORDER)


def test_bounds_hold_and_moves_become_right(lesson: Any) -> None:
    _, _, right, bounds, optimal = lesson("value_iteration").run(0.9, 0.2)
    assert np.all(bounds[:, 0] <= optimal + 1e-12)
    assert np.all(optimal <= bounds[:, 1] + 1e-12)
    assert not right[2]
    assert all(right[-20:])


def test_moves_are_right_before_values_unless_the_discount_is_small(lesson: Any) -> None:
    def moves_and_values(discount: float) -> tuple[int, int]:
        values, _, right, _, optimal = lesson("value_iteration").run(discount, 0.2)
        near = abs(values - optimal).max(axis=1) < 0.01
        return int(np.flatnonzero(~np.array(right)).max()), int(np.flatnonzero(~near).max())

    moves, values = moves_and_values(0.9)
    assert moves < values
    moves, values = moves_and_values(0.7)
    assert moves > values


def test_soft_control_falls_less_than_noise_on_the_best_plan(lesson: Any) -> None:
    soft = lesson("soft_control")
    for temperature in (0.03, 0.05, 0.1):
        planned, added = soft.returns(temperature)
        assert planned > added + 0.02


@pytest.mark.parametrize(("wish", "weight"), [(0.0, 1.0), (0.1, 1.0), (0.3, 0.5), (0.2, 2.0)])
def test_customising_blindly_is_customising(lesson: Any, wish: float, weight: float) -> None:
    blind, told = lesson("residual_q_learning").customise(wish, weight)
    np.testing.assert_allclose(blind, told, atol=1e-9)


def test_the_plain_gradient_waits_and_the_natural_one_does_not(lesson: Any) -> None:
    plain, natural = lesson("policy_gradient").runs(0.01, 0.6, 1.0)
    assert plain[-1].argmax() == 1  # the second best
    assert plain[-1, 1] > 0.9
    np.testing.assert_allclose(natural[-1], [1.0, 0.0, 0.0], atol=1e-9)


def test_only_without_luck_one_gets_what_one_asks_for(lesson: Any) -> None:
    returns = lesson("return_conditioning").asked_and_obtained
    asked, obtained, _, _ = returns(1.0, 3.0, 0.5)
    np.testing.assert_allclose(obtained, asked, rtol=1e-12)
    asked, obtained, mean, best = returns(0.2, 3.0, 0.5)
    assert (asked[-1], best) == (12.0, 4.0)
    assert obtained[-1] < mean < best


def test_chi_square_drops_pairs_and_kl_keeps_all(lesson: Any) -> None:
    learn = lesson("dual_rl").learn
    assert (learn("chi-square", 0.1)[2] < 1e-12).any()
    assert all((learn("kl", alpha)[2] > 0.0).all() for alpha in lesson("dual_rl").STRENGTHS)
    np.testing.assert_allclose(learn("kl", 1e4)[2], 1.0, atol=1e-3)


def test_the_fitted_score_is_beaten_and_nash_is_not(lesson: Any) -> None:
    nash = lesson("nash_learning")
    beats = nash.preferences(1.5, 0.6).probability
    scored, policy, way = nash.answers(1.5, 0.6, 0.05)
    assert (beats @ scored).argmax() == 2  # C
    assert (beats @ scored).max() > 0.65
    assert (beats @ policy).max() < 0.53
    np.testing.assert_allclose(way[-1], policy, atol=0.05)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("max(V(p), V(q)) <= V(greedy((V(p) + V(q))/2))", "refuted"),
        ("V(greedy(max(V(p), V(q)))) >= max(V(p), V(q))", "not refuted"),
        ("abs(J(p) - J(q)) <= 2*rmax*tv(p, q)/(1 - gamma)", "refuted"),
        ("J(p) <= max(Vbest)", "not refuted"),
        ("mean(V(p)) + mean(V(q)) == 2*mean(V((p + q)/2))", "refuted"),
    ],
)
def test_the_falsifier_answers(lesson: Any, line: str, verdict: str) -> None:
    found, tried = lesson("falsify_your_conjecture").search(line, 200)
    assert found.verdict == verdict
    assert tried.shape[1] == 2


@pytest.mark.parametrize("line", ["J(p) <= J(q)*(gamma - 2)", "J(p) <= 0.3", "V(p) <= V(q)"])
def test_a_counterexample_is_simple_with_few_models_too(lesson: Any, line: str) -> None:
    mdp, policies = lesson("falsify_your_conjecture").search(line, 100)[0].instance
    assert mdp.n_states == 1
    assert all(np.isin(policy, [0.0, 1.0]).all() for policy in policies)


def test_the_examples_answer_as_the_page_says(lesson: Any) -> None:
    """Three of the six are false, and the mixture survives 500 models."""
    notebook = lesson("falsify_your_conjecture")
    verdicts = {name: notebook.search(line, 1000)[0].verdict for name, line in notebook.CONJECTURES.items()}
    assert sorted(verdicts.values()) == ["not refuted"] * 3 + ["refuted"] * 3
    mixture = notebook.CONJECTURES[notebook.FIRST]
    assert verdicts[notebook.FIRST] == "refuted"
    assert notebook.search(mixture, 500)[0].verdict == "not refuted"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("J(p)", "expected one comparison"),
        ("J(p) <= J(q) <= 1", "expected one comparison"),
        ("J(p) < 1", "expected one comparison"),
        ("J(p) <= ", "not an expression"),
        ("J(p) <= gain", "unknown word 'gain'"),
        ("p.shape <= 1", "not allowed here: p.shape"),
        ("p[0] <= 1", "not allowed here"),
        ("__import__('os') <= 1", "unknown word '__import__'"),
        ("(lambda: 1)() <= 1", "not allowed here"),
        ("'a' <= 1", "not allowed here"),
        ("9**9 <= 1", "powers"),
        ("1e9 <= 1", "not allowed here"),
        ("abs(x=1) <= 1", "not allowed here"),
        ("-" * 5000 + "1 <= 1", "5006 characters"),
        ("<b>J(p)</b> <= 1", "not an expression"),
    ],
)
def test_a_line_that_is_no_conjecture_is_refused(lesson: Any, line: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        lesson("conjecture_line").read(line)
    assert fault.split("'")[0] in lesson("falsify_your_conjecture").draw(line, 20).text


@pytest.mark.parametrize(
    "side",
    ["V(3)", "gamma/0", pytest.param("(" * 14 + "9" + "**3)" * 14, id="a number of millions of digits")],
)
def test_a_side_that_cannot_be_computed_is_said(lesson: Any, side: str) -> None:
    assert "cannot be computed" in lesson("falsify_your_conjecture").draw(f"{side} <= 1", 20).text


def test_what_was_typed_is_shown_as_text(lesson: Any) -> None:
    shown = lesson("falsify_your_conjecture").draw("<img src=x> `**J** <= 1", 20).text
    assert "&lt;img src=x&gt; `**J** &lt;= 1" in shown
    assert "<img" not in shown


def test_the_words_mean_what_they_say(lesson: Any) -> None:
    line = lesson("conjecture_line")
    case = line.family(SeededDraw(3))
    mdp, (p, q) = case
    value = mdplab.solvers.policy_evaluation(mdp, p).value
    left, right = line.read("J(p) + gamma <= Vbest").sides(case)
    np.testing.assert_allclose(left, mdp.initial @ value + mdp.discount)
    np.testing.assert_allclose(right, mdplab.solvers.policy_iteration(mdp).value)
    left, right = line.read("max(V(p)) >= tv(p, q)").sides(case)
    np.testing.assert_allclose(left, value.max())
    np.testing.assert_allclose(right, abs(p - q).sum(axis=1).max() / 2)
