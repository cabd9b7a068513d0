"""The upstream router's FRR configuration: what a data centre's first router would run towards the nodes.

Pure; the supervisor loads the text whenever the router's daemons start.
"""

from lab.plan import NODE_ASN, ROUTER_ASN, ROUTER_SEGMENT


def config() -> str:
    """Dynamic neighbors on the node segment, ECMP over 64 paths, both address families, everything accepted."""
    lines = [
        "hostname up",
        f"router bgp {ROUTER_ASN}",
        f" bgp router-id {ROUTER_SEGMENT[0].ip}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        " bgp bestpath as-path multipath-relax",
    ]
    for group in ("nodes4", "nodes6"):
        lines += [
            f" neighbor {group} peer-group",
            f" neighbor {group} remote-as {NODE_ASN}",
            f" neighbor {group} timers 3 9",
            f" neighbor {group} timers connect 1",
        ]
    for group, segment in zip(("nodes4", "nodes6"), ROUTER_SEGMENT, strict=True):
        lines.append(f" bgp listen range {segment.network} peer-group {group}")
    for family in ("ipv4", "ipv6"):
        lines += [
            f" address-family {family} unicast",
            "  neighbor nodes4 activate",
            "  neighbor nodes6 activate",
            "  maximum-paths 64",
            " exit-address-family",
        ]
    lines += ["exit", "end"]
    return "\n".join(lines) + "\n"
