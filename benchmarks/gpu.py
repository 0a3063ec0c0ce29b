"""What training and encoding take on a GPU, by precision and form, beside the same on processors.

    python benchmarks/gpu.py                  # --compile: torch.compile, too; --json FILE

A step: forwards, backwards, optimiser, on a batch as the methods train with, but for the paper's
network, which gets 64 windows of 29 clips of 3 s; medians. An epoch: `fidgety.study.training.fit`,
everything from recordings in memory to new weights. Encoding: all clips of an hour. On processors a
sixteenth of the batch and a sixth of the hour are timed, and scaled. The differences are of the
risk of an untrained network, from double precision on a processor.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from fidgety.bench.growth import noise
from fidgety.bench.plain import plain_form
from fidgety.bench.timing import counted
from fidgety.models.catalogue import build_network
from fidgety.models.inference import encode
from fidgety.models.network import Network
from fidgety.models.shared_frames import runner_of
from fidgety.motion import split
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS
from fidgety.study.training import NetworkConfig, fit

# Windows of a batch, clips of each, frames of a clip.
SIZES = {"stam": (16, 12, 30), "fidgety": (16, 20, 30), "stam-published": (64, 29, 90)}
RUNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--networks", default=",".join(SIZES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("no GPU here")
    found: dict[str, Any] = {"machine": machine(), "rows": []}
    print(json.dumps(found["machine"]), flush=True)
    for name in given.networks.split(","):
        for row in (*steps(name, given.compile), *epochs(name), *encodings(name)):
            found["rows"].append({"network": name, **row})
            print(json.dumps(found["rows"][-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), "utf-8")


def machine() -> dict[str, Any]:
    """The card, its matrix products and its memory."""
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__,
                             "threads": torch.get_num_threads()}  # fmt: skip
    a = torch.randn(8192, 8192, device="cuda")
    for precision in ("ieee", "tf32"):
        torch.backends.cuda.matmul.fp32_precision = precision
        found[f"matmul_{precision}_tflops"] = 2 * 8192**3 / median(lambda: a @ a) / 1e12
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    half = a.bfloat16()
    found["matmul_bf16_tflops"] = 2 * 8192**3 / median(lambda: half @ half) / 1e12
    b = torch.empty_like(a)
    found["copy_gb_per_s"] = 2 * a.nbytes / median(lambda: b.copy_(a)) / 1e9
    return found


def median(work: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds of some work on the GPU."""
    times = []
    for _ in range(3):
        work()
    for _ in range(runs):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


@contextmanager
def precision(products: str, convolutions: str) -> Iterator[None]:
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = convolutions
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        torch.backends.cudnn.conv.fp32_precision = "tf32"


def network_of(name: str) -> tuple[Network, NetworkConfig]:
    config = METHODS[name].network
    assert config is not None
    torch.manual_seed(0)
    return build_network(config.model), config


def steps(name: str, compiled: bool) -> Iterator[dict[str, Any]]:
    network, config = network_of(name)
    N, K, T = SIZES[name]
    clips = torch.randn(N, K, config.model.channels, T, len(config.model.layout))
    few = clips[:2].double()
    flops = counted(lambda: copy.deepcopy(network)(clips[:2]).logit.sum().backward()) * N / 2
    exact = copy.deepcopy(network).double().eval()(few).logit.sigmoid().detach()
    there = clips.cuda()
    ways: dict[str, tuple[AbstractContextManager[None], AbstractContextManager[Any], str]] = {
        "as written, plain": (precision("ieee", "tf32"), nullcontext(), "plain"),
        "float32": (precision("ieee", "ieee"), nullcontext(), ""),
        "TF32 in convolutions": (precision("ieee", "tf32"), nullcontext(), ""),
        "TF32": (precision("tf32", "tf32"), nullcontext(), ""),
        "bfloat16": (precision("ieee", "tf32"), torch.autocast("cuda", torch.bfloat16), ""),
    }
    if compiled:
        ways |= {
            "TF32 in convolutions, compiled": (precision("ieee", "tf32"), nullcontext(), "compile"),
            "bfloat16, compiled": (
                precision("ieee", "tf32"), torch.autocast("cuda", torch.bfloat16), "compile"
            ),
        }  # fmt: skip
    for way, (products, cast, form) in ways.items():
        model = (plain_form(network) if form == "plain" else copy.deepcopy(network)).cuda()
        began = time.perf_counter()
        runs: Any = torch.compile(model) if form == "compile" else model
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def step(runs: Any = runs, optimizer: Any = optimizer, cast: Any = cast) -> None:
            with cast:
                loss = runs(there).logit.float().square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        with products:
            model.eval()
            with torch.inference_mode(), cast:
                said = model(few.float().cuda()).logit.float().sigmoid().cpu()
            model.train()
            torch.cuda.reset_peak_memory_stats()
            step()
            torch.cuda.synchronize()
            first = time.perf_counter() - began
            taken = median(step)
        yield {
            "part": "step", "way": way, "ms": 1e3 * taken, "tflops": flops / taken / 1e12,
            "first_s": first, "memory_mb": torch.cuda.max_memory_allocated() / 1e6,
            "risk_differs": float((said - exact).abs().max()),
        }  # fmt: skip
        del model, runs, optimizer
        torch.cuda.empty_cache()
    fastest = torch.get_num_threads()
    for threads in (1, fastest):
        torch.set_num_threads(threads)
        model, given = copy.deepcopy(network).train(), clips[: max(1, N // 16)]
        model(given).logit.sum().backward()
        began = time.perf_counter()
        model(given).logit.sum().backward()
        taken = (time.perf_counter() - began) * N / len(given)
        yield {"part": "step", "way": f"{threads} processor threads", "ms": 1e3 * taken,
               "tflops": flops / taken / 1e12}  # fmt: skip
    torch.set_num_threads(fastest)


def epochs(name: str) -> Iterator[dict[str, Any]]:
    """The quicker of the second and third epoch of 64 recordings of 60 s."""
    _, config = network_of(name)
    short = replace(config.training, max_epoch=3, min_steps=0, select="last")
    examples = [Example(f"i{n}", f"i{n}", n % 2, noise(60.0, n)) for n in range(64)]
    ways = [("cuda", "32-true"), ("cuda", "bf16-mixed")]
    ways += [("cpu", "32-true")] if name != "stam-published" else []
    for accelerator, kind in ways:
        ends: list[float] = []
        fabric = Fabric(accelerator=accelerator, devices=1, precision=kind)  # type: ignore[arg-type]
        fit(examples, (), replace(config, training=short), fabric=fabric,
            on_epoch=lambda _, ends=ends: ends.append(time.perf_counter()))  # fmt: skip
        yield {"part": "epoch of 64 recordings of 60 s", "way": f"{accelerator}, {kind}",
               "ms": 1e3 * float(np.diff(ends).min())}  # fmt: skip


def encodings(name: str) -> Iterator[dict[str, Any]]:
    """All clips of an hour; on processors those of ten minutes, scaled."""
    network, config = network_of(name)
    network.eval()
    clips = split(noise(3600.0), config.clip)
    every = np.arange(len(clips))
    there = runner_of(copy.deepcopy(network).cuda())
    for size in (64, there.clips_at_a_time):
        there.clips_at_a_time = size
        taken = median(lambda: encode(there, clips, every), 2)
        yield {
            "part": f"encoding an hour, {size} clips at a time",
            "way": "cuda",
            "ms": 1e3 * taken,
        }
    part = every[: len(every) // 6]
    here = runner_of(network)
    encode(here, clips, part)
    began = time.perf_counter()
    encode(here, clips, part)
    taken = 6 * (time.perf_counter() - began)
    yield {"part": "encoding an hour", "way": f"cpu, {torch.get_num_threads()} threads",
           "ms": 1e3 * taken}  # fmt: skip


if __name__ == "__main__":
    main()
