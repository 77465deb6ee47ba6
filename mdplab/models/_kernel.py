"""Kernels of tabular models, dense and CSR: checks at the boundary, and what differs between the two forms.

A CSR matrix is made canonical and read-only, without a copy where the input allows it.  Its parts are checked before
SciPy's compiled code reads through them, because those loops trust the index arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._base import lock_sparse
from mdplab.names import UNNAMED, Names

if TYPE_CHECKING:
    import pandas as pd

    from mdplab.models.tabular import MDP

PAIR = ("state", "action")
STAGED = ("stage", *PAIR)


def read_kernel(name: str, transition: Any) -> tuple[Any, int, int]:
    """A dense ``(S, A, S)`` or canonical CSR ``(S*A, S)`` kernel, with S and A; entries are not checked."""
    if hasattr(transition, "tocsr"):
        return csr_kernel(name, transition)
    if isinstance(transition, (list, tuple)) and any(hasattr(part, "tocsr") for part in transition):
        raise ValueError(
            f"{name} is a list of sparse matrices, expected one sparse matrix of shape (S*A, S) whose row s*A + a "
            "is the law after state s and action a; from A matrices (S, S) in CSR form: "
            "scipy.sparse.vstack([m[[s]] for s in range(S) for m in matrices])"
        )
    kernel = v.real(name, transition, ("S", "A", "S"))
    return kernel, kernel.shape[0], kernel.shape[1]


def csr_kernel(name: str, matrix: Any) -> tuple[Any, int, int]:
    """A canonical read-only ``csr_array`` of shape ``(S*A, S)``, with S and A; entries are not checked."""
    from scipy.sparse import csr_array

    csr = matrix if getattr(matrix, "format", None) == "csr" else matrix.tocsr()
    shape = tuple(int(n) for n in csr.shape)
    if len(shape) != 2 or 0 in shape or shape[0] % shape[1]:
        raise ValueError(f"{name} is sparse with shape {shape}, expected (S*A, S) with row s*A + a")
    data, indices, indptr = _parts(name, csr, shape)
    if max(data.shape[0], *shape) < 2**31:
        indices, indptr = indices.astype(np.int32, copy=False), indptr.astype(np.int32, copy=False)
    result = csr_array((v.lock(data), v.lock(indices), v.lock(indptr)), shape=shape, copy=False)
    if not result.has_canonical_format:
        result = csr_array((data.copy(), indices.copy(), indptr.copy()), shape=shape, copy=False)
        result.sum_duplicates()
    if result.data.flags.writeable or result.indices.flags.writeable or result.indptr.flags.writeable:
        lock_sparse(result)
    return result, shape[1], shape[0] // shape[1]


def _parts(name: str, csr: Any, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """The three arrays of a CSR matrix after a check of everything that an index can break."""
    data, indices, indptr = (
        v.unmasked(f"{name}.{part}", getattr(csr, part)) for part in ("data", "indices", "indptr")
    )
    for part, array in (("indices", indices), ("indptr", indptr)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ValueError(
                f"{name}.{part} has dtype {array.dtype} and {array.ndim} axes, expected one axis of integers"
            )
    if data.ndim != 1 or data.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}.data has dtype {data.dtype} and {data.ndim} axes, expected one axis of real numbers"
        )
    if indptr.shape[0] != shape[0] + 1:
        raise ValueError(f"{name}.indptr has length {indptr.shape[0]}, expected S*A + 1 = {shape[0] + 1}")
    if indptr[0] != 0:
        raise ValueError(f"{name}.indptr[0] is {int(indptr[0])}, expected 0")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        i = int(np.argmax(falls))
        raise ValueError(
            f"{name}.indptr decreases from {int(indptr[i])} to {int(indptr[i + 1])} after row {i}"
        )
    stored = int(indptr[-1])
    if stored > data.shape[0] or stored > indices.shape[0]:
        raise ValueError(
            f"{name}.indptr ends at {stored}, but data and indices have lengths {data.shape[0]} and {indices.shape[0]}"
        )
    data, indices = data[:stored], indices[:stored]
    if stored and (indices.min() < 0 or indices.max() >= shape[1]):
        k = v.first((indices < 0) | (indices >= shape[1]))[0]
        raise ValueError(
            f"{name}.indices[{k}] is {int(indices[k])}, expected a state from 0 to {shape[1] - 1}"
        )
    return (
        np.asarray(data, dtype=np.float64, order="C"),
        np.ascontiguousarray(indices),
        np.ascontiguousarray(indptr),
    )


def expand(csr: Any) -> IntArray:
    """Row number of every stored entry."""
    return np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr))


def ones_and_others(kernel: Any, shape: tuple[int, ...]) -> tuple[IntArray, IntArray]:
    """Numbers of entries that are one, and of entries neither one nor zero, in each row, of shape ``(S, A)``."""
    if isinstance(kernel, np.ndarray):
        ones: IntArray = np.count_nonzero(kernel == 1.0, axis=2)
        return ones, np.count_nonzero(kernel, axis=2) - ones
    rows, data = expand(kernel), kernel.data
    ones = np.bincount(rows[data == 1.0], minlength=kernel.shape[0])
    others = np.bincount(rows[(data != 0.0) & (data != 1.0)], minlength=kernel.shape[0])
    return ones.reshape(shape), others.reshape(shape)


def entries(kernel: Any) -> tuple[IntArray, IntArray, FloatArray]:
    """Pair number, successor and probability of the non-zero entries, in order of the rows."""
    if isinstance(kernel, np.ndarray):
        flat = kernel.reshape(-1, kernel.shape[-1])
        pair, successor = np.nonzero(flat)
        return pair, successor, flat[pair, successor]
    keep = kernel.data != 0.0
    return expand(kernel)[keep], kernel.indices[keep].astype(np.int64), kernel.data[keep]


def action_mask(
    available: ArrayLike | None,
    n_states: int,
    n_actions: int,
    names: Names = UNNAMED,
    *,
    staged: bool = False,
) -> BoolArray | None:
    """The mask ``(S, A)``, if ``staged`` also ``(H, S, A)``, with at least one action in each state."""
    if available is None:
        return None
    shapes: list[v.Shape] = [(n_states, n_actions)]
    if staged:
        shapes.append(("H", n_states, n_actions))
    mask = v.boolean("available", available, *shapes)
    some = np.asarray(mask.any(axis=-1))
    if not some.all():
        index = v.first(~some)
        where = names.place(STAGED[3 - mask.ndim : 2], index)
        raise ValueError(
            f"{v.place('available', index)} is False throughout: {where} has no available action"
        )
    return mask


def check_csr(
    kernel: Any, n_actions: int, free: BoolArray | None, names: Names = UNNAMED, source: Any = None
) -> float:
    """Check the entries and row sums of a canonical CSR kernel, given as ``source``; the row deviation."""
    n_states = kernel.shape[1]
    data = kernel.data
    if data.size and not data.min() >= 0.0:
        k = int(np.argmin(data >= 0.0))
        i = int(np.searchsorted(kernel.indptr, k, side="right")) - 1
        index = (i // n_actions, i % n_actions, kernel.indices[k])
        v.bad_probability("transition", data[k : k + 1], index, PAIR, names)
    with np.errstate(over="ignore"):
        sums = (kernel @ np.ones(n_states)).reshape(n_states, n_actions)
    longest = max(1, int(np.diff(kernel.indptr).max()))
    return v.check_sums("transition", sums, n_states, longest, PAIR, free, source=source, names=names)


def finite_reward(
    array: FloatArray, axes: tuple[str, ...], available: BoolArray | None, names: Names
) -> FloatArray:
    """Rewards, read-only, all finite; ``axes`` are the first ones of ``array``, and those of ``available``."""
    if not np.isfinite(array).all():
        index = v.first(~np.isfinite(array))
        pair = index[: len(axes)]
        masked = available is not None and not available[pair]
        hint = " also where the pair is unavailable: write 0, the mask alone excludes it" if masked else ""
        found = float(array[index])
        place = v.place("reward", index) + names.note(axes, pair)
        raise ValueError(f"{place} is {found}, expected a finite number{hint}")
    return v.lock(array)


def expected_reward(
    kernel: Any,
    reward: ArrayLike,
    n_states: int,
    n_actions: int,
    available: BoolArray | None = None,
    names: Names = UNNAMED,
) -> FloatArray:
    """Rewards ``(S, A)``; those on transitions are averaged under the kernel."""
    array = v.real("reward", reward, (n_states, n_actions), (n_states, n_actions, n_states))
    array = finite_reward(array, PAIR, available, names)
    if array.ndim == 2:
        return array
    if isinstance(kernel, np.ndarray):
        return v.lock(np.einsum("sat,sat->sa", kernel, array))
    rows = expand(kernel)
    chosen = array.reshape(-1, n_states)[rows, kernel.indices] * kernel.data
    return v.lock(
        np.bincount(rows, weights=chosen, minlength=n_states * n_actions).reshape(n_states, n_actions)
    )


def expectation(kernel: Any, values: ArrayLike, shape: tuple[int, ...]) -> Array:
    """``sum_t P[s, a, t] values[t]``, of shape ``(S, A, ...)``, for a dense or CSR kernel with ``shape = (S, A)``."""
    x = v.unmasked("values", values)
    n_states = shape[0]
    if x.ndim == 0 or x.shape[0] != n_states:
        raise ValueError(f"values has shape {x.shape}, expected (S, ...) with S = {n_states}")
    if np.iscomplexobj(x):  # two real products: a complex one would copy the kernel as complex
        result: Array = np.empty((*shape, *x.shape[1:]), dtype=np.complex128)
        result.real, result.imag = expectation(kernel, x.real, shape), expectation(kernel, x.imag, shape)
        return result
    flat = kernel.reshape(-1, n_states) if isinstance(kernel, np.ndarray) else kernel
    product: Array = np.asarray(flat @ (x if x.ndim <= 2 else x.reshape(n_states, -1)))
    return product.reshape(*shape, *x.shape[1:])


def successor_kernel(successor: ArrayLike, available: ArrayLike | None, sparse: bool) -> Any:
    """Kernel of ones at the successors; -1 is a zero row of an unavailable pair."""
    table = v.unmasked("successor", successor)
    n_states = table.shape[0] if table.ndim else 0
    table = v.integers("successor", table, 0 if available is None else -1, n_states - 1, ("S", "A"))
    mask = action_mask(available, *table.shape)
    goes = table >= 0
    if mask is not None and (mask & ~goes).any():
        raise ValueError(f"{v.place('successor', v.first(mask & ~goes))} is -1, but the pair is available")
    if sparse:
        from scipy.sparse import csr_array

        indptr = np.concatenate(([0], np.cumsum(goes)))
        return csr_array((np.ones(indptr[-1]), table[goes], indptr), shape=(table.size, n_states))
    kernel = np.zeros((*table.shape, n_states))
    s, a = np.nonzero(goes)
    kernel[s, a, table[goes]] = 1.0
    return kernel


def transition_frame(mdp: MDP) -> pd.DataFrame:
    """Long table of the transitions of positive probability from available pairs."""
    import pandas as pd

    pair, successor, probability = entries(mdp.transition)
    if mdp.available is not None:
        keep = mdp.available.ravel()[pair]
        pair, successor, probability = pair[keep], successor[keep], probability[keep]

    return pd.DataFrame(
        {
            "state": mdp.names.of("state", pair // mdp.n_actions),
            "action": mdp.names.of("action", pair % mdp.n_actions),
            "next_state": mdp.names.of("state", successor),
            "probability": probability,
            "reward": mdp.reward.ravel()[pair],
        }
    )
