"""A short name for what FRR is to run: equal configurations have equal fingerprints, on every node and after every restart.

Used for the status that people read. Nothing is decided by it; whoever decides compares the values.
"""

import dataclasses
import hashlib

from frr_adapter.frr import config as frr_config
from frr_adapter.frr import masking

_LENGTH = 12


def fingerprint(config: frr_config.FrrConfig) -> str:
    """The first twelve hex digits of a SHA-256 over everything that counts for FRR.

    The node's name and what the file says in comments (such as names of peers, services and advertisements) do not count, so nodes
    can be compared. Passwords count as `***`, in the user's own lines as well: the fingerprint gives nothing away, and a new password
    alone does not change it.
    """
    digest = hashlib.sha256()
    bare = dataclasses.replace(
        config,
        hostname="",
        classes=tuple(dataclasses.replace(each, advertisements=()) for each in config.classes),
        policies=tuple(
            dataclasses.replace(
                each,
                peers=(),
                entries=tuple(dataclasses.replace(entry, advertisements=()) for entry in each.entries),
            )
            for each in config.policies
        ),
        routers=tuple(
            dataclasses.replace(
                router,
                neighbors=tuple(
                    dataclasses.replace(each, peers=(), summary="", bfd_held=None) for each in router.neighbors
                ),
                families=tuple(dataclasses.replace(family, originations=()) for family in router.families),
            )
            for router in config.routers
        ),
        bfd_profiles=tuple(dataclasses.replace(each, source="") for each in config.bfd_profiles),
        extras=tuple(masking.text(line) for line in config.extras),
    )
    digest.update(repr(bare).encode())
    for router in config.routers:
        for family in router.families:
            digest.update(f"\n{router.vrf} {family.name}\n".encode())
            # Thousands of them: their packed form takes a tenth of the time that their text would.
            digest.update(
                b"".join(
                    each.prefix.network_address.packed + b"/%d " % each.prefix.prefixlen + each.policy.encode() + b"\n"
                    for each in family.originations
                )
            )
    return digest.hexdigest()[:_LENGTH]
