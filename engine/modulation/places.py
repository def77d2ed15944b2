"""`SectionPlaces`: which prompt belongs to which section of the music."""

from __future__ import annotations

UNKNOWN = -1


class SectionPlaces:
    """Remembers where the walk stood in every section. Analysis thread only.

    A section never heard before goes on to the next prompt that no other section has, one that
    comes back returns to the prompt it had when it was left, whoever chose that one.
    """

    def __init__(self) -> None:
        self._section = UNKNOWN
        self._places: dict[int, int] = {}

    def forget(self) -> None:
        """Know nothing: another list of prompts, or the walk goes by the clock."""
        self._section = UNKNOWN
        self._places.clear()

    def step(self, section: int, here: int, count: int) -> int:
        """Take the section heard now (-1 while unknown), the scene walked to and their number.

        Returns the scene to walk to. Another piece of music, which begins unknown, is a new
        start.
        """
        if section == UNKNOWN:
            self.forget()
            return here
        if self._section == UNKNOWN:
            self._section = section
        if section == self._section:
            self._places[section] = here
            return here
        self._section = section
        if section not in self._places:
            self._places[section] = self._free(here, count)
        return self._places[section]

    def _free(self, here: int, count: int) -> int:
        taken = set(self._places.values())
        ahead = [(here + step) % count for step in range(1, count + 1)]
        return next((place for place in ahead if place not in taken), ahead[0])
