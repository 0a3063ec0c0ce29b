"""Small films with a known answer, written for the tests."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def dot_image(x: float, y: float, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """A bright soft dot on dark ground; size is (width, height)."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    light = 30 + 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2))
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8)


def dot_place(image: np.ndarray) -> tuple[float, float]:
    """Centre of mass of what is bright."""
    light = np.clip(image.mean(axis=2) - 80, 0, None)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((light * columns).sum() / light.sum()), float((light * rows).sum() / light.sum())


def film(
    path: Path,
    images: list[np.ndarray],
    times_s: np.ndarray | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write images at times in milliseconds; 25 frames a second by default."""
    times_s = np.arange(len(images)) / 25 if times_s is None else times_s
    chosen = {"crf": "12", "preset": "ultrafast"} | (options or {})
    if codec == "libx265":
        chosen["x265-params"] = "log-level=none"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream(codec, rate=1000, options=chosen)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.time_base = pixels, Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for image, second in zip(images, times_s, strict=True):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = round(second * 1000), Fraction(1, 1000)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def over_and_over(path: Path, out: Path, times: int) -> Path:
    """The film repeated: its packets copied, so that hours take a moment to write."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        stamps = sorted(packet.pts for packet in packets)
        length = (stamps[-1] - stamps[0]) * len(stamps) // (len(stamps) - 1)  # evenly spaced
        kept = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets]
        for turn in range(times):
            for content, pts, dts, duration, key in kept:
                packet = av.Packet(content)
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.duration, packet.time_base = duration, stream.time_base
                packet.is_keyframe, packet.stream = key, copy
                target.mux(packet)
    return out
