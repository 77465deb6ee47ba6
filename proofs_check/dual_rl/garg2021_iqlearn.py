"""Rewards and soft action values correspond one to one (Garg, Chakraborty, Cundy, Song and Ermon 2021).

The soft optimality equation, read from right to left, gives the reward of any action values.  So imitation may search in
Q, where the policy is a softmax, and lose no reward; potentials are the freedom that the policy does not see.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import inverse_soft_backup, soft_policy_log
from proofs_check.dual_rl import exact_inverse as exact
from proofs_check.dual_rl.inverse_tasks import (
    InverseTask,
    TokenTask,
    inverse_task,
    token_task,
    two_state_inverse,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def reward_error(task: InverseTask, q: FloatArray) -> float:
    """Rounding of the reward of action values: a log-sum-exp, a sum over states, a difference."""
    size = 1.0 + 2 * float(np.abs(q).max()) + np.log(q.shape[1])
    return float(rounding(size, q.shape[0] + 3 * q.shape[1] + 12))


def iterated(task: InverseTask, reward: FloatArray) -> solvers.ControlSolution:
    """Soft value iteration for a reward."""
    return solvers.soft_value_iteration(task.mdp.replace(reward=reward), temperature=1.0, tol=1e-12)


def solved(task: InverseTask, reward: FloatArray) -> solvers.ControlSolution:
    """Soft policy iteration for a reward."""
    return solvers.soft_policy_iteration(task.mdp.replace(reward=reward), temperature=1.0, tol=1e-12)


def returned_values(task: InverseTask) -> Side:
    """Soft value iteration on the reward T(Q)."""
    found = iterated(task, inverse_soft_backup(task.mdp, task.q))
    return Side(found.q, found.q_error + reward_error(task, task.q) / (1 - task.mdp.discount))


def given_values(task: InverseTask) -> Side:
    """The action values Q."""
    return Side(task.q)


def returned_reward(task: InverseTask) -> Side:
    """T of the action values that soft policy iteration finds."""
    found = solved(task, task.mdp.reward)
    error = (1 + task.mdp.discount) * found.q_error + reward_error(task, found.q)
    return Side(inverse_soft_backup(task.mdp, found.q), error)


def given_reward(task: InverseTask) -> Side:
    """The reward R."""
    return Side(task.mdp.reward)


def shaped_reward(task: InverseTask, discount: float) -> tuple[FloatArray, float]:
    """R + Phi - discount P Phi, and what its rounding moves action values by."""
    phi = task.potential
    reward = task.mdp.reward + phi[:, np.newaxis] - discount * task.mdp.expectation(phi)
    size = float(np.abs(task.mdp.reward).max()) + 2 * float(np.abs(phi).max())
    return reward, float(rounding(size, phi.size + 6)) / (1 - task.mdp.discount)


def shaped_values(task: InverseTask, discount: float | None = None) -> Side:
    """Soft value iteration on R + Phi - gamma P Phi: action values."""
    reward, off = shaped_reward(task, task.mdp.discount if discount is None else discount)
    found = iterated(task, reward)
    return Side(found.q, found.q_error + off)


def raised_values(task: InverseTask) -> Side:
    """Soft policy iteration on R: action values, raised by the potential."""
    found = solved(task, task.mdp.reward)
    raised = found.q + task.potential[:, np.newaxis]
    return Side(raised, found.q_error + rounding(np.abs(raised).max(), 2))


def shaped_policy(task: InverseTask) -> Side:
    """Soft value iteration on R + Phi - gamma P Phi: policy."""
    reward, off = shaped_reward(task, task.mdp.discount)
    found = iterated(task, reward)
    return Side(found.policy, found.policy_error + off)  # Q off by e moves probabilities by at most e / 2


def plain_policy(task: InverseTask) -> Side:
    """Soft policy iteration on R: policy."""
    found = solved(task, task.mdp.reward)
    return Side(found.policy, found.policy_error)


def tree_values(task: TokenTask) -> Side:
    """Backward induction on the reward T(Q) of a tree of tokens: action values of the prefixes."""
    tree = task.tree
    q = np.zeros((3, 15, 2))
    q[:, :7] = task.q
    rewarded = FiniteHorizonMDP(tree.transition, inverse_soft_backup(tree, q))
    found = solvers.backward_induction(rewarded, temperature=1.0)
    prefixes = np.concatenate([found.q[h, 2**h - 1 : 2 ** (h + 1) - 1] for h in range(3)])
    size = 4.0 + 4 * float(np.abs(task.q).max())
    return Side(prefixes, found.q_error + rounding(size, 60))


def tree_given(task: TokenTask) -> Side:
    """The action values Q of the prefixes."""
    return Side(task.q)


# --- the claim ------------------------------------------------------------------------------------------------------

M2, ENDLESS = two_state_inverse(), two_state_inverse(undiscounted=True)


def scale(task: InverseTask) -> float:
    """1e-9, relative to the largest action value of the problems that are solved."""
    largest = max(float(np.abs(x).max()) for x in (task.q, task.potential, task.mdp.reward))
    return 1e-9 * (1 + largest / (1 - task.mdp.discount))


BIJECTION = Claim(
    "iqlearn-bijection",
    title="Rewards and soft action values are in one-to-one correspondence; a potential shifts Q by itself",
    papers=("garg2021iqlearn", "wulfmeier2024imitating"),
    provenance="as in the paper",
    theorem="the inverse soft Bellman operator is a bijection",
    statement=r"""
    Let $0 \le \gamma < 1$ and $T(Q) = Q - \gamma P\,\mathrm{lse}(Q)$ with $\mathrm{lse}(Q)(s) = \log\sum_a e^{Q(s,a)}$. Then
    $T$ is a bijection of $\mathbb R^{S \times A}$ and soft value iteration its inverse: (i) $T^{-1}(T(Q)) = Q$ and (ii)
    $T(T^{-1}(R)) = R$. For $\Phi \in \mathbb R^S$ and $Q = T^{-1}(R)$ (iii) $T^{-1}(R + \Phi - \gamma P\Phi) = Q + \Phi$, so
    that (iv) the policy $\mathrm{softmax}(Q)$ stays. (v) On a finite tree $T$, with $\gamma = 1$ and the value 0 at the
    leaves, is a bijection too.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\gamma < 1$ (or a finite tree)",
            "discount 1 and no end",
            lambda task: not getattr(task, "undiscounted", False),
        ),
    ),
    instance_family=inverse_task,
    witnesses=(M2,),
    instances=60,
)

REASON = "certified error of the solvers, and rounding of a reward over 1 - gamma: 1e-9"
there_and_back = BIJECTION.part(
    "(i)",
    "$T^{-1}(T(Q)) = Q$",
    Equal(returned_values, given_values),
    resolution=scale,
    reason=REASON,
    exact=(exact.returned_values, exact.given_values),
)
BIJECTION.part(
    "(ii)",
    "$T(T^{-1}(R)) = R$",
    Equal(returned_reward, given_reward),
    resolution=scale,
    reason=REASON,
    exact=(exact.returned_reward, exact.given_reward),
)
shaping = BIJECTION.part(
    "(iii)",
    r"$T^{-1}(R + \Phi - \gamma P\Phi) = T^{-1}(R) + \Phi$",
    Equal(shaped_values, raised_values),
    resolution=scale,
    reason=REASON,
    exact=(exact.shaped_values, exact.raised_values),
)
BIJECTION.part(
    "(iv)",
    r"the policies of $R$ and of $R + \Phi - \gamma P\Phi$ agree",
    Equal(shaped_policy, plain_policy),
    resolution=scale,
    reason=REASON,
    exact=(exact.shaped_policy, exact.plain_policy),
)
BIJECTION.part(
    "(v)",
    "$T^{-1}(T(Q)) = Q$ on a tree of tokens, undiscounted",
    Equal(tree_values, tree_given),
    family=token_task,
    witnesses=(),
    resolution=1e-12,
    reason="rounding of three stages: 1e-12",
    exact=(exact.tree_values, exact.tree_given),
)


@BIJECTION.known(M2)
def _(task: InverseTask) -> Any:
    reward = inverse_soft_backup(task.mdp, task.q)
    yield Known("T(Q)", "-1.2619355188 -1.5219355188 0.0180644812 0.2980644812", reward)
    found = solved(task, task.mdp.reward)
    yield Known(
        "soft optimum of R", "10.6320460829 10.9664870504 11.0374409215 12.0428357600", found.q, found.q_error
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def undiscounted_reward(task: InverseTask, q: FloatArray) -> FloatArray:
    """T(Q) at discount 1: the first of two stages."""
    return np.asarray(inverse_soft_backup(FiniteHorizonMDP.from_mdp(task.mdp, 2, discount=1.0), [q, q])[0])


def another_preimage(task: InverseTask) -> Side:
    """One undiscounted soft backup of Q + 1 for the reward T(Q): it stays where it is."""
    above = task.q + 1.0
    ahead = task.mdp.expectation(np.logaddexp.reduce(above, axis=1))
    return Side(undiscounted_reward(task, task.q) + ahead, 1e-13)


def with_the_mean(task: InverseTask) -> Side:
    """Soft value iteration on Q - gamma P (pi Q), the mean of Q under its policy in the place of log-sum-exp."""
    mean = (np.exp(soft_policy_log(task.q, temperature=1.0)) * task.q).sum(axis=1)
    found = iterated(task, task.q - task.mdp.discount * task.mdp.expectation(mean))
    return Side(found.q, found.q_error + reward_error(task, task.q) / (1 - task.mdp.discount))


def undiscounted_shaping(task: InverseTask) -> Side:
    """Soft value iteration on R + Phi - P Phi."""
    return shaped_values(task, 1.0)


there_and_back.control(
    "discount 1 and no end",
    kind="assumption",
    drops="A1",
    instance=ENDLESS,
    left=another_preimage,
    specified="-1.5132616875 -1.9132616875 -0.3132616875 -0.1132616875 "
    "-1.5132616875 -1.9132616875 -0.3132616875 -0.1132616875 1",
    measure=lambda o: [
        *undiscounted_reward(ENDLESS, o.right).ravel(),
        *undiscounted_reward(ENDLESS, o.left).ravel(),
        o.violation,
    ],
)
there_and_back.control(
    "the mean of Q in the place of its log-sum-exp", kind="mutation", instance=M2, left=with_the_mean
)
shaping.control("shaping without the discount", kind="constant", instance=M2, left=undiscounted_shaping)
