"""Mixture matching in exact arithmetic: zeros of the gradient of the dual, and divergences of mixtures of occupancies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array, FloatArray
from proofs_check.dual_rl.exact_policies import Dual, pairs

if TYPE_CHECKING:
    from proofs_check.dual_rl.imitation_tasks import CloningTask, GoalTask, MixtureTask

SMOOTH = ("kl", "chi-square")


class Laws(NamedTuple):
    """Occupancies (SA,) of learner, expert and data, the share, and the mixtures of the first two with the data."""

    ours: Array
    theirs: Array
    offline: Array
    share: Any

    def mixed(self, d: Array) -> Array:
        """``beta d + (1 - beta) d_S``."""
        return np.asarray(self.share * d + (1 - self.share) * self.offline)


def laws(task: MixtureTask, policy: FloatArray | None = None) -> Laws:
    """The occupancies; ``policy`` in the place of the learner."""
    ours, theirs, offline = (
        mdplab.exact.occupancy(task.mdp, p).ravel()
        for p in (task.policy if policy is None else policy, task.expert, task.behaviour)
    )
    return Laws(ours, theirs, offline, mdplab.exact.rational(task.share))


def program_of(task: MixtureTask, policy: FloatArray) -> Dual:
    """The dual of mixture matching for a policy."""
    one, law = pairs(task.mdp, policy), laws(task)
    carried = mdplab.exact.multiply(one.matrix.T, law.offline)
    linear = law.share * one.start + (1 - law.share) * carried
    return Dual(one.matrix, linear, law.mixed(law.theirs), 0 * one.reward, mdplab.exact.rational(1))


def minimiser(task: MixtureTask, divergence: str, policy: FloatArray) -> tuple[Dual, Array]:
    """The dual and the zero of its gradient."""
    program = program_of(task, policy)
    near = mdplab.solvers.mixture_dual(
        task.mdp, policy, task.theirs, task.offline, share=task.share, divergence=divergence
    ).q
    return program, program.minimiser(divergence, near)


def minimum(task: MixtureTask, divergence: str) -> Any:
    """The dual objective at the zero of its gradient."""
    program, q = minimiser(task, divergence, task.policy)
    return program.value(q, divergence)


def minima(task: MixtureTask) -> list[Any]:
    """Minima of KL, and twice the plain one of chi-square, whose mass is positive."""
    kl, square = (minimum(task, divergence) for divergence in SMOOTH)
    return [kl, square, square]


def distances(task: MixtureTask, policy: FloatArray | None = None) -> list[Any]:
    """``D_f(m_pi || m_E)`` (KL, chi-square)."""
    law = laws(task, policy)
    ours, theirs = law.mixed(law.ours), law.mixed(law.theirs)
    return [mdplab.exact.f_divergence(ours, theirs, name) for name in SMOOTH]


def negative_distances(task: MixtureTask) -> list[Any]:
    """``-D_f(m_pi || m_E)`` (KL, chi-square twice)."""
    kl, square = distances(task)
    return [-kl, -square, -square]


def expert_mass(task: MixtureTask) -> Array:
    """The mass at the zero of the gradient for the expert's policy (rows: KL, chi-square)."""
    rows = []
    for divergence in SMOOTH:
        program, q = minimiser(task, divergence, task.expert)
        y = program.argument(q)
        rows.append(program.data * (mdplab.exact.exp(y) if divergence == "kl" else 1 + y / 2))
    return np.array(rows).reshape(2, *task.expert.shape)


def expert_mixture(task: MixtureTask) -> Array:
    """``beta d_E + (1 - beta) d_S``, twice."""
    law = laws(task)
    return np.array([law.mixed(law.theirs)] * 2).reshape(2, *task.expert.shape)


def squared_distance(task: MixtureTask) -> list[Any]:
    """``beta^2 |d - d_E|_1^2``, halved for KL."""
    law = laws(task)
    square = (law.share * abs(law.ours - law.theirs).sum()) ** 2
    return [square / 2, square]


def unmixed(task: MixtureTask) -> list[Any]:
    """``beta D_f(d || d_E)`` (KL, chi-square)."""
    law = laws(task)
    return [law.share * mdplab.exact.f_divergence(law.ours, law.theirs, name) for name in SMOOTH]


def regret(task: MixtureTask) -> Any:
    """``|J(pi) - J(pi_E)|``."""
    law, reward = laws(task), mdplab.exact.ExactMDP.of(task.mdp).reward.ravel()
    return abs(((law.ours - law.theirs) * reward).sum())


def regret_bound(task: MixtureTask) -> Any:
    """``(max R - min R) / (2 beta) sqrt(chi^2)``."""
    reward = mdplab.exact.ExactMDP.of(task.mdp).reward.ravel()
    span = max(reward) - min(reward)
    root = mdplab.exact.sqrt(np.array([distances(task)[1]]))[0]
    return span / (2 * mdplab.exact.rational(task.share)) * root


# --- coverage -------------------------------------------------------------------------------------------------------


def negative_kl(task: MixtureTask) -> Any:
    """``-KL(d || d_E)``."""
    law = laws(task)
    return -mdplab.exact.kl(law.ours, law.theirs)


def pseudo_return(task: MixtureTask) -> Any:
    """``E_d log(d_E / d_S) - KL(d || d_S)``."""
    law = laws(task)
    ratio = mdplab.exact.log(law.theirs) - mdplab.exact.log(law.offline)
    return (law.ours * ratio).sum() - mdplab.exact.kl(law.ours, law.offline)


def log_overlap(task: MixtureTask) -> Any:
    """``-log d_E(supp d_S)``."""
    law = laws(task)
    return -mdplab.exact.log(np.array([law.theirs[law.offline > 0].sum()]))[0]


def law_distance(task: MixtureTask) -> Any:
    """``KL(law || d_E)``."""
    return mdplab.exact.kl(mdplab.exact.laws(task.law.ravel()), laws(task).theirs)


# --- goals ----------------------------------------------------------------------------------------------------------


def _joint(task: GoalTask, policies: FloatArray) -> Array:
    law = mdplab.exact.laws(task.goal_law)
    return np.concatenate(
        [p * mdplab.exact.occupancy(task.mdp, pi).ravel() for p, pi in zip(law, policies, strict=True)]
    )


def _target(task: GoalTask) -> tuple[Array, Any]:
    """``r-bar`` (G S A,) and its sum."""
    kernel, reach = mdplab.exact.ExactMDP.of(task.mdp).transition, mdplab.exact.rational(task.reach)
    table = np.concatenate([mdplab.exact.multiply(kernel, row).ravel() for row in reach])
    return table, table.sum()


def goal_minima(task: GoalTask) -> list[Any]:
    """Minima of the goal-conditioned dual, a sum over goals (KL, chi-square)."""
    share, (reach, total) = mdplab.exact.rational(task.share), _target(task)
    data, law = _joint(task, task.behaviours), mdplab.exact.laws(task.goal_law)
    size, found = task.policies[0].size, []
    near = {
        name: mdplab.solvers.mixture_dual(
            task.product,
            task.policies.reshape(task.expected.shape),
            task.expected / task.expected.sum(),
            task.joint(task.behaviours),
            share=task.share,
            divergence=name,
        ).q.ravel()
        for name in SMOOTH
    }
    for name in SMOOTH:
        value = mdplab.exact.rational(0)
        for g, policy in enumerate(task.policies):
            block, one = slice(g * size, (g + 1) * size), pairs(task.mdp, policy)
            carried = mdplab.exact.multiply(one.matrix.T, data[block])
            program = Dual(
                one.matrix,
                share * law[g] * one.start + (1 - share) * carried,
                share * reach[block] / total + (1 - share) * data[block],
                0 * one.reward,
                mdplab.exact.rational(1),
            )
            value = value + program.value(program.minimiser(name, near[name][block]), name)
        found.append(value)
    return found


def goal_distances(task: GoalTask) -> list[Any]:
    """``-D_f`` of the mixtures of the joint laws (KL, chi-square)."""
    share, (reach, total) = mdplab.exact.rational(task.share), _target(task)
    data = (1 - share) * _joint(task, task.behaviours)
    ours, theirs = share * _joint(task, task.policies) + data, share * reach / total + data
    return [-mdplab.exact.f_divergence(ours, theirs, name) for name in SMOOTH]


def entropic_return(task: GoalTask) -> Any:
    """``J + H(d)``."""
    d, reach = _joint(task, task.policies), _target(task)[0]
    return (d * reach).sum() + mdplab.exact.entropy(d)


def matching_bound(task: GoalTask) -> Any:
    """``1 + log Z - KL(d || q)``."""
    d, (reach, total) = _joint(task, task.policies), _target(task)
    return 1 + mdplab.exact.log(np.array([total]))[0] - mdplab.exact.kl(d, reach / total)


def sure_gap(task: GoalTask) -> Any:
    """One plus the difference of both sides where every transition reaches its goal."""
    d = _joint(task, task.policies)
    size = mdplab.exact.rational(d.size)
    bound = 1 + mdplab.exact.log(np.array([size]))[0] - mdplab.exact.kl(d, np.full(d.size, 1 / size))
    return 1 + d.sum() + mdplab.exact.entropy(d) - bound


def one(task: GoalTask) -> Any:
    """One, as a sum of the law of the goals."""
    return mdplab.exact.laws(task.goal_law).sum()


# --- cloning --------------------------------------------------------------------------------------------------------


def _cloned(task: CloningTask) -> tuple[Array, Array]:
    """The data and the softmax policy."""
    if task.other_data is None:
        data = mdplab.exact.occupancy(task.mdp, task.expert)
    else:
        data = mdplab.exact.laws(task.other_data.ravel()).reshape(task.q.shape)
    return data, mdplab.exact.softmax(mdplab.exact.rational(task.q))


def balance(task: CloningTask) -> Array:
    """``(1 - gamma) mu_0 pi + gamma pi P' d_E - d_E``."""
    data, policy = _cloned(task)
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    flat = twin.transition.reshape(-1, twin.n_states)
    entering = mdplab.exact.multiply(flat.T, data.ravel()) * twin.discount
    start = mdplab.exact.laws(task.mdp.start_law()) * (1 - twin.discount)
    return np.asarray((start + entering)[:, np.newaxis] * policy - data)


def cloned_less_data(task: CloningTask) -> Array:
    """``d_E(s) pi(a | s) - d_E(s, a)``."""
    data, policy = _cloned(task)
    return np.asarray(data.sum(axis=1)[:, np.newaxis] * policy - data)
