"""Forward and training step of compiled networks against the same networks written by hand.

    python benchmarks/bench_torch.py [--rounds 120] [--threads 2] [--size 64] [--batch 4]

Both have the same weights; runs are interleaved and the ratio is of medians over rounds, so that whatever else the machine
does slows both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent.parent))

import cnndsl

RESNET18 = """
default CONV(bias=false)
def Shortcut(w, s) = if s == 1 and cin == w then ID else CONV1-w/s - BN
def Basic(w, s=1) = RES[ CONV3-w/s - BN - RELU - CONV3-w - BN | Shortcut(w, s) ] - RELU
def Stage(Block, w, n, s) = Block(w, s) - Block(w)*{n-1}
net ResNet18 = 7x7 conv, 64, /2 - BN - RELU - POOL3/2(pad=1)
  - Stage(Basic, w, n, s) for w, n, s in [(64,2,1), (128,2,2), (256,2,2), (512,2,2)]
  - GAP - FC-1000
"""
RESNET50 = """
default CONV(bias=false)
def Shortcut(w, s) = if s == 1 and cin == w then ID else CONV1-w/s - BN
def Bottleneck(w, s=1) = RES[ CONV1-w - BN - RELU - CONV3-w/s - BN - RELU - CONV1-{4*w} - BN | Shortcut(4*w, s) ] - RELU
def Stage(Block, w, n, s) = Block(w, s) - Block(w)*{n-1}
net ResNet50 = 7x7 conv, 64, /2 - BN - RELU - POOL3/2(pad=1)
  - Stage(Bottleneck, w, n, s) for w, n, s in [(64,3,1), (128,4,2), (256,6,2), (512,3,2)]
  - GAP - FC-1000
"""


class Basic(nn.Module):
    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(cin, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + identity)


class Bottleneck(nn.Module):
    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(cin, 4 * width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + identity)


def shortcut(cin: int, width: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and cin == width:
        return None
    return nn.Sequential(nn.Conv2d(cin, width, 1, stride, bias=False), nn.BatchNorm2d(width))


class ResNet(nn.Module):
    """As in torchvision."""

    def __init__(self, block: type[nn.Module], expansion: int, counts: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        cin, stages = 64, []
        for stage, count in enumerate(counts):
            width, blocks = 64 * 2**stage, []
            for place in range(count):
                blocks.append(block(cin, width, 2 if stage and not place else 1))
                cin = expansion * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(cin, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.stages(x))
        return self.fc(torch.flatten(x, 1))


NETWORKS = {
    "ResNet-18": (RESNET18, lambda: ResNet(Basic, 1, (2, 2, 2, 2))),
    "ResNet-50": (RESNET50, lambda: ResNet(Bottleneck, 4, (3, 4, 6, 3))),
}


def same_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy by order and shape: hand-written modules list the shortcut last, as the definitions above do."""
    taken, given = source.state_dict(), target.state_dict()
    assert [tensor.shape for tensor in taken.values()] == [tensor.shape for tensor in given.values()]
    target.load_state_dict(dict(zip(given, taken.values(), strict=True)))


def seconds(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(modules: list[nn.Module], x: torch.Tensor, rounds: int, training: bool) -> list[float]:
    """Median seconds of each module over interleaved rounds."""

    def step(module: nn.Module) -> None:
        if not training:
            with torch.inference_mode():
                module(x)
            return
        optimisers[id(module)].zero_grad()
        F.cross_entropy(module(x), labels).backward()
        optimisers[id(module)].step()

    labels = torch.arange(len(x), device=x.device)
    optimisers = {id(module): torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9) for module in modules}
    for module in modules:
        module.train(training)
        step(module)
    times: list[list[float]] = [[] for _ in modules]
    for number in range(rounds):
        order = range(len(modules)) if number % 2 else reversed(range(len(modules)))
        for place in order:
            times[place].append(seconds(lambda place=place: step(modules[place]), x.device))
    return [statistics.median(values) for values in times]


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    x = torch.randn(options.batch, 3, options.size, options.size, device=device)
    print(f"{'network':12}{'':16}{'by hand':>12}{'compiled':>12}{'ratio':>9}")
    for name, (spec, by_hand) in NETWORKS.items():
        compiled = cnndsl.load(spec, input=f"3x{options.size}x{options.size}").torch().to(device)
        written = by_hand().to(device)
        same_weights(compiled, written)
        torch.testing.assert_close(compiled.eval()(x), written.eval()(x), rtol=1e-3, atol=1e-4)
        for title, training in (("forward", False), ("training step", True)):
            hand, ours = measure([written, compiled], x, options.rounds, training)
            print(f"{name:12}{title:16}{hand * 1e3:9.2f} ms{ours * 1e3:9.2f} ms{ours / hand:9.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
