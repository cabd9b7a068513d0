"""What `frr-adapter node-report` prints: the report of a node with its format's name."""

from frr_adapter.api import node_report


class NodeReportDocument(
    node_report.NodeReport, frozen=True, rename="camel", tag_field="format", tag="frr-adapter.node-report/v1"
):
    """As `api.node_report.NodeReport`."""
