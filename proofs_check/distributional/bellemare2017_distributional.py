"""The distributional evaluation operator contracts Wasserstein distances (Bellemare, Dabney, Munos 2017).

The operator sends laws of returns to mixtures of their affine images.  An affine image with slope ``gamma`` scales
every Wasserstein distance by ``gamma``, and mixing with common weights increases none: so the largest distance over
states contracts, for every order.  Greedy control has no such property: see ``bellemare2017_greedy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side, draw_instance, rounding
from mdplab.divergences import total_variation
from mdplab.instances import Draw, two_state_reward_process
from mdplab.instances.laws import acyclic_reward_process, dirichlet_reward_process, random_law
from mdplab.laws import FiniteLaw, common_support
from mdplab.laws.finite_law import LEVEL_TOLERANCE
from mdplab.models import RewardProcess
from mdplab.operators.distributional import distributional_backup
from mdplab.wasserstein import wasserstein_with_error
from proofs_check.distributional import exact_laws as exact

Laws = Sequence[FiniteLaw]

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LawPair:
    """A reward process and two families of laws, one law a state.

    Attributes
    ----------
    process : RewardProcess
        Kernel, rewards on transitions and discount.
    laws, others : tuple of FiniteLaw, length S
        The families.
    """

    process: RewardProcess
    laws: tuple[FiniteLaw, ...]
    others: tuple[FiniteLaw, ...]


def law_pair(draw: Draw) -> LawPair:
    """2 to 4 states, rows Dirichlet(.1) or (1), normal rewards, discount in (.1, .99), laws of four normal atoms."""
    process = dirichlet_reward_process(draw)
    families = [tuple(random_law(draw, 4) for _ in range(process.n_states)) for _ in range(2)]
    return LawPair(process, families[0], families[1])


M2 = LawPair(
    two_state_reward_process(),
    (FiniteLaw.dirac(0.0), FiniteLaw.dirac(0.0)),
    (FiniteLaw.from_atoms([-1.0, 3.0], [0.5, 0.5]), FiniteLaw.dirac(2.0)),
)
LOOP = LawPair(RewardProcess([[1.0]], [[0.0]], 0.5), (FiniteLaw.dirac(0.0),), (FiniteLaw.dirac(1.0),))


# --- routes: quantiles, and distribution functions ------------------------------------------------------------------


def root_error(error: float, root: float) -> float:
    """Error of a root whose square errs by ``error``: that over the root, and at most its own root."""
    return min(error / max(root, 1e-300), float(np.sqrt(error)))


def quantile_distances(laws: Laws, others: Laws, order: float, *, relative: float = 0.0) -> Side:
    """Distance of each state by the merged quantile grid; atoms and masses are off by ``relative`` at most."""
    values, errors = [], []
    for p, q in zip(laws, others, strict=True):
        value, error = wasserstein_with_error(p, q, order)
        reach = float(np.abs(np.concatenate((p.atoms, q.atoms))).max())
        # masses off by m move w_1 by 4 m reach and w_2^2 by 16 m reach^2
        masses = {
            1: 4 * relative * reach,
            2: root_error(16 * relative * reach**2, value),
            np.inf: 0.0,
        }[order]
        values.append(value)
        errors.append(error + 2 * relative * reach + masses)
    return Side(np.array(values), np.array(errors))


def cdf_distance(p: FiniteLaw, q: FiniteLaw, order: float) -> float:
    """Distance from the distribution functions F and G, without a quantile.

    ``w_1`` is the integral of ``|F - G|``; ``w_2^2`` is twice the integral of ``(F(x) - G(y))^+ + (G(x) - F(y))^+``
    over ``x < y``; ``w_inf`` is the least shift d with ``F(x) <= G(x + d)`` and ``G(x) <= F(x + d)``.
    """
    if order == np.inf:
        shifts = np.unique(np.abs(np.subtract.outer(p.atoms, q.atoms)))
        slack = 1e-14 * (1 + shifts[-1])
        for shift in shifts:
            p_late = p.cumulative - q.cdf(p.atoms + shift + slack)
            q_late = q.cumulative - p.cdf(q.atoms + shift + slack)
            if max(p_late.max(), q_late.max()) <= LEVEL_TOLERANCE:
                return float(shift)
        return float(shifts[-1])
    grid = np.union1d(p.atoms, q.atoms)
    cells, f, g = np.diff(grid), p.cdf(grid)[:-1], q.cdf(grid)[:-1]
    if order == 1:
        return float(np.abs(f - g) @ cells)
    height = np.maximum(np.subtract.outer(f, g), 0) + np.maximum(np.subtract.outer(g, f), 0)
    area = np.triu(np.outer(cells, cells), 1) + np.diag(cells**2 / 2)
    return float(np.sqrt(2 * np.sum(area * height)))


def loop_backup(process: RewardProcess, laws: Laws) -> list[FiniteLaw]:
    """The evaluation operator, written as a loop over successors and atoms."""
    result = []
    for s in range(process.n_states):
        pieces = [
            (process.reward[s, t] + process.discount * atom, process.kernel[s, t] * mass)
            for t in range(process.n_states)
            for atom, mass in laws[t]
        ]
        result.append(FiniteLaw.from_atoms(*np.array(pieces).T))
    return result


def relative_error(process: RewardProcess) -> float:
    """Relative error of an atom ``r + gamma x`` and of a mass ``P m`` after one backup."""
    return float(rounding(1, 8)) + process.row_deviation


def largest(side: Side) -> Side:
    return Side(np.max(np.asarray(side.value)), np.max(np.asarray(side.error)))


def number(side: Side) -> float:
    return float(np.asarray(side.value))


def both_backed(case: LawPair) -> tuple[list[FiniteLaw], list[FiniteLaw]]:
    return distributional_backup(case.process, case.laws), distributional_backup(case.process, case.others)


def backed_distance(case: LawPair, order: float) -> Side:
    """Largest distance after the backup, by quantiles."""
    return largest(quantile_distances(*both_backed(case), order, relative=relative_error(case.process)))


def scaled_distance(case: LawPair, order: float, *, power: int = 1) -> Side:
    """Discount times the largest distance before the backup, by quantiles."""
    found, factor = largest(quantile_distances(case.laws, case.others, order)), case.process.discount**power
    return Side(factor * np.asarray(found.value), factor * np.asarray(found.error) + rounding(found.value, 4))


def backed_distance_by_cdf(case: LawPair, order: float) -> Side:
    """Largest distance after a backup by loops, by distribution functions."""
    backed = [loop_backup(case.process, laws) for laws in (case.laws, case.others)]
    value = max(cdf_distance(p, q, order) for p, q in zip(*backed, strict=True))
    return Side(value, cdf_error(case, value, order))


def scaled_distance_by_cdf(case: LawPair, order: float) -> Side:
    """Discount times the largest distance before the backup, by distribution functions."""
    value = max(cdf_distance(p, q, order) for p, q in zip(case.laws, case.others, strict=True))
    return Side(case.process.discount * value, cdf_error(case, value, order))


def cdf_error(case: LawPair, value: float, order: float) -> float:
    """Rounding of :func:`cdf_distance`: of integrals over the range of the atoms (order 2: of the square)."""
    reach = max(float(np.abs(law.atoms).max()) for law in (*case.laws, *case.others))
    reach += float(np.abs(case.process.reward).max())
    size = reach**2 if order == 2 else reach
    error = float(rounding(size, 100)) + 4 * float(case.process.row_deviation) * size
    return root_error(error, value) if order == 2 else error


# --- the fixed point of a process that ends -------------------------------------------------------------------------


def iterated_laws(case: LawPair, *, missing: int = 0) -> Side:
    """Atoms and masses of the laws after S backups of the law of 0, and after one more."""
    process = case.process
    laws = [FiniteLaw.dirac(0.0)] * process.n_states
    for _ in range(process.n_states - missing):
        laws = distributional_backup(process, laws)
    return flattened([*laws, *distributional_backup(process, laws)])


def path_laws(case: LawPair) -> Side:
    """Atoms and masses of the returns of all paths to the last state, twice."""
    process, last = case.process, case.process.n_states - 1

    def paths(state: int, mass: float, gain: float, factor: float) -> Iterator[tuple[float, float]]:
        if state == last:
            yield gain, mass
            return
        for t in np.flatnonzero(process.kernel[state]):
            reward = factor * process.reward[state, t]
            yield from paths(
                int(t), mass * process.kernel[state, t], gain + reward, factor * process.discount
            )

    laws = [FiniteLaw.from_atoms(*np.array(list(paths(s, 1.0, 0.0, 1.0))).T) for s in range(last + 1)]
    return flattened(laws * 2)


def flattened(laws: Laws) -> Side:
    value = np.concatenate([np.concatenate((law.atoms, law.masses)) for law in laws])
    return Side(value, rounding(max(1.0, float(np.abs(value).max())) * 4, 20))


def acyclic_pair(draw: Draw) -> LawPair:
    """2 to 4 states in a line, transitions to later ones; the laws are those of 0 (not used)."""
    process = acyclic_reward_process(draw)
    return LawPair(process, *[(FiniteLaw.dirac(0.0),) * process.n_states] * 2)


LINE = LawPair(
    RewardProcess(np.eye(4)[[1, 2, 3, 3]], [[1.0] * 4] * 3 + [[0.0] * 4], 0.5),
    *[(FiniteLaw.dirac(0.0),) * 4] * 2,
)


# --- the claim ------------------------------------------------------------------------------------------------------

CONTRACTION = Claim(
    "dist-bellman-wasserstein-contraction",
    title="The distributional evaluation operator contracts the largest Wasserstein distance with the discount",
    papers=("bellemare2017distributional", "bellemare2023book"),
    provenance="as in the paper",
    theorem="contraction of the policy-evaluation operator",
    statement=r"""
    For a Markov chain $P$ with rewards $R(s, s')$ on transitions and a discount $\gamma$ let
    $$(T\eta)(s) = \sum_{s'} P(s, s')\, \mathrm{law}\big(R(s, s') + \gamma X_{s'}\big), \qquad X_{s'} \sim \eta(s'),$$
    and $\bar w_p(\eta, \eta') = \sup_s w_p(\eta(s), \eta'(s))$. Then
    $\bar w_p(T\eta, T\eta') \le \gamma\, \bar w_p(\eta, \eta')$ for (a) $p = 1$, (b) $p = 2$, (c) $p = \infty$.
    (d) On an acyclic chain of $S$ states, the last one absorbing without reward, $S$ backups of the law of $0$ give
    the fixed point: the laws of the return over all paths.
    """,
    assumptions=(Assumption("A1", "finite $p$-th moments (here: finite support)", DEFINITIONAL),),
    instance_family=law_pair,
    witnesses=(M2, LOOP),
    instances=200,
)

order_parts = {}
for name, order, symbol in (("(a)", 1, "1"), ("(b)", 2, "2"), ("(c)", np.inf, r"\infty")):
    sides = {}
    for route in (backed_distance, scaled_distance, backed_distance_by_cdf, scaled_distance_by_cdf):
        sides[route.__name__] = partial(route, order=order)
    order_parts[order] = CONTRACTION.part(
        name,
        rf"$\bar w_{{{symbol}}}(T\eta, T\eta') \le \gamma\,\bar w_{{{symbol}}}(\eta, \eta')$",
        AtMost(sides["backed_distance"], sides["scaled_distance"]),
        resolution=1e-10,
        reason="rounding of atoms and masses; the slack of the statement is 1e-10",
        cross_left=sides["backed_distance_by_cdf"],
        cross_right=sides["scaled_distance_by_cdf"],
        specified_tightness="1.000",
        exact=(partial(exact.backed_distance, order=order), partial(exact.scaled_distance, order=order)),
    )
acyclic_part = CONTRACTION.part(
    "(d)",
    r"acyclic chain: $T^S\delta_0 = T^{S+1}\delta_0$ = laws of the returns of all paths",
    Equal(iterated_laws, path_laws),
    resolution=1e-11,
    reason="rounding of sums of at most four rewards and of products of four probabilities",
    family=acyclic_pair,
    witnesses=(LINE,),
    exact=(exact.iterated_laws, exact.path_laws),
)


@CONTRACTION.known(M2)
def _(case: LawPair) -> Iterator[Known]:
    backed = both_backed(case)
    for order, before, after in (
        (1, "2", "1 1"),
        (2, "2.23606797749979", "1.036822067666386 1.0606601717798212"),
        (np.inf, "3", "1.5 1.5"),
    ):
        found = largest(quantile_distances(case.laws, case.others, order))
        yield Known(f"distance of order {order}", before, found.value, float(np.max(found.error)))
        states = quantile_distances(*backed, order, relative=relative_error(case.process))
        yield Known(f"after the backup, order {order}", after, states.value, float(np.max(states.error)))


def variations(laws: Laws, others: Laws) -> float:
    pairs = [common_support([p, q])[1] for p, q in zip(laws, others, strict=True)]
    return max(float(total_variation(*masses)) for masses in pairs)


def backed_variation(case: LawPair) -> Side:
    """Largest total variation after the backup."""
    backed = both_backed(case)
    return Side(variations(*backed), rounding(1, 8))


def scaled_variation(case: LawPair) -> Side:
    """Discount times the largest total variation before the backup."""
    return Side(case.process.discount * variations(case.laws, case.others), rounding(1, 8))


order_parts[1].control(
    "total variation in the place of the Wasserstein distance",
    kind="mutation",
    instance=LOOP,
    left=backed_variation,
    right=scaled_variation,
    both="one distance is put in the place of another on both sides",
    specified="1 1",
    measure=lambda outcome: np.array([outcome.left, outcome.right / LOOP.process.discount]),
)
order_parts[2].control(
    "the squared discount in the place of the discount",
    kind="constant",
    instance=M2,
    right=partial(scaled_distance, order=2, power=2),
)
acyclic_part.control(
    "two backups fewer", kind="mutation", instance=LINE, left=partial(iterated_laws, missing=2)
)


@CONTRACTION.figure(
    "Ratio of the largest Wasserstein distances after and before a backup, divided by the discount, over 300 random "
    "processes. No ratio exceeds one; sparse rows (Dirichlet parameter .1) come close to it."
)
def _(ax: Any) -> None:
    cases = [draw_instance(CONTRACTION, order_parts[1], index) for index in range(300)]
    bins = np.linspace(0, 1, 26)
    for color, (order, label) in enumerate(((1, "1"), (2, "2"), (np.inf, r"\infty"))):
        ratios = [number(backed_distance(c, order)) / number(scaled_distance(c, order)) for c in cases]
        ax.hist(
            np.round(ratios, 9),
            bins,
            histtype="step",
            linewidth=1.6,
            color=f"C{color}",
            label=f"$p = {label}$",
        )
    ax.axvline(1.0, color="0.45", linestyle="--")
    ax.set(xlabel=r"$\bar w_p(T\eta,T\eta')\,/\,\gamma\,\bar w_p(\eta,\eta')$", ylabel="instances")
    ax.legend(loc="upper left")
