"""Mathematical alphabets as characters: browsers take bold, script and open letters only in this form."""

from __future__ import annotations

__all__ = ["letters"]

_GREEK = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡϴΣΤΥΦΧΨΩ∇αβγδεζηθικλμνξοπρςστυφχψω∂ϵϑϰϕϱϖ"

# First letters of A-Z, a-z, of the Greek block and of the digits in the block of mathematical letters.
_STARTS: dict[str, tuple[int, int, int | None, int | None]] = {
    "bold": (0x1D400, 0x1D41A, 0x1D6A8, 0x1D7CE),
    "italic": (0x1D434, 0x1D44E, 0x1D6E2, None),
    "bold-italic": (0x1D468, 0x1D482, 0x1D71C, None),
    "script": (0x1D49C, 0x1D4B6, None, None),
    "fraktur": (0x1D504, 0x1D51E, None, None),
    "double-struck": (0x1D538, 0x1D552, None, 0x1D7D8),
}

# Letters that had a place before that block was made.
_EARLIER = {
    "italic": {"h": "ℎ"},
    "script": dict(zip("BEFHILMRego", "ℬℰℱℋℐℒℳℛℯℊℴ", strict=True)),
    "fraktur": dict(zip("CHIRZ", "ℭℌℑℜℨ", strict=True)),
    "double-struck": dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)),
}


def letters(text: str, alphabet: str | None) -> str:
    """Replace letters and digits by those of a mathematical alphabet.

    Parameters
    ----------
    text : str
        The text; characters that the alphabet does not have stay.
    alphabet : {"bold", "italic", "bold-italic", "script", "fraktur", "double-struck", "normal"} or None
        Name of the alphabet as in ``mathvariant``; None and ``"normal"`` change nothing.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such alphabet.
    """
    if alphabet in {None, "normal"}:
        return text
    if alphabet not in _STARTS:
        raise ValueError(f"no alphabet {alphabet!r}: expected one of {', '.join(_STARTS)}")
    capital, small, greek, digit = _STARTS[alphabet]
    earlier = _EARLIER.get(alphabet, {})

    def letter(sign: str) -> str:
        if sign in earlier:
            return earlier[sign]
        if "A" <= sign <= "Z":
            return chr(capital + ord(sign) - ord("A"))
        if "a" <= sign <= "z":
            return chr(small + ord(sign) - ord("a"))
        if "0" <= sign <= "9" and digit is not None:
            return chr(digit + ord(sign) - ord("0"))
        if greek is not None and sign in _GREEK:
            return chr(greek + _GREEK.index(sign))
        return sign

    return "".join(map(letter, text))
