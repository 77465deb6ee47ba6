"""Learning from data is weighting them.

The divergence from the data decides which of their actions are kept.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Dual RL and the divergences", css_file="board.css")

with app.setup:
    from functools import lru_cache
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, GREEN, GREY, ORANGE, PINK, dial, headline, picture, question, warm_up

    import mdplab
    from mdplab.divergences import f_divergence
    from mdplab.instances import gridworld

    COLOURS = {"kl": BLUE, "chi-square": ORANGE, "hellinger": GREEN, "swapped-kl": PINK}
    NAMES = {"kl": "KL", "chi-square": "chi-square", "hellinger": "Hellinger", "swapped-kl": "swapped KL"}
    STRENGTHS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]


@app.function
@lru_cache(maxsize=1)
def data() -> tuple[Any, Any]:
    """The walk along a cliff, and the occupancy of a careless walker."""
    cliff = [(1, 2), (2, 2), (3, 2)]
    rewards = {(4, 2): 1.0} | dict.fromkeys(cliff, -1.0)
    mdp = gridworld(
        5, 3, rewards, discount=0.9, terminal=[(4, 2), *cliff], start=(0, 2), step_reward=-0.02
    ).mdp
    able = mdplab.solvers.soft_value_iteration(mdp, temperature=0.2).policy
    return mdp, mdplab.operators.occupancy(mdp, (able + np.full_like(able, 0.25)) / 2)


@app.function
@lru_cache(maxsize=256)
def learn(divergence: str, strength: float) -> tuple[float, Any, Any]:
    """The return; for the pairs of the data the residual over the strength, and the weight."""
    mdp, occupancy = data()
    found = mdplab.solvers.dual_v(mdp, occupancy, divergence=divergence, strength=strength)
    seen = occupancy > 0
    score, weight = found.residual[seen] / strength, found.occupancy[seen] / occupancy[seen]
    return found.normalised_return / (1 - mdp.discount), score, weight


@app.function
def draw(divergence: str, strength: float) -> mo.Html:
    """The weights of the pairs of the data, above the returns at all strengths."""
    mdp, occupancy = data()
    _, score, weight = learn(divergence, strength)
    colour = COLOURS[divergence]

    def paint(above: Any, below: Any) -> None:
        y = np.linspace(-3.0, 3.0, 400)
        row = f_divergence(divergence)
        curve = np.full_like(y, np.nan)
        curve[y < row.domain_upper] = row.weight(y[y < row.domain_upper])
        above.plot(y, curve, color=colour, lw=1.2)
        inside = np.clip(score, -3.0, 3.0), np.minimum(weight, 5.0)
        above.plot(*inside, "o", color=colour, mec="white", mew=0.6, ms=8, clip_on=False)
        above.set_xlim(-3.0, 3.0)
        above.set_ylim(-0.2, 5.0)
        above.set_xlabel("how good: residual / α (dots on the edge lie beyond)")
        above.set_ylabel("weight")
        dropped = int((weight == 0).sum())
        above.set_title(f"a dot is one pair of the data; {dropped} of {weight.size} have weight 0")
        for name, other in COLOURS.items():
            returns = [learn(name, alpha)[0] for alpha in STRENGTHS]
            below.plot(
                STRENGTHS, returns, color=other, lw=2.6 if name == divergence else 1.0, label=NAMES[name]
            )
        best = float(mdp.initial @ mdplab.solvers.policy_iteration(mdp).value)
        below.axhline(best, color="black", ls="--", lw=1.0)
        mean = float((occupancy * mdp.reward).sum()) / (1 - mdp.discount)
        below.axhline(mean, color=GREY, ls=":", lw=1.0)
        below.text(STRENGTHS[-1], best - 0.02, "best policy", ha="right", va="top")
        below.text(STRENGTHS[0] * 1.1, mean + 0.02, "the data", ha="left", va="bottom")
        dial(below, STRENGTHS, strength, "strength α")
        below.set_ylabel("return")
        below.legend(loc="center left")

    return picture(paint, title="Weights of the data, and returns", panels=2, size=(5.6, 5.3))


@app.cell
def _():
    headline(
        "Learning from data is weighting them",
        r"""
Stay near the data's occupancy $d_O$:
$$\max_d\;\langle d,R\rangle-\alpha\,D_f(d\,\|\,d_O).$$
The dual has one unknown, $V$, and no constraint; its solution is a *weight* for each pair of the data,
$$\frac{d}{d_O}=\max\bigl(0,(f')^{-1}\bigr)\Bigl(\frac{R+\gamma PV-V}{\alpha}\Bigr).$$
""",
    )
    return


@app.cell
def _():
    divergence = mo.ui.dropdown(
        {label: name for name, label in NAMES.items()},
        value="KL",
        label="divergence",
        allow_select_none=False,
    )
    strength = mo.ui.slider(
        steps=STRENGTHS, value=0.1, label=r"strength $\alpha$", show_value=True, full_width=True
    )
    mo.vstack([divergence, strength], gap=0.2)
    return divergence, strength


@app.cell
def _():
    question(
        "KL or chi-square: which one forgets a bad action of the data for good? What is left at large α?",
        r"""
Chi-square: its weight reaches 0. KL's $e^{y}$ never does: every action of the data keeps some weight, and a bad one is
taken now and then. At large α all weights are 1: the data are copied (behaviour cloning).
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, "kl", 0.1)
    return (show,)


@app.cell
def _(divergence, show, strength):
    show(divergence.value, strength.value)
    return


if __name__ == "__main__":
    app.run()
