"""Linear programming duality of discounted MDPs (d'Epenoux 1963; Puterman 1994, section 6.9).

The optimality equation is the vertex of a polyhedron: among all ``V`` that no backup improves, the optimal value is the
smallest.  The dual program ranges over the occupancies of all policies, and complementary slackness says that an
optimal occupancy plays no action whose constraint is slack.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Side, Undecided
from mdplab.claims.tolerances import rounding
from mdplab.convex import FlowPolytope, ProgramSolution
from mdplab.instances import two_state_mdp
from mdplab.models import MDP
from mdplab.operators import flow_matrix
from proofs_check.dual_rl import exact_programs as exact
from proofs_check.dual_rl.instances import PlanningTask, partly_started, planning_task

# --- error bounds: the basis that a program returns, verified --------------------------------------------------------


def slack(mdp: MDP, value: FloatArray) -> FloatArray:
    """Slack ``BV - R`` of the value program, shape (S, A)."""
    return np.asarray((flow_matrix(mdp) @ value).reshape(mdp.reward.shape) - mdp.reward)


def basis_errors(task: PlanningTask, value: FloatArray, mass: FloatArray) -> tuple[float, float]:
    """Errors of a primal-dual pair of vertices: sup norm of the value, 1-norm of the mass.

    The pairs with the largest mass in each state form a basis.  Solving it exactly moves ``V`` by at most the residual
    over 1 - gamma.  Where all other constraints keep their slack under that move and every state has mass, the basis is
    primal and dual feasible, hence optimal, and its vertex is the only minimiser.
    """
    mdp, states = task.mdp, np.arange(task.mdp.n_states)
    actions = mass.argmax(axis=1)
    chosen = np.zeros(mass.shape, dtype=bool)
    chosen[states, actions] = True
    size = 2 * np.abs(value).max() + np.abs(mdp.reward).max()
    doubt = float(rounding(size, mdp.n_states + 4))
    slacks = slack(mdp, value)
    off = 1.01 * (np.abs(slacks[chosen]).max() + doubt) / (1 - mdp.discount)
    flow = flow_matrix(mdp).T @ mass.ravel() - task.start
    others = 2 * float(np.abs(mass[~chosen]).sum())
    drift = float(np.abs(flow).sum()) + float(rounding(2.0, mass.size + 4)) * mdp.n_states + others
    drift = 1.01 * drift / (1 - mdp.discount) + others
    optimal = np.all(mass[states, actions] > drift) and np.all(slacks[~chosen] > 2 * off + doubt)
    return (float(off), drift) if optimal else (np.inf, np.inf)


# --- the routes -----------------------------------------------------------------------------------------------------


def proven_basis(task: PlanningTask, value: FloatArray, mass: FloatArray) -> tuple[float, float]:
    """The errors of :func:`basis_errors`, if they are proven."""
    off, drift = basis_errors(task, value, mass)
    if not np.isfinite(off):
        raise Undecided("actions tie within rounding: no basis is proven to be the only optimal one")
    return off, drift


def minimiser_error(task: PlanningTask, found: ProgramSolution) -> float:
    """Error of a minimiser in sup norm, whether or not actions tie.

    Raised by its infeasibility ``e`` over 1 - gamma the point is feasible, so that it lies no farther than that below
    ``V*``.  Above it by x at a state s it costs ``(1 - gamma) mu_0(s) x``, of which the others give back at most e; that
    is at most the error of the objective.
    """
    mdp = task.mdp
    size = 2 * np.abs(found.primal).max() + np.abs(mdp.reward).max()
    infeasible = max(0.0, -float(slack(mdp, found.primal).min())) + float(rounding(size, mdp.n_states + 4))
    excess = found.certificate.bound + infeasible
    return float(1.01 * max(infeasible / (1 - mdp.discount), excess / task.start.min()))


def least_value(task: PlanningTask) -> Side:
    """Value program: the least start value that no backup improves."""
    found = solvers.value_program(task.mdp)
    return Side(np.full(2, found.objective), found.certificate.bound)


def return_and_value(task: PlanningTask) -> Side:
    """Occupancy program (largest return), and policy iteration (start value)."""
    program, optimum = solvers.occupancy_program(task.mdp), solvers.policy_iteration(task.mdp)
    start_value = float(task.start @ optimum.value)
    error = (1 - task.mdp.discount) * optimum.certificate.bound + rounding(start_value, task.mdp.n_states + 2)
    return Side([program.objective, start_value], [program.certificate.bound, float(error)])


def minimiser(task: PlanningTask) -> Side:
    """Minimiser of the value program, by its verified basis or by its objective."""
    found = solvers.value_program(task.mdp)
    basis = basis_errors(task, found.primal, found.dual)[0]
    return Side(found.primal, min(basis, minimiser_error(task, found)))


def optimal_value(task: PlanningTask) -> Side:
    """Optimal value by policy iteration."""
    found = solvers.policy_iteration(task.mdp)
    return Side(found.value, found.certificate.bound)


def mass_times_flow(task: PlanningTask) -> Side:
    """Basic optimal occupancy of the occupancy program times BV, with V from the value program."""
    mass = solvers.occupancy_program(task.mdp)
    least = solvers.value_program(task.mdp)
    flow = slack(task.mdp, least.primal) + task.mdp.reward
    moved = 2 * proven_basis(task, least.primal, least.dual)[0]
    drift = proven_basis(task, mass.dual, mass.primal)[1]
    size = 2 * np.abs(least.primal).max() + np.abs(task.mdp.reward).max()
    off = moved + rounding(size, task.mdp.n_states + 6)
    return Side(mass.primal * flow, (mass.primal + drift) * off + drift * np.abs(flow))


def mass_times_reward(task: PlanningTask) -> Side:
    """Basic optimal occupancy of the occupancy program times R."""
    found = solvers.occupancy_program(task.mdp)
    drift = proven_basis(task, found.dual, found.primal)[1]
    return Side(found.primal * task.mdp.reward, drift * np.abs(task.mdp.reward) + rounding(1.0, 2))


def played(task: PlanningTask) -> Side:
    """Pairs with positive mass in a basic optimum of the occupancy program (1 or 0)."""
    mass = solvers.occupancy_program(task.mdp).primal
    doubt = FlowPolytope.of(task.mdp).spread(np.maximum(mass, 0.0).ravel()).reshape(mass.shape)
    return Side(mass > 0, (mass != 0) & (np.abs(mass) <= doubt))


def optimal_action(task: PlanningTask) -> Side:
    """Policy iteration: the optimal action of each state, proven unique (1 or 0)."""
    found = solvers.policy_iteration(task.mdp)
    if not np.isfinite(found.policy_error):
        raise Undecided("actions tie within rounding: the optimal one is not unique")
    return Side(found.policy, found.policy_error)


# --- the claim ------------------------------------------------------------------------------------------------------

M2 = PlanningTask(two_state_mdp())

LP = Claim(
    "lp-duality-mdp",
    title="The optimal value is the least value that no backup improves, and the largest return over occupancies",
    papers=("puterman1994mdp", "depenoux1963production"),
    provenance="as in the paper",
    theorem="linear programming duality",
    statement=r"""
    Let $(BV)(s,a) = V(s) - \gamma \sum_{s'} P(s'|s,a) V(s')$. Then (a)
    $$\min\{(1-\gamma)\mu_0^\top V : BV \ge R\} = \max\{\langle d, R\rangle : B^\top d = (1-\gamma)\mu_0,\ d \ge 0\}
      = J^*,$$
    the optimal normalised return. With $\mu_0 > 0$ (b) the only minimiser is $V^*$, (c)
    $d(s,a)\,(BV)(s,a) = d(s,a)\,R(s,a)$ for all pairs at all optimal $V$ and $d$, and (d) a basic optimal $d$ has exactly
    one positive action in each state, an optimal one.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\mu_0 > 0$",
            "a state without start mass: its value is free to rise",
            lambda task: bool((task.mdp.start_law() > 0).all()),
            wider=partly_started,
        ),
        Assumption("A2", r"finite, and $0 \le \gamma < 1$", DEFINITIONAL, lambda task: task.mdp.discount < 1),
    ),
    instance_family=planning_task,
    witnesses=(M2,),
    instances=200,
)

values = LP.part(
    "(a)",
    "both programs and policy iteration have one value",
    Equal(least_value, return_and_value),
    resolution=1e-9,
    reason="weak duality with the infeasibility charged (programs), Bellman residual (policy iteration): 1e-9",
    assumes=("A2",),
    exact=(exact.least_value, exact.return_and_value),
)
unique = LP.part(
    "(b)",
    "the only minimiser of the value program is $V^*$",
    Equal(minimiser, optimal_value),
    resolution=1e-9,
    reason="residual of the verified basis, or else error of the objective over the least start mass; Bellman residual: 1e-9",
    exact=(exact.minimiser, exact.optimal_value),
)
slackness = LP.part(
    "(c)",
    "$d \\cdot BV = d \\cdot R$ pair by pair",
    Equal(mass_times_flow, mass_times_reward),
    resolution=1e-9,
    reason="residuals of two verified bases over 1 - gamma: 1e-9",
    shared={"occupancy_program": "both sides carry the same optimal d; V comes from the other program"},
    exact=(exact.mass_times_flow, exact.mass_times_reward),
)
support = LP.part(
    "(d)",
    "a basic optimal $d$ is positive at exactly one action of each state, an optimal one (here the only one)",
    Equal(played, optimal_action),
    resolution=0.5,
    reason="a support is exact, or undecided where a mass is within its rounding",
    exact=(exact.played, exact.optimal_action),
)


@LP.known(M2)
def _(task: PlanningTask) -> Any:
    least, largest = solvers.value_program(task.mdp), solvers.occupancy_program(task.mdp)
    yield Known(
        "value of the occupancy program", "0.8351648351648", largest.objective, largest.certificate.bound
    )
    yield Known("value of the value program", "0.8351648351648", least.objective, least.certificate.bound)
    yield Known("V*", "7.9120879121 9.0109890110", least.primal)
    yield Known("slacks BV - R", "0.4923076923 0 1.0956043956 0", slack(task.mdp, least.primal), 1e-14)
    yield Known("d*", "0 0.1648351648 0 0.8351648352", largest.primal)


# --- what must fail -------------------------------------------------------------------------------------------------


def absorbing_task() -> PlanningTask:
    """The instance M2 with state 1 absorbing and all start mass there: state 0 is in no objective."""
    mdp = two_state_mdp()
    transition = np.array(mdp.transition)
    transition[1] = [0.0, 1.0]
    return PlanningTask(MDP(transition, mdp.reward, mdp.discount, [0.0, 1.0]))


def raised_minimiser(task: PlanningTask) -> Side:
    """A minimiser of the value program raised by 5 in the states without start mass."""
    value = solvers.value_program(task.mdp.replace(initial=np.full(task.mdp.n_states, 0.5))).primal
    raised = value + 5.0 * (task.mdp.start_law() == 0)
    if slack(task.mdp, raised).min() < -1e-12:
        raise ValueError("the raised point is not feasible")
    return Side(raised, 1e-12)


def without_normalisation(task: PlanningTask) -> Side:
    """Value program with the objective mu_0 . V in the place of (1 - gamma) mu_0 . V."""
    found = solvers.value_program(task.mdp)
    factor = 1 - task.mdp.discount
    return Side(np.full(2, found.objective / factor), 1.01 * found.certificate.bound / factor)


def opposite_slack(task: PlanningTask) -> Side:
    """Occupancy times BV with the sign of the discounted term turned: V + gamma P V."""
    mass = solvers.occupancy_program(task.mdp).primal
    value = solvers.value_program(task.mdp).primal
    return Side(mass * (2 * value[:, None] - slack(task.mdp, value) - task.mdp.reward), 1e-12)


unique.control(
    "a state without start mass: its value is free to rise",
    kind="assumption",
    drops="A1",
    instance=absorbing_task(),
    left=raised_minimiser,
    specified="8.7804878049 10 13.7804878049 10 1.0",
    measure=lambda o: [*o.right, *o.left, 0.1 * o.left[1]],
)
support.control(
    "a state without start mass: a basic optimum may play nothing there",
    kind="assumption",
    drops="A1",
    instance=absorbing_task(),
)
values.control(
    "the objective without the factor 1 - gamma", kind="constant", instance=M2, left=without_normalisation
)
slackness.control(
    "the discounted term with the other sign", kind="mutation", instance=M2, left=opposite_slack
)


# --- the figure -----------------------------------------------------------------------------------------------------


@LP.figure(
    "The value program of a model with two states. Each pair (state, action) forbids the side of its line that lies "
    "below; what is left is shaded. The objective falls along the arrow, and the vertex where it stops is the optimal "
    "value: in each state the line of one action, the optimal one, passes through it."
)
def _(ax: Any) -> None:
    mdp = M2.mdp
    best = solvers.policy_iteration(mdp).value
    low, high = np.array([4.5, 5.5]), np.array([11.5, 12.5])
    x = np.linspace(low[0], high[0], 400)
    rows = flow_matrix(mdp).toarray()
    floor = np.full(x.size, low[1])
    ceiling = np.full(x.size, high[1])
    for row, reward in zip(rows, mdp.reward.ravel(), strict=True):  # row[0] x + row[1] y >= reward
        line = (reward - row[0] * x) / row[1]
        floor, ceiling = (
            (np.maximum(floor, line), ceiling) if row[1] > 0 else (floor, np.minimum(ceiling, line))
        )
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="$V(0)$", ylabel="$V(1)$")
    ax.fill_between(x, floor, ceiling, where=ceiling >= floor, color="0.88", linewidth=0)

    def along(line: FloatArray, where: float, text: str, colour: str) -> None:
        turn = float(np.degrees(np.arctan2(line[-1] - line[0], x[-1] - x[0])))
        height = float(np.interp(where, x, line)) + 0.1
        look: dict[str, Any] = {"rotation": turn, "rotation_mode": "anchor", "transform_rotates_text": True}
        ax.text(where, height, text, color=colour, fontsize="small", va="bottom", **look)

    starts = (4.9, 5.1, 9.0, 4.9)
    for pair, (row, reward) in enumerate(zip(rows, mdp.reward.ravel(), strict=True)):
        s, a = divmod(pair, 2)
        line = (reward - row[0] * x) / row[1]
        ax.plot(x, line, "--" if a == 0 else "-", color=f"C{s}")
        along(line, starts[pair], f"state {s}, action {a}", f"C{s}")
    start = M2.start
    level = (start @ best - start[0] * x) / start[1]
    ax.plot(x, level, ":", color="0.35")
    along(level + 0.12, 9.05, "objective $= J^*$", "0.35")
    tail = np.array([10.3, 10.9])
    direction = -start / np.linalg.norm(start) * 1.2
    ax.annotate("", xy=tail + direction, xytext=tail, arrowprops={"arrowstyle": "->", "color": "0.35"})
    ax.annotate("$BV \\geq R$", (10.4, 10.95), ha="left", va="bottom")
    ax.plot(*best, "o", color="black", zorder=5)
    ax.annotate("$V^*$", best, xytext=(0, 9), textcoords="offset points", ha="center")
