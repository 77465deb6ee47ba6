"""The gradient waits at the wrong corner.

Softmax policy gradient sits on a plateau that the natural gradient does not see.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Policy gradient and mirror descent", css_file="board.css")

with app.setup:
    from functools import lru_cache
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, CORNERS, ORANGE, headline, picture, question, warm_up

    import mdplab
    from mdplab.models import MDP

    STEPS = 150
    CHANCES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3]


@app.function
@lru_cache(maxsize=256)
def runs(chance: float, second: float, step: float) -> tuple[Any, Any]:
    """Policies (steps + 1, 3) of plain ascent and of mirror descent, both with that step."""
    bandit = MDP(np.ones((1, 3, 1)), [[1.0, second, 0.0]], 0.0, [1.0])
    start = np.array([[chance, 0.8 * (1.0 - chance), 0.2 * (1.0 - chance)]])
    plain = mdplab.solvers.policy_gradient_ascent(
        bandit, steps=STEPS, step=step, initial_logits=np.log(start)
    )
    mirror = mdplab.solvers.mirror_descent(bandit, steps=STEPS, step=step, initial_policy=start)
    return np.exp(plain.log_policies[:, 0]), np.exp(mirror.log_policies[:, 0])


@app.function
def draw(chance: float, second: float, step: float) -> mo.Html:
    """The ways of both through the triangle of policies, above what they lose at each step."""
    ways = runs(chance, second, step)
    kinds = ((ORANGE, "s", "policy gradient"), (BLUE, "o", "natural gradient"))

    def paint(above: Any, below: Any) -> None:
        above.fill(*CORNERS.T, facecolor="#F2F2F2", edgecolor="black", lw=1.2)
        names = ("best: 1", f"second: {second:g}", "worst: 0")
        for corner, name, side in zip(CORNERS, names, ("right", "left", "left"), strict=True):
            shift = {"right": -0.06, "left": 0.06}[side]
            above.text(corner[0] + shift, corner[1], name, ha=side, va="center", weight="bold")
        for way, (colour, marker, name) in zip(ways, kinds, strict=True):
            above.plot(*(way @ CORNERS).T, color=colour, lw=1.2, marker=marker, ms=3.5, label=name)
            loss = 1.0 - way @ [1.0, second, 0.0]
            below.semilogy(np.maximum(loss, 1e-9), color=colour, lw=2.2)
        above.plot(*(ways[0][0] @ CORNERS), "*", color="black", ms=14, zorder=5)
        above.legend(loc="upper left")
        above.set_aspect("equal")
        above.set_xlim(-0.75, 1.75)
        above.set_ylim(-0.07, 0.95)
        above.axis("off")
        above.set_title("a point is a policy; the star is the start")
        below.set_xlim(0, STEPS)
        below.set_ylim(1e-4, 2.0)
        below.yaxis.set_major_formatter("{x:g}")
        below.minorticks_off()
        below.set_xlabel("step")
        below.set_ylabel("loss of reward")

    return picture(paint, title="Ways to the best policy, and losses", panels=2, size=(5.6, 5.2))


@app.cell
def _():
    headline(
        "The gradient waits at the wrong corner",
        r"""
One choice among three, rewards 1, $r$ and 0, policy $\pi\propto e^{\theta}$. *Policy gradient*:
$$\theta_a \mathrel{+}= \eta\,\pi_a\,(R_a-J).$$
*Natural gradient*, which is mirror descent:
$$\theta_a \mathrel{+}= \eta\,R_a.$$
""",
    )
    return


@app.cell
def _():
    chance = mo.ui.slider(
        steps=CHANCES,
        value=0.05,
        label="chance of the best at the start",
        show_value=True,
        full_width=True,
    )
    second = mo.ui.slider(
        0.0, 0.95, 0.05, value=0.6, label="reward $r$ of the second", show_value=True, full_width=True
    )
    step = mo.ui.slider(0.2, 4.0, 0.2, value=1.0, label=r"step $\eta$", show_value=True, full_width=True)
    mo.vstack([chance, second, step], gap=0.2)
    return chance, second, step


@app.cell
def _():
    question(
        "Why does the plain gradient run to the *second* best first, and stay there so long?",
        r"""
Each push is multiplied by $\pi_a$: what is rarely done is hardly learned. The second best is common and better than the
average; the best is rare. At its corner all gradients nearly vanish. The natural gradient divides by $\pi_a$.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, 0.05, 0.6, 1.0)
    return (show,)


@app.cell
def _(chance, second, show, step):
    show(chance.value, second.value, step.value)
    return


if __name__ == "__main__":
    app.run()
