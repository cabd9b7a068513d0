"""IP addresses as objects may or may not name them, in the API server's words.

The rules of Services and EndpointSlices ask. Pure.
"""

import ipaddress

BAD_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def special_range(text: str) -> str:
    """Why an address that belongs to nobody else may not be an external IP; empty when it may."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        return f"may not be unspecified ({'0.0.0.0' if address.version == 4 else '::'})"
    if address.is_loopback:
        return "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    if address.is_link_local:
        return "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    if any(address in network for network in _LOCAL_MULTICAST if network.version == address.version):
        return "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
    return ""
