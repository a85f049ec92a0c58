"""A training step's forward and backward pass as one CUDA graph.

The networks are small: on a GPU, handing over their hundreds of kernels takes longer than computing them. A graph hands them over
once, and is then repeated with other numbers in the same memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from thrifty.detectors.paper_training import Lesson
from thrifty.detectors.trainable import Staged

_REHEARSALS = 3
"""Passes before one is recorded: libraries choose their algorithms and take their memory in the first."""
_FEWEST = 4096
"""Pixels asked for which a record has room at least; further records have room for twice as many as the one before."""
_MOST = 16
"""Records that are kept; pictures of many sizes are computed step by step from then on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    graph: torch.cuda.CUDAGraph
    lesson: Lesson
    loss: Tensor


class CapturedLoss:
    """The loss of a batch, and its gradients, which are left with the weights.

    Args:
        kind: Knows the loss.
        network: On a GPU, in training mode.
        halved: Compute in bfloat16 what stands that.
    """

    def __init__(self, kind: Staged, network: nn.Module, *, halved: bool) -> None:
        self._kind, self._network, self._halved = kind, network, halved
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        # All records add to the same memory.
        self._gradients = [torch.zeros_like(weight) for weight in weights]
        for weight, gradient in zip(weights, self._gradients, strict=True):
            weight.grad = gradient
        self._memory = torch.cuda.graph_pool_handle()
        self._records: dict[tuple[torch.Size, ...], _Record] = {}

    def __call__(self, lesson: Lesson) -> Tensor:
        """The loss, a scalar, which the next call overwrites."""
        lesson = replace(lesson, asked=lesson.asked.padded(room(len(lesson.asked.places))))
        key = tuple(tensor.shape for tensor in lesson.tensors)
        if key not in self._records:
            if len(self._records) == _MOST:
                return self._pass(lesson)
            self._records[key] = self._record(lesson)
        record = self._records[key]
        for held, given in zip(record.lesson.tensors, lesson.tensors, strict=True):
            held.copy_(given)
        record.graph.replay()
        return record.loss

    def _record(self, lesson: Lesson) -> _Record:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_REHEARSALS):
                self._pass(lesson)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory):
            loss = self._pass(lesson)
        return _Record(graph, lesson, loss)

    def _pass(self, lesson: Lesson) -> Tensor:
        torch._foreach_zero_(self._gradients)
        # Weights that were made smaller for one pass must be made smaller again in each.
        with torch.autocast("cuda", torch.bfloat16, enabled=self._halved, cache_enabled=False):
            loss = self._kind.loss_of(self._network, lesson)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def room(count: int) -> int:
    """For how many pixels a record is made.

    >>> room(5), room(4096), room(4097)
    (4096, 4096, 8192)
    """
    return max(_FEWEST, 1 << (count - 1).bit_length())
