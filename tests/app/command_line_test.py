"""The real program: what it says, how it exits, and that it starts as a whole or not at all."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

BINARY = os.environ["SPANMETER"]
SOURCE_DIR = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
DEADLINE_SECONDS = 30

PORTS = {"otlp.grpc": "otlp_grpc", "otlp.http": "otlp_http", "http": "http"}


def ports(**addresses):
    """A configuration with ports that the system chooses, but for those in `addresses`."""
    return "".join(f'[{section}]\nlisten = "{addresses.get(name, "127.0.0.1:0")}"\n'
                   for section, name in PORTS.items())


ANY_PORTS = ports()


def run(*arguments, **options):
    return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE_SECONDS, check=False, **options)


class CommandLineTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-test-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def write(self, text, name="spanmeter.toml"):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def start(self, config_text, *arguments):
        """Starts the program and returns (process, addresses by port, log lines so far)."""
        process = subprocess.Popen([BINARY, f"--config.file={self.write(config_text)}", *arguments], text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines, addresses = [], {}
        while len(addresses) < len(PORTS):
            line = process.stderr.readline()
            self.assertNotEqual(line, "", lines)
            lines.append(line)
            match = re.search(r"listening.*port\W+(\w+).*address\W+?([\d.]+:\d+)", line)
            if match:
                addresses[match.group(1)] = match.group(2)
        return process, addresses, lines

    def test_help_goes_to_standard_output(self):
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("--config.file=PATH", result.stdout)

    def test_version_is_that_of_the_project(self):
        version = re.search(r"project\(spanmeter VERSION (\S+)",
                            (SOURCE_DIR / "CMakeLists.txt").read_text(encoding="utf-8")).group(1)
        result = run("--version")
        self.assertEqual((result.returncode, result.stdout), (0, f"spanmeter {version}\n"))

    def test_an_unknown_flag_is_an_error_with_a_hint(self):
        result = run("--config-file=x")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(result.stderr, 'spanmeter: unknown flag "--config-file": did you mean --config.file?\n')

    def test_check_config_accepts_the_file_of_the_tree(self):
        result = run(f"--config.file={SOURCE_DIR}/etc/spanmeter.toml", "--check-config")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("valid", result.stdout)

    def test_every_problem_of_a_file_is_reported_and_nothing_is_started(self):
        path = self.write(ANY_PORTS + "[log]\nlevel = 1\nformt = 2\n")
        for arguments in (["--check-config"], ["--print-config"], []):
            with self.subTest(arguments=arguments):
                result = run(f"--config.file={path}", *arguments)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertEqual(result.stderr,
                                 f"{path}:8: log.level must be a string, but is an integer\n"
                                 f'{path}:9: unknown key log.formt: did you mean "format"?\n')

    def test_a_missing_file_is_named(self):
        result = run("--config.file=/nonexistent/spanmeter.toml")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr,
                         "/nonexistent/spanmeter.toml: cannot read the file: No such file or directory\n")

    def test_what_print_config_writes_is_a_configuration_with_the_same_meaning(self):
        path = self.write('[http]\nlisten = "${SPANMETER_TEST_HOST}:0"\n'
                          '[generator.external_labels]\ncluster = "a\\"b"\n')
        environment = {**os.environ, "SPANMETER_TEST_HOST": "127.0.0.1"}
        first = run(f"--config.file={path}", "--print-config", env=environment)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn('listen = "127.0.0.1:0"', first.stdout)
        self.assertIn('external_labels = {cluster = "a\\"b"}', first.stdout)
        second = run(f"--config.file={self.write(first.stdout, 'printed.toml')}", "--print-config")
        self.assertEqual((second.returncode, second.stdout), (0, first.stdout), second.stderr)

    def test_the_name_of_the_machine_is_always_there(self):
        path = self.write('[generator.external_labels]\ninstance_id = "${HOSTNAME}"\n')
        without = {key: value for key, value in os.environ.items() if key != "HOSTNAME"}
        for environment, name in ((without, socket.gethostname()),
                                  (dict(without, HOSTNAME="meter-0"), "meter-0")):
            result = run(f"--config.file={path}", "--print-config", env=environment)
            self.assertIn(f'instance_id = "{name}"', result.stdout)

    def test_the_flag_for_the_storage_wins_over_the_file(self):
        path = self.write('[storage]\npath = "/file"\nmax_age = "2h"\n')
        result = run(f"--config.file={path}", f"--storage.path={self.directory}/flag", "--print-config")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f'[storage]\npath = "{self.directory}/flag"\n', result.stdout)
        self.assertIn('max_age = "2h"\n', result.stdout)
        self.assertNotIn("/file", result.stdout)

    def test_the_flag_for_the_storage_wins_after_a_reload_as_well(self):
        process, _, _ = self.start(ANY_PORTS + f'[storage]\npath = "{self.directory}/a"\n',
                                   f"--storage.path={self.directory}/flag")

        def reload(config_text):
            self.write(config_text)
            process.send_signal(signal.SIGHUP)
            line = process.stderr.readline()
            while "reload" not in line:
                self.assertNotEqual(line, "", "the log ended")
                line = process.stderr.readline()
            return line

        # What the file says about the path does not count, so it may change.
        self.assertIn("configuration reloaded", reload(ANY_PORTS + f'[storage]\npath = "{self.directory}/b"\n'))
        self.assertIn("configuration reloaded", reload(ANY_PORTS))
        self.assertIn("cannot change storage while running", reload(ANY_PORTS + '[storage]\nmax_age = "1h"\n'))

    def test_secrets_are_not_printed_and_what_is_printed_is_a_configuration(self):
        password = self.write("hunter2\n", "password")
        path = self.write('[[remote_write]]\nurl = "http://me:${SPANMETER_TEST_SECRET}@a"\n'
                          'headers = {X-Key = "hunter2"}\n'
                          '[[remote_write]]\nurl = "http://b"\n'
                          f'basic_auth = {{username = "me", password_file = "{password}"}}\n')
        environment = {**os.environ, "SPANMETER_TEST_SECRET": "hunter2"}
        first = run(f"--config.file={path}", "--print-config", env=environment)
        self.assertEqual((first.returncode, first.stderr), (0, ""))
        self.assertNotIn("hunter2", first.stdout)
        self.assertIn('url = "http://me:<secret>@a"', first.stdout)
        self.assertIn(f'password_file = "{password}"', first.stdout)
        second = run(f"--config.file={self.write(first.stdout, 'printed.toml')}", "--print-config")
        self.assertEqual((second.returncode, second.stdout), (0, first.stdout), second.stderr)

    def test_a_missing_file_of_credentials_ends_the_start(self):
        path = self.write(ANY_PORTS + '[[remote_write]]\nurl = "http://a"\n'
                          'authorization.credentials_file = "/nonexistent/token"\n')
        for arguments in (["--check-config"], ["--print-config"], []):
            with self.subTest(arguments=arguments):
                result = run(f"--config.file={path}", *arguments)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertEqual(result.stderr,
                                 f'{path}:9: remote_write[0].authorization.credentials_file = "/nonexistent/token" '
                                 "cannot be read: No such file or directory\n")

    def test_a_taken_port_ends_the_start_and_leaves_nothing_running(self):
        for port_name in PORTS.values():
            with self.subTest(port=port_name), socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                address = f"127.0.0.1:{taken.getsockname()[1]}"
                result = run("--config.file=" + self.write(ports(**{port_name: address})))
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertRegex(result.stderr, rf'level=error msg="cannot start" port={port_name} error=')
                self.assertIn(address, result.stderr)
                self.assertNotIn("listening", result.stderr)
                self.assertEqual(result.stdout, "")

    def test_a_missing_certificate_ends_the_start(self):
        result = run("--config.file=" + self.write(
            ANY_PORTS + 'tls = {cert_file = "/nonexistent/cert.pem", key_file = "/nonexistent/key.pem"}\n'))
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("/nonexistent/cert.pem", result.stderr)

    def test_both_signals_stop_it_with_status_0(self):
        for name in ("SIGTERM", "SIGINT"):
            with self.subTest(signal=name):
                process, _, _ = self.start(ANY_PORTS)
                process.send_signal(getattr(signal, name))
                output, log = process.communicate(timeout=DEADLINE_SECONDS)
                self.assertEqual((process.returncode, output), (0, ""), log)
                self.assertRegex(log, rf"msg=stopping signal={name}\n(.*\n)*.*msg=stopped\n$")

    def test_a_second_signal_ends_it_at_once(self):
        process, addresses, _ = self.start(ANY_PORTS)
        host, port = addresses["otlp_grpc"].split(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as stalled:
            # A call that never ends keeps the first signal's stop waiting: settings, then the headers
            # of a request (HPACK, literals without Huffman coding) and no body.
            stalled.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
            path = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            headers = b"\x83\x86" + b"\x04" + bytes([len(path)]) + path
            for key, value in ((b":authority", b"x"), (b"content-type", b"application/grpc"), (b"te", b"trailers")):
                headers += b"\0" + bytes([len(key)]) + key + bytes([len(value)]) + value
            stalled.sendall(len(headers).to_bytes(3, "big") + b"\x01\x04\0\0\0\x01" + headers)
            # A ping's answer shows that the server has read what came before.
            stalled.sendall(b"\0\0\x08\x06\0\0\0\0\0" + b"12345678")
            received = b""
            while b"12345678" not in received:
                chunk = stalled.recv(4096)
                self.assertNotEqual(chunk, b"")
                received += chunk
            process.send_signal(signal.SIGTERM)
            line = process.stderr.readline()
            while "stopping" not in line:
                self.assertNotEqual(line, "", "the log ended")
                line = process.stderr.readline()
            begin = time.monotonic()
            while process.poll() is None and time.monotonic() - begin < DEADLINE_SECONDS:
                process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            self.assertEqual(process.returncode, -signal.SIGTERM)

    def test_logs_json_when_told(self):
        process, _, lines = self.start(ANY_PORTS + '[log]\nformat = "json"\n')
        process.terminate()
        lines += process.communicate(timeout=DEADLINE_SECONDS)[1].splitlines()
        events = [json.loads(line) for line in lines]
        self.assertEqual([event["msg"] for event in events][:3], ["starting", "listening", "listening"])
        self.assertTrue(all({"ts", "level", "msg"} <= event.keys() for event in events))

    def test_warns_of_settings_without_effect(self):
        _, _, lines = self.start(ANY_PORTS + "[generator]\nprocessors = []\nmax_active_entities = 5\n"
                                 "disable_collection = true\n")
        log = "".join(lines)
        self.assertEqual(log.count("level=warn"), 3, log)
        self.assertIn("key=generator.max_active_entities limiter_type=series", log)

    def test_serves_its_own_metrics(self):
        _, addresses, _ = self.start(ANY_PORTS)
        with urllib.request.urlopen(f"http://{addresses['http']}/metrics/self", timeout=DEADLINE_SECONDS) as reply:
            text = reply.read().decode()
        self.assertRegex(text, r'\nspanmeter_build_info\{.*version="[\d.]+".*\} 1\n')
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                     "process_max_fds", "process_start_time_seconds"):
            self.assertRegex(text, rf"\n{name} \d")

    def test_tells_a_person_at_a_terminal_what_to_try(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen([BINARY, f"--config.file={self.write(ANY_PORTS)}"], stdin=subprocess.DEVNULL,
                                   stdout=slave, stderr=subprocess.DEVNULL)
        os.close(slave)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        shown = b""
        while b"Ctrl-C stops" not in shown:
            self.assertTrue(select.select([master], [], [], DEADLINE_SECONDS)[0], shown)
            shown += os.read(master, 4096)
        self.assertRegex(shown.decode(), r"metrics out  http://127\.0\.0\.1:\d+/metrics\r\n")


if __name__ == "__main__":
    unittest.main()
