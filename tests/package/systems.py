"""What the tests of packages share: the packages, and the file systems to install them in.

    SPANMETER_PACKAGES       directory with one .deb and one .rpm
    SPANMETER_NEXT_PACKAGES  directory with the same .rpm in a higher version
    SPANMETER_LOADGEN        spanmeter-loadgen

Made when they are first asked for, gone when the process ends.
"""

import atexit
import functools
import os
import pathlib
import re

import machine

TREE = pathlib.Path(__file__).resolve().parents[2]
LOADGEN = os.environ["SPANMETER_LOADGEN"]
NEXT_DEB_VERSION = "9.9.9-1"
# A line that only the next version's configuration has.
NEXT_LINE = "# The next version says more."


def _only(variable, pattern):
    (package,) = pathlib.Path(os.environ[variable]).glob(pattern)
    return package.resolve()


def deb():
    return _only("SPANMETER_PACKAGES", "spanmeter_*.deb")


def rpm():
    return _only("SPANMETER_PACKAGES", "spanmeter-*.rpm")


def next_rpm():
    return _only("SPANMETER_NEXT_PACKAGES", "spanmeter-*.rpm")


@functools.cache
def workspace():
    made = machine.Workspace()
    atexit.register(made.close)
    return made


@functools.cache
def next_deb():
    """The same package with a higher version and a configuration that differs by a line."""
    tree = workspace().new_path("next")
    machine.run(["dpkg-deb", "--raw-extract", deb(), tree])
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {NEXT_DEB_VERSION}",
                              control.read_text(encoding="utf-8"), flags=re.MULTILINE))
    with open(tree / "etc/spanmeter/spanmeter.toml", "a", encoding="utf-8") as config:
        config.write(NEXT_LINE + "\n")
    output = workspace().directory / "spanmeter_next.deb"
    machine.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, output])
    return output


@functools.cache
def base():
    """The layers of the smallest Debian 12."""
    return (workspace().bootstrap(),)


def extended(layers, change):
    """The layers with one more, in which change(Chroot) was at work."""
    layer = workspace().layer(*layers)
    with machine.Chroot(layer) as chroot:
        change(chroot)
    layer.unmount()
    return (layer.changes, *layers)


@functools.cache
def bootable():
    """The layers of a Debian 12 with systemd and all that the package depends on.

    Machines that boot have no network to get it from.
    """
    def install(chroot):
        chroot.apt("install", "--no-install-recommends", "systemd", "systemd-sysv")
        chroot.apt("satisfy", "--no-install-recommends",
                   machine.run(["dpkg-deb", "--field", deb(), "Depends"]).strip())
    return extended(base(), install)


@functools.cache
def bootable_with_rpm():
    return extended(bootable(),
                    lambda chroot: chroot.apt("install", "--no-install-recommends", "rpm"))


def new_layer(test, layers):
    """A file system for one test, unmounted when that ends."""
    layer = workspace().layer(*layers)
    test.addCleanup(layer.unmount)
    return layer
