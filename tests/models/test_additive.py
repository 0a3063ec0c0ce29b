"""The additive network: its sum is its logit, its symmetries are exact, planted rates are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fidgety.errors import CheckpointError, ConfigError
from fidgety.models.additive import Additive, AdditiveConfig, BandPower, ObservedNorm
from fidgety.models.catalogue import at_rate
from fidgety.models.checkpoint import Checkpoint
from fidgety.models.inference import infer
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, split
from fidgety.pose.skeleton import load_skeleton
from fidgety.study.augment import Augmentation
from fidgety.study.examples import Example
from fidgety.study.training import NetworkConfig, TrainingConfig, fit

FPS = 30.0
ORDER = torch.from_numpy(load_skeleton("openpose18").mirror_order.copy())


def network(seed: int = 0, **options) -> Additive:
    """A network with random weights and statistics."""
    torch.manual_seed(seed)
    model = Additive(AdditiveConfig(**options))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
    for _ in range(50):
        model(clips(4, 5, seed=seed + 1))
    return model.eval()


def clips(*count: int, frames: int = 60, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*count, 7, frames, 18, generator=generator)


def sine(hz: float, size: float = 1.0, frames: int = 60, angle: float = 0.3) -> torch.Tensor:
    """One clip in which every joint's velocity swings at a rate in one direction."""
    x = torch.zeros(1, 7, frames, 18)
    wave = size * torch.sin(2 * torch.pi * hz * torch.arange(frames) / FPS + 0.7)
    x[:, 2] = np.cos(angle) * wave[:, None]
    x[:, 3] = np.sin(angle) * wave[:, None]
    return x


@pytest.mark.parametrize("hz", [0.75, 1.5, 3.0, 6.0, 10.0])
def test_power_is_found_in_its_band_whatever_the_direction(hz):
    config = AdditiveConfig()
    levels = [BandPower(config)(sine(hz, angle=a))[0][0, 0].numpy() for a in (0.0, 0.8, 2.0)]
    band = int(np.abs(np.log(config.centres_hz / hz)).argmin())
    assert abs(int(levels[0].argmax()) - band) <= 1
    np.testing.assert_allclose(levels[1], levels[0], atol=1e-3)
    np.testing.assert_allclose(levels[2], levels[0], atol=1e-3)


def test_power_is_a_density_in_the_unit_it_says():
    """White noise of variance s^2 in x and y has the density 2 s^2 / (fps / 2), at every rate."""
    for fps in (20.0, 30.0, 50.0):
        config = AdditiveConfig(fps=fps, lowest_hz=1.5)
        noise = np.random.default_rng(0).normal(0, 0.3, (400, 7, round(2 * fps), 18))
        level, seen = BandPower(config)(torch.from_numpy(noise.astype(np.float32)))
        assert seen.all()
        density = level.exp().mean(dim=(0, 1)).numpy()
        np.testing.assert_allclose(density, 2 * 0.09 / (fps / 2), rtol=0.05)


def test_constant_velocity_and_place_are_no_movement_in_any_band():
    still = torch.full((1, 7, 60, 18), 3.0)
    level, _ = BandPower(AdditiveConfig())(still)
    torch.testing.assert_close(level.exp(), torch.full_like(level, 1e-6), rtol=0.5, atol=1e-6)


def test_missing_frames_bias_no_power():
    x = clips(2000, frames=60)[:, :, :, :2].expand(-1, -1, -1, 2).clone()
    x = torch.cat([x] * 9, dim=3)  # 18 joints, 2 of them different
    whole = BandPower(AdditiveConfig(lowest_hz=2.0))(x)[0].exp().mean(dim=(0, 1))
    x[:, :, 20:32] = float("nan")
    level, seen = BandPower(AdditiveConfig(lowest_hz=2.0))(x)
    assert seen.all()
    torch.testing.assert_close(level.exp().mean(dim=(0, 1)), whole, rtol=0.1, atol=0)
    x[:, :, 10:50] = float("nan")
    assert not BandPower(AdditiveConfig())(x)[1].any()


@pytest.mark.parametrize("frames", [1, 5, 59, 60, 61, 75, 200])
def test_any_clip_length(frames):
    x = clips(2, 3, frames=frames)
    x[0, 0, :, :, 4] = float("nan")
    output = network()(x)
    assert output.logit.isfinite().all()
    assert output.joint_attention[0, 0, 4] == 0
    torch.testing.assert_close(output.joint_attention.sum(-1), torch.ones(2, 3))


def recording(seed: int = 0, seconds: float = 20.0) -> PoseSequence:
    values = np.random.default_rng(seed).normal(size=(7, round(seconds * FPS), 18))
    values[:, 100:160, 3] = np.nan
    return PoseSequence(values.astype(np.float32), FPS)


@pytest.mark.parametrize("exaggeration", [0.0, 2.0])
@pytest.mark.parametrize("rule", ["mean", "max"])
def test_contributions_of_joints_and_clips_sum_to_the_logit(rule, exaggeration):
    parts = split(recording(), ClipConfig(2.0, 1.0))
    found = infer(network(exaggeration=exaggeration), parts, WindowConfig(8.0, 2.0), rule)
    assert found.exact
    table = found.joint_contribution
    assert table is not None
    np.testing.assert_allclose(table.sum(axis=1), found.clip_contribution, atol=1e-6)
    logits = [float(window.logit()) for window in found.windows]
    whole = np.mean(logits) if rule == "mean" else max(logits)
    assert table.sum() + found.bias == pytest.approx(whole, abs=1e-5)


def test_what_a_joint_says_depends_on_that_joint_alone():
    """Its evidence in a clip, before the softmax shares out the weights."""
    model, x = network(), clips(3)
    with torch.no_grad():
        _, weights, given = model.encode(x)
        changed = x.clone()
        changed[:, :, :, 7] = clips(3, seed=9)[:, :, :, 7]
        _, weights_after, given_after = model.encode(changed)
    evidence, after = given / weights, given_after / weights_after
    others = [joint for joint in range(18) if joint != 7]
    torch.testing.assert_close(evidence[:, others], after[:, others], rtol=1e-3, atol=1e-4)
    assert (evidence[:, 7] - after[:, 7]).abs().min() > 1e-3


def test_mirroring_exchanges_left_and_right_and_nothing_else():
    model, x = network(exaggeration=2.0), clips(2, 4)
    mirrored = x[..., ORDER].clone()
    mirrored[:, :, 0:6:2] *= -1
    with torch.no_grad():
        one, other = model(x), model(mirrored)
    torch.testing.assert_close(one.logit, other.logit)
    torch.testing.assert_close(one.clip_attention, other.clip_attention)
    torch.testing.assert_close(one.joint_attention[..., ORDER], other.joint_attention)


@settings(max_examples=10)
@given(st.floats(-np.pi, np.pi))
def test_turning_the_camera_changes_nothing(angle):
    model, x = network(exaggeration=2.0), clips(2, 3)
    turned = x.clone()
    cos, sin = np.cos(angle), np.sin(angle)
    turned[:, :, 0:6:2] = cos * x[:, :, 0:6:2] - sin * x[:, :, 1:6:2]
    turned[:, :, 1:6:2] = sin * x[:, :, 0:6:2] + cos * x[:, :, 1:6:2]
    with torch.no_grad():
        torch.testing.assert_close(model(x).logit, model(turned).logit, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rubbish", [0.0, 1e9, float("inf"), float("nan")])
@pytest.mark.parametrize("training", [False, True])
def test_what_stands_in_padded_clips_changes_nothing(rubbish, training):
    x, mask = clips(3, 4), torch.ones(3, 4, dtype=torch.bool)
    mask[0, 2:] = mask[1, 0] = False
    outcomes = []
    for filling in (clips(3, 4, seed=1), torch.full_like(x, rubbish)):
        model = network(dropout=0.0, exaggeration=2.0).train(training)
        output = model(torch.where(mask[..., None, None, None], x, filling), mask)
        (output.logit.sum() + (output.penalty.sum() if training else 0.0)).backward()
        outcomes.append([*output[:3], *(p.grad for p in model.parameters()), *model.buffers()])
    for one, other in zip(*outcomes, strict=True):
        assert torch.equal(one, other)
    assert (outcomes[0][1][~mask] == 0).all()


def test_a_joint_that_was_never_seen_enters_no_statistic():
    torch.manual_seed(0)
    x = clips(6)
    x[:, :, :, 5] = float("nan")
    other = x.clone()
    other[:3, :, 10:, 5] = 1e6  # seen in too few frames, or not at all
    other[:3, :, 20:, 5] = float("nan")
    statistics = []
    for values in (x, other):
        norm = ObservedNorm(17)
        level, seen = BandPower(AdditiveConfig())(values)
        size = level.mean(-1, keepdim=True)
        norm(torch.cat([level - size, size], -1), seen)
        statistics.append((norm.mean, norm.variance))
    for one, two in zip(*statistics, strict=True):
        torch.testing.assert_close(one, two)


def planted(infants: range, seconds: float = 12.0) -> list[Example]:
    """Noise of one size; infants of label 0 swing their wrists at 2 Hz in the middle third."""
    found = []
    for infant in infants:
        rng = np.random.default_rng(infant)
        frames = round(seconds * FPS)
        values = rng.normal(0, 0.3, (7, frames, 18)) * np.exp(rng.normal(0, 0.5))
        if infant % 2 == 0:
            time = np.arange(frames // 3) / FPS
            for joint in (4, 7):
                wave = 0.5 * np.sin(2 * np.pi * 2.0 * time + rng.uniform(0, 6))
                values[2 + infant // 2 % 2, frames // 3 : 2 * frames // 3, joint] += wave
        found.append(
            Example(f"i{infant}", f"r{infant}", infant % 2, PoseSequence(values.astype("f4"), FPS))
        )
    return found


def test_a_planted_rate_is_learnt_and_pointed_at():
    """New infants are told apart, and the seconds and joints of the swing pull the logit down."""
    config = NetworkConfig(
        AdditiveConfig(width=16, dropout=0.0),
        ClipConfig(2.0, 1.0),
        training=TrainingConfig(
            max_epoch=60, batch_size=8, lr=1e-2, optimizer="adamw", schedule="cosine",
            select="last", augmentation=Augmentation(scale=0.2),
        ),
    )  # fmt: skip
    model = fit(planted(range(24)), [], config).model
    logits: dict[int, list[float]] = {0: [], 1: []}
    parts = np.zeros(2)  # of what pulls down: by the swing, by all
    for example in planted(range(100, 116)):
        found = infer(model, split(example.sequence, config.clip), config.window)
        logits[example.label].append(float(found.windows[0].logit()))
        if example.label == 0:
            assert found.joint_contribution is not None
            down = -np.minimum(found.joint_contribution, 0)
            parts += down[3:8, [4, 7]].sum(), down.sum()  # clips of 2 s that touch 4 to 8 s
    assert max(logits[0]) < min(logits[1])
    assert parts[0] > 0.8 * parts[1]


def test_fit_tells_the_network_its_frame_rate():
    slow = [
        Example(e.infant_id, e.recording, e.label, PoseSequence(e.sequence.values, 15.0))
        for e in planted(range(4))
    ]
    config = NetworkConfig(
        AdditiveConfig(width=4), ClipConfig(2.0, 1.0), training=TrainingConfig(max_epoch=1)
    )
    fitted = fit(slow, [], config)
    assert fitted.model.config.fps == fitted.config.model.fps == 15.0
    assert fitted.model.config.centres_hz.max() == pytest.approx(0.45 * 15)
    rounded = at_rate(AdditiveConfig(), 30.000000000000004)
    assert rounded == AdditiveConfig()
    Checkpoint.of(Additive(rounded), fps=30.0, profile="fidgety", profile_config={"fps": 30.0})
    with pytest.raises(CheckpointError, match=r"E407.*another rate than 30 fps"):
        Checkpoint.of(fitted.model, fps=30.0, profile="fidgety", profile_config={"fps": 30.0})


@pytest.mark.parametrize(
    "impossible",
    [
        {"bands": 0},
        {"width": True},
        {"channels": 3},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"lowest_hz": 20.0},
        {"lowest_hz": 14.0, "highest_hz": 40.0},
        {"segment_s": 0.05},
        {"floor": 0.0},
        {"dropout": 1.0},
        {"exaggeration": 1.0},
        {"exaggeration": float("nan")},
        {"exaggeration": "twice"},
    ],
)
def test_impossible_settings_are_refused(impossible):
    with pytest.raises(ConfigError, match="E702"):
        AdditiveConfig(**impossible)


def test_settings_there_and_back_with_a_skeleton_of_ones_own():
    config = AdditiveConfig(skeleton=load_skeleton("body25"), bands=8)
    assert AdditiveConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="E701"):
        AdditiveConfig.from_dict({"depth": 3})
    assert Additive(config).eval()(torch.randn(1, 2, 7, 60, 25)).joint_attention.shape == (1, 2, 25)


def test_half_a_segment_is_half_in_any_precision():
    """Which of two equal halves was seen must not hang on the last bit of a sum."""
    power = Additive().power
    clips = torch.randn(4, 7, power.length, 18)
    half = power.length // 2
    clips[0, :, :half] = torch.nan
    clips[1, :, half:] = torch.nan
    clips[2, :, ::2] = torch.nan
    clips[3, :, : half + 1] = torch.nan
    level, seen = power(clips)
    exact, known = Additive().double().power(clips.double())
    assert seen[:3].all()
    assert not seen[3].any()
    assert torch.equal(seen, known)
    torch.testing.assert_close(level.double(), exact, atol=1e-4, rtol=1e-4)
