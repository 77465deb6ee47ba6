"""When tastes run in a circle.

No score fits preferences without a best answer; Nash learning needs none.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Nash learning from preferences", css_file="board.css")

with app.setup:
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, CORNERS, GREEN, ORANGE, headline, picture, question, warm_up

    import mdplab
    from mdplab.models import PreferenceMatrix

    UNIFORM = np.full(3, 1 / 3)
    TEMPERATURES = [0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0]


@app.function
def preferences(circle: float, lead: float) -> PreferenceMatrix:
    """Scores (lead, lead/2, 0) of A, B, C, and a circle: A beats B, B beats C, C beats A."""
    scores = np.array([lead, lead / 2, 0.0])
    logits = scores[:, None] - scores + circle * np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]])
    return PreferenceMatrix(1.0 / (1.0 + np.exp(-logits)))


@app.function
def answers(circle: float, lead: float, temperature: float) -> tuple[Any, Any, Any]:
    """The policy of a fitted reward, the Nash policy, and the way of Nash-MD from the uniform policy."""
    game = preferences(circle, lead)
    wins = game.probability * ~np.eye(3, dtype=bool)  # every pair is compared equally often
    fitted = mdplab.solvers.bradley_terry_fit(wins).reward
    scored = np.exp(mdplab.operators.log_tilt(fitted, temperature=temperature))
    nash = mdplab.solvers.regularised_nash(game, UNIFORM, temperature=temperature)
    way = mdplab.solvers.nash_md(game, UNIFORM, temperature=temperature, steps=100)
    return scored, nash.policy, np.exp(way.log_policies)


@app.function
def draw(circle: float, lead: float, temperature: float) -> mo.Html:
    """The triangle of all policies on three answers."""
    scored, nash, way = answers(circle, lead, temperature)
    beats = preferences(circle, lead).probability

    def paint(ax: Any) -> None:
        ax.fill(*CORNERS.T, facecolor="#F2F2F2", edgecolor="black", lw=1.2)
        ax.plot(*(way @ CORNERS).T, color=GREEN, lw=1.0, marker=".", ms=5, label="steps of Nash-MD")
        for policy, colour, marker, name in (
            (scored, ORANGE, "s", "best for the fitted score"),
            (nash, BLUE, "o", "Nash policy"),
        ):
            worst = float((beats @ policy).max())
            label = f"{name}: beaten with chance {worst:.2f}"
            ax.plot(*(policy @ CORNERS), marker, color=colour, ms=12, mec="white", zorder=5, label=label)
        for corner, name, shift in zip(
            CORNERS, "ABC", ((-0.05, -0.02), (0.05, -0.02), (0, 0.05)), strict=True
        ):
            ax.text(*(corner + shift), name, ha="center", va="center", fontsize=14, weight="bold")
        for i, j in ((0, 1), (1, 2), (2, 0)):
            middle = (CORNERS[i] + CORNERS[j]) / 2
            away = 0.115 * (middle - CORNERS.mean(axis=0)) / np.linalg.norm(middle - CORNERS.mean(axis=0))
            text = f"{'ABC'[i]} beats {'ABC'[j]}\n{beats[i, j]:.0%}"
            ax.text(*(middle + away * (1.35 if i != 0 else 1.0)), text, ha="center", va="center")
        ax.set_aspect("equal")
        ax.set_xlim(-0.22, 1.22)
        ax.set_ylim(-0.2, 1.0)
        ax.axis("off")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.0))

    return picture(paint, title="Policies on three answers", size=(5.6, 4.9))


@app.cell
def _():
    headline(
        "When tastes run in a circle",
        r"""
People compare answers A, B and C. A *reward model* gives each a score and takes the best for
$\mathbb E\,r-\tau\,\mathrm{KL}$. *Nash learning* seeks a policy that no other is preferred to:
$$\pi\;\propto\;e^{P\pi/\tau},\qquad P_{ij}=P(i\succ j).$$
""",
    )
    return


@app.cell
def _():
    circle = mo.ui.slider(
        0.0, 2.5, 0.1, value=1.5, label="strength of the circle", show_value=True, full_width=True
    )
    lead = mo.ui.slider(0.0, 2.0, 0.1, value=0.6, label="lead of A", show_value=True, full_width=True)
    temperature = mo.ui.slider(
        steps=TEMPERATURES, value=0.05, label=r"temperature $\tau$", show_value=True, full_width=True
    )
    mo.vstack([circle, lead, temperature], gap=0.2)
    return circle, lead, temperature


@app.cell
def _():
    question(
        "The score puts all on A. Which answer would you give to beat it? Can the Nash policy be beaten?",
        r"""
C: most people prefer it to A. The score cannot know, for it ranks on one line. Whatever is given against the Nash policy
wins hardly more than half; the rest is the price of staying near uniform, and vanishes with $\tau$.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, 1.5, 0.6, 0.05)
    return (show,)


@app.cell
def _(circle, lead, show, temperature):
    show(circle.value, lead.value, temperature.value)
    return


if __name__ == "__main__":
    app.run()
