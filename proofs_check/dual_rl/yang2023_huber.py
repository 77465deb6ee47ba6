"""Huber's loss against corrupted targets (Yang et al. 2023, RIQL).

A minority of arbitrarily wrong targets moves the value that Huber's loss returns by a bounded amount beyond the range of
the others; the squared loss follows them for ever.
"""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.numerics import bisect_rows, huber_location
from proofs_check.dual_rl import exact_corruption as exact
from proofs_check.dual_rl.corruption_tasks import (
    TargetTask,
    far_target_task,
    mostly_corrupted_task,
    target_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def room(task: TargetTask) -> FloatArray:
    """The admitted interval: the clean range, wider by ``k delta / (n - k)`` on either side."""
    wider = task.threshold * task.share
    return np.array([task.clean.min() - wider, task.clean.max() + wider])


def interval_rounding(task: TargetTask, location: FloatArray) -> FloatArray:
    """Rounding of the admitted ends, and of the ends of a location (near a zero the score has slope 1 or more)."""
    size = np.abs(location) + np.abs(room(task)) + task.threshold
    return rounding(size, 12)


def between(task: TargetTask, location: FloatArray) -> tuple[Side, Side]:
    """Lower bound and largest location, at most smallest location and upper bound."""
    low, high = room(task)
    error = interval_rounding(task, location)
    return Side([low, location[1]], error), Side([location[0], high], error)


def swept(task: TargetTask) -> FloatArray:
    """The location by a sweep over the kinks in integers."""
    return np.array(huber_location(task.targets, task.threshold))


def bisected(task: TargetTask) -> FloatArray:
    """The location by bisection: the largest t of a non-negative score, and that of the reflected targets."""
    rows = np.stack([-task.targets, task.targets])

    def sign(places: FloatArray) -> FloatArray:
        """Positive where the score is not negative; summed without rounding, so that equal pulls cancel exactly."""
        scores = [
            fsum(np.clip(row - place, -task.threshold, task.threshold))
            for row, place in zip(rows, places, strict=True)
        ]
        return np.where(np.array(scores) >= 0.0, 1.0, -1.0)

    ends = bisect_rows(sign, rows.min(axis=1) - 1.0, rows.max(axis=1) + 1.0 + task.threshold)
    found = 0.5 * (ends[0] + ends[1])
    return np.array([-found[0], found[1]])


def least(task: TargetTask) -> Side:
    """Lower bound and largest location, by a sweep over the kinks."""
    return between(task, swept(task))[0]


def largest(task: TargetTask) -> Side:
    """Smallest location, by a sweep over the kinks, and upper bound."""
    return between(task, swept(task))[1]


def least_bisected(task: TargetTask) -> Side:
    """Lower bound and largest location, by bisection."""
    return between(task, bisected(task))[0]


def largest_bisected(task: TargetTask) -> Side:
    """Smallest location, by bisection, and upper bound."""
    return between(task, bisected(task))[1]


def far_locations(task: TargetTask) -> Side:
    """Location with all clean targets at the first of them and the others far above, then far below (both ends)."""
    centre = np.full(task.clean.size, task.clean[0])
    away = 3 * task.threshold + np.abs(task.corrupted)
    found = [
        huber_location(np.append(centre, task.clean[0] + sign * away), task.threshold) for sign in (1, -1)
    ]
    return Side(np.ravel(found), rounding(np.ravel(found), 2))


def far_formula(task: TargetTask) -> Side:
    """a + k delta / (n - k) and a - k delta / (n - k)."""
    wider = task.threshold * task.share
    value = task.clean[0] + np.array([wider, wider, -wider, -wider])
    return Side(value, rounding(abs(task.clean[0]) + wider, 4))


def mean_moved(task: TargetTask) -> Side:
    """Mean of the targets as seen less that of the honest ones."""
    honest = np.concatenate([task.clean, task.honest])
    size = np.abs(task.targets).sum() + np.abs(honest).sum()
    return Side(task.targets.mean() - honest.mean(), rounding(size / honest.size, honest.size + 4))


def mean_formula(task: TargetTask) -> Side:
    """Sum of the corruption over n."""
    size = (np.abs(task.corrupted).sum() + np.abs(task.honest).sum()) / task.targets.size
    moved = float((task.corrupted - task.honest).sum()) / task.targets.size
    return Side(moved, rounding(size, task.honest.size + 4))


def magnitude(task: TargetTask) -> float:
    """1e-12 times the largest target, at least 1: rounding of sums of targets."""
    return 1e-12 * max(1.0, float(np.abs(task.targets).max()))


# --- the claim ------------------------------------------------------------------------------------------------------

FAR, MAJORITY = far_target_task(10.0), far_target_task(1e6, clean=4, corrupted=6)
EVEN = TargetTask(np.array([0.0, 0.1, 1.0]), np.array([0.5]), np.array([1.5]), 0.1)

HUBER = Claim(
    "huber-bounded-influence",
    title=r"Huber targets move by at most $k\delta/(n-k)$ beyond the clean range, squared ones without limit",
    papers=("yang2023riql",),
    provenance="our formalisation",
    theorem="Huber's loss against heavy-tailed targets",
    statement=r"""
    Let $k < n - k$ of $n$ targets be replaced by anything and let the others lie in $[a, b]$.

    (interval) Every minimiser of Huber's loss with threshold $\delta$ lies in
    $[a - \frac{k\delta}{n-k},\ b + \frac{k\delta}{n-k}]$.

    (sharp) If all clean targets are $a$ and the others lie far above, it is $a + \frac{k\delta}{n-k}$; far below,
    $a - \frac{k\delta}{n-k}$.

    (mean) The mean moves by the sum of the corruption over $n$, without limit.
    """,
    assumptions=(
        Assumption(
            "A1",
            "a minority is corrupted, $k < n - k$",
            "a corrupted majority",
            lambda task: task.corrupted.size < task.clean.size,
            mostly_corrupted_task,
        ),
    ),
    instance_family=target_task,
    witnesses=(FAR, EVEN),
    instances=200,
)  # fmt: skip
interval = HUBER.part(
    "(interval)",
    r"all minimisers lie in $[a - \frac{k\delta}{n-k},\ b + \frac{k\delta}{n-k}]$",
    AtMost(least, largest),
    resolution=magnitude,
    reason="rounding at the size of the targets",
    cross_left=least_bisected,
    cross_right=largest_bisected,
    exact=(exact.below, exact.above),
)
sharp = HUBER.part(
    "(sharp)",
    r"$a \pm \frac{k\delta}{n-k}$ for equal clean targets and the others far off on one side",
    Equal(far_locations, far_formula),
    resolution=magnitude,
    reason="rounding at the size of the targets",
    exact=(exact.far_locations, exact.far_formula),
)
moved = HUBER.part(
    "(mean)",
    "the mean moves by the sum of the corruption over n",
    Equal(mean_moved, mean_formula),
    resolution=magnitude,
    reason="rounding at the size of the targets",
    exact=(exact.mean_moved, exact.mean_formula),
)


@HUBER.known(FAR)
def _(_: TargetTask) -> Any:
    ninth = "0.1111111111 0.1111111111 0.1111111111"
    found = [swept(far_target_task(size))[1] for size in (1.0, 10.0, 1e3, 1e6)]
    yield Known("location of nine zeros and 1", "0.1", found[0], 1e-16)
    yield Known("location of nine zeros and 10, 1e3, 1e6", ninth, found[1:], 1e-16)
    means = [float(np.asarray(mean_moved(far_target_task(size)).value)) for size in (10.0, 1e3, 1e6)]
    yield Known("mean of nine zeros and 10, 1e3, 1e6", "1 100 100000", means, 1e-10)


interval.control(
    "a corrupted majority",
    kind="assumption",
    drops="A1",
    instance=MAJORITY,
    specified="999999.3333333",
    measure=lambda o: o.left[1],
)
interval.control(
    "without the widening of the clean range",
    kind="mutation",
    instance=FAR,
    right=lambda task: Side([swept(task)[0], task.clean.max()], interval_rounding(task, swept(task))),
)
sharp.control(
    r"$k\delta/n$ in the place of $k\delta/(n-k)$",
    kind="constant",
    instance=FAR,
    right=lambda task: Side(
        task.clean[0]
        + task.threshold * task.corrupted.size / task.targets.size * np.array([1.0, 1.0, -1.0, -1.0]),
        1e-14,
    ),
)
moved.control(
    "divided by k in the place of n",
    kind="constant",
    instance=FAR,
    right=lambda task: Side(np.mean(task.corrupted - task.honest), 1e-14),
)


@HUBER.figure(
    "Location of nine zeros and one target M against M: the mean (dashed) follows it for ever, Huber's location with "
    "threshold 1 stops at 1/9 (dotted)."
)
def _(ax: Any) -> None:
    sizes = np.geomspace(0.1, 1e4, 200)
    ax.plot(sizes, [far_target_task(m).targets.mean() for m in sizes], "--", color="C1", label="mean")
    ax.plot(sizes, [swept(far_target_task(m))[0] for m in sizes], color="C0", label=r"Huber, $\delta = 1$")
    ax.axhline(1 / 9, color="0.3", linestyle=":", label=r"$k\delta/(n-k)$")
    ax.set(xscale="log", yscale="log", xlabel="corrupted target $M$", ylabel="estimate")
    ax.legend(fontsize="small")
