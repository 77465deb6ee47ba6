"""The one door to python-flint, the extra ``exact``.

Balls are computed at flint's working precision, which is one number for the process.  Its default of 53 bits is that of
doubles, of no use here: loading this module raises it to 256 (:func:`mdplab.exact.precision` changes it for a block).
"""

from __future__ import annotations

try:
    from flint import arb, arb_mat, ctx, fmpq, fmpq_mat, fmpz
except ImportError as error:
    raise ImportError("mdplab.exact needs python-flint: install the extra, mdplab[exact]") from error

__all__ = ["BITS", "arb", "arb_mat", "ctx", "fmpq", "fmpq_mat", "fmpz"]

BITS = 256

ctx.prec = max(ctx.prec, BITS)
