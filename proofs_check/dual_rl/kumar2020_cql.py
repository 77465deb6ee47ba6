"""Conservative Q-learning as dual-Q with chi-square (Kumar et al. 2020; Sikchi et al. 2023).

On the data of an occupancy the start term of the dual becomes a difference of two expectations over the data: the
conservative term.  The estimate read off the minimiser is pessimistic by twice the divergence, the objective by once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import HARMLESS, Assumption, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import rounding
from mdplab.instances import two_state_mdp
from mdplab.operators import occupancy, pair_flow_matrix
from proofs_check.dual_rl import exact_policies as exact
from proofs_check.dual_rl.policy_tasks import (
    ConservativeTask,
    arbitrary_task,
    conservative_task,
    two_state_conservative,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def temporal_difference(task: ConservativeTask) -> FloatArray:
    """``R + gamma P^pi Q - Q``, shape (S, A)."""
    flow = pair_flow_matrix(task.mdp, task.policy) @ task.q.ravel()
    return np.asarray(task.mdp.reward - flow.reshape(task.q.shape))


def size_of(task: ConservativeTask) -> float:
    """Size of the terms of the loss."""
    top = float(np.abs(task.q).max())
    return 2 * top + (1 + 2 * top) ** 2 / (4 * task.strength) + 2 * float(np.abs(task.mdp.reward).max())


def loss_error(task: ConservativeTask) -> FloatArray:
    """Rounding of either form of the loss, with that of the occupancy, a solve."""
    return rounding(size_of(task), 6 * task.q.size + 24) / (1 - task.mdp.discount)


def dual_objective(task: ConservativeTask) -> Side:
    """Dual-Q objective at Q: start term and conjugate of the residual."""
    delta = temporal_difference(task)
    start = float((task.start[:, np.newaxis] * task.policy * task.q).sum())
    conjugate = float((task.data * (delta + delta**2 / (4 * task.strength))).sum())
    return Side(start + conjugate, loss_error(task))


def conservative_loss(task: ConservativeTask) -> Side:
    """Loss of conservative Q-learning: policy's and data's values, squared temporal difference, reward of the data."""
    data = task.data
    ours = float((data.sum(axis=1) * (task.policy * task.q).sum(axis=1)).sum())
    ahead = task.mdp.discount * np.asarray(task.mdp.transition) @ (task.policy * task.q).sum(axis=1)
    squares = float((data * (task.mdp.reward + ahead - task.q) ** 2).sum()) / (4 * task.strength)
    return Side(
        ours - float((data * task.q).sum()) + squares + float((data * task.mdp.reward).sum()),
        loss_error(task),
    )


def minimiser(task: ConservativeTask) -> Any:
    """Minimiser of dual-Q by Newton's method."""
    return solvers.dual_q(task.mdp, task.policy, task.data, divergence="chi-square", strength=task.strength)


def read_estimate(task: ConservativeTask) -> Side:
    """Estimate (1 - gamma) <mu_0 pi, Q*> at the minimiser by Newton's method."""
    found = minimiser(task)
    start = task.start[:, np.newaxis] * task.policy
    error = float(start.sum()) * found.q_error + float(
        rounding(np.abs(start * found.q).sum(), task.q.size + 4)
    )
    return Side(float((start * found.q).sum()), error + data_error(task))


def data_error(task: ConservativeTask) -> float:
    """What the rounding of the data's occupancy moves: 2 alpha d^2 / d_O^2 times its error."""
    ratio = occupancy(task.mdp, task.policy) / task.data
    off = float(rounding(1.0, task.q.size + task.mdp.n_states + 12)) / (1 - task.mdp.discount)
    return 2 * task.strength * off * float((ratio**2 + 2 * ratio).sum() + 1)


def chi_square(task: ConservativeTask) -> float:
    """``sum d_O (d / d_O - 1)^2``."""
    data = task.data
    return float((data * (occupancy(task.mdp, task.policy) / data - 1) ** 2).sum())


def return_less(task: ConservativeTask, times: float) -> Side:
    """``J(pi) - times alpha chi^2``."""
    gain = float((occupancy(task.mdp, task.policy) * task.mdp.reward).sum())
    lost = times * task.strength * chi_square(task)
    size = rounding(abs(gain) + 2 * lost + task.strength, 2 * task.q.size + 24) / (1 - task.mdp.discount)
    return Side(gain - lost, float(size) + data_error(task))


def pessimistic_return(task: ConservativeTask) -> Side:
    """J(pi) - 2 alpha chi^2(d || d_O) from two occupancies."""
    return return_less(task, 2.0)


# --- the claim ------------------------------------------------------------------------------------------------------

M2 = two_state_conservative()
UNIFORM = two_state_conservative(np.full((2, 2), 0.25))

CQL = Claim(
    "cql-is-dual-q",
    title="Conservative Q-learning is dual-Q with chi-square, and pessimistic by twice the divergence",
    papers=("sikchi2023dual", "kumar2020cql"),
    provenance="as in the paper",
    theorem="CQL as an instance of dual-Q; condition and pessimism are our addition",
    statement=r"""
    Let $\pi$ be a policy, $\delta_Q = R + \gamma P^\pi Q - Q$ and $\chi^2 = \sum d_O(d^\pi/d_O - 1)^2$.

    (i) If $d_O$ is an occupancy for $\mu_0$, then for every $Q$
    $$(1-\gamma)\langle\mu_0^\pi, Q\rangle + \langle d_O, \delta_Q + \tfrac{\delta_Q^2}{4\alpha}\rangle
      = \mathbb E_{s\sim d_O, a\sim\pi}Q - \mathbb E_{d_O}Q + \tfrac1{4\alpha}\mathbb E_{d_O}\delta_Q^2
        + \mathbb E_{d_O}R.$$

    (ii) At the minimiser $(1-\gamma)\langle\mu_0^\pi, Q^*\rangle = J(\pi) - 2\alpha\chi^2$, whereas the objective is
    $J(\pi) - \alpha\chi^2$.
    """,
    methods=(
        Method(
            "Conservative Q-learning",
            "dual in Q",
            "chi-square",
            "the policy's occupancy against the data's",
        ),
    ),
    assumptions=(
        Assumption("A1", r"$d_O > 0$ everywhere", HARMLESS, lambda task: bool((task.data > 0).all())),
        Assumption(
            "A2",
            r"$B^\top d_O = (1-\gamma)\mu_0$, for (i)",
            "data that are not an occupancy",
            lambda task: task.balanced,
            arbitrary_task,
        ),
    ),
    instance_family=conservative_task,
    witnesses=(M2,),
    instances=100,
)  # fmt: skip

identity = CQL.part(
    "(i)",
    "dual-Q objective = conservative loss, at every $Q$",
    Equal(dual_objective, conservative_loss),
    resolution=lambda task: 1e-10 * size_of(task),
    reason="rounding of an occupancy over 1 - gamma: 1e-10 of the terms",
    exact=(exact.dual_objective, exact.conservative_loss),
)
pessimism = CQL.part(
    "(ii)",
    r"$(1-\gamma)\langle\mu_0^\pi, Q^*\rangle = J(\pi) - 2\alpha\chi^2$",
    Equal(read_estimate, pessimistic_return),
    resolution=lambda task: 1e-8 * (1 + task.strength * (1 + chi_square(task))),
    reason="the flow residual at the minimiser bounds the error of Q: 1e-8",
    assumes=("A1",),
    family=arbitrary_task,
    exact=(exact.read_estimate, exact.pessimistic_return),
)


@CQL.known(M2)
def _(task: ConservativeTask) -> Any:
    q = "-8.3370163435 -10.7538436988 -9.0815978838 -12.5296328226"
    found = minimiser(task)
    yield Known(
        "both sides of (i)", "1.1501379591241 1.1501379591241",
        np.array([dual_objective(task).value, conservative_loss(task).value]), 1e-14,
    )  # fmt: skip
    yield Known("J", "0.7281219512195", (occupancy(task.mdp, task.policy) * task.mdp.reward).sum(), 1e-14)
    yield Known("chi-square", "1.8317438180339", chi_square(task), 1e-13)
    yield Known("minimiser", q, found.q, found.q_error)
    yield Known("estimate read off the minimiser", "-1.1036218668144", read_estimate(task).value, 1e-12)


identity.control(
    "data that are not an occupancy",
    kind="assumption",
    drops="A2",
    instance=UNIFORM,
    specified="1.1483463750 1.0275963750 0.12075",
    measure=lambda o: [o.left, o.right, o.left - o.right],
)
pessimism.control(
    "the divergence once, as in the objective",
    kind="constant",
    instance=M2,
    right=lambda task: return_less(task, 1.0),
)


@CQL.figure(
    "Return of the policies between the behaviour (left) and the optimum (right) of the two-state model, and the estimate "
    "read off the minimiser of the conservative loss at strength 0.05. The gap between the lines is twice the strength "
    "times the chi-square divergence (dotted: once, the objective)."
)
def _(ax: Any) -> None:
    mdp, far = two_state_mdp(), np.array([[0.0, 1.0], [0.0, 1.0]])
    shares = np.linspace(0.0, 1.0, 41)
    rows = []
    for share in shares:
        policy = (1 - share) * M2.behaviour + share * far
        task = ConservativeTask(mdp, policy, M2.behaviour, M2.q, 0.05)
        rows.append([return_less(task, 0).value, return_less(task, 1).value, read_estimate(task).value])
    ours, objective, read = np.array(rows, dtype=float).T
    ax.plot(shares, ours, color="C0", label=r"return $J(\pi)$")
    ax.plot(shares, objective, color="0.4", linestyle=":", label=r"objective $J - \alpha\chi^2$")
    ax.plot(shares, read, color="C1", linestyle="--", label=r"estimate read off $Q^*$")
    ax.fill_between(shares, read, ours, color="0.93", linewidth=0)
    ax.set(xlabel=r"share of the optimal policy in $\pi$", ylabel="value")
    ax.legend(fontsize="small", loc="upper left")
