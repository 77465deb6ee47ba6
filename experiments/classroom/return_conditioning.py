"""Asking for luck does not bring it.

A policy conditioned on a high return imitates the lucky, and takes luck for skill.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Conditioning on the return", css_file="board.css")

with app.setup:
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, GREEN, GREY, ORANGE, headline, picture, question, warm_up

    from mdplab.enumeration import enumerate_outcome_trajectories
    from mdplab.models import OutcomeModel

    ROUNDS = 4


@app.function
def asked_and_obtained(luck: float, prize: float, bold: float) -> tuple[Any, Any, float, float]:
    """Each possible return, what the policy conditioned on it obtains, the data's mean, and the best mean."""
    law = [[[0.0, 0.0, 1.0], [luck, 1.0 - luck, 0.0]]]  # safe, gamble; outcomes: prize, nothing, one
    model = OutcomeModel(law, [prize, 0.0, 1.0], [0, 0, 0], [1.0])
    data = enumerate_outcome_trajectories(model, np.full((ROUNDS, 1, 2), [1.0 - bold, bold]), ROUNDS)
    possible = np.unique(data.returns[data.probability > 0.0])
    obtained = []
    for z in possible:
        actions = data.conditioned_action_log_probability(data.returns == z)
        happens = np.exp(data.environment_log_probability + actions.sum(axis=1))
        obtained.append(float(happens @ data.returns))
    best = ROUNDS * max(1.0, luck * prize)
    return possible, np.array(obtained), float(data.probability @ data.returns), best


@app.function
def draw(luck: float, prize: float, bold: float) -> mo.Html:
    """The return that is obtained, over the return that is asked for."""
    asked, obtained, mean, best = asked_and_obtained(luck, prize, bold)

    def paint(ax: Any) -> None:
        top = ROUNDS * prize
        ax.plot([0, top], [0, top], color=GREY, ls=":", label="what one hopes for")
        ax.vlines(asked, obtained, asked, color=ORANGE, lw=1.0, alpha=0.5)
        ax.plot(asked, obtained, "o-", color=ORANGE, ms=7, label="what one gets")
        ax.axhline(best, color=GREEN, ls="--", label="the best policy, on average")
        ax.axhline(mean, color=BLUE, ls="-.", label="the data, on average")
        ax.set_xlim(-0.3, top + 0.4)
        ax.set_ylim(-0.3, 1.35 * top)  # the legend stands above the lines
        ax.set_xlabel("return asked for")
        ax.set_ylabel("return obtained on average")
        ax.set_title(f"ask for {asked[-1]:g}, get {obtained[-1]:.1f}")
        ax.legend(loc="upper left")

    return picture(paint, title="Returns asked for and obtained", size=(5.6, 4.9))


@app.cell
def _():
    headline(
        "Asking for luck does not bring it",
        r"""
Four rounds; in each, take 1 for sure, or gamble for the prize. *Return conditioning* imitates the plays in the data
that had the return $z$:
$$\pi_z(a\mid h)=P(a\mid h,\ \text{return}=z),$$
then asks for a high $z$, and plays.
""",
    )
    return


@app.cell
def _():
    luck = mo.ui.slider(
        0.05, 1.0, 0.05, value=0.2, label="chance to win a gamble", show_value=True, full_width=True
    )
    prize = mo.ui.slider(2.0, 5.0, 1.0, value=3.0, label="prize", show_value=True, full_width=True)
    bold = mo.ui.slider(
        0.05, 0.95, 0.05, value=0.5, label="share of gambles in the data", show_value=True, full_width=True
    )
    mo.vstack([luck, prize, bold], gap=0.2)
    return bold, luck, prize


@app.cell
def _():
    question(
        "For which chance do we get what we ask for, and why only then?",
        r"""
Only when the gamble always wins. All plays of the highest return gambled *and won*. The imitator copies the gambling, not the
winning: it takes luck for skill. When the outcomes are certain, the return depends on the actions alone.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, 0.2, 3.0, 0.5)
    return (show,)


@app.cell
def _(bold, luck, prize, show):
    show(luck.value, prize.value, bold.value)
    return


if __name__ == "__main__":
    app.run()
