# SPDX-License-Identifier: Apache-2.0
"""Where coracle differs from ctr on purpose. doc/ctr-differences.md is made from this list (tests/compat/run.py --doc).

Each entry changes what ctr gave into what coracle is to give, in place: apply(theirs, ours, case). An entry with `always` is
applied to every case; another to the cases that name it in their last column, and there it must change something: a
difference that is gone is an error, so that this list stays true. `since` is the first version of ctr that has the behaviour
too: an entry of "2" is not needed beside containerd 2.
"""
import re


class Difference:
    def __init__(self, name, section, text, apply, always=False, since=None):
        self.name, self.section, self.text, self.apply, self.always, self.since = name, section, text, apply, always, since


NEWER = "Newer than containerd 1.6"
BETTER = "Faults that we do not copy"
OTHER = "Of our own making"


def base_spec(theirs, ours, _):
    spec = theirs.get("spec")
    if not spec:
        return
    if not theirs.get("own spec"):
        spec["ociVersion"] = ours["spec"]["ociVersion"] if ours.get("spec") and ours["spec"].get("ociVersion") == "1.0.2" else "1.0.2"


def powercap(theirs, _ours, _case):
    masked = ((theirs.get("spec") or {}).get("linux") or {}).get("maskedPaths")
    if masked and "/sys/devices/virtual/powercap" not in masked and "/sys/firmware" in masked:
        masked.insert(masked.index("/sys/firmware") + 1, "/sys/devices/virtual/powercap")


def temporary_path(theirs, _ours, _case):
    theirs["err"] = re.sub(r"mount callback failed on [^:]*: ", "", theirs["err"])


DIFFERENCES = [
    Difference("spec-version", OTHER, "The spec says `ociVersion` 1.0.2 where ctr says 1.0.2-dev or 1.3.0: Debian's crun refuses the latter.",
               base_spec, always=True),
    Difference("powercap", NEWER, "`/sys/devices/virtual/powercap` is masked too.", powercap, always=True, since="2"),
]
