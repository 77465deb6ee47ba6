"""Value iteration knows how wrong it is.

Every sweep comes with proven bounds, and the best moves can be right long before the values.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Value iteration", css_file="board.css")

with app.setup:
    from functools import lru_cache
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, GREEN, ORANGE, grid, headline, picture, question, warm_up

    import mdplab
    from mdplab.instances import Gridworld, gridworld

    GOAL, PIT, START = (8, 0), (8, 1), (0, 3)
    SWEEPS = 60


@app.function
def world(discount: float, slip: float) -> Gridworld:
    """A goal that pays 1 beside a pit that costs 1, behind walls."""
    return gridworld(
        9,
        4,
        {GOAL: 1.0, PIT: -1.0},
        discount=discount,
        slip=slip,
        walls=[(2, 1), (2, 2), (5, 0), (5, 1), (5, 2)],
        terminal=[GOAL, PIT],
    )


@app.function
@lru_cache(maxsize=64)
def run(discount: float, slip: float) -> tuple[Any, ...]:
    """Sweeps ``v_k = T v_(k-1)`` from 0, their best moves and whether these are right; bounds; the optimal value."""
    mdp = world(discount, slip).mdp
    best = mdplab.solvers.policy_iteration(mdp)
    optimal = mdplab.operators.maximisers(mdp, best.q, 1e-9)
    bounds = []

    def keep(step: int, lower: Any, upper: Any) -> bool:
        bounds.append((lower.copy(), upper.copy()))
        return step == SWEEPS

    mdplab.solvers.value_iteration(mdp, tol=0.0, callback=keep)
    values, moves = [np.zeros(mdp.n_states)], []
    for _ in range(SWEEPS):
        q = mdplab.operators.action_values(mdp, values[-1])
        values.append(q.max(axis=1))
        moves.append(mdplab.operators.maximisers(mdp, q, 1e-9))
    right = [bool(np.all(found <= optimal)) for found in moves]
    return np.array(values[1:]), moves, right, np.array(bounds), best.value


@app.function
def draw(sweeps: int, discount: float, slip: float) -> mo.Html:
    """The grid after some sweeps, above the bounds of all sweeps in one cell."""
    place = world(discount, slip)
    values, moves, right, bounds, optimal = run(discount, slip)
    shown = moves[sweeps - 1]
    policy = shown * ~shown.all(axis=1, keepdims=True)  # where all moves are as good none is shown
    start = place.state(*START)

    def paint(above: Any, below: Any) -> None:
        labels = {GOAL: "+1", PIT: "−1", START: "S"}
        grid(above, place, values[sweeps - 1], policy, labels=labels, limits=(-1.0, 1.0))
        verdict = "all best moves are right" if right[sweeps - 1] else "some moves are still wrong"
        above.set_title(f"after {sweeps} sweep{'s' * (sweeps > 1)}: {verdict}")
        k = range(1, len(bounds) + 1)
        below.fill_between(k, *bounds[:, :, start].T, color=BLUE, alpha=0.35, lw=0, label="proven bounds")
        below.axhline(optimal[start], color="black", ls="--", lw=1.2, label="optimal value of S")
        below.plot(range(1, SWEEPS + 1), values[:, start], color=ORANGE, label="value after k sweeps")
        first = max((k for k, fine in enumerate(right, 1) if not fine), default=0) + 1
        if first <= SWEEPS:
            below.axvspan(first, SWEEPS, color=GREEN, alpha=0.13, lw=0, label="best moves are right")
        below.axvline(sweeps, color="black", lw=1.2)
        below.set_xlim(1, SWEEPS)
        below.set_ylim(-0.6, 1.2)
        below.set_xlabel("sweep k")
        below.set_ylabel("value of S")
        below.legend(loc="lower right", ncols=2)

    return picture(paint, title="The grid after some sweeps, and the bounds", panels=2, size=(5.6, 5.2))


@app.cell
def _():
    headline(
        "Value iteration knows how wrong it is",
        r"""
A sweep replaces all values by
$$(Tv)(s)=\max_a\, R(s,a)+\gamma\,\textstyle\sum_t P(t\mid s,a)\,v(t).$$
How much they *change*, $d=Tv-v$, bounds how far they are off:
$$\frac{\min d}{1-\gamma}\;\le\; V^*-v\;\le\;\frac{\max d}{1-\gamma}.$$
""",
    )
    return


@app.cell
def _():
    sweeps = mo.ui.slider(1, 60, value=3, label="sweeps $k$", show_value=True, full_width=True)
    discount = mo.ui.slider(
        0.5, 0.98, 0.01, value=0.9, label=r"discount $\gamma$", show_value=True, full_width=True
    )
    slip = mo.ui.slider(0.0, 0.5, 0.05, value=0.2, label="slip", show_value=True, full_width=True)
    mo.vstack([sweeps, discount, slip], gap=0.2)
    return discount, slip, sweeps


@app.cell
def _():
    question(
        "Here the moves are right before the values are. When may we stop, not knowing $V^*$?",
        r"""
When in every state the best move beats the second by more than $\gamma$ times the width of the bounds: then their order
is certain. The smaller the gap between two moves, the later; moves that tie are never told apart.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, 3, 0.9, 0.2)
    return (show,)


@app.cell
def _(discount, show, slip, sweeps):
    show(sweeps.value, discount.value, slip.value)
    return


if __name__ == "__main__":
    app.run()
