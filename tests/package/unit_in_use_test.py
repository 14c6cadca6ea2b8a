"""The packaged unit in a booted Debian 12: what systemd does with spanmeter, and what it forbids it.

tests/package/run.sh runs this. It needs prometheus and curl on this machine.
"""

import re
import shutil
import signal
import subprocess
import unittest

import machine
import service
import systems

PROMETHEUS_PORT = 9090
# Every kind of work at once: service graphs, native histograms, remote write.
EVERYTHING = f"""
[[remote_write]]
url = "http://localhost:{PROMETHEUS_PORT}/api/v1/write"
queue_config.batch_send_deadline = "1s"
"""
WORK = [
    ('collection_interval = "15s"', 'collection_interval = "1s"'),
    ('processors = ["span-metrics"]', 'processors = ["span-metrics", "service-graphs", "host-info"]'),
    ('generate_native_histograms = "classic"', 'generate_native_histograms = "both"'),
]


class UnitInUseTest(unittest.TestCase):
    def setUp(self):
        self.host = self.enterContext(
            machine.Machine(systems.new_layer(self, systems.bootable())))
        self.service = service.Service(self.host, systems.LOADGEN)
        self.host.apt("install", "--no-install-recommends", self.host.put(systems.deb()))

    def configure_everything(self):
        for old, new in WORK:
            self.service.edit_config(old, new)
        config = self.host.path(service.CONFIG)
        with open(config, "a", encoding="utf-8") as file:
            file.write(EVERYTHING)

    def start_prometheus(self):
        data = systems.workspace().new_path("prometheus")
        data.mkdir()
        config = data / "prometheus.yml"
        config.write_text("{}\n", encoding="utf-8")
        process = subprocess.Popen(
            self.host.on_network(
                shutil.which("prometheus"), f"--config.file={config}",
                f"--storage.tsdb.path={data}", "--web.enable-remote-write-receiver",
                "--enable-feature=native-histograms",
                f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        ready = f"http://127.0.0.1:{PROMETHEUS_PORT}/-/ready"
        machine.wait_until(
            lambda: machine.run(self.host.on_network("curl", "-sf", ready), check=False)[0] == 0,
            "Prometheus")

    def test_the_process_has_no_privileges_and_sees_little_of_the_machine(self):
        status = dict(line.split(":\t", 1)
                      for line in self.host.process_file(service.UNIT, "status").splitlines())
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        user = self.host.run("id", "--user", "spanmeter").strip()
        self.assertEqual(set(status["Uid"].split()), {user})
        mounts = {fields[4]: fields[5].split(",") for fields in map(
            str.split, self.host.process_file(service.UNIT, "mountinfo").splitlines())}
        self.assertIn("ro", mounts["/"])
        self.assertIn("rw", mounts[service.STATE])
        for hidden in ("/home", "/root", "/tmp", "/dev"):
            self.assertIn(hidden, mounts)

    def test_systemd_has_nothing_to_say_about_the_unit(self):
        # Where manual pages are left out, as in small images, they are not missed.
        self.assertEqual(self.host.run("systemd-analyze", "verify", "--man=no", service.UNIT,
                                       check=False), (0, ""))

    def test_it_works_under_load_without_any_forbidden_system_call(self):
        # Instead of failing with EPERM, which a library may hide, a forbidden call ends the process.
        self.service.drop_in("SystemCallErrorNumber=kill\n")
        self.configure_everything()
        self.start_prometheus()
        self.host.run("systemctl", "restart", service.UNIT)
        before = self.service.pid()

        load = self.service.start_load("--connections=8", "--batch=100", "--spans=300000", "--gzip")
        self.host.run("systemctl", "reload", service.UNIT)
        for path in ("/", "/api/v1/overview", "/metrics", "/-/ready"):
            self.host.get(service.HTTP + path)
        sent = self.service.finish(load)
        self.assertEqual(self.service.calls(), sent)
        machine.wait_until(
            lambda: self.service.self_metric("spanmeter_remote_storage_samples_total") > 0,
            "samples to be pushed")
        machine.wait_until(
            lambda: self.service.self_metric("spanmeter_config_reloads_total") == 1, "the reload")
        # What is read from /proc and asked of the kernel.
        for name in ("process_max_fds", "process_open_fds", "process_start_time_seconds",
                     "process_resident_memory_bytes", "process_threads"):
            self.assertGreater(self.service.self_metric(name), 0, name)
        self.assertEqual(self.service.self_metric("spanmeter_storage_up"), 1)
        self.assertEqual(self.service.pid(), before)
        self.host.run("systemctl", "stop", service.UNIT)
        self.assertEqual(self.host.property(service.UNIT, "Result"), "success")
        self.assertEqual(self.host.property(service.UNIT, "NRestarts"), "0")
        # The configuration became another one above, which may be worth a warning.
        complaints = [line for line in self.host.journal(service.UNIT).splitlines()
                      if re.search("level=(warn|error)", line)
                      and "metrics end or begin anew" not in line]
        self.assertEqual(complaints, [])

    def test_the_state_is_written_to_its_directory_and_nowhere_else(self):
        self.configure_everything()
        self.host.run("systemctl", "restart", service.UNIT)
        self.service.send(1_000)
        machine.wait_until(lambda: self.service.self_metric("spanmeter_storage_up") == 1
                           and self.service.self_metric(
                               "spanmeter_remote_storage_queue_bytes") > 0, "something to wait")
        self.host.run("systemctl", "stop", service.UNIT)
        self.assertEqual(self.host.stat(service.STATE), "spanmeter:spanmeter 750")
        files = self.host.run("find", service.STATE, "-type", "f", "-printf", "%u:%g %m\n")
        self.assertEqual(set(files.splitlines()), {"spanmeter:spanmeter 600"})

    def test_a_stop_under_load_is_clean_and_in_time(self):
        load = self.service.start_load("--connections=8", "--batch=100")
        machine.wait_until(lambda: self.service.calls() > 10_000, "spans to be counted")
        self.host.run("systemctl", "stop", service.UNIT)
        load.send_signal(signal.SIGTERM)
        load.communicate()
        self.assertEqual(self.host.property(service.UNIT, "Result"), "success")
        self.assertRegex(self.host.journal(service.UNIT), r"msg=stopped\b")

    def test_the_examples_of_the_manual_page_work(self):
        self.assertIn("listen = ", self.host.run("sh", "-c", "spanmeter --print-config"))
        self.host.run("sh", "-c", "spanmeter --check-config && systemctl reload spanmeter")
        machine.wait_until(
            lambda: self.service.self_metric("spanmeter_config_reloads_total") == 1, "the reload")

    def test_a_mistake_in_the_configuration_fails_the_reload_and_changes_nothing(self):
        before = self.service.pid()
        self.service.edit_config('level = "info"', 'level = "loud"')
        status, _ = self.host.run("systemctl", "reload", service.UNIT, check=False)
        self.assertNotEqual(status, 0)
        self.assertIn("loud", self.host.journal(service.UNIT))
        self.assertEqual((self.service.state(), self.service.pid()), ("active", before))

    def test_a_secret_may_be_a_credential_also_in_a_reload(self):
        self.host.path("/etc/token").write_text("0123456789abcdef\n", encoding="utf-8")
        self.host.path("/etc/token").chmod(0o600)
        self.service.drop_in("LoadCredential=token:/etc/token\n")
        self.service.edit_config(
            "tokens = []\n\n# TLS for the gRPC",
            f'tokens = [{{file = "/run/credentials/{service.UNIT}/token"}}]\n\n# TLS for the gRPC')
        self.host.run("systemctl", "restart", service.UNIT)
        before = self.service.pid()
        self.host.run("systemctl", "reload", service.UNIT)
        machine.wait_until(
            lambda: self.service.self_metric("spanmeter_config_reloads_total") == 1, "the reload")
        self.assertEqual(
            self.service.self_metric("spanmeter_config_last_reload_successful"), 1)
        self.assertEqual(self.service.pid(), before)

    def test_a_process_that_hangs_is_ended_and_started_again(self):
        self.service.drop_in("WatchdogSec=2s\nRestartSec=100ms\n")
        self.host.run("systemctl", "restart", service.UNIT)
        before = self.service.pid()
        self.host.run("bash", "-c", f"kill -STOP {before}")
        machine.wait_until(lambda: self.host.property(service.UNIT, "NRestarts") == "1",
                           "the watchdog")
        self.service.wait_for("active")
        self.assertNotEqual(self.service.pid(), before)
        self.assertIn("Watchdog timeout", self.host.journal(service.UNIT))

    def test_a_crash_is_followed_by_a_start_and_wrong_flags_are_not(self):
        self.service.drop_in("RestartSec=100ms\n")
        before = self.service.pid()
        self.host.run("bash", "-c", f"kill -KILL {before}")
        machine.wait_until(lambda: self.host.property(service.UNIT, "NRestarts") == "1", "a start")
        self.service.wait_for("active")

        self.service.drop_in("RestartSec=100ms\nExecStart=\nExecStart=/usr/bin/spanmeter --no-flag\n")
        self.host.run("systemctl", "restart", service.UNIT, check=False)
        self.service.wait_for("failed")
        self.assertEqual(self.host.property(service.UNIT, "ExecMainStatus"), "2")

    def test_memory_cpu_and_descriptors_are_accounted_and_limited(self):
        for name in ("MemoryAccounting", "CPUAccounting"):
            self.assertEqual(self.host.property(service.UNIT, name), "yes")
        self.assertEqual(self.host.property(service.UNIT, "LimitNOFILE"), "65536")
        # Where systemd itself may have fewer, it gives all that it has.
        most = re.search(r"^Max open files +\S+ +(\S+)", self.host.run("cat", "/proc/1/limits"),
                         re.MULTILINE).group(1)
        self.assertEqual(self.service.self_metric("process_max_fds"), min(65536, int(most)))


if __name__ == "__main__":
    unittest.main()
