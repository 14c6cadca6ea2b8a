"""The Debian package in real Debian 12 systems: not booted, and booted with systemd.

    SPANMETER_PACKAGES=build/packages SPANMETER_LOADGEN=... python3 deb_test.py

Its dependencies come from the archive that this machine uses. Needs root; see machine.py.
"""

import os
import pathlib
import re
import subprocess
import unittest

import machine
import service

PACKAGES = pathlib.Path(os.environ["SPANMETER_PACKAGES"])
LOADGEN = os.environ["SPANMETER_LOADGEN"]
NEXT_VERSION = "9.9.9-1"
# A line that only the next version's configuration has.
NEXT_LINE = "# The next version says more."


def find_package():
    (package,) = PACKAGES.glob("spanmeter_*_amd64.deb")
    return package.resolve()


def make_next_version(package, directory):
    """The same package with a higher version and a configuration that differs by a line."""
    tree = directory / "next"
    machine.run(["dpkg-deb", "--raw-extract", package, tree])
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {NEXT_VERSION}", control.read_text(),
                              flags=re.MULTILINE))
    with open(tree / "etc/spanmeter/spanmeter.toml", "a", encoding="utf-8") as config:
        config.write(NEXT_LINE + "\n")
    output = directory / "spanmeter_next.deb"
    machine.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, output])
    return output


WORKSPACE = machine.Workspace()


def setUpModule():
    unittest.addModuleCleanup(WORKSPACE.close)
    global PACKAGE, NEXT_PACKAGE, BASE, BOOTABLE  # made once, shared by the tests
    PACKAGE = find_package()
    NEXT_PACKAGE = make_next_version(PACKAGE, WORKSPACE.directory)
    BASE = WORKSPACE.bootstrap()
    # The booted machines have no network: what the package depends on is there before.
    layer = WORKSPACE.layer(BASE)
    with machine.Chroot(layer) as chroot:
        chroot.apt("install", "--no-install-recommends", "systemd", "systemd-sysv")
        chroot.apt("satisfy", "--no-install-recommends",
                   machine.run(["dpkg-deb", "--field", PACKAGE, "Depends"]).strip())
    layer.unmount()
    BOOTABLE = (layer.changes, BASE)


class ChrootTest(unittest.TestCase):
    """Where systemd does not run."""

    def test_apt_resolves_its_dependencies_and_the_program_runs_as_its_user(self):
        layer = WORKSPACE.layer(BASE)
        with machine.Chroot(layer) as chroot:
            chroot.apt("install", "--no-install-recommends", chroot.put(PACKAGE))
            user = chroot.run("getent", "passwd", "spanmeter").strip().split(":")
            self.assertEqual(user[5:], [service.STATE, "/usr/sbin/nologin"])
            self.assertLess(int(user[2]), 1000)
            self.assertEqual(chroot.stat(service.CONFIG), "root:spanmeter 640")
            self.assertEqual(chroot.stat(service.STATE), "spanmeter:spanmeter 750")
            self.assertTrue(
                chroot.exists(f"/etc/systemd/system/multi-user.target.wants/{service.UNIT}"))
            for manual in ("man8/spanmeter.8.gz", "man5/spanmeter.toml.5.gz"):
                self.assertTrue(chroot.exists(f"/usr/share/man/{manual}"))

            as_user = ["setpriv", "--reuid=spanmeter", "--regid=spanmeter", "--init-groups"]
            command = service.exec_start(chroot.path(f"/lib/systemd/system/{service.UNIT}"))
            valid = chroot.run(*as_user, *command, "--check-config")
            self.assertIn("valid", valid)
            # Ports of its own, since this has the network of the whole machine.
            chroot.run("sed", "-i", "-E", r's/^listen = ".*"$/listen = "127.0.0.1:0"/',
                       service.CONFIG)
            process = chroot.start(*as_user, *command, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                log = ""
                while "port=otlp_grpc" not in log:
                    line = process.stdout.readline()
                    self.assertTrue(line, log)
                    log += line
                http = re.search(r"port=http address=(\S+)", log).group(1)
                metrics = machine.run(["curl", "-sSf", "--noproxy", "*", f"http://{http}/metrics"])
                self.assertEqual(service.value_of(metrics, "spanmeter_build_info"), 1)
            finally:
                process.terminate()
                process.communicate()

            chroot.apt("purge", "spanmeter")
            self.assertFalse(chroot.exists(service.STATE))
            self.assertFalse(chroot.exists("/etc/spanmeter"))
            self.assertFalse(
                chroot.exists(f"/etc/systemd/system/multi-user.target.wants/{service.UNIT}"))
            self.assertIn("spanmeter", chroot.run("getent", "passwd", "spanmeter"))

    def test_an_administrators_owner_and_mode_of_the_configuration_stay(self):
        layer = WORKSPACE.layer(*BOOTABLE)
        with machine.Chroot(layer) as chroot:
            chroot.apt("install", "--no-install-recommends", chroot.put(PACKAGE))
            chroot.run("chown", "daemon:adm", service.CONFIG)
            chroot.run("chmod", "0604", service.CONFIG)
            chroot.apt("install", chroot.put(NEXT_PACKAGE))
            self.assertEqual(chroot.stat(service.CONFIG), "daemon:adm 604")


class BootedTest(unittest.TestCase):
    """Where systemd runs, each test in a machine of its own."""

    def setUp(self):
        layer = WORKSPACE.layer(*BOOTABLE)
        self.addCleanup(layer.unmount)
        self.host = self.enterContext(machine.Machine(layer))
        self.service = service.Service(self.host, LOADGEN)


    def install(self, package=None, *options):
        return self.host.apt("install", "--no-install-recommends", *options,
                             self.host.put(package or PACKAGE))

    def test_installing_enables_and_starts_the_service(self):
        self.install()
        # apt returns when postinst does, which has waited for READY=1: nothing is polled here.
        self.assertEqual(self.service.state(), "active")
        self.assertEqual(self.service.is_enabled(), "enabled")
        self.assertIn("0.0.0.0:4317 (OTLP/gRPC)", self.host.property(service.UNIT, "StatusText"))
        self.assertEqual(self.service.calls(), 0)
        sent = self.service.send(10_000)
        self.assertEqual(self.service.calls(), sent)
        self.assertIn("listening", self.host.journal(service.UNIT))
        self.assertEqual(self.host.property(service.UNIT, "User"), "spanmeter")

    def test_an_upgrade_restarts_the_service_and_keeps_a_changed_configuration(self):
        self.install()
        self.service.edit_config('level = "info"', 'level = "debug"')
        self.host.run("systemctl", "reload", service.UNIT)
        changed = self.host.path(service.CONFIG).read_text(encoding="utf-8")
        self.host.run("touch", f"{service.STATE}/kept")
        before = self.service.pid()

        self.install(NEXT_PACKAGE, "-o", "Dpkg::Options::=--force-confold")
        self.assertEqual(self.host.run("dpkg-query", "-W", "-f=${Version}", "spanmeter"),
                         NEXT_VERSION)
        self.assertEqual(self.service.state(), "active")
        self.assertNotEqual(self.service.pid(), before)
        self.assertEqual(self.host.path(service.CONFIG).read_text(encoding="utf-8"), changed)
        self.assertEqual(self.host.stat(service.CONFIG), "root:spanmeter 640")
        self.assertIn(NEXT_LINE, self.host.path(service.CONFIG + ".dpkg-dist").read_text())
        self.assertTrue(self.host.exists(f"{service.STATE}/kept"))
        self.assertIn("stopped", self.host.journal(service.UNIT))
        self.assertEqual(self.host.property(service.UNIT, "NRestarts"), "0")

    def test_an_upgrade_replaces_an_unchanged_configuration(self):
        self.install()
        self.install(NEXT_PACKAGE)
        self.assertIn(NEXT_LINE, self.host.path(service.CONFIG).read_text(encoding="utf-8"))
        self.assertEqual(self.host.stat(service.CONFIG), "root:spanmeter 640")
        self.assertEqual(self.service.state(), "active")

    def test_a_disabled_service_stays_off_in_an_upgrade(self):
        self.install()
        self.host.run("systemctl", "disable", "--now", service.UNIT)
        self.install(NEXT_PACKAGE)
        self.assertEqual(self.service.state(), "inactive")
        self.assertEqual(self.service.is_enabled(), "disabled")

    def test_policy_rc_d_keeps_it_from_being_started(self):
        policy = self.host.path("/usr/sbin/policy-rc.d")
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
        self.install()
        self.assertEqual(self.service.state(), "inactive")
        self.assertEqual(self.service.is_enabled(), "enabled")

    def test_removal_stops_it_and_keeps_configuration_state_and_user(self):
        self.install()
        self.host.run("touch", f"{service.STATE}/kept")
        self.host.apt("remove", "spanmeter")
        self.assertEqual(self.service.state(), "inactive")
        self.assertFalse(self.host.exists("/usr/bin/spanmeter"))
        self.assertEqual(self.host.stat(service.CONFIG), "root:spanmeter 640")
        self.assertTrue(self.host.exists(f"{service.STATE}/kept"))
        self.assertIn("spanmeter", self.host.run("getent", "passwd", "spanmeter"))

        self.install()
        self.assertEqual(self.service.state(), "active")
        self.assertTrue(self.host.exists(f"{service.STATE}/kept"))

    def test_purging_removes_configuration_and_state_and_leaves_the_user(self):
        self.install()
        self.host.run("touch", f"{service.STATE}/kept")
        self.host.apt("purge", "spanmeter")
        self.assertEqual(self.service.state(), "inactive")
        self.assertFalse(self.host.exists(service.STATE))
        self.assertFalse(self.host.exists("/etc/spanmeter"))
        self.assertEqual(self.host.property(service.UNIT, "LoadState"), "not-found")
        self.assertIn("spanmeter", self.host.run("getent", "passwd", "spanmeter"))
        left = self.host.run("find", "/etc/systemd", "/var/lib/systemd/deb-systemd-helper-enabled",
                             "-name", "spanmeter*")
        self.assertEqual(left, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
