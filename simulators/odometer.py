"""An odometer in the place of chance: runs one small world once for every way in which up to so many faults can fall.

Whoever asks for a choice names how many there are; the first of them is "no fault". After each run the last wheel that
can still turn is turned by one, and all behind it start again, until every wheel has been everywhere. Nothing has to
be known in advance about how many choices a run has, or what a fault leads to: a run asks as it goes.
"""


class Odometer:
    """Hands out choices, and after each run advances to the next combination with at most `faults_max` faults."""

    def __init__(self, faults_max: int, places: tuple[int, ...] = ()) -> None:
        """Begin with the run that has no fault, or repeat the one whose `places` are given."""
        self._faults_left = faults_max - sum(place > 0 for place in places)
        self._wheels = [(place, place) for place in places]  # for each choice: where its wheel stands, its last place
        self._at = 0

    def choose(self, faults: int) -> int:
        """0 for "no fault", or one of the `faults` kinds of fault that are possible here, from 1."""
        if self._at == len(self._wheels):
            if not self._faults_left:
                return 0
            self._wheels.append((0, faults))
        self._at += 1
        return self._wheels[self._at - 1][0]

    @property
    def places(self) -> tuple[int, ...]:
        """Where the wheels stand: the name of this run."""
        return tuple(place for place, _ in self._wheels)

    def advance(self) -> bool:
        """Go on to the next run; False when every one has been."""
        self._at = 0
        while self._wheels:
            place, last = self._wheels.pop()
            if place < last:
                self._wheels.append((place + 1, last))
                self._faults_left -= place == 0
                return True
            self._faults_left += place > 0
        return False
