"""A gallery of conjectures: false ones that are believed, each refuted by the search itself, and true ones that are not.

Every conjecture is a function of an instance and an :class:`~quality.gallery.arithmetic.Arithmetic` that returns the two
sides of ``left <= right`` (or ``==``), stated for a general family.  ``make gallery`` searches each for a minute.
"""

from __future__ import annotations

from quality.gallery import control, estimation, games_and_bandits, laws, policies, soft
from quality.gallery.entry import Entry, size_of

GALLERY: dict[str, Entry] = {
    entry.name: entry
    for module in (control, policies, soft, laws, games_and_bandits, estimation)
    for entry in module.ENTRIES
}

__all__ = ["GALLERY", "Entry", "size_of"]
