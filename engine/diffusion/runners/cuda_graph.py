"""CUDA graphs: one launch for a whole frame, no Python and no allocation between its kernels."""

from __future__ import annotations

from typing import Any

import torch

from engine.diffusion.runners.frames import Work


class CudaRecorder:
    """Captures work into CUDA graphs that share one pool of memory. Diffusion thread only.

    Graphs of one pool may run one after another only, which frames do.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self._pool: Any = None

    def warm_up(self, work: Work) -> None:
        """See `Recorder`: on the stream that will be captured, as PyTorch asks for."""
        main = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            work()
        main.wait_stream(self._stream)

    def record(self, work: Work) -> Work:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on allocating; only this one is watched for what cannot be captured.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            work()
        self._pool = self._pool or graph.pool()
        self._graphs.append(graph)
        return graph.replay

    def close(self) -> None:
        """See `Recorder`; what still runs is waited for."""
        if self._graphs:
            torch.cuda.current_stream(self._device).synchronize()
        for graph in self._graphs:
            graph.reset()
        self._graphs.clear()
        self._pool = None
