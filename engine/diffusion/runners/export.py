"""One traced graph of a network for static shapes: what other runtimes are fed with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

_ROUNDING = "fake_quantize"
"""What marks int8 in a graph."""


def exported(network: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """Trace `network` for contiguous float32 inputs of these shapes, on the CPU.

    The program shares the network's weights. Takes seconds for a U-Net.
    """
    # What is traced in inference mode could not be changed afterwards, and every exporter does.
    with torch.inference_mode(mode=False), torch.no_grad():
        return torch.export.export(network, tuple(torch.zeros(x.shape) for x in inputs))


def fold_constants(graph: GraphModule) -> None:
    """Compute once, here, whatever in `graph` depends on no input, roundings of weights excepted.

    What a runtime would otherwise have to find out; OpenVINO 2026.4.1 executes such parts itself
    and then adds to their results in place, a little more with every call.
    """
    known: dict[Node, Any] = {}
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            known[node] = attrgetter(str(node.target))(graph)
        elif (
            node.op == "call_function"
            and _ROUNDING not in str(node.target)
            and all(source in known for source in node.all_input_nodes)
        ):
            args, kwargs = map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*args, **kwargs)
    for number, (node, value) in enumerate(known.items()):
        used = any(user not in known for user in node.users)
        if used and node.op == "call_function" and isinstance(value, Tensor):
            name = f"folded_{number}"
            graph.register_buffer(name, value.contiguous())
            with graph.graph.inserting_before(node):
                node.replace_all_uses_with(graph.graph.get_attr(name))
    graph.graph.eliminate_dead_code()
    graph.recompile()


@contextmanager
def exporting() -> Iterator[None]:
    """Where exporters work: no gradients, and nothing they make is bound to inference mode."""
    with torch.inference_mode(mode=False), torch.no_grad(), unwarned():
        yield


@contextmanager
def unwarned() -> Iterator[None]:
    """Where torch is not heard about its own use of what it has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
