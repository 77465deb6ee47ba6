"""Customise a policy without its reward.

A policy tells enough of its reward that a wish can be added to it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Residual Q-learning", css_file="board.css")

with app.setup:
    from functools import lru_cache
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import grid, headline, picture, question, warm_up

    import mdplab
    from mdplab.instances import Gridworld, gridworld

    START, GOAL = (0, 3), (8, 3)
    WET = [(x, y) for x in (3, 4, 5) for y in (2, 3)]
    TEMPERATURE = 0.02


@app.function
@lru_cache(maxsize=1)
def world() -> Gridworld:
    """The task of the prior: to the goal, and every step costs."""
    return gridworld(9, 4, {GOAL: 1.0}, discount=0.95, terminal=[GOAL], start=START, step_reward=-0.02)


@app.function
@lru_cache(maxsize=1)
def prior() -> Any:
    """The given policy, as log-probabilities: all that the customiser sees."""
    return mdplab.solvers.soft_value_iteration(world().mdp, temperature=TEMPERATURE, tol=1e-12).log_policy


@app.function
def customise(wish: float, weight: float) -> tuple[Any, Any]:
    """The customised policy, and that of a planner who is told the reward of the prior."""
    mdp = world().mdp
    added = np.zeros((mdp.n_states, mdp.n_actions))
    added[[world().state(*cell) for cell in WET]] = -wish
    blind = mdplab.solvers.residual_q_learning(
        mdp, added, prior(), prior_weight=weight * TEMPERATURE, temperature=TEMPERATURE, tol=1e-12
    )
    told = mdplab.solvers.soft_policy_iteration(
        mdp.replace(reward=weight * mdp.reward + added), temperature=TEMPERATURE, tol=1e-12
    )
    return blind.policy, told.policy


@app.function
def draw(wish: float, weight: float) -> mo.Html:
    """The ways of the prior, above those of the customised policy."""
    blind, told = customise(wish, weight)

    def paint(above: Any, below: Any) -> None:
        for ax, policy in ((above, np.exp(prior())), (below, blind)):
            visits = mdplab.operators.state_occupancy(world().mdp, policy)
            labels = {START: "S", GOAL: "G"} | dict.fromkeys(WET, "wet")
            grid(ax, world(), np.sqrt(visits), policy, labels=labels, limits=(0.0, 0.25))
        above.set_title("the given policy; its reward is not known")
        digits = int(-np.log10(max(float(abs(blind - told).max()), 1e-15)))
        below.set_title(f"customised; as if the reward were known, to {digits} digits")

    return picture(paint, title="Ways of the prior and of the customised policy", panels=2, size=(5.6, 5.3))


@app.cell
def _():
    headline(
        "Customise a policy without its reward",
        r"""
Given: a policy $\pi\propto e^{Q/\alpha}$ that is good at something, *not* its reward $r$. Wish: also
$r_{\rm add}$. The policy that is best for $\omega\,r+r_{\rm add}$ is found with
$\log\pi$ in the place of $r$:
$$Q_{\rm add}=r_{\rm add}+\gamma P\,\alpha\log\textstyle\sum_a\pi^{\omega}e^{Q_{\rm add}/\alpha};$$
the policy is $\propto\pi^{\omega}e^{Q_{\rm add}/\alpha}$.
""",
    )
    return


@app.cell
def _():
    wish = mo.ui.slider(
        0.0, 0.3, 0.01, value=0.1, label="price of a step in the wet", show_value=True, full_width=True
    )
    weight = mo.ui.slider(
        0.0, 2.0, 0.1, value=1.0, label=r"weight $\omega$ of the old task", show_value=True, full_width=True
    )
    mo.vstack([wish, weight], gap=0.2)
    return weight, wish


@app.cell
def _():
    question(
        r"Many rewards have the same best policy. Why is $\pi$ enough to find the best policy for the sum?",
        r"""
$\alpha\log\pi(a\mid s)=Q(s,a)-V(s)$ is the reward up to the shaping term $\gamma\,\mathbb E\,V(s')-V(s)$. Shaping changes all
policies' returns alike, so nothing that matters is lost. With $\omega=0$ the old task is forgotten: move the slider.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, 0.1, 1.0)
    return (show,)


@app.cell
def _(show, weight, wish):
    show(wish.value, weight.value)
    return


if __name__ == "__main__":
    app.run()
