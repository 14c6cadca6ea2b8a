"""The RPM package, by rpm's own tools, and installed in Debian 12 systems.

Distributions that are made
of RPM packages cannot be had where these tests run, and the package's libraries are those that it
was built with: so it is installed with --nodeps into Debian, whose libraries they are. What that
does not prove is in packaging/README.md. tests/package/run.sh runs this.
"""

import pathlib
import re
import subprocess
import tempfile
import unittest

import machine
import service
import systems

# The libraries that the program is linked with, by the sonames of Debian 12. libyaml-cpp may be
# among them. The loader is one because of thread-local variables, such as Boost's.
LIBRARIES = {
    "ld-linux-x86-64.so.2", "libabsl", "libc.so.6", "libcrypt.so.1", "libcrypto.so.3",
    "libcurl.so.4", "libdeflate.so.0", "libgcc_s.so.1", "libgpr.so.29", "libgrpc++.so.1.51",
    "libgrpc.so.29", "libisal.so.2", "libm.so.6", "libprometheus-cpp-core.so.1.0",
    "libprotobuf.so.32", "libre2.so.9", "libsnappy.so.1", "libsqlite3.so.0", "libssl.so.3",
    "libstdc++.so.6", "libsystemd.so.0", "libyaml-cpp.so.0.7",
}


def query(*arguments):
    return machine.run(["rpm", "--query", "--package", *arguments, systems.rpm()])


class PackageTest(unittest.TestCase):
    def test_it_requires_the_libraries_that_are_linked_and_systemd_for_its_scriptlets(self):
        requires = set(query("--requires").split("\n"))
        libraries = {re.sub(r"^libabsl_\w+\.so\.\d+$", "libabsl", line.split("(")[0])
                     for line in requires if ".so" in line}
        self.assertEqual(libraries, LIBRARIES)
        others = {line.split(" ")[0].split("(")[0] for line in requires if ".so" not in line}
        self.assertEqual(others - {""}, {"/bin/sh", "config", "rpmlib", "rtld", "systemd"})

    def test_only_the_configuration_is_configuration_and_only_it_is_closed(self):
        self.assertEqual(query("--configfiles").split(), [service.CONFIG])
        flags = query("--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]")
        self.assertIn(f"{service.CONFIG} cn", flags)  # c: configuration, n: noreplace
        closed = [line.split() for line in query("--list", "--verbose").splitlines()
                  if not line.startswith(("drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"))]
        self.assertEqual([(fields[0], fields[-1]) for fields in closed],
                         [("-rw-r-----", service.CONFIG)])
        self.assertIn(f"{service.CONFIG} root spanmeter",
                      query("--queryformat", "[%{FILENAMES} %{FILEUSERNAME} %{FILEGROUPNAME}\n]"))

    def test_it_has_the_files_of_the_debian_package_but_for_those_about_debian(self):
        listed = {line.split()[5][1:].rstrip("/")
                  for line in machine.run(["dpkg-deb", "--contents",
                                           systems.deb()]).splitlines()
                  if not line.startswith("d")}
        about_debian = {"/usr/share/doc/spanmeter/changelog.Debian.gz",
                        "/usr/share/lintian/overrides/spanmeter"}
        own = {path for path in query("--list").split() if path in listed}
        self.assertEqual(own, listed - about_debian)
        directories = set(query("--list").split()) - own
        self.assertLessEqual(directories, {
            "/etc/spanmeter", "/usr/share/doc/spanmeter", "/usr/share/spanmeter",
            "/usr/share/spanmeter/dashboards", "/usr/share/spanmeter/rules"})

    def test_each_scriptlet_is_plain_shell(self):
        for name in ("PREIN", "POSTIN", "PREUN", "POSTUN"):
            with self.subTest(scriptlet=name), tempfile.NamedTemporaryFile("w") as file:
                text = query("--queryformat", f"%{{{name}}}")
                self.assertGreater(len(text), 50)
                file.write("#!/bin/sh\n" + text)
                file.flush()
                machine.run(["sh", "-n", file.name])
                machine.run(["shellcheck", "--shell=sh", file.name])

    def test_the_user_of_the_first_scriptlet_is_that_of_the_installed_file(self):
        sysusers = re.search(r"<<'END'.*\n((?:.*\n)*?)END\n",
                             query("--queryformat", "%{PREIN}")).group(1)
        with tempfile.TemporaryDirectory() as directory:
            with subprocess.Popen(["rpm2cpio", systems.rpm()], stdout=subprocess.PIPE) as archive:
                subprocess.run(["cpio", "--quiet", "--extract", "--make-directories"],
                               stdin=archive.stdout, cwd=directory, check=True)
            file = pathlib.Path(directory) / "usr/lib/sysusers.d/spanmeter.conf"
            lines = [line for line in file.read_text().splitlines(True) if line[0] != "#"]
        self.assertEqual("".join(lines), sysusers)


class OtherRootTest(unittest.TestCase):
    """rpm --root: the tool of this machine, the file system of another."""

    def rpm(self, root, *arguments, check=True):
        return machine.run(["rpm", f"--root={root}", *arguments], check=check)

    def test_it_installs_verifies_upgrades_and_erases(self):
        layer = systems.new_layer(self, systems.bootable())
        # Its scriptlets run in that root, without systemd. Whoever builds an image mounts this.
        machine.run(["mount", "-t", "proc", "proc", layer.path("/proc")])
        self.addCleanup(machine.run, ["umount", layer.path("/proc")])
        self.assertNotRegex(self.rpm(layer.root, "--install", "--nodeps", systems.rpm()),
                            "(?i)warning|error|fail")
        self.assertEqual(self.rpm(layer.root, "--verify", "--nodeps", "spanmeter"), "")
        users = layer.path("/etc/passwd").read_text(encoding="utf-8")
        uid = re.search(r"^spanmeter:[^:]*:(\d+):(\d+):", users, re.MULTILINE)
        state = layer.path(service.STATE).stat()
        self.assertEqual((state.st_uid, state.st_gid, state.st_mode & 0o777),
                         (int(uid[1]), int(uid[2]), 0o750))
        config = layer.path(service.CONFIG)
        self.assertEqual((config.stat().st_uid, config.stat().st_gid, config.stat().st_mode & 0o777),
                         (0, int(uid[2]), 0o640))

        changed = config.read_text(encoding="utf-8").replace('"info"', '"debug"')
        config.write_text(changed, encoding="utf-8")
        self.assertNotRegex(self.rpm(layer.root, "--upgrade", "--nodeps", systems.next_rpm()),
                            "(?i)warning|error|fail")
        self.assertNotEqual(systems.next_rpm().name, systems.rpm().name)
        self.assertEqual(config.read_text(encoding="utf-8"), changed)
        self.assertEqual(config.stat().st_mode & 0o777, 0o640)
        # It tells that the configuration is not the package's own, and nothing else.
        status, differences = self.rpm(layer.root, "--verify", "--nodeps", "spanmeter", check=False)
        self.assertEqual((status, [line.split()[-1] for line in differences.splitlines()]),
                         (1, [service.CONFIG]))

        layer.path(f"{service.STATE}/kept").touch()
        self.rpm(layer.root, "--erase", "spanmeter")
        self.assertFalse(layer.path("/usr/bin/spanmeter").exists())
        self.assertFalse(config.exists())
        self.assertEqual(layer.path(service.CONFIG + ".rpmsave").read_text(encoding="utf-8"),
                         changed)
        self.assertTrue(layer.path(f"{service.STATE}/kept").exists())
        self.assertIn("spanmeter:", layer.path("/etc/passwd").read_text(encoding="utf-8"))


class BootedTest(unittest.TestCase):
    def test_it_is_started_by_the_administrator_restarted_by_upgrades_and_stopped_at_the_end(self):
        host = self.enterContext(
            machine.Machine(systems.new_layer(self, systems.bootable_with_rpm())))
        spanmeter = service.Service(host, systems.LOADGEN)
        host.run("rpm", "--install", "--nodeps", host.put(systems.rpm()))
        # Debian's preset enables everything; Fedora's would not.
        self.assertEqual(spanmeter.state(), "inactive")
        host.run("systemctl", "enable", "--now", service.UNIT)
        self.assertEqual(spanmeter.state(), "active")
        self.assertEqual(spanmeter.send(1_000), spanmeter.calls())

        before = spanmeter.pid()
        host.run("rpm", "--upgrade", "--nodeps", host.put(systems.next_rpm()))
        self.assertEqual(spanmeter.state(), "active")
        self.assertNotEqual(spanmeter.pid(), before)

        host.run("systemctl", "stop", service.UNIT)
        host.run("rpm", "--upgrade", "--nodeps", "--oldpackage", host.put(systems.rpm()))
        self.assertEqual(spanmeter.state(), "inactive")

        host.run("systemctl", "start", service.UNIT)
        host.run("rpm", "--erase", "spanmeter")
        self.assertEqual(spanmeter.state(), "inactive")
        self.assertFalse(host.exists(f"/etc/systemd/system/multi-user.target.wants/{service.UNIT}"))


if __name__ == "__main__":
    unittest.main()
