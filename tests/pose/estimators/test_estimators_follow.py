from dataclasses import replace

import numpy as np
import pytest
from bodies import IMAGE, SKELETON, Body, World, moved
from hypothesis import given
from hypothesis import strategies as st

from fidgety.pose.estimators.follow import Follower, infant_frames

INFANT = Body(250, 330, 150)
CARER = Body(480, 200, 380)


def watch(scenes, fps=25.0, region=None, world=None):
    """Sights of a film whose frames show the bodies of `scenes`, one list a frame."""
    world = world or World()
    follower = Follower(world, world, SKELETON, region)
    sights = []
    for row, bodies in enumerate(scenes):
        world.bodies = bodies
        sights.append(follower(IMAGE, row / fps))
    return sights


def centre(sight):
    return sight.xy[SKELETON.rows("left_hip", "right_hip")].mean(axis=0)


def test_one_body_is_followed_with_one_number():
    scenes = [[moved(INFANT, 2 * np.sin(k / 5), 2 * np.cos(k / 7))] for k in range(60)]
    sights = watch(scenes)
    assert {s.subject for s in sights} == {0}
    assert {s.people for s in sights} == {1}
    assert not any(s.covered for s in sights)
    for sight, (body,) in zip(sights, scenes, strict=True):
        np.testing.assert_allclose(sight.xy, body.joints())


@pytest.mark.parametrize("order", [1, -1])
def test_the_smallest_whole_body_is_the_infant(order):
    sights = watch([[INFANT, CARER][::order]] * 5)
    np.testing.assert_allclose(centre(sights[-1]), (INFANT.x, INFANT.y))
    assert sights[-1].people == 2


def test_a_small_part_of_a_person_is_not_the_infant():
    part = Body(500, 100, 100, seen=0.4)
    sights = watch([[part, INFANT]] * 5)
    np.testing.assert_allclose(centre(sights[-1]), (INFANT.x, INFANT.y))


def test_of_equal_bodies_the_lowest_is_followed_and_stays():
    upper, lower = Body(200, 120, 150), Body(400, 330, 150)
    sights = watch([[upper, lower]] * 5 + [[moved(upper, 0, 100), lower]] * 60)
    assert {s.subject for s in sights} == {0}
    np.testing.assert_allclose(centre(sights[-1]), (400, 330))


def test_the_region_chooses():
    sights = watch([[INFANT, CARER]] * 3, region=(400, 100, 160, 200))
    np.testing.assert_allclose(centre(sights[-1]), (CARER.x, CARER.y))
    nobody = watch([[INFANT]] * 3, region=(400, 100, 160, 200))
    assert all(s.subject == -1 and np.isnan(s.xy).all() for s in nobody)


@pytest.mark.parametrize("region", [(150, 240, 200, 89), (150, 250, 200, 79), (100, 200, 400, 129)])
def test_a_region_around_the_upper_body_means_the_body(region):
    """The hips, at y = 330, lie below it."""
    sights = watch([[INFANT, CARER]] * 3, region=region)
    np.testing.assert_allclose(centre(sights[-1]), (INFANT.x, INFANT.y))


def test_a_region_beside_a_body_means_none():
    nobody = watch([[INFANT]] * 3, region=(150, 200, 200, 90))  # head and shoulders alone
    assert all(s.subject == -1 for s in nobody)


def test_a_carer_followed_first_is_dropped_for_the_infant():
    scenes = [[CARER]] * 30 + [[CARER, INFANT]] * 90
    sights = watch(scenes)
    subject = np.array([s.subject for s in sights])
    keep = infant_frames(
        subject, np.array([s.size for s in sights]), np.array([centre(s) for s in sights])
    )
    assert not keep[:30].any()
    assert keep[60:].all()
    kept = np.array([centre(s) for s in sights])[keep]
    np.testing.assert_allclose(kept, np.tile((INFANT.x, INFANT.y), (len(kept), 1)))


def test_a_leap_is_not_the_same_body():
    other = Body(560, 100, 150)
    sights = watch([[INFANT]] * 20 + [[other]] * 100)
    assert {s.subject for s in sights[:20]} == {0}
    assert {s.subject for s in sights[20:45]} == {-1}
    assert sights[-1].subject == 1


def test_people_too_small_for_a_glance_stay_counted():
    class Dim(World):
        def glance(self, image):
            return [square for square in super().glance(image) if square.side > 150]

    small = Body(560, 400, 100, seen=0.4)
    world = Dim()
    sights = watch([[INFANT, small]] * 80 + [[INFANT]] * 40, world=world)
    assert {s.people for s in sights[:80]} == {2}
    assert sights[-1].people == 1


def test_a_body_lost_for_a_moment_keeps_its_number():
    sights = watch([[INFANT]] * 20 + [[]] * 12 + [[moved(INFANT, 5)]] * 30)
    assert {s.subject for s in sights[:20]} == {0}
    assert {s.subject for s in sights[20:32]} == {-1}
    assert sights[-1].subject == 0
    assert sights[25].people == 0


def test_searches_become_rare_in_an_empty_film():
    world = World()
    watch([[]] * 1500, world=world)  # a minute
    assert world.searches < 30


def test_a_ghost_is_given_up():
    """The reader is sure, the detector never sees anybody: after a few reviews the body is lost."""
    world = World()
    follower = Follower(world, world, SKELETON)
    world.bodies = [INFANT]
    follower(IMAGE, 0.0)
    world.doubted = True  # and the glance, too, no longer shows the body
    sights = [follower(IMAGE, k / 10) for k in range(1, 60)]
    assert sights[5].subject == 0
    assert sights[-1].subject == -1


def test_hidden_joints_and_touching_people_count_as_covered():
    hidden = replace(INFANT, seen=0.4)
    sights = watch([[INFANT]] * 50 + [[hidden]] * 5)
    assert not any(s.covered for s in sights[:50])
    assert all(s.covered for s in sights[50:])
    above = Body(INFANT.x + 60, INFANT.y - 60, 380)
    sights = watch([[INFANT]] * 30 + [[INFANT, above]] * 60)
    assert not any(s.covered for s in sights[:26])
    assert sights[-1].covered
    assert sights[-1].people == 2
    np.testing.assert_allclose(centre(sights[-1]), (INFANT.x, INFANT.y))


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=60))
def test_infant_frames_never_mix_distant_bodies(numbers):
    subject = np.array(numbers)
    size = np.where(subject < 0, np.nan, 100.0)
    place = np.where(subject[:, None] < 0, np.nan, subject[:, None] * (1000.0, 0.0))
    keep = infant_frames(subject, size, place)
    assert len(set(subject[keep])) <= 1
    assert not keep[subject < 0].any()
    assert keep.any() == (subject >= 0).any()
