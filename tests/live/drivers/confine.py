"""Becomes a program in another root directory, under a seccomp profile: `confine.py PROFILE CAPABILITIES ROOT COMMAND...`

PROFILE is a file as container runtimes have it for `RuntimeDefault`; which of its rules hold depends on the capabilities (by commas,
without CAP_). As a runtime does for a container that may escalate, the filter is loaded with the superuser's power, before users,
groups and capabilities change: what changes them runs under it already. Standard library and libseccomp.

Started by `tests.live.image`.
"""

import ctypes
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
COMPARISONS = {
    f"SCMP_CMP_{name}": number for number, name in enumerate(["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"], 1)
}
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
"""seccomp.h: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(0)."""
NO_NEW_PRIVILEGES = 3
"""seccomp.h: SCMP_FLTATR_CTL_NNP."""
UNKNOWN = -1
EPERM = 1


class Comparison(ctypes.Structure):
    """seccomp.h: struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("value", ctypes.c_uint64), ("second", ctypes.c_uint64),
    )  # fmt: skip


def action_of(name: str, error: int | None) -> int:
    if name == "SCMP_ACT_ALLOW":
        return ALLOW
    if name != "SCMP_ACT_ERRNO":
        sys.exit(f"nothing here knows what {name} is")
    return REFUSE | (EPERM if error is None else error)


def is_about_us(rule: dict[str, Any], capabilities: set[str]) -> bool:
    """All capabilities that it includes, none that it excludes; one of the architectures, which are Go's names."""
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    here = ARCHITECTURES[platform.machine()]
    kernel = tuple(int(word) for word in platform.release().split("-")[0].split(".")[:2])
    least = tuple(int(word) for word in includes.get("minKernel", "0.0").split(".")[:2])
    return (
        capabilities >= set(includes.get("caps") or ())
        and not capabilities & set(excludes.get("caps") or ())
        and here in (includes.get("arches") or (here,))
        and here not in (excludes.get("arches") or ())
        and kernel >= least
    )


def comparisons(rule: dict[str, Any]) -> Iterator[Comparison]:
    for each in rule.get("args") or ():
        yield Comparison(each["index"], COMPARISONS[each["op"]], each["value"], each.get("valueTwo", 0))


def confine(profile: dict[str, Any], capabilities: set[str]) -> None:
    """This process and all that come of it. Ends the program when the profile cannot be loaded whole."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    usual = action_of(profile["defaultAction"], profile.get("defaultErrnoRet"))
    known = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(usual)))

    def must(status: int, what: str) -> None:
        if status:
            sys.exit(f"seccomp: {what}: {os.strerror(-status)}")

    native = f"SCMP_ARCH_{platform.machine().upper()}"
    (more,) = (each["subArchitectures"] for each in profile["archMap"] if each["architecture"] == native)
    for name in more:
        token = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
        must(library.seccomp_arch_add(known, ctypes.c_uint32(token)), name)
    for rule in profile["syscalls"]:
        action = action_of(rule["action"], rule.get("errnoRet"))
        if action == usual or not is_about_us(rule, capabilities):
            continue
        compared = tuple(comparisons(rule))
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != UNKNOWN:
                words = (Comparison * len(compared))(*compared)
                status = library.seccomp_rule_add_array(
                    known, ctypes.c_uint32(action), number, ctypes.c_uint(len(compared)), words
                )
                must(status, name)
    must(library.seccomp_attr_set(known, NO_NEW_PRIVILEGES, ctypes.c_uint32(0)), "no_new_privs")
    must(library.seccomp_load(known), "load")


def main() -> None:
    profile, capabilities, root, *command = sys.argv[1:]
    found = json.loads(Path(profile).read_text(encoding="utf-8"))
    os.chroot(root)  # many containers may not do it
    os.chdir("/")
    confine(found, {f"CAP_{each}" for each in capabilities.split(",") if each})
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
