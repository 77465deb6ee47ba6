"""Inverse soft Q-learning as maximum likelihood with a squared temporal difference (Wulfmeier et al. 2024).

The linear part of the inverse objective is the log-likelihood of the soft policy, as the flow of the data telescopes: what
inverse reinforcement learning adds to imitation by likelihood is the square of the implied reward.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import rounding
from mdplab.divergences import f_divergence
from mdplab.enumeration import enumerate_trajectories
from mdplab.operators import (
    flow_matrix,
    inverse_soft_backup,
    policy_of_occupancy,
    soft_policy_log,
    soft_value,
    stage_laws,
)
from proofs_check.dual_rl import exact_inverse as exact
from proofs_check.dual_rl.inverse_tasks import (
    LikelihoodTask,
    TokenTask,
    likelihood_task,
    token_task,
    two_state_likelihood,
    unbalanced_likelihood_task,
    zero_tokens,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def size_of(task: LikelihoodTask) -> float:
    """Size of the terms of the objective."""
    top = 1.0 + 2 * float(np.abs(task.q).max()) + np.log(task.q.shape[1])
    return float(top + task.weight * top**2)


def objective_error(task: LikelihoodTask) -> float:
    """Rounding of either form, and of the flow of the expert's occupancy, a solve."""
    return float(rounding(size_of(task), 8 * task.q.size + 48)) / (1 - task.mdp.discount)


def penalised(reward: FloatArray, weight: float) -> FloatArray:
    """``x - c x^2``, which is ``-alpha f*(-x / alpha)`` of the chi-square divergence with ``alpha = 1 / (4 c)``."""
    if weight == 0:
        return reward
    strength = 1 / (4 * weight)
    return np.asarray(-strength * f_divergence("chi-square").plain_conjugate(-reward / strength))


def inverse_value(task: LikelihoodTask, data: FloatArray) -> float:
    """``E[x - c x^2] - (1 - gamma) mu_0 . V_Q`` for a law of the data."""
    x = inverse_soft_backup(task.mdp, task.q)
    return float((data * penalised(x, task.weight)).sum() - task.start @ soft_value(task.q, temperature=1.0))


def likelihood_value(task: LikelihoodTask, data: FloatArray) -> float:
    """``E log pi_Q - c E x^2`` for a law of the data, with ``x = log pi_Q + B V_Q``."""
    logs = soft_policy_log(task.q, temperature=1.0)
    flow = (flow_matrix(task.mdp) @ soft_value(task.q, temperature=1.0)).reshape(task.q.shape)
    return float((data * (logs - task.weight * (logs + flow) ** 2)).sum())


def inverse_objective(task: LikelihoodTask) -> Side:
    """Inverse soft-Q objective: E[x - c x^2] as a conjugate, less the value of the start."""
    return Side(inverse_value(task, task.data), objective_error(task))


def penalised_likelihood(task: LikelihoodTask) -> Side:
    """Log-likelihood less c times the squared temporal difference, x = log pi_Q + B V_Q."""
    return Side(likelihood_value(task, task.data), objective_error(task))


def tree_error(task: TokenTask) -> float:
    """Rounding of sums over eight sequences of three tokens."""
    top = 2.0 + 2 * float(np.abs(task.q).max())
    return float(rounding(3 * (top + task.weight * top**2), 120))


def tree_values(task: TokenTask) -> tuple[FloatArray, FloatArray]:
    """Action values and implied rewards of all states of the tree, shape (3, 15, 2)."""
    q = np.zeros((3, 15, 2))
    q[:, :7] = task.q
    return q, np.asarray(inverse_soft_backup(task.tree, q))


def sequence_objective(task: TokenTask) -> Side:
    """Enumeration of whole sequences: mean of sum x - c x^2, less the value of the root."""
    return rooted(task, 1.0)


def rooted(task: TokenTask, share: float) -> Side:
    """Enumeration of whole sequences: mean of sum x - c x^2, less a share of the value of the root."""
    _, x = tree_values(task)
    # uniform tokens list the sequences in the order of the law
    found = enumerate_trajectories(task.tree, np.full((15, 2), 0.5))
    along = x[np.arange(3), found.states[:, :-1], found.actions]
    root = float(np.logaddexp(*task.q[0]))
    return Side(task.law @ (along - task.weight * along**2).sum(axis=1) - share * root, tree_error(task))


def prefix_objective(task: TokenTask) -> Side:
    """Next-token laws rolled forward: mean of sum log pi_Q - c x^2 over prefixes."""
    q, x = tree_values(task)
    mass = np.zeros((15, 2))
    for length in range(3):
        mass[2**length - 1 : 2 ** (length + 1) - 1] = task.law.reshape(2**length, 2, -1).sum(axis=2)
    language = policy_of_occupancy(mass)
    laws = stage_laws(task.tree, language)[:-1, :, np.newaxis] * language
    return Side((laws * (soft_policy_log(q, temperature=1.0) - task.weight * x**2)).sum(), tree_error(task))


# --- the claim ------------------------------------------------------------------------------------------------------

M2, UNIFORM = two_state_likelihood(), two_state_likelihood(np.full((2, 2), 0.25))
TOKENS = zero_tokens()

LIKELIHOOD = Claim(
    "irl-is-td-regularised-mle",
    title="The inverse soft-Q objective is the log-likelihood less a squared temporal difference",
    papers=("wulfmeier2024imitating", "garg2021iqlearn"),
    provenance="as in the paper",
    theorem="inverse soft Q-learning as regularised likelihood; the constant $c = 1/(4\\alpha)$ is ours",
    statement=r"""
    Let $V_Q(s) = \log\sum_a e^{Q(s,a)}$, $\pi_Q = \mathrm{softmax}\,Q$, $x_Q = Q - \gamma P V_Q$ the implied reward, and
    $c \ge 0$.

    (MDP) If $d_E$ is an occupancy for $\mu_0$, then for every $Q$
    $$\mathbb E_{d_E}[x_Q - c\,x_Q^2] - (1-\gamma)\mu_0^\top V_Q
      = \mathbb E_{d_E}\log\pi_Q(a|s) - c\,\mathbb E_{d_E}x_Q^2.$$
    The left side is minus the dual in $Q$ of the chi-square program with reward 0 and the strength $\alpha = 1/(4c)$, since
    $x - c\,x^2 = -\alpha f^*(-x/\alpha)$.

    (tree) For sequences of $T$ tokens, undiscounted, the state being the tokens so far, $V_Q = 0$ after the last one and
    $x_t = Q(s_t,a_t) - V_Q(s_{t+1})$,
    $$\mathbb E\sum_t[x_t - c\,x_t^2] - V_Q(s_0) = \mathbb E\sum_t[\log\pi_Q(a_t|s_t) - c\,x_t^2].$$
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$B^\top d_E = (1-\gamma)\mu_0$; on the tree: full sequences from the root",
            "data that are not an occupancy",
            lambda task: task.balanced,
            unbalanced_likelihood_task,
        ),
        Assumption(
            "A2",
            r"with stochastic $P$, $x_Q$ uses the expected next value",
            "the value of a sampled next state in the square",
        ),
    ),
    methods=(
        Method(
            "Inverse soft Q-learning (IQ-Learn)",
            "dual in Q",
            "chi-square",
            "the occupancy of the soft policy against the expert's",
        ),
    ),
    instance_family=likelihood_task,
    witnesses=(M2,),
    instances=100,
)

identity = LIKELIHOOD.part(
    "(MDP)",
    "inverse soft-Q objective = log-likelihood less the squared temporal difference, at every $Q$",
    Equal(inverse_objective, penalised_likelihood),
    resolution=lambda task: 1e-10 * size_of(task),
    reason="rounding of an occupancy over 1 - gamma: 1e-10 of the terms",
    exact=(exact.inverse_objective, exact.penalised_likelihood),
)
sequences = LIKELIHOOD.part(
    "(tree)",
    "the same for sequences of tokens",
    Equal(sequence_objective, prefix_objective),
    family=token_task,
    witnesses=(TOKENS,),
    resolution=lambda task: 1e-12 * (1 + float(np.abs(task.q).max()) ** 2),
    reason="rounding of sums over eight sequences: 1e-12",
    exact=(exact.sequence_objective, exact.prefix_objective),
)


@LIKELIHOOD.known(M2)
def _(task: LikelihoodTask) -> Any:
    sides = [float(np.asarray(side(task).value)) for side in (inverse_objective, penalised_likelihood)]
    yield Known("both sides", "-1.2125758636384 -1.2125758636384", sides, objective_error(task))


# --- what must fail -------------------------------------------------------------------------------------------------


def sampled_square(task: LikelihoodTask) -> Side:
    """Inverse soft-Q objective with the square of Q(s, a) - gamma V_Q(s') at a sampled next state."""
    v = soft_value(task.q, temperature=1.0)
    sampled = task.q[..., np.newaxis] - task.mdp.discount * v
    square = (np.asarray(task.mdp.transition) * sampled**2).sum(axis=-1)
    x = inverse_soft_backup(task.mdp, task.q)
    value = float((task.data * (x - task.weight * square)).sum() - task.start @ v)
    return Side(value, objective_error(task))


def rootless(task: TokenTask) -> Side:
    """Enumeration of whole sequences without the value of the root."""
    return rooted(task, 0.0)


identity.control(
    "data that are not an occupancy",
    kind="assumption",
    drops="A1",
    instance=UNIFORM,
    specified="-1.1781327961 -1.0631327961 -0.1150000000",
    measure=lambda o: [o.left, o.right, o.left - o.right],
)
identity.control(
    "the value of a sampled next state in the square",
    kind="assumption",
    drops="A2",
    instance=M2,
    left=sampled_square,
)
sequences.control(
    "the value of the root left out",
    kind="mutation",
    instance=TOKENS,
    left=rootless,
    specified="-1.6265208681 -2.3196680486 0.6931471806",  # the second was specified as ...487, a sum of rounded terms
    measure=lambda o: [o.left, o.right, o.left - o.right],
)


# --- the figure -----------------------------------------------------------------------------------------------------


@LIKELIHOOD.figure(
    "The inverse soft-Q objective (line) and the penalised log-likelihood (dots) of the two-state model along a line through "
    "its action values, for the expert's occupancy, where they coincide, and for a uniform law of the data, which is no "
    "occupancy: the two forms part by the flow that is missing, times the value."
)
def _(ax: Any) -> None:
    moves = np.linspace(-1.5, 1.5, 61)
    direction = np.array([[1.0, -1.0], [-2.0, 1.0]])
    for data, color, label in (
        (M2.data, "C0", r"$d_E$ an occupancy"),
        (UNIFORM.data, "C1", r"$d_E$ uniform"),
    ):
        tasks = [replace(M2, q=M2.q + t * direction) for t in moves]
        ax.plot(
            moves,
            [inverse_value(task, data) for task in tasks],
            color=color,
            label=f"inverse soft-$Q$, {label}",
        )
        ax.plot(
            moves[::5],
            [likelihood_value(task, data) for task in tasks[::5]],
            "o",
            color=color,
            markerfacecolor="white",
            label=f"penalised likelihood, {label}",
        )
    ax.set(xlabel=r"$t$ in $Q + t\,\Delta$", ylabel="objective", ylim=(-6.2, -0.8))
    ax.legend(fontsize="small", loc="lower center")
