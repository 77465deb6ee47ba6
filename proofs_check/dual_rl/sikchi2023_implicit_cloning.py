"""Implicit behaviour cloning as dual-Q imitation (Sikchi et al. 2023).

On its linear part the conjugate of the total variation passes the residual through.  The dual objective of the policy
softmax(Q), held fixed, then has the gradient of the negative log-likelihood of softmax(Q).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import Assumption, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import complex_step_error, rounding
from mdplab.operators import pair_flow_matrix
from proofs_check.dual_rl import exact_imitation as exact
from proofs_check.dual_rl.imitation_tasks import CloningTask, cloning_task, two_state_cloning, unbalanced_task

_STEP = 1e-30

# --- the routes -----------------------------------------------------------------------------------------------------


def log_softmax(q: Array) -> Array:
    """Logarithm of softmax, for complex logits too."""
    shifted = q - q.real.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def policy_of(task: CloningTask) -> FloatArray:
    """``softmax(Q)``."""
    return np.asarray(np.exp(log_softmax(task.q)).real)


def steps(task: CloningTask) -> Array:
    """Logits with a complex step in one entry each, shape (S A, S, A)."""
    n = task.q.size
    return np.asarray(task.q + _STEP * 1j * np.eye(n).reshape(n, *task.q.shape))


def derivative(task: CloningTask, values: Array) -> Side:
    """The gradient from the values at :func:`steps`."""
    gradient = (values.imag / _STEP).reshape(task.q.shape)
    size = 2.0 + float(np.abs(task.q).max())
    error = complex_step_error(np.array([size]), 8 * task.q.size + 40)
    return Side(gradient, error + data_error(task))


def data_error(task: CloningTask) -> float:
    """Rounding of the expert's occupancy, a solve, and of its flow."""
    return 4 * float(rounding(1.0, 2 * task.q.size + 24)) / (1 - task.mdp.discount)


def likelihood_gradient(task: CloningTask) -> Side:
    """Gradient of the negative log-likelihood -E log softmax(Q)(a|s) by complex steps."""
    return derivative(task, -(task.data * log_softmax(steps(task))).sum(axis=(1, 2)))


def dual_values(task: CloningTask, policies: Array) -> Array:
    """Dual objective with the linear conjugate at every step, for the policies given."""
    q = steps(task)
    value = (policies * q).sum(axis=-1)
    start = (task.start * value).sum(axis=-1)
    ahead = task.mdp.discount * np.einsum("sat,kt->ksa", np.asarray(task.mdp.transition), value)
    return np.asarray(start + (task.data * (ahead - q)).sum(axis=(1, 2)))


def dual_gradient(task: CloningTask) -> Side:
    """Gradient of the dual objective, its policy held fixed, by complex steps."""
    return derivative(task, dual_values(task, policy_of(task)))


def flow_gradient(task: CloningTask) -> Side:
    """(1 - gamma) mu_0 pi - B_pi' d_E, by the flow matrix of the policy."""
    policy = policy_of(task)
    flow = pair_flow_matrix(task.mdp, policy).T @ task.data.ravel()
    return Side(task.start[:, np.newaxis] * policy - flow.reshape(task.q.shape), data_error(task))


def cloned_less_data(task: CloningTask) -> Side:
    """d_E(s) softmax(Q)(a|s) - d_E(s, a)."""
    data = task.data
    return Side(data.sum(axis=1, keepdims=True) * policy_of(task) - data, data_error(task))


# --- the claim ------------------------------------------------------------------------------------------------------

ZERO, FOUR, EDGE = two_state_cloning(), two_state_cloning((1, 2), (3, 4)), two_state_cloning((1, 1), (0, 0))
UNIFORM = two_state_cloning((1, 2), (3, 4), other_data=np.full((2, 2), 0.25))

CLONING = Claim(
    "ibc-gradient-is-dual-q-tv",
    title="Implicit behaviour cloning has the gradient of dual-Q imitation with a linear conjugate",
    papers=("sikchi2023dual",),
    provenance="our formalisation",
    theorem="implicit behaviour cloning in the unification",
    statement=r"""
    Let $R = 0$, $d_E = d^{\pi_E}$ and $\pi_Q = \mathrm{softmax}(Q)$. Then (equality)
    $$\nabla_Q\big[-\mathbb E_{d_E}\log\pi_Q(a|s)\big]
      = \nabla_Q\big[(1-\gamma)\langle\mu_0^{\pi}, Q\rangle + \langle d_E, \gamma P^\pi Q - Q\rangle\big],$$
    with $\pi = \pi_Q$ held fixed on the right, and (closed form) both are $d_E(s)\pi_Q(a|s) - d_E(s,a)$. The term after
    $(1-\gamma)\langle\mu_0^\pi, Q\rangle$ is $\alpha\langle d_E, f^*((\gamma P^\pi Q - Q)/\alpha)\rangle$ for the total
    variation, on the linear part of its conjugate.
    """,
    methods=(
        Method(
            "Implicit behaviour cloning",
            "dual in Q",
            "total variation, where it is linear",
            "the policy's occupancy against the expert's",
        ),
    ),
    assumptions=(
        Assumption(
            "A1",
            r"$d_E$ is an occupancy",
            "data that are not an occupancy",
            lambda task: task.balanced,
            unbalanced_task,
        ),
        Assumption("A2", "the policy is held fixed when differentiating", "differentiated through the policy"),
        Assumption(
            "A3",
            r"$|\gamma P^\pi Q - Q| \le \alpha/2$: the conjugate is linear",
            "a residual beyond the linear part of the conjugate",
        ),
    ),
    instance_family=cloning_task,
    witnesses=(ZERO, FOUR),
    instances=100,
)  # fmt: skip
equality = CLONING.part(
    "(equality)",
    "gradient of the negative log-likelihood = that of the dual objective with the policy fixed",
    Equal(likelihood_gradient, dual_gradient),
    resolution=1e-10,
    reason="complex steps: rounding, and that of an occupancy over 1 - gamma",
    exact="both sides are complex steps; the closed form has exact routes",
)
form = CLONING.part(
    "(closed form)",
    r"$(1-\gamma)\mu_0^\pi - B_\pi^\top d_E = d_E(s)\pi_Q(a|s) - d_E(s,a)$",
    Equal(flow_gradient, cloned_less_data),
    resolution=1e-10,
    reason="rounding of an occupancy over 1 - gamma",
    exact=(exact.balance, exact.cloned_less_data),
)
CLONING.part(
    "(closed form, likelihood)",
    r"the gradient of the negative log-likelihood is $d_E(s)\pi_Q(a|s) - d_E(s,a)$",
    Equal(likelihood_gradient, cloned_less_data),
    resolution=1e-10,
    reason="complex steps: rounding, and that of an occupancy over 1 - gamma",
    assumes=(),
    exact="the left side is a complex step",
)


@CLONING.known(ZERO)
def _(task: CloningTask) -> Any:
    printed = "-.1068613139 .1068613139 -.0465693431 .0465693431"
    yield Known("gradient at Q = 0", printed, likelihood_gradient(task).value, 1e-14)


@CLONING.known(FOUR)
def _(task: CloningTask) -> Any:
    printed = "-.2303174303 .2303174303 -.1541718052 .1541718052"
    yield Known("gradient with the policy fixed", printed, dual_gradient(task).value, 1e-14)


def moving_gradient(task: CloningTask) -> Side:
    """Gradient of the dual objective through its policy too, by complex steps."""
    return derivative(task, dual_values(task, np.exp(log_softmax(steps(task)))))


def bent_gradient(task: CloningTask) -> Side:
    """Gradient of the dual with the corrected conjugate max(y, -1/2) of the total variation at strength 1."""
    policy = policy_of(task)
    matrix = pair_flow_matrix(task.mdp, policy)
    y = -(matrix @ task.q.ravel())
    flow = matrix.T @ (task.data.ravel() * (y > -0.5))
    return Side(task.start[:, np.newaxis] * policy - flow.reshape(task.q.shape), 1e-14)


equality.control(
    "differentiated through the policy",
    kind="assumption",
    drops="A2",
    instance=FOUR,
    right=moving_gradient,
    specified="-.1050510475 .1050510475 -.0915608857 .0915608857",
    measure=lambda o: o.right - o.left,
)
form.control("data that are not an occupancy", kind="assumption", drops="A1", instance=UNIFORM)
form.control(
    "a residual beyond the linear part of the conjugate",
    kind="assumption",
    drops="A3",
    instance=EDGE,
    left=bent_gradient,
)
