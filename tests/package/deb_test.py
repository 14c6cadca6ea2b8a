"""The Debian package in real Debian 12 systems: not booted, and booted with systemd.

Its dependencies come from the archive that this machine uses. tests/package/run.sh runs this.
"""

import gzip
import json
import re
import subprocess
import unittest

import machine
import service
import systems


class FilesTest(unittest.TestCase):
    """What is in the package, unpacked without any of its scripts."""

    def setUp(self):
        self.root = systems.workspace().new_path("unpacked")
        machine.run(["dpkg-deb", "--extract", systems.deb(), self.root])

    def test_it_has_the_trees_dashboards_and_rules(self):
        for kind, pattern in (("dashboards", "*.json"), ("rules", "*.yml")):
            installed = self.root / "usr/share/spanmeter" / kind
            self.assertEqual({file.name: file.read_bytes() for file in installed.glob("*")},
                             {file.name: file.read_bytes()
                              for file in (systems.TREE / "etc" / kind).glob(pattern)})

    def test_manual_pages_and_changelog_are_the_trees(self):
        for installed, source in (
                ("man/man8/spanmeter.8.gz", "packaging/man/spanmeter.8"),
                ("man/man5/spanmeter.toml.5.gz", "packaging/man/spanmeter.toml.5"),
                ("doc/spanmeter/changelog.gz", "CHANGELOG.md")):
            with gzip.open(self.root / "usr/share" / installed) as file:
                self.assertEqual(file.read(), (systems.TREE / source).read_bytes())

    def test_the_program_is_hardened_and_has_no_debug_information(self):
        program = self.root / "usr/bin/spanmeter"
        sections = machine.run(["readelf", "--sections", "--wide", program])
        self.assertIn(" .text ", sections)
        self.assertNotRegex(sections, r" \.(symtab|debug_\w+) ")
        dynamic = machine.run(["readelf", "--dynamic", "--wide", program])
        self.assertRegex(dynamic, r"FLAGS_1.*NOW.*PIE")
        self.assertIn("GNU_RELRO", machine.run(["readelf", "--segments", "--wide", program]))
        symbols = machine.run(["readelf", "--dyn-syms", "--wide", program])
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__\w+_chk@")


class ChrootTest(unittest.TestCase):
    """Where systemd does not run."""

    def test_apt_resolves_its_dependencies_and_the_program_runs_as_its_user(self):
        with machine.Chroot(systems.new_layer(self, systems.base())) as chroot:
            chroot.apt("install", "--no-install-recommends", chroot.put(systems.deb()))
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
        with machine.Chroot(systems.new_layer(self, systems.bootable())) as chroot:
            chroot.apt("install", "--no-install-recommends", chroot.put(systems.deb()))
            chroot.run("chown", "daemon:adm", service.CONFIG)
            chroot.run("chmod", "0604", service.CONFIG)
            chroot.apt("install", chroot.put(systems.next_deb()))
            self.assertEqual(chroot.stat(service.CONFIG), "daemon:adm 604")


class BootedTest(unittest.TestCase):
    """Where systemd runs, each test in a machine of its own."""

    def setUp(self):
        self.host = self.enterContext(
            machine.Machine(systems.new_layer(self, systems.bootable())))
        self.service = service.Service(self.host, systems.LOADGEN)


    def install(self, package=None, *options):
        return self.host.apt("install", "--no-install-recommends", *options,
                             self.host.put(package or systems.deb()))

    def test_installing_enables_and_starts_the_service(self):
        self.install()
        # apt returns when postinst does, which has waited for READY=1: nothing is polled here.
        self.assertEqual(self.service.state(), "active")
        self.assertEqual(self.service.is_enabled(), "enabled")
        self.assertIn("0.0.0.0:4317 (OTLP/gRPC) and 0.0.0.0:4318 (OTLP/HTTP)", self.host.property(service.UNIT, "StatusText"))
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

        self.install(systems.next_deb(), "-o", "Dpkg::Options::=--force-confold")
        self.assertEqual(self.host.run("dpkg-query", "-W", "-f=${Version}", "spanmeter"),
                         systems.NEXT_DEB_VERSION)
        self.assertEqual(self.service.state(), "active")
        self.assertNotEqual(self.service.pid(), before)
        self.assertEqual(self.host.path(service.CONFIG).read_text(encoding="utf-8"), changed)
        self.assertEqual(self.host.stat(service.CONFIG), "root:spanmeter 640")
        self.assertIn(systems.NEXT_LINE, self.host.path(service.CONFIG + ".dpkg-dist").read_text())
        self.assertTrue(self.host.exists(f"{service.STATE}/kept"))
        self.assertIn("stopped", self.host.journal(service.UNIT))
        self.assertEqual(self.host.property(service.UNIT, "NRestarts"), "0")

    def test_an_upgrade_under_load_loses_no_count(self):
        self.install()
        load = self.service.start_load("--batch=100", "--rate=5000")
        machine.wait_until(lambda: self.service.calls() > 5_000, "spans to be counted")
        before = self.service.pid()
        self.install(systems.next_deb())
        self.assertNotEqual(self.service.pid(), before)
        upgraded = self.service.calls()
        self.assertGreater(upgraded, 5_000)
        machine.wait_until(lambda: self.service.calls() > upgraded + 5_000, "more spans")
        load.terminate()
        out, _ = load.communicate(timeout=machine.DEADLINE_SECONDS)
        # What was refused while nobody listened was not counted, what was acknowledged was.
        self.assertEqual(self.service.calls(), json.loads(out)["acknowledged"])

    def test_an_upgrade_replaces_an_unchanged_configuration(self):
        self.install()
        self.install(systems.next_deb())
        self.assertIn(systems.NEXT_LINE, self.host.path(service.CONFIG).read_text(encoding="utf-8"))
        self.assertEqual(self.host.stat(service.CONFIG), "root:spanmeter 640")
        self.assertEqual(self.service.state(), "active")

    def test_a_disabled_service_stays_off_in_an_upgrade(self):
        self.install()
        self.host.run("systemctl", "disable", "--now", service.UNIT)
        self.install(systems.next_deb())
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
    unittest.main()
