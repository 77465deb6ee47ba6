r"""Nash-MD (Munos et al. 2023): a KL recursion for the regularised Nash policy of a preference game.

The one-step identity (a) is pure algebra: it holds for every comparator in the place of the Nash policy, so that both
of its sides may use the same computed one.  The bounds (b) and (c) need the Nash policy itself: a computed ``p`` at
1-norm distance ``D`` from it, with ``KL(pi* || p) <= k``, changes ``KL(pi* || q)`` by at most ``D/2 range(log p/q) +
k``.

Rounding along a run: a computed update is an exact one with an error in the log-policy of at most ``delta``, which
changes the next KL by at most ``delta``; since no update of (b) expands the KL, the recorded run satisfies (c) within the
sum of its ``delta``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.divergences import kl, kl_from_logs
from mdplab.instances import three_response_cycle, three_response_reference
from mdplab.operators import log_mixture, log_tilt
from proofs_check.preferences import exact_nash_md as exact
from proofs_check.preferences.instances import ComputedNash, NashMDTask, large_payoffs, nash_md_task

# --- the routes -----------------------------------------------------------------------------------------------------


def update_error(task: NashMDTask, step: Any, log_size: Any) -> FloatArray:
    """Error of the log-policy of one update, and of a KL or an identity formed with it."""
    return rounding((1 + step) * log_size + step, 4 * task.reference.size + 40)


def nash_error(nash: ComputedNash, log_q: FloatArray) -> Any:
    """Error of ``KL(pi* || q)`` caused by that of the Nash policy."""
    return 0.5 * nash.distance * np.ptp(nash.log_policy - log_q, axis=-1) + nash.divergence


def by_operators(task: NashMDTask) -> tuple[FloatArray, FloatArray]:
    """The mixture and the next policy, as geometric mixture and tilt; any step is admitted."""
    laws = np.stack([task.start, np.log(task.reference)])
    mixture = np.asarray(log_mixture(laws, [1 - task.pull, task.pull]))
    return mixture, np.asarray(log_tilt(task.step * (task.payoff @ np.exp(mixture)), log_reference=mixture))


def identity(
    task: NashMDTask,
    log_nash: FloatArray,
    log_policy: FloatArray,
    step: float,
    divergence: float,
    *,
    mixture_term: bool = True,
) -> float:
    """Right side of (a): the next KL from the present one."""
    pull, log_reference = step * task.temperature, np.log(task.reference)
    log_p = log_tilt((1 - pull) * log_policy + pull * log_reference)
    p, payoff = np.exp(log_p), task.payoff @ np.exp(log_p)
    regulariser = kl_from_logs(log_nash, log_reference) - kl_from_logs(log_p, log_reference)
    win = float(np.exp(log_nash) @ payoff - task.temperature * regulariser)
    loss = (1 - pull) * float(kl_from_logs(log_p, log_policy)) if mixture_term else 0.0
    return (
        (1 - pull) * divergence - loss - step * (win - 0.5) + float(np.log(p @ np.exp(step * (payoff - 0.5))))
    )


def next_divergence(task: NashMDTask) -> Side:
    """KL from the Nash policy (Newton's method) to one update of Nash-MD."""
    updated = solvers.nash_md(
        task.payoff,
        task.reference,
        temperature=task.temperature,
        steps=1,
        schedule=task.step,
        initial=np.exp(task.start),
    ).log_policies[1]
    error = update_error(task, task.step, task.log_size) + nash_error(task.nash, updated)
    return Side(kl_from_logs(task.nash.log_policy, updated), error)


def next_divergence_any_step(task: NashMDTask) -> Side:
    """KL from the Nash policy to one update, by operators that admit steps beyond 1/tau."""
    updated = by_operators(task)[1]
    error = update_error(task, task.step, task.log_size) + nash_error(task.nash, updated)
    return Side(kl_from_logs(task.nash.log_policy, updated), error)


def next_divergence_same_comparator(task: NashMDTask) -> Side:
    """KL from the computed Nash policy to one update of Nash-MD."""
    return Side(next_divergence(task).value, update_error(task, task.step, task.log_size))


def identity_side(task: NashMDTask, mixture_term: bool = True) -> Side:
    """Right side of the identity, term by term, at the same computed Nash policy."""
    present = float(kl_from_logs(task.nash.log_policy, task.start))
    value = identity(task, task.nash.log_policy, task.start, task.step, present, mixture_term=mixture_term)
    return Side(value, update_error(task, task.step, task.log_size))


def next_divergence_by_identity(task: NashMDTask) -> Side:
    """The identity at the Nash policy of magnetic mirror steps."""
    nash = task.contracted_nash
    value = identity(
        task, nash.log_policy, task.start, task.step, float(kl_from_logs(nash.log_policy, task.start))
    )
    error = update_error(task, task.step, task.log_size) + nash_error(nash, by_operators(task)[1])
    return Side(value, error)


def one_step_bound(task: NashMDTask, constant: float) -> Side:
    """(1 - eta tau) KL + c eta^2, with the Nash policy of Newton's method."""
    return bound_from(task, task.nash, constant)


def one_step_bound_contracted(task: NashMDTask, constant: float) -> Side:
    """(1 - eta tau) KL + c eta^2, with the Nash policy of magnetic mirror steps."""
    return bound_from(task, task.contracted_nash, constant)


def bound_from(task: NashMDTask, nash: ComputedNash, constant: float) -> Side:
    present = kl_from_logs(nash.log_policy, task.start)
    error = rounding(task.log_size + constant * task.step**2, task.reference.size + 16)
    value = (1 - task.pull) * present + constant * task.step**2
    return Side(value, error + abs(1 - task.pull) * nash_error(nash, task.start))


def counts(task: NashMDTask) -> FloatArray:
    """T = 1, ..., the number of updates."""
    return np.arange(1.0, task.steps + 1)


def run_error(task: NashMDTask) -> FloatArray:
    """Rounding carried along the run up to each T."""
    sizes = np.abs(task.run.log_policies).max(axis=1)
    logs = task.log_size + np.maximum(sizes[:-1], sizes[1:])
    return np.cumsum(update_error(task, task.run.step_sizes, logs))


def run_divergences(task: NashMDTask) -> Side:
    """KL from the Nash policy (Newton's method) to every iterate of the schedule."""
    iterates = task.run.log_policies[1:]
    return Side(
        kl_from_logs(task.nash.log_policy, iterates), run_error(task) + nash_error(task.nash, iterates)
    )


def run_divergences_by_identity(task: NashMDTask) -> Side:
    """First KL carried along the iterates by the identity, at the Nash policy of magnetic mirror steps."""
    nash, run = task.contracted_nash, task.run
    values = [float(kl_from_logs(nash.log_policy, run.log_policies[0]))]
    for iterate, step in zip(run.log_policies[:-1], run.step_sizes, strict=True):
        values.append(identity(task, nash.log_policy, iterate, float(step), values[-1]))
    return Side(values[1:], run_error(task) + nash_error(nash, run.log_policies[1:]))


def schedule_bound(task: NashMDTask, constant: float) -> Side:
    """C / (tau^2 (T + 1))."""
    value = constant / (task.temperature**2 * (counts(task) + 1))
    return Side(value, rounding(value, 8))


# --- the claim ------------------------------------------------------------------------------------------------------

CYCLE, REFERENCE = three_response_cycle().probability, three_response_reference()
FROM_REFERENCE = NashMDTask(CYCLE, REFERENCE, 0.3, 0.5, REFERENCE)
AT_NASH = NashMDTask(CYCLE, REFERENCE, 0.3, 0.5, None)
LONG_STEP = NashMDTask(CYCLE, REFERENCE, 2.0, 0.75, np.array([0.001, 0.998, 0.001]))
LARGE_PAYOFFS = NashMDTask(0.5 + 20 * (CYCLE - 0.5), REFERENCE, 0.3, 2.0, None)


def relative(task: NashMDTask) -> float:
    """1e-9 at the size of the KL and of the squared step."""
    return 1e-9 * (1 + float(kl_from_logs(task.nash.log_policy, task.start)) + task.step**2)


NASH_MD = Claim(
    "nlhf-nash-md-recursion",
    title="Nash-MD contracts the KL to the regularised Nash policy up to an error of the order of the squared step",
    papers=("munos2023nash",),
    provenance="as in the paper",
    theorem="main convergence theorem (constants 2 and 8); the identity and the constants 1/8 and 1/2 are ours",
    statement=r"""
    Let $P$ be a preference matrix, $\mu > 0$ a reference, $\tau > 0$ and $\pi^*$ the Nash policy of the game
    $P_\tau(\pi, \pi') = \pi^\top P \pi' - \tau\,\mathrm{KL}(\pi\|\mu) + \tau\,\mathrm{KL}(\pi'\|\mu)$. Nash-MD plays
    against a mixture of the policy with the reference: with $0 < \eta \le 1/\tau$,
    $$p \propto \pi_t^{1-\eta\tau} \mu^{\eta\tau}, \qquad \pi_{t+1} \propto p\, e^{\eta P p}.$$

    (a) the next KL is
    $$\mathrm{KL}(\pi^*\|\pi_{t+1}) = (1-\eta\tau)\big[\mathrm{KL}(\pi^*\|\pi_t) - \mathrm{KL}(p\|\pi_t)\big]
      - \eta\big[P_\tau(\pi^*, p) - \tfrac12\big] + \log\sum_y p_y e^{\eta((Pp)_y - 1/2)}.$$

    (b) $\mathrm{KL}(\pi^*\|\pi_{t+1}) \le (1-\eta\tau)\,\mathrm{KL}(\pi^*\|\pi_t) + c\,\eta^2$ with $c = 2$, and already
    with $c = 1/8$: the bracket of (a) is not negative at the Nash policy, and its last term is at most $\eta^2/8$ by
    Hoeffding's lemma.

    (c) With $\eta_t = \frac{2}{\tau(t+2)}$, $t = 0, 1, \dots$, for every $T \ge 1$:
    $\mathrm{KL}(\pi^*\|\pi_T) \le \frac{C}{\tau^2 (T+1)}$ with $C = 8$, and already with $C = 1/2$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi_0$ and $\mu$ have full support (otherwise the KL is infinite)",
            DEFINITIONAL,
            lambda t: bool((t.reference > 0).all() and (t.policy is None or (t.policy > 0).all())),
        ),
        Assumption("A2", r"$\eta\tau \le 1$", "a step beyond 1/tau", lambda t: bool(0 < t.pull <= 1 + 1e-15)),
        Assumption(
            "A3",
            "payoffs in [0, 1]",
            "payoffs twenty times as far from 1/2",
            lambda t: bool(t.payoff.min() >= 0 and t.payoff.max() <= 1),
            large_payoffs,
        ),
    ),
    instance_family=nash_md_task,
    witnesses=(FROM_REFERENCE, AT_NASH),
    instances=120,
)

identity_part = NASH_MD.part(
    "(a)",
    r"$\mathrm{KL}(\pi^*\|\pi_{t+1})$ as $(1-\eta\tau)\mathrm{KL}(\pi^*\|\pi_t)$ plus three terms",
    Equal(next_divergence_same_comparator, identity_side),
    resolution=lambda t: 1e-11 + 1e-9 * float(np.max(next_divergence_same_comparator(t).value)),
    reason="rounding of logarithms and of the update: relative 1e-9 and absolute 1e-11",
    floor=1e-12,
    shared={"regularised_nash": "the identity holds for every comparator; both sides take the same"},
    exact=(exact.next_divergence, exact.identity_side),
)
ONE_STEP = "certified error of the Nash policy and rounding of the update; 1e-9 at the size of the terms"
paper_part, sharp_part = (
    NASH_MD.part(
        name,
        rf"$\mathrm{{KL}}(\pi^*\|\pi_{{t+1}}) \le (1-\eta\tau)\,\mathrm{{KL}}(\pi^*\|\pi_t) + c\,\eta^2$, $c = {number}$",
        AtMost(next_divergence, partial(one_step_bound, constant=constant)),
        resolution=relative,
        reason=ONE_STEP,
        cross_left=next_divergence_by_identity,
        cross_right=partial(one_step_bound_contracted, constant=constant),
        exact=(exact.next_divergence, partial(exact.one_step_bound, constant=constant)),
    )
    for name, number, constant in (("(b)", "2", 2.0), ("(b, 1/8)", "1/8", 0.125))
)
schedule_part, sharp_schedule_part = (
    NASH_MD.part(
        name,
        rf"$\mathrm{{KL}}(\pi^*\|\pi_T) \le \frac{{C}}{{\tau^2(T+1)}}$ for $T = 1, \dots, 100$, $C = {number}$",
        AtMost(run_divergences, partial(schedule_bound, constant=constant)),
        resolution=lambda t: 1e-9 * (1 + np.asarray(schedule_bound(t, 0.5).value)),
        reason="certified error of the Nash policy and rounding carried along the run; 1e-9 at the size of the bound",
        cross_left=run_divergences_by_identity,
        closed=("right",),
        shared={"nash_md": "the recorded iterates are inputs; what their updates miss is in the bound"},
        instances=60,
        specified_tightness=printed,
        exact=(exact.run_divergences, partial(exact.schedule_bound, constant=constant)),
    )
    for name, number, constant, printed in (("(c)", "8", 8.0, "0.0026"), ("(c, 1/2)", "1/2", 0.5, ""))
)


@NASH_MD.known(FROM_REFERENCE)
def _(task: NashMDTask) -> Iterator[Known]:
    path = solvers.nash_md(
        task.payoff, task.reference, temperature=task.temperature, steps=5, schedule=task.step
    )
    printed = "0.04301998358 0.03145311318 0.02314970417 0.01714652793 0.01278007459 0.00958834472"
    yield Known("KL at t = 0, ..., 5", printed, kl_from_logs(task.nash.log_policy, path.log_policies))
    yield Known(
        "policy after 5 updates", "0.5373274604 0.2206369464 0.2420355933", np.exp(path.log_policies[5])
    )


@NASH_MD.known(NashMDTask(CYCLE, REFERENCE, 0.3, 0.5, REFERENCE, steps=200))
def _(task: NashMDTask) -> Iterator[Known]:
    found = np.asarray(run_divergences(task).value)
    yield Known("KL of the schedule after 10 and 200 updates", "8.14356051e-4 2.22058869e-6", found[[9, 199]])
    yield Known(
        "bound with 8 after 200 updates", "0.442233278", np.asarray(schedule_bound(task, 8.0).value)[-1]
    )


# --- what must fail -------------------------------------------------------------------------------------------------

paper_part.control(
    "c = 0: a pure contraction",
    kind="constant",
    instance=AT_NASH,
    right=partial(one_step_bound, constant=0.0),
    specified="5.814967746e-6",
)
identity_part.control(
    "without the KL of the mixture to the policy",
    kind="mutation",
    instance=AT_NASH,
    right=partial(identity_side, mixture_term=False),
)
paper_part.control(
    "a step beyond 1/tau", kind="assumption", drops="A2", instance=LONG_STEP, left=next_divergence_any_step
)
sharp_part.control(
    "payoffs twenty times as far from 1/2", kind="assumption", drops="A3", instance=LARGE_PAYOFFS
)


def constant_step_limit(task: NashMDTask) -> Side:
    """Last of 1000 updates of Nash-MD with the constant step.

    In the range seminorm of the log-policy an update contracts by ``(1 - eta tau)(1 + eta R / 4)``, ``R`` the largest
    range of a difference of two rows of ``P``; the last change then bounds the distance to the limit.
    """
    logs = solvers.nash_md(
        task.payoff,
        task.reference,
        temperature=task.temperature,
        steps=1000,
        schedule=task.step,
        initial=np.exp(task.start),
    ).log_policies
    rows = np.ptp(task.payoff[:, None] - task.payoff[None, :], axis=2).max()
    factor = (1 - task.pull) * (1 + task.step * rows / 4)
    change = np.ptp(logs[-1] - logs[-2]) + 2 * update_error(task, task.step, task.log_size)
    return Side(np.exp(logs[-1]), 0.25 * change / (1 - factor) if factor < 1 else np.inf)


def nash_policy(task: NashMDTask) -> Side:
    """The regularised Nash policy, by Newton's method."""
    return Side(np.exp(task.nash.log_policy), task.nash.distance)


def limit_and_divergence(outcome: Outcome) -> FloatArray:
    return np.append(outcome.left, kl(outcome.right, outcome.left))


NASH_MD.reading(
    "constant-step",
    title="With a constant step Nash-MD converges to the regularised Nash policy",
    statement=r"""
    For every preference matrix and every constant step $0 < \eta \le 1/\tau$ the iterates of Nash-MD converge to $\pi^*$.
    (On this instance, $\tau = 0.3$ and $\eta = 0.5$, they converge to another policy: the payoff is taken against the
    mixture, not against the policy. They converge to $\pi^*$ where $P$ is constant; where $\tau$ is small they need not
    converge.)
    """,
    relation=Equal(constant_step_limit, nash_policy),
    counterexamples=(FROM_REFERENCE,),
    repair=schedule_part,
    resolution=1e-10,
    reason="contraction bound on the distance to the limit, certified error of the Nash policy",
    specified="0.5100049424 0.1893584699 0.3006365877 2.0930251998e-4",
    measure=limit_and_divergence,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@NASH_MD.figure(
    "KL divergence of Nash-MD to the regularised Nash policy of a cyclic game of three responses. Left: the decreasing "
    "schedule, with its two bounds. Right: on this game constant steps end on a plateau, at a policy that is not the Nash policy; the "
    "decreasing schedule (dashed) passes below each of them.",
    panels=2,
)
def _(axes: Any) -> None:
    task = NashMDTask(CYCLE, REFERENCE, 0.3, 0.5, REFERENCE, steps=1000)
    times, schedule = counts(task), np.asarray(run_divergences(task).value)
    left, right = axes
    left.loglog(times, schedule, color="C0", label="Nash-MD")
    for constant, label, dashes in ((8.0, "bound, $C = 8$", "dashed"), (0.5, "bound, $C = 1/2$", "dotted")):
        left.loglog(
            times, np.asarray(schedule_bound(task, constant).value), color="C1", linestyle=dashes, label=label
        )
    left.set(xlabel="number of updates $T$", ylabel=r"$\mathrm{KL}(\pi^* \| \pi_T)$ (nats)")
    left.legend(loc="lower left")
    for number, step in enumerate((1.0, 0.5, 0.2, 0.05)):
        run = solvers.nash_md(CYCLE, REFERENCE, temperature=0.3, steps=1000, schedule=step)
        path = kl_from_logs(task.nash.log_policy, run.log_policies[1:])
        right.loglog(times, path, color=f"C{number + 2}", label=rf"$\eta = {step:g}$")
    right.loglog(times, schedule, color="C0", linestyle="dashed", label="decreasing")
    right.set(
        xlabel="number of updates $T$", ylabel=r"$\mathrm{KL}(\pi^* \| \pi_T)$ (nats)", ylim=(3e-8, 0.1)
    )
    right.legend(loc="lower left")
