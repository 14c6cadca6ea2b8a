"""Remote write with other receivers while running, with secrets, with tenants, and side by side."""

import base64
import pathlib
import re
import subprocess
import tempfile
import unittest

import faults
import harness
import pushing
import write_receiver
from prometheus_server import Prometheus

NAMES = ["one", "two", "three"]
RELOADED = 'msg="configuration reloaded"'


class ReceiversTest(unittest.TestCase):

    def receiver(self, *arguments, **options):
        receiver = write_receiver.Receiver(*arguments, **options)
        self.addCleanup(receiver.close)
        return receiver.__enter__()

    def start(self, remote_write, **tables):
        self.tables = {"generator": pushing.GENERATOR, "storage": {"path": "storage"}, **tables,
                       "remote_write": remote_write}
        server = harness.Spanmeter(self.tables)
        self.addCleanup(server.close)
        server.start()
        return server

    def reload(self, server, remote_write):
        self.tables["remote_write"] = remote_write
        before = server.log().count(RELOADED)
        server.configure(self.tables)
        server.hang_up()
        harness.wait_until(lambda: server.log().count(RELOADED) > before, "the reload")

    def collect(self, server, witness, collections=1):
        """Lets so many more collections happen."""
        until = len(pushing.stamps(witness)) + collections
        while (now := len(pushing.stamps(witness))) < until:
            pushing.spans(server, NAMES)
            harness.wait_until(lambda: len(pushing.stamps(witness)) > now, "a collection")

    def check_same(self, requests, witness, repeats=False):
        got = pushing.arrived(requests)
        self.assertEqual(pushing.order_problems(got, repeats), [])
        self.assertEqual(pushing.contents(got),
                         pushing.contents(pushing.arrived(witness.requests())))

    # Reloads.

    def test_a_new_address_gets_what_waits_for_the_former_one(self):
        witness, old, new = self.receiver(), self.receiver(), self.receiver()
        tables = [pushing.remote(witness, "witness"), pushing.remote(old, "mover")]
        server = self.start(tables)
        self.collect(server, witness)
        # It ends with a request under way, which is sent again.
        harness.wait_until(lambda: pushing.stamps(old), "the first samples")
        old.respond = faults.stall
        self.collect(server, witness, 2)
        harness.wait_until(lambda: len(old.seen) > len(old.accepted), "a request that stalls")
        self.reload(server, [tables[0], pushing.remote(new, "mover")])
        self.collect(server, witness)
        pushing.freeze(server, self.tables)
        self.assertTrue(new.requests())
        self.check_same(old.requests() + new.requests(), witness)
        self.assertEqual(pushing.Counters(server).dropped("mover"), {})

    def test_what_waits_for_a_receiver_that_is_removed_arrives_when_it_comes_back(self):
        witness, other = self.receiver(), self.receiver(faults.status(503))
        with_it = [pushing.remote(witness, "witness"), pushing.remote(other, "other")]
        server = self.start(with_it)
        self.collect(server, witness, 2)
        removed_after = pushing.stamps(witness)[-1]
        self.reload(server, with_it[:1])
        self.assertRegex(pushing.log_lines(server, "other")[-1], "wait for a receiver that is not")
        harness.wait_until(lambda: pushing.Counters(server).storage("unclaimed_bytes") > 0,
                           "the metric to tell")
        self.collect(server, witness, 2)
        seen = len(other.seen)
        other.respond = write_receiver.accept
        self.collect(server, witness)
        self.assertEqual(len(other.seen), seen)
        back_before = pushing.stamps(witness)[-1]
        self.reload(server, with_it)
        self.collect(server, witness, 2)
        pushing.freeze(server, self.tables)
        got = pushing.arrived(other.requests())
        self.assertEqual(pushing.order_problems(got), [])
        # All but what was collected when nobody wanted it; a collection may be where a reload is.
        expected = pushing.contents(pushing.arrived(witness.requests()))
        missing = {stamp for _, stamp in expected.keys() - pushing.contents(got).keys()}
        between = {stamp for stamp in pushing.stamps(witness)
                   if removed_after < stamp <= back_before}
        self.assertLessEqual(missing, between)
        self.assertGreaterEqual(len(missing), len(between) - 2)
        self.assertEqual(pushing.Counters(server).storage("unclaimed_bytes"), 0)

    def test_a_receiver_that_is_added_gets_everything_from_then_on(self):
        witness, added = self.receiver(), self.receiver()
        server = self.start([pushing.remote(witness, "witness")])
        self.collect(server, witness, 2)
        self.reload(server, [pushing.remote(witness, "witness"), pushing.remote(added, "added")])
        self.collect(server, witness, 2)
        pushing.freeze(server, self.tables)
        got = pushing.arrived(added.requests())
        self.assertEqual(pushing.gap_problems(got), [])
        self.assertEqual(pushing.order_problems(got), [])
        expected = pushing.contents(pushing.arrived(witness.requests()))
        contents = pushing.contents(got)
        self.assertLessEqual(contents.items(), expected.items())
        first = min(stamp for _, stamp in contents)
        self.assertEqual(contents, {key: value for key, value in expected.items()
                                    if key[1] >= first})

    def test_the_first_receiver_may_come_by_a_reload_and_the_last_may_go(self):
        receiver = self.receiver()
        server = self.start([])
        pushing.spans(server, NAMES)
        self.reload(server, [pushing.remote(receiver, "it")])
        self.collect(server, receiver)
        self.reload(server, [])
        pushing.spans(server, NAMES)
        server.terminate()
        self.assertEqual(server.wait(), 0)

    # Secrets.

    def test_secrets_are_sent_but_never_told(self):
        secrets = [f"secret-{i}-{i}" for i in range(6)]
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-secrets-")
        self.addCleanup(directory.cleanup)
        file = pathlib.Path(directory.name) / "token"
        file.write_text(secrets[5] + "\n", encoding="ascii")
        failing = faults.status(500, b"no")
        receivers = {name: self.receiver(faults.Script(failing, faults.status(403, b"go away")))
                     for name in ("basic", "bearer", "header", "url", "file")}
        hosts = {name: f"127.0.0.1:{receiver.port}" for name, receiver in receivers.items()}
        options = {
            "basic": {"basic_auth": {"username": "me", "password": secrets[0]}},
            "bearer": {"authorization": {"credentials": secrets[1]}},
            "header": {"headers": {"X-Key": secrets[2]}},
            "url": {"url": f"http://me:{secrets[3]}@{hosts['url']}/write?key={secrets[4]}"},
            "file": {"authorization": {"type": "Token", "credentials_file": str(file)}},
        }
        tables = [{**pushing.remote(receivers[name], name), **more}
                  for name, more in options.items()]
        # Without a name, it is made from the url.
        del tables[3]["name"]
        server = self.start(tables, log={"level": "debug"})
        pushing.spans(server, NAMES)
        for name, receiver in receivers.items():
            harness.wait_until(lambda r=receiver: len(r.seen) >= 3, f"requests to {name}")

        def header(name, which):
            return receivers[name].seen[-1].headers[which]

        def basic(password):
            return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
        self.assertEqual(header("basic", "Authorization"), basic(secrets[0]))
        self.assertEqual(header("bearer", "Authorization"), f"Bearer {secrets[1]}")
        self.assertEqual(header("header", "X-Key"), secrets[2])
        self.assertEqual(header("url", "Authorization"), basic(secrets[3]))
        self.assertIn(f"key={secrets[4]}", receivers["url"].seen[-1].path)
        self.assertEqual(header("file", "Authorization"), f"Token {secrets[5]}")

        # One that cannot even be reached, and a reload.
        receivers["url"].down()
        self.reload(server, tables[:4])
        self.reload(server, tables)
        harness.wait_until(lambda: hosts["url"] in server.log(), "the log to tell")
        self.collect_twice_in_vain(server)
        printed = subprocess.run(
            [harness.spanmeter_binary(), f"--config.file={server.config}", "--print-config"],
            check=True, capture_output=True, text=True, timeout=harness.DEADLINE_SECONDS)
        self.assertIn("<secret>", printed.stdout)
        shown = {"log": server.log(), "metrics": server.scrape("/metrics"),
                 "configuration": printed.stdout + printed.stderr}
        for path in ("/", "/metrics/self", "/-/ready"):
            shown[path] = server.get(path)[2].decode()
        for where, text in shown.items():
            for secret in [*secrets, basic(secrets[0])[6:], basic(secrets[3])[6:]]:
                # The query of the url is no secret to who may see the configuration.
                if (secret, where) != (secrets[4], "configuration"):
                    self.assertNotIn(secret, text, where)
        self.assertIn(f"http://{hosts['url']}/write", shown["metrics"])

    @staticmethod
    def collect_twice_in_vain(server):
        """Waits until requests have failed again since now."""
        def failures():
            series = pushing.Counters(server).series
            return harness.sum_of(series, pushing.STORAGE + "samples_retried_total")
        before = failures()
        harness.wait_until(lambda: failures() > before, "a failure")

    def test_credentials_that_change_while_running(self):
        receiver = self.receiver()
        with tempfile.TemporaryDirectory(prefix="spanmeter-secrets-") as directory:
            token = pathlib.Path(directory) / "token"
            key = pathlib.Path(directory) / "key"
            token.write_text("old-token\n", encoding="ascii")
            key.write_text("old-key", encoding="ascii")
            server = self.start([pushing.remote(
                receiver, "it", authorization={"credentials_file": str(token)},
                headers={"X-Key": {"file": str(key)}})])

            def sent(what):
                pushing.spans(server, NAMES)
                last = receiver.seen[-1].headers if receiver.seen else {}
                return (last.get("Authorization"), last.get("X-Key")) == what
            harness.wait_until(lambda: sent(("Bearer old-token", "old-key")), "the old ones")
            new = token.with_suffix(".new")
            new.write_text("new-token\n", encoding="ascii")
            new.replace(token)
            key.write_text("new-key", encoding="ascii")
            harness.wait_until(lambda: sent(("Bearer new-token", "new-key")), "the new ones")
            # What cannot be read is what it was.
            token.unlink()
            harness.wait_until(lambda: f"file={token}" in server.log(), "the log to tell")
            before = len(receiver.requests())
            harness.wait_until(lambda: len(receiver.requests()) > before, "another request")
            self.assertTrue(sent(("Bearer new-token", "new-key")))
        self.assertFalse(re.search("(old|new)-(token|key)", server.log()))

    # Side by side.

    def test_one_that_is_down_does_not_slow_the_other(self):
        down, stalling = self.receiver(listening=False), self.receiver(faults.stall)
        healthy = self.receiver()
        server = self.start([pushing.remote(down, "down"), pushing.remote(stalling, "stalling"),
                             pushing.remote(healthy, "healthy")])
        self.collect(server, healthy, 5)
        self.assertEqual(pushing.pending(server, "healthy"), 0)
        self.assertGreater(pushing.pending(server, "down"), 0)
        self.assertEqual(pushing.Counters(server).get("samples_retried_total", "healthy"), 0)
        # How long it takes from a collection to its arrival, at best.
        delays = [request.arrived - max(point.timestamp_ms for series in request.series
                                        for point in series.points) / 1000
                  for request in healthy.requests()]
        self.assertLess(min(delays), 1)

    def test_tenants_are_named_and_kept_apart(self):
        receiver = self.receiver(faults.Script(faults.status(500)))
        server = self.start([pushing.remote(receiver, "it")], tenancy={"enabled": True})
        for tenant, count in (("a", 1), ("b", 2)):
            pushing.spans(server, NAMES, count, metadata=[("x-scope-orgid", tenant)])

        def tenants():
            calls = {}
            for request in receiver.requests():
                for key, points in pushing.arrived([request]).items():
                    if key[0] == pushing.CALLS:
                        calls.setdefault(request.headers["X-Scope-OrgID"], set()).add(
                            points[-1].value)
            return calls
        harness.wait_until(lambda: tenants() == {"a": {1}, "b": {2}}, "both tenants")

    def test_instances_that_write_to_one_prometheus(self):
        with Prometheus(None, [], "prometheus3",
                        flags=["--web.enable-remote-write-receiver"]) as prometheus:
            url = f"http://{prometheus.address}/api/v1/write"
            servers = {}
            for number, instance in enumerate(("meter-0", "meter-1"), 3):
                generator = dict(pushing.GENERATOR, external_labels={"instance_id": instance})
                servers[instance] = self.start(
                    [{"name": "it", "url": url, "queue_config": {"batch_send_deadline": "0s"}}],
                    generator=generator)
                pushing.spans(servers[instance], ["op"], number)

            def values():
                result = prometheus.api("query", query=pushing.CALLS)["result"]
                return {entry["metric"]["instance_id"]: float(entry["value"][1])
                        for entry in result}
            harness.wait_until(lambda: values() == {"meter-0": 3, "meter-1": 4}, "both values")
            pushing.spans(servers["meter-0"], ["op"], 5)
            harness.wait_until(lambda: values() == {"meter-0": 8, "meter-1": 4}, "new values")
            self.assertFalse(re.search("level=(warn|error).*(write|order|duplicate)",
                                       prometheus.log(), re.I), prometheus.log())
            for server in servers.values():
                counters = pushing.Counters(server)
                self.assertEqual(counters.get("samples_failed_total", "it"), 0)
                self.assertEqual(counters.get("samples_retried_total", "it"), 0)
                self.assertEqual(set(counters.requests("it")), {204})


if __name__ == "__main__":
    unittest.main()
