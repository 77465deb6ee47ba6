"""Soft control knows its own noise.

A soft agent plans with its own randomness, and leaves the edge of the cliff.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="columns", app_title="Soft control and temperature", css_file="board.css")

with app.setup:
    from functools import lru_cache
    from typing import Any

    import marimo as mo
    import numpy as np
    from board import BLUE, ORANGE, dial, grid, headline, picture, question, warm_up

    import mdplab
    from mdplab.instances import Gridworld, gridworld

    START, GOAL, CLIFF = (0, 3), (8, 3), [(x, 3) for x in range(1, 8)]
    TEMPERATURES = [0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2]


@app.function
@lru_cache(maxsize=1)
def world() -> Gridworld:
    """A goal that pays 1, at the end of a cliff that costs 1; no slips."""
    rewards = {GOAL: 1.0} | dict.fromkeys(CLIFF, -1.0)
    return gridworld(9, 4, rewards, discount=0.95, terminal=[GOAL, *CLIFF], start=START, step_reward=-0.02)


@app.function
@lru_cache(maxsize=64)
def policies(temperature: float) -> tuple[Any, Any]:
    """The optimal policy of the soft problem, and the softmax of the hard problem's optimal action values."""
    mdp = world().mdp
    uniform = np.full((mdp.n_states, mdp.n_actions), -np.log(mdp.n_actions))
    soft = mdplab.solvers.soft_value_iteration(mdp, temperature=temperature, log_reference=uniform)
    hard = mdplab.solvers.policy_iteration(mdp)
    return soft.policy, np.exp(mdplab.operators.log_tilt(hard.q, temperature=temperature))


@app.function
@lru_cache(maxsize=64)
def returns(temperature: float) -> tuple[float, ...]:
    """Expected returns of both, without the price of information."""
    start = world().state(*START)
    return tuple(
        float(mdplab.solvers.policy_evaluation(world().mdp, policy).value[start])
        for policy in policies(temperature)
    )


@app.function
def draw(temperature: float) -> mo.Html:
    """Where the soft agent is, above the returns at all temperatures."""
    soft, _ = policies(temperature)
    visits = mdplab.operators.state_occupancy(world().mdp, soft)
    curves = np.array([returns(tau) for tau in TEMPERATURES]).T

    def paint(above: Any, below: Any) -> None:
        labels = {START: "S", GOAL: "+1"} | dict.fromkeys(CLIFF, "−1")
        grid(above, world(), np.sqrt(visits), soft, labels=labels, limits=(0.0, 0.22))
        above.set_title("bright: where the agent spends its time")
        below.plot(TEMPERATURES, curves[0], color=BLUE, label="soft control: plans with its noise")
        below.plot(TEMPERATURES, curves[1], color=ORANGE, ls="--", label="best plan, noise added after")
        below.plot([temperature] * 2, returns(temperature), "o", color="black", ms=6, zorder=5)
        dial(below, TEMPERATURES, temperature, "temperature τ")
        below.set_ylim(-0.4, 0.5)
        below.set_ylabel("expected return")
        below.legend(loc="lower left")

    return picture(paint, title="Visits of the soft agent, and returns", panels=2, size=(5.6, 5.2))


@app.cell
def _():
    headline(
        "Soft control knows its own noise",
        r"""
The reward, minus a price on being predictable:
$$\max_\pi\;\mathbb E\sum_t\gamma^t\Bigl(r_t-\tau\log\frac{\pi(a_t\mid s_t)}{1/4}\Bigr).$$
The best policy is random: $\pi\propto e^{Q/\tau}$, where
$$V(s)=\tau\log\,\textstyle\frac14\sum_a e^{Q(s,a)/\tau}.$$
""",
    )
    return


@app.cell
def _():
    temperature = mo.ui.slider(
        steps=TEMPERATURES, value=0.01, label=r"temperature $\tau$", show_value=True, full_width=True
    )
    mo.vstack([temperature])
    return (temperature,)


@app.cell
def _():
    question(
        "There is no wind. Why does the agent leave the edge of the cliff as τ grows?",
        r"""
Its own next step is random, and $V$ is a soft *average* over it: beside the cliff one of four moves is a fall. The dashed
agent has the same kind of noise but values states as if it would act perfectly, so it stays at the edge and falls.
""",
    )
    return


@app.cell(column=1)
def _():
    show = warm_up(draw, 0.01)
    return (show,)


@app.cell
def _(show, temperature):
    show(temperature.value)
    return


if __name__ == "__main__":
    app.run()
