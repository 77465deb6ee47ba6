r"""Exact numbers in NumPy arrays: rationals, balls, and how floats are read as either.

An exact array is a NumPy array of dtype ``object`` whose entries are ``flint.fmpq`` (rationals) or ``flint.arb`` (*balls*:
a midpoint and a radius, which surely contain the number meant).  ``+ - * / @ sum`` work on both, and on both together;
shapes and index order are those of the functions on floats.  ``None`` stands for minus infinity among rationals, as the
action value of a pair that is not available.

*Reading floats.*  A float is read as the simplest rational that rounds to it (smallest denominator, by the Stern-Brocot
tree): ``.1`` is 1/10, ``1 / 3`` is 1/3.  A quotient of two integers below :math:`2^{26}`, hence a decimal of up to seven
digits, comes back as what was meant: two such numbers differ by more than :math:`2^{-52}` of their size, too much for one
double, and the simplest rational of an interval has the smallest numerator as well.  Longer decimals and results of rounded
arithmetic (``.1 + .2``) are read as whatever is simplest there: pass the inputs, or fractions, and compute exactly.
:func:`dyadic` reads the stored value instead, :math:`m2^e`.

*Traps.*  A rational meets a float with a ``TypeError``, but a ball accepts one at its stored value: write ``ball(.1)`` or
``rational(.1)``, never ``.1 * x``.  ``fmpq(1, 3) == Fraction(1, 3)`` is False: read the fraction first.  ``x ** 2`` is NaN
for a ball around 0; write ``x * x``.  ``max``, ``sort`` and ``argmax`` of balls compare where nothing is sure; take
:func:`mdplab.exact.highest`.

References
----------
.. [1] R. L. Graham, D. E. Knuth and O. Patashnik, *Concrete Mathematics*, 1994, section 4.5 (Stern-Brocot tree).
.. [2] F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Transactions on
   Computers 66, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from numbers import Rational, Real
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.exact._flint import BITS, arb, ctx, fmpq, fmpz
from mdplab.models._validate import COMPUTED_ROWS, first, place

__all__ = ["ball", "dyadic", "floats", "fractions", "has_balls", "laws", "precision", "rational"]


@contextmanager
def precision(bits: int = BITS) -> Iterator[None]:
    """Working precision of balls inside a ``with`` block, plain NumPy expressions included.

    Parameters
    ----------
    bits : int, default 256
        At least 2; 256 bits are 77 digits.

    Yields
    ------
    None
    """
    if bits < 2:
        raise ValueError(f"bits is {bits}, expected an integer of at least 2")
    with ctx.workprec(bits):
        yield


def _simplest_between(a: int, b: int, c: int, d: int) -> tuple[int, int]:
    """Numerator and denominator of the simplest number strictly between ``a / b`` and ``c / d`` (``d = 0``: infinity)."""
    whole = a // b
    if (whole + 1) * d < c:
        return whole + 1, 1
    p, q = _simplest_between(d, c - whole * d, b, a - whole * b)
    return whole * p + q, p


def _simplest(x: float) -> fmpq:
    """The simplest rational among those closer to ``x`` than to any other float; an integer is itself."""
    if x.is_integer():
        return fmpq(int(x))
    digits = 1 - math.frexp(math.ulp(x))[1]  # the spacing of floats at x is 2**-digits, digits > 0
    count = int(math.ldexp(abs(x), digits))
    # Half a spacing on each side; below a power of two the floats are twice as close.
    below = 4 * count - (1 if count == 1 << 52 else 2)
    p, q = _simplest_between(below, 4 << digits, 4 * count + 2, 4 << digits)
    return fmpq(p if x > 0 else -p, q)


def _stored(x: float) -> fmpq:
    return fmpq(*x.as_integer_ratio())


def _read(x: Any, of_float: Callable[[float], fmpq]) -> Any:
    """One number as a rational, or the ball that it is."""
    if isinstance(x, fmpq | arb) or x is None:
        return x
    if isinstance(x, fmpz):
        return fmpq(x)
    if isinstance(x, Rational):
        return fmpq(int(x.numerator), int(x.denominator))
    if isinstance(x, Real) and math.isfinite(x):
        return of_float(float(x))
    raise ValueError(f"{x!r} is no finite number")


def entries(x: Any) -> Array:
    """``x`` as an object array of Python, NumPy or flint numbers."""
    array = np.asarray(x)
    if array.dtype == object:
        return array
    result = np.empty(array.shape, dtype=object)
    result[...] = np.array(array.tolist(), dtype=object)
    return result


def each(function: Callable[[Any], Any], x: Any, name: str = "x") -> Any:
    """``function`` of every entry, an object array or a single result; a ValueError says the place."""
    array = entries(x)
    found: list[Any] = []
    try:
        for entry in array.flat:
            found.append(function(entry))
    except ValueError as error:
        at = np.unravel_index(len(found), array.shape)
        raise ValueError(f"{place(name, at)}: {error}") from None
    result = np.empty(array.size, dtype=object)
    result[:] = found
    return result.reshape(array.shape)[()]


def rational(x: Any) -> Any:
    """Numbers as rationals; a float is the simplest rational that rounds to it.

    Parameters
    ----------
    x : array_like
        Integers, fractions, rationals, finite floats; balls and None stay as they are.

    Returns
    -------
    object array of fmpq, or fmpq
        Of the shape of ``x``; ``floats`` gives the floats back bit by bit.

    Raises
    ------
    ValueError
        If an entry is not a finite number; the message says where.
    """
    return each(lambda entry: _read(entry, _simplest), x)


def dyadic(x: Any) -> Any:
    """Numbers as rationals; a float is the value that it stores, ``m * 2**e``.

    Parameters
    ----------
    x : array_like
        As for :func:`rational`.

    Returns
    -------
    object array of fmpq, or fmpq
        Of the shape of ``x``.
    """
    return each(lambda entry: _read(entry, _stored), x)


def laws(x: Any, *, stored: bool = False) -> Any:
    """Rows of probabilities that sum to exactly one.

    A row is read by :func:`rational` if that sums to one.  Otherwise, if it holds floats, its stored values are divided by
    their exact sum, which moves no entry by more than the float row was off (the certificates of the solvers allow for it).

    Parameters
    ----------
    x : array_like (..., n)
        Rows along the last axis; floats may miss the sum one by 1e-9, rationals not at all, and balls must admit it.
    stored : bool, default False
        Always divide the stored values: the law that the certificates of float solvers speak of.

    Returns
    -------
    object array (..., n)
        Non-negative.

    Raises
    ------
    ValueError
        If an entry is negative or a row is no law; the message says where.
    """
    array = entries(getattr(x, "probability", x))
    if array.ndim == 0:
        raise ValueError("x is a single number, expected rows of probabilities")
    result = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape[:-1]):
        result[index] = _law(array[index], place("row", index), stored)
    return result


def _law(row: Array, name: str, stored: bool) -> Array:
    simple: Array = np.atleast_1d(dyadic(row) if stored else rational(row))
    negative = np.array([p is None or p < 0 for p in simple])
    if negative.any():
        raise ValueError(f"{place(name, first(negative))} is {row[first(negative)]}, expected a probability")
    total = simple.sum()
    if total == 1 or (isinstance(total, arb) and total.overlaps(arb(1))):
        return simple
    if not any(isinstance(p, float | np.floating) for p in row) or abs(total - 1) > _stored(COMPUTED_ROWS):
        raise ValueError(f"{name} sums to {total}, expected 1")
    values: Array = np.atleast_1d(dyadic(row))
    scaled: Array = values / values.sum()
    return scaled


def _ball(x: Any) -> arb:
    if isinstance(x, arb):
        return x
    if x is None or (isinstance(x, Real) and x == -math.inf):
        return arb("-inf")
    return arb(_read(x, _simplest))


def ball(x: Any) -> Any:
    """Numbers as balls of the working precision, floats read as by :func:`rational`.

    Parameters
    ----------
    x : array_like
        As for :func:`rational`; ``-inf`` and None give the ball of minus infinity.

    Returns
    -------
    object array of arb, or arb
        Of the shape of ``x``, each the enclosure of a rational.  ``ball(dyadic(x))`` encloses stored values.

    Raises
    ------
    ValueError
        If an entry is NaN, ``+inf`` or no number.
    """
    return each(_ball, x)


def middle(x: Any) -> Array:
    """Midpoints of balls, as balls without radius; nothing is claimed about what they approximate."""
    return entries(each(lambda entry: entry.mid(), ball(x)))


def has_balls(x: Any) -> bool:
    """Whether an entry is a ball.

    Parameters
    ----------
    x : array_like
        Exact numbers.

    Returns
    -------
    bool
    """
    return any(isinstance(entry, arb) for entry in entries(x).flat)


def fractions(x: Any) -> Any:
    """Rationals as Python fractions.

    Parameters
    ----------
    x : array_like of fmpq
        Rationals, or what :func:`rational` reads.

    Returns
    -------
    object array of Fraction, or Fraction
        Of the shape of ``x``.

    Raises
    ------
    ValueError
        If an entry is a ball or None.
    """
    return each(_fraction, x)


def _fraction(x: Any) -> Fraction:
    value = _read(x, _simplest)
    if not isinstance(value, fmpq):
        raise ValueError(f"{value} is no rational")
    return Fraction(int(value.p), int(value.q))


def above(x: fmpq | arb) -> float:
    """The smallest float that is surely at least a non-negative number (up to one unit in the last place); inf at worst."""
    try:
        result = float(x)
    except OverflowError:
        return math.inf
    while math.isfinite(result) and not _stored(result) >= x:
        result = math.nextafter(result, math.inf)
    return math.inf if math.isnan(result) else result


def _float(x: Any) -> tuple[float, float]:
    """The float nearest to a number or to a ball's midpoint, and a bound on the error."""
    value = _ball(x) if x is None else _read(x, _simplest)
    if isinstance(value, fmpq):
        p, q = int(value.p), int(value.q)
        nearest = p / q  # rounds correctly at any size
        return nearest, above(abs(value - _stored(nearest)))
    nearest = float(value.mid())
    if math.isinf(nearest) and not value.is_finite() and not value.is_nan():
        return nearest, 0.0  # minus or plus infinity itself
    if not math.isfinite(nearest):
        return nearest, math.inf
    return nearest, above((value - arb(nearest)).abs_upper())


def floats(x: Any) -> tuple[FloatArray, FloatArray]:
    """Exact numbers as floats, with a proven bound on the error of each.

    Parameters
    ----------
    x : array_like
        Rationals, balls, None (minus infinity).

    Returns
    -------
    value, error : ndarray
        Of the shape of ``x``: ``abs(value - x) <= error``, the radius of a ball included; the value of a rational is
        rounded correctly.  A ball without finite radius has the error inf.

    Raises
    ------
    OverflowError
        If a rational is beyond the floats.
    """
    pairs = np.array([_float(entry) for entry in entries(x).flat], dtype=np.float64).reshape(-1, 2)
    shape = entries(x).shape
    return pairs[:, 0].reshape(shape), pairs[:, 1].reshape(shape)
