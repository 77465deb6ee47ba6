r"""Options for far goals (Ahn et al. 2025, OTA): how long an option lets a subgoal be seen best.

With one discount a step, values far from the goal are all but equal, and noise hides which of two states is nearer.  Options of
up to n steps that are discounted once bring the goal nearer, but blur distances: an advantage of k steps may vanish among n.
Without rounding of distances to decisions the best length has a closed form; with it, the best integer may lie elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, both_sides, left_side
from proofs_check.dual_rl import exact_options as exact
from proofs_check.dual_rl.option_routes import (
    accuracy,
    accuracy_by_quadrature,
    best_length,
    closed_accuracy,
    closed_error,
    closed_length,
    closed_margin,
    closed_values,
    largest_margin,
    lengths,
    lower_ends,
    margin,
    margin_by_iteration,
    margins_of_lengths,
    smooth_margin,
    stationary_length,
    upper_ends,
    value_by_iteration,
    visible,
    visible_closed,
)
from proofs_check.dual_rl.option_tasks import OptionTask, long_line, noisy_task, option_task, slipping_task

# --- the claim -------------------------------------------------------------------------------------------------------

LONG, BLIND = long_line(), long_line(30, 10)

OTA = Claim(
    "ota-effective-horizon",
    title="Options shorten the horizon: the exact value, how well a subgoal is seen, and the best option length",
    papers=("ahn2025ota",),
    provenance="our formalisation",
    theorem=None,
    statement=r"""
    On a line at distance $d$ from the goal each decision moves up to $n$ positions, costs 1 and is discounted once. A subgoal
    is $k < d$ positions nearer, and values have independent errors $N(0,\sigma^2)$. Then

    (i) $V_n(d) = -(1-\gamma^{\lceil d/n\rceil})/(1-\gamma)$;

    (ii) the subgoal has the larger noisy value with probability $\Phi(\Delta_n/(\sigma\sqrt2))$, $\Delta_n =
    (\gamma^{\lceil(d-k)/n\rceil} - \gamma^{\lceil d/n\rceil})/(1-\gamma)$;

    (iii) $\bar\Delta_n = (\gamma^{(d-k)/n} - \gamma^{d/n})/(1-\gamma)$, for real $n$, is largest at $n^* =
    \frac{k\ln(1/\gamma)}{\ln(d/(d-k))}$, which lies between $(d-k)\ln(1/\gamma)$ and $d\ln(1/\gamma)$;

    (iv) if $n > k$ the margin can vanish: of $n$ consecutive distances it is positive at $\min(n,k)$ alone.
    """,
    assumptions=(
        Assumption(
            "A1",
            "decisions move for certain",
            "decisions slip",
            lambda task: task.slip == 0,
            wider=slipping_task,
        ),
        Assumption(
            "A2",
            "errors are added, independent and of one variance, for (ii)",
            "errors in proportion to the values",
            lambda task: not task.relative,
            wider=noisy_task,
        ),
    ),
    instance_family=option_task,
    witnesses=(LONG, BLIND),
    instances=100,
)

ROUNDED = "rounding of powers of the discount over 1 - gamma"
ITERATED = "certificate of value iteration at 1e-11: 1e-10"
value = OTA.part(
    "(i)",
    r"$V_n(d) = -(1-\gamma^{\lceil d/n\rceil})/(1-\gamma)$",
    Equal(value_by_iteration, closed_values),
    resolution=1e-10,
    reason=ITERATED,
    assumes=("A1",),
    exact=(exact.value_by_iteration, exact.closed_values),
)
margins = OTA.part(
    "(ii, margin)",
    r"$V_n(d-k) - V_n(d) = (\gamma^{\lceil(d-k)/n\rceil} - \gamma^{\lceil d/n\rceil})/(1-\gamma)$",
    Equal(margin_by_iteration, closed_margin),
    resolution=1e-10,
    reason=ITERATED,
    assumes=("A1",),
    exact=(exact.margin_by_iteration, exact.closed_margin),
)
seen = OTA.part(
    "(ii)",
    r"$\Pr(\text{sign correct}) = \Phi(\Delta_n/(\sigma\sqrt2))$",
    Equal(accuracy_by_quadrature, closed_accuracy),
    resolution=1e-9,
    reason="certificate of value iteration over the deviation, Gauss-Hermite quadrature: 1e-9",
    exact="the left side is a quadrature, the right side a normal distribution function",
)
length = OTA.part(
    "(iii)",
    r"$\bar\Delta_n$ is stationary at $n^* = k\ln(1/\gamma)/\ln(d/(d-k))$",
    Equal(closed_length, stationary_length),
    resolution=lambda task: 1e-10 * (1 + best_length(task)),
    reason="rounding of the derivative at the size of its terms, over its slope: 1e-10 relative",
    assumes=(),
    exact=(exact.best_length, exact.stationary_length),
)
peak = OTA.part(
    "(iii, maximum)",
    r"$\bar\Delta_n \le \bar\Delta_{n^*}$ at all half-integers to $2d$",
    AtMost(margins_of_lengths, largest_margin),
    resolution=1e-10,
    reason=ROUNDED,
    assumes=(),
    closed=("left", "right"),
    exact=(exact.margins_of_lengths, exact.largest_margin),
)
near = OTA.part(
    "(iii, approximation)",
    r"$(d-k)\ln(1/\gamma) \le n^* \le d\ln(1/\gamma)$",
    AtMost(lower_ends, upper_ends),
    resolution=1e-10,
    reason="rounding of logarithms",
    assumes=(),
    closed=("left", "right"),
    exact=(exact.lower_ends, exact.upper_ends),
)
blur = OTA.part(
    "(iv)",
    r"of $n$ consecutive distances the margin is positive at $\min(n,k)$",
    Equal(visible, visible_closed),
    resolution=0.5,
    reason="a count; values differ by at least a power of the discount, or not at all",
    assumes=("A1",),
    exact=(exact.visible, exact.visible_closed),
)


def best_integer(task: OptionTask) -> int:
    """The option length, of 1 to d, with the largest margin."""
    return 1 + int(np.argmax([margin(task.lengthened(n)) for n in range(1, task.distance + 1)]))


@OTA.known(LONG)
def _(task: OptionTask) -> Any:
    tasks = [task.lengthened(n) for n in (1, 2, 5, 6, 10, 13, 30)]
    yield Known(
        "margins at n = 1, 2, 5, 6, 10, 13, 30",
        ".0846319730 .7979532283 1.8608672507 1.8863737620 1.6748548062 1.9086207194 .8261686238",
        [margin(t) for t in tasks],
    )
    yield Known(
        "accuracies at n = 1, 2, 5, 6, 10, 13, 30",
        ".5238599964 .7137039624 .9058847570 .9088763871 .8818530712 .9114276218 .7204535661",
        [np.asarray(closed_accuracy(t).value) for t in tasks],
    )
    yield Known("best real length", "5.8781577437", best_length(task))
    yield Known("margin without ceilings there", "1.8867680127", smooth_margin(task, best_length(task)))
    yield Known(
        "margins without ceilings at n = 5, 6, 7, 13", "1.8608673 1.8863738 1.8597918 1.4755433",
        [smooth_margin(task, n) for n in (5, 6, 7, 13)],
    )  # fmt: skip
    yield Known("best integer length", "13", best_integer(task))
    yield Known("decisions there", "44 47", task.decisions([570, 600]))


@OTA.known(BLIND)
def _(task: OptionTask) -> Any:
    yield Known("margin", "0", margin_by_iteration(task).value, 1e-9)
    yield Known("accuracy", ".5", closed_accuracy(task).value)


# --- what must fail --------------------------------------------------------------------------------------------------


def rounded_down(task: OptionTask) -> Side:
    """The closed value with the floor of d / n."""
    decisions = task.distances // task.longest
    return Side(-(1 - task.discount**decisions) / (1 - task.discount), closed_error(task))


def without_ceilings(task: OptionTask) -> Side:
    """The margin without ceilings."""
    return Side(smooth_margin(task, task.longest), closed_error(task))


def one_error(task: OptionTask) -> Side:
    """Phi(Delta / sigma), as if one of the values were exact."""
    return accuracy(task, float(np.sqrt(2)) * margin(task))


def small_subgoal_length(task: OptionTask) -> Side:
    """d log(1 / gamma)."""
    return Side(-task.distance * np.log(task.discount), 1e-12)


def longest_margin(task: OptionTask) -> Side:
    """The margin without ceilings at n = d."""
    return Side(np.full(lengths(task).size, smooth_margin(task, task.distance)), closed_error(task))


def all_visible(task: OptionTask) -> Side:
    """n."""
    return Side(float(task.longest))


value.control("the floor in the place of the ceiling", kind="constant", instance=LONG, right=rounded_down)
value.control("decisions slip", kind="assumption", drops="A1", instance=replace(LONG, slip=0.1))
margins.control(
    "without the ceilings, where the margin vanishes",
    kind="mutation",
    instance=BLIND,
    right=without_ceilings,
    specified="0.000000000",
    measure=left_side,
)
seen.control("one of the values exact", kind="constant", instance=LONG, right=one_error)
seen.control(
    "errors in proportion to the values",
    kind="assumption",
    drops="A2",
    instance=replace(LONG, relative=True),
)
length.control(
    "d log(1 / gamma) in the place of n*", kind="constant", instance=LONG, left=small_subgoal_length
)
peak.control("the longest option", kind="constant", instance=LONG, right=longest_margin)
near.control(
    "the ends exchanged", kind="mutation", instance=LONG, left=upper_ends, right=lower_ends,
    both="each end of the interval stands on one side",
)  # fmt: skip
blur.control("no distance is blurred", kind="mutation", instance=BLIND, right=all_visible)


def margin_of_six(task: OptionTask) -> Side:
    """The margin of options of up to 6 steps."""
    return closed_margin(task.lengthened(6))


def margin_of_ten(task: OptionTask) -> Side:
    """The margin of options of up to 10 steps."""
    return closed_margin(task.lengthened(10))


OTA.reading(
    "longer-is-better",
    title="Longer options show a subgoal better",
    statement=r"""
    The margin grows with the option length: $\Delta_6 \le \Delta_{10}$. It does not: at $d = 600$, $k = 30$, $\gamma = .99$ it
    falls from 1.886 to 1.675, as $\bar\Delta_n$ does for all $n > n^*$.
    """,
    relation=AtMost(margin_of_six, margin_of_ten),
    counterexamples=(LONG,),
    repair=peak,
    resolution=1e-10,
    reason=ROUNDED,
    specified="1.8863737620 1.6748548062",
    measure=both_sides,
)


def integer_maximiser(task: OptionTask) -> Side:
    """The integer option length with the largest margin."""
    return Side(float(best_integer(task)))


def next_integer(task: OptionTask) -> Side:
    """n* rounded to the next integer."""
    return Side(float(np.round(best_length(task))))


OTA.reading(
    "best-integer",
    title="The best integer option length is next to the best real one",
    statement=r"""
    With ceilings $\Delta_n$ has its largest value at an integer next to $n^*$. It has not: it is not unimodal, and at $d =
    600$, $k = 30$, $\gamma = .99$ the best length is 13 (44 against 47 decisions), while $n^* = 5.88$.
    """,
    relation=Equal(integer_maximiser, next_integer),
    counterexamples=(LONG,),
    repair=length,
    resolution=0.5,
    reason="integers; the margins of the two lengths differ by .02",
    specified="13 6",
    measure=both_sides,
)


# --- the figure ------------------------------------------------------------------------------------------------------


@OTA.figure(
    r"Probability that a subgoal 30 positions nearer has the larger noisy value ($\gamma = .99$, $\sigma = 1$) over the option "
    "length, for three distances: dots for integer lengths, lines without rounding of distances to decisions, squares at the "
    "best real length $n^*$. The farther the goal, the longer the best option; beyond 30 the subgoal may not be seen at all."
)
def _(ax: Any) -> None:
    smooth, integers = np.geomspace(1, 60, 300), np.arange(1, 61)
    for k, distance in enumerate((200, 600, 1800)):
        task = replace(LONG, distance=distance, positions=distance + 1)
        ax.semilogx(
            integers, [np.asarray(closed_accuracy(task.lengthened(int(n))).value) for n in integers],
            "o^v"[k], markersize=2.5, color=f"C{k}", alpha=0.7,
        )  # fmt: skip
        line = [np.asarray(accuracy(task, smooth_margin(task, n)).value) for n in smooth]
        ax.semilogx(smooth, line, ("-", "--", "-.")[k], color=f"C{k}", label=f"$d = {distance}$")
        best = best_length(task)
        ax.plot(
            best, accuracy(task, smooth_margin(task, best)).value, "s", color=f"C{k}", markeredgecolor="black"
        )
    ax.set(xlabel="option length $n$", ylabel="probability of the right sign", ylim=(0.48, 1.12))
    ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.minorticks_off()
    ax.legend(fontsize="small", loc="upper center", ncols=3, columnspacing=1.0, handlelength=1.8)
