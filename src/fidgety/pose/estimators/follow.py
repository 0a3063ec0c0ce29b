"""Following one body, the infant, through a film in which there may be others.

The infant is the smallest whole body, and of equally small ones the lowest in the image. A body is
followed from frame to frame; when it is lost it is looked for again, and a body elsewhere or of
another size gets another number, so that `infant_frames` can keep one body and drop the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.estimators.crops import Square, alike, box_of, overlap
from fidgety.pose.estimators.landmarks import Reading
from fidgety.pose.estimators.protocol import Region, Sight
from fidgety.pose.skeleton import Skeleton

__all__ = ["MAIN_JOINTS", "Finder", "Follower", "Reader", "infant_frames", "infant_of"]

MIN_SCORE = 0.5  # below this a square shows no body
CLEAR = 0.5  # confidence from which a joint counts as seen
MOVE = 0.35  # farthest a body goes from one frame to the next, in sides of its square
GROWTH = 1.5  # largest change of its size from one frame to the next
STEADY = 0.5  # how far the square goes with each reading
SEARCH_S = (0.4, 3.0)  # film time between searches for a lost body: first, and after a while
REVIEW_S = 1.0  # film time between looks around for other people
FORGET_S = 2.0  # a body lost for longer is looked for everywhere, and may be another one
SMALLER = 0.7  # a body of less than this size is the infant, the other one a carer
COVERED = 0.6  # share of the joints seen lately that must still be seen
LATELY_S = 5.0
MOSTLY = 0.5  # share of a body's box within a region that means this body
ROOM = 1.25  # side of a square, in diameters of the body circle
MAIN_JOINTS = tuple(
    f"{side}_{part}"
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)

SAME_PLACE = 0.12  # sides of the body's square within which the detector means the same body
DOUBTS = 3  # reviews in a row in which the detector must fail to see the body, for it to be lost


class Reader(Protocol):
    """A model that reads the joints of the body in a square."""

    def read(self, image: NDArray[np.uint8], square: Square) -> Reading:
        """Joints, and how sure the model is that there is a body."""
        ...


class Finder(Protocol):
    """Where people are in an image; see `PeopleFinder`."""

    def glance(self, image: NDArray[np.uint8]) -> Sequence[Square]:
        """People large enough to be found at once."""
        ...

    def near(self, image: NDArray[np.uint8], square: Square) -> Sequence[Square]:
        """People where one has been."""
        ...

    def search(self, image: NDArray[np.uint8]) -> Sequence[Square]:
        """People of any size and orientation."""
        ...

    def confirms(self, image: NDArray[np.uint8], square: Square) -> bool:
        """Whether there is indeed a body in a square."""
        ...


@dataclass(frozen=True)
class _Body:
    reading: Reading
    whole: float  # share of the main joints seen inside the image
    box: NDArray[np.float64]  # (4,) of the joints seen

    @property
    def size(self) -> float:
        return self.reading.square.side / ROOM


class Follower:
    """Follows one body with a model that reads squares and a detector that finds them.

    Parameters
    ----------
    reader : Reader
    finder : Finder
    skeleton : Skeleton
        Of the readings.
    region : (x, y, width, height), optional
        Only a body whose centre, or half of whose joints' box, lies here is followed.
    """

    def __init__(
        self,
        reader: Reader,
        finder: Finder,
        skeleton: Skeleton,
        region: Region | None = None,
    ) -> None:
        self._reader, self._finder, self._region = reader, finder, region
        self._joints = len(skeleton)
        self._main = skeleton.rows(*MAIN_JOINTS)
        self._body: _Body | None = None
        self._last: _Body | None = None  # the body followed last, also while it is lost
        self._last_s = -np.inf
        self._subject = -1
        self._company: list[_Body] = []  # other people, as last seen
        self._people, self._doubts = 0, 0
        self._touched = False
        self._next_search, self._next_review, self._wait = -np.inf, -np.inf, SEARCH_S[0]
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> Sight:
        """Look at the next frame."""
        if self._body is not None:
            self._body = self._step(image, self._body)
            if self._body is None:
                self._next_search, self._wait = time_s, SEARCH_S[0]
        if self._body is None and time_s >= self._next_search:
            self._search(image, time_s)
        elif self._body is not None and time_s >= self._next_review:
            self._review(image, time_s)
        if self._body is None:
            return self._nobody()
        self._last, self._last_s = self._body, time_s
        reading = self._body.reading
        return Sight(
            xy=reading.xy,
            confidence=reading.confidence,
            subject=self._subject,
            size=self._body.size,
            people=1 + len(self._company),
            covered=self._touched or self._hidden(time_s),
        )

    def _step(self, image: NDArray[np.uint8], before: _Body) -> _Body | None:
        """The same body in the next frame, or None if it is lost."""
        body = self._body_at(image, before.reading.square)
        if body is None or not _continues(before, body, MOVE, GROWTH):
            return None
        steady = _between(before.reading.square, body.reading.square)
        body = replace(body, reading=replace(body.reading, square=steady))
        return body if self._in_region(body) else None

    def _search(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Look for the lost body near its place, or for any body when it was lost long ago."""
        lost = self._last if time_s - self._last_s <= FORGET_S else None
        squares = (
            self._finder.search(image)
            if lost is None
            else self._finder.near(image, lost.reading.square)
        )
        bodies = self._bodies(image, squares)
        if lost is not None:
            bodies = [body for body in bodies if _continues(lost, body, 2 * MOVE, GROWTH)]
        body = infant_of([one for one in bodies if self._in_region(one)])
        self._body, self._people = body, len(bodies)
        self._wait = min(2 * self._wait, SEARCH_S[1])
        self._next_search = time_s + self._wait
        if body is not None:
            if lost is None:
                self._subject += 1
                self._seen.clear()
                self._company = [other for other in bodies if other is not body]
            self._touched = self._is_touched(body, self._company)
            self._next_review, self._doubts = time_s + REVIEW_S, 0

    def _review(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Count the people, see who touches the body, and change to a smaller whole body."""
        assert self._body is not None
        self._next_review = time_s + REVIEW_S
        place = self._body.reading.square
        squares = self._finder.glance(image)
        elsewhere = [square for square in squares if not alike(square, place, SAME_PLACE)]
        sure = len(elsewhere) < len(squares) or self._finder.confirms(image, place)
        self._doubts = 0 if sure else self._doubts + 1
        if self._doubts >= DOUBTS:
            self._body, self._next_search = None, time_s
            return
        elsewhere += [other.reading.square for other in self._company]
        bodies = self._bodies(image, elsewhere)
        others = [other for other in bodies if not _same(self._body, other)]
        self._company, self._touched = others, self._is_touched(self._body, others)
        # Twins stay apart: only a clearly smaller body shows that a carer has been followed so far.
        limit = SMALLER * self._body.size
        infant = infant_of([one for one in others if one.size < limit and self._in_region(one)])
        if infant is not None and infant.whole >= self._body.whole:
            self._company = [self._body, *(other for other in others if other is not infant)]
            self._body, self._doubts = infant, 0
            self._subject += 1
            self._seen.clear()

    def _bodies(self, image: NDArray[np.uint8], squares: Sequence[Square]) -> list[_Body]:
        """Different bodies in some squares, confirmed by the detector."""
        found: list[_Body] = []
        for square in squares:
            body = self._body_at(image, square)
            body = body and self._body_at(image, body.reading.square)  # once more, well centred
            if body is None or any(_same(body, other) for other in found):
                continue
            if self._finder.confirms(image, body.reading.square):
                found.append(body)
        return found

    def _body_at(self, image: NDArray[np.uint8], square: Square) -> _Body | None:
        if not 8 <= square.side <= 8 * max(image.shape):
            return None
        reading = self._reader.read(image, square)
        if not reading.score >= MIN_SCORE:
            return None
        height, width = image.shape[:2]
        inside = ((reading.xy >= 0) & (reading.xy < (width, height))).all(axis=1)
        seen = inside & (reading.confidence >= CLEAR)
        if not seen.any():
            return None
        return _Body(reading, float(seen[self._main].mean()), box_of(reading.xy[seen]))

    def _in_region(self, body: _Body) -> bool:
        if self._region is None:
            return True
        left, top, width, height = self._region
        square = body.reading.square
        if left <= square.x <= left + width and top <= square.y <= top + height:
            return True
        # A region drawn around the upper body, or with the legs left out, means that body too.
        low = np.maximum(body.box[:2], (left, top))
        high = np.minimum(body.box[2:], (left + width, top + height))
        common = np.prod(np.maximum(high - low, 0.0))
        return bool(common >= MOSTLY * np.prod(body.box[2:] - body.box[:2]))

    def _is_touched(self, body: _Body, others: Sequence[_Body]) -> bool:
        """Whether another body overlaps this one."""
        return any(overlap(body.box, other.box) > 0.1 for other in others)

    def _hidden(self, time_s: float) -> bool:
        """Whether clearly fewer main joints are seen than lately."""
        assert self._body is not None
        now = int((self._body.reading.confidence[self._main] >= CLEAR).sum())
        self._seen.append((time_s, now))
        while self._seen[0][0] < time_s - LATELY_S:
            self._seen.popleft()
        usual = float(np.median([count for _, count in self._seen]))
        return now < COVERED * usual

    def _nobody(self) -> Sight:
        return Sight(
            xy=np.full((self._joints, 2), np.nan),
            confidence=np.zeros(self._joints),
            subject=-1,
            size=np.nan,
            people=self._people,
            covered=False,
        )


def infant_of(bodies: Sequence[_Body]) -> _Body | None:
    """The smallest whole body; of equally small ones the lowest in the image."""
    if not bodies:
        return None
    most = max(body.whole for body in bodies)
    whole = [body for body in bodies if body.whole >= 0.75 * most]
    least = min(body.size for body in whole)
    small = [body for body in whole if body.size <= least / SMALLER]
    return max(small, key=lambda body: body.reading.square.y)


def infant_frames(
    subject: NDArray[np.int_], size: NDArray[np.float64], place: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which frames show the infant, when several bodies were followed one after the other.

    Parameters
    ----------
    subject : ndarray (T,)
        Number of the body followed; -1 for nobody.
    size : ndarray (T,)
        Its size in pixels.
    place : ndarray (T, 2)
        Its hip centre in pixels.

    Returns
    -------
    ndarray (T,), bool
        Frames of the smallest body seen for a fifth as long as the one seen longest, and of bodies
        of its size in its place: the same one, found again.
    """
    numbers, counts = np.unique(subject[subject >= 0], return_counts=True)
    if not len(numbers):
        return np.zeros(len(subject), dtype=bool)
    sizes = np.array([np.median(size[subject == number]) for number in numbers])
    places = np.array([np.median(place[subject == number], axis=0) for number in numbers])
    lasting = counts >= counts.max() / 5
    candidates = lasting & (sizes <= sizes[lasting].min() / SMALLER)
    chosen = np.flatnonzero(candidates)[np.argmax(counts[candidates])]
    alike = np.abs(np.log(sizes / sizes[chosen])) < np.log(GROWTH)
    near = np.hypot(*(places - places[chosen]).T) < sizes[chosen]
    return np.isin(subject, numbers[alike & near])


def _between(old: Square, new: Square) -> Square:
    """The old square moved part of the way, as following each error makes joints tremble."""
    turn = (new.angle - old.angle + np.pi) % (2 * np.pi) - np.pi
    return Square(
        x=old.x + STEADY * (new.x - old.x),
        y=old.y + STEADY * (new.y - old.y),
        side=old.side + STEADY * (new.side - old.side),
        angle=old.angle + STEADY * turn,
    )


def _continues(before: _Body, after: _Body, move: float, growth: float) -> bool:
    """Whether two bodies can be one, a moment apart."""
    a, b = before.reading.square, after.reading.square
    near = np.hypot(b.x - a.x, b.y - a.y) <= move * a.side
    return bool(near and 1 / growth <= b.side / a.side <= growth)


def _same(a: _Body, b: _Body) -> bool:
    """Whether two readings of one image show one person: their joints lie in the same places."""
    seen = (a.reading.confidence >= CLEAR) | (b.reading.confidence >= CLEAR)
    apart = np.hypot(*(a.reading.xy - b.reading.xy)[seen].T)
    return bool(np.median(apart) < 0.2 * max(a.size, b.size))
