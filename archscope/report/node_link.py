"""The schema of the graph as node-link JSON, which :mod:`archscope.report.diagrams` writes."""

from __future__ import annotations

from archscope.report import schema as js
from archscope.report.diagrams import GRAPH_VERSION


def schema() -> js.Schema:
    """The schema of :func:`~archscope.report.diagrams.to_node_link`; a node is an input or a layer."""
    outputs = js.many(js.record({"shape": js.sizes(), "dtype": js.text("`float` is the floating type of the design")}))
    own = {"id": js.text("full name"), "kind": {"const": "input"}, "outputs": outputs}
    layer = {
        **own,
        "kind": {"const": "layer"},
        "op": js.text("its kind"),
        "arguments": js.mapping({}, "named as in torch.nn"),
        "params": js.figure("params"),
        "macs": js.figure("macs"),
        "shares": js.nullable(js.text("the layer whose weights it uses again")),
        "frozen": js.many(js.text(), "those of its parameters that are not trained"),
    }
    edge = {
        "source": js.text(),
        "target": js.text(),
        "key": js.count("tells edges between the same layers apart"),
        "output": js.count("which of the source's, from 0"),
        "input": js.count("which of the target's, from 0"),
    }
    graph = {
        "archscope": js.text("version of archscope"),
        "format": js.version_is(GRAPH_VERSION),
        "name": js.text("of the design"),
        "incomplete": js.lacking(),
        "setting": js.setting(),
        "outputs": js.mapping(
            js.record({"node": js.text(), "output": js.count("which of the node's, from 0")}), "by name"
        ),
    }
    content = {
        "directed": {"const": True},
        "multigraph": {"const": True},
        "graph": js.record(graph),
        "nodes": js.many({"anyOf": [js.record(own), js.record(layer)]}),
        "edges": js.many(js.record(edge)),
    }
    return js.titled("export --to json", js.record(content))
