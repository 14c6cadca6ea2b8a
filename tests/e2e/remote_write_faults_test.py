"""Receivers of remote write that misbehave, each in its way: whatever they do, every series arrives
in order, nothing is lost or comes twice without need, and metrics and log say what happened.

One process sends to all of them at the same time, and to one that behaves, the witness: what that
one has got is what the others must have.
"""

import email.utils
import tempfile
import time
import unittest

import faults
import harness
import pushing
import write_receiver
from certificates import Authority

V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
WRITTEN = "X-Prometheus-Remote-Write-{}-Written"
NAMES = ["one", "two", "three"]
COLLECTIONS = 6
RETRY_SECONDS = 3
SECRET = "do-not-tell"


def retry_after_date(_request):
    date = email.utils.formatdate(time.time() + RETRY_SECONDS, usegmt=True)
    return 429, {"Retry-After": date}, b"slow down"


def knows_1_only(code):
    """Refuses version 2.0 with that status, or, if it is a 2xx, takes it for an empty request."""
    def respond(request):
        if not request.v2:
            return write_receiver.accept(request)
        if code >= 300:
            return code, {}, b"unknown"
        return faults.raw(b"HTTP/1.1 204 No Content\r\n\r\n")(request)
    return respond


def written(change):
    """Stores the request, but says something else of the number of samples."""
    def answer(request):
        status, headers, body = write_receiver.accept(request)
        name = WRITTEN.format("Samples")
        return status, {**headers, name: str(change(int(headers[name])))}, body
    return answer


def moves(path):
    """Everything has moved to that path of the same receiver."""
    def respond(request):
        if request.path != path:
            return 308, {"Location": path}, b""
        return write_receiver.accept(request)
    return respond


class Peer:
    """One receiver and what is configured for it."""

    def __init__(self, respond=write_receiver.accept, intercept=None, listening=True,
                 certificate=None, **options):
        self.receiver = write_receiver.Receiver(respond, listening=listening,
                                                certificate=certificate)
        self.receiver.intercept = intercept
        self.script = respond
        self.options = options


class FaultsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-faults-")
        cls.addClassCleanup(directory.cleanup)
        cls.authority = Authority(directory.name, "authority")
        cls.good_certificate = cls.authority.issue("good")
        cls.peers = cls.make_peers()
        for peer in cls.peers.values():
            cls.addClassCleanup(peer.receiver.close)
            peer.receiver.__enter__()
        cls.tables = {
            "generator": pushing.GENERATOR, "storage": {"path": "storage"},
            "remote_write": [pushing.remote(peer.receiver, name, **peer.options)
                             for name, peer in cls.peers.items() if peer.options is not None]}
        with harness.Spanmeter(cls.tables) as server:
            cls.run_all(server)

    @classmethod
    def make_peers(cls):
        status, script = faults.status, faults.Script
        two = {"protobuf_message": V2}
        tls = {"tls_config": {"ca_file": cls.authority.cert}}
        elsewhere = Peer()
        elsewhere.options = None  # nothing is sent there but by the redirect
        target = elsewhere.receiver.url
        return {
            "witness": Peer(),
            "elsewhere": elsewhere,
            "refused": Peer(listening=False),
            "stalls": Peer(script(faults.stall, faults.stall), remote_timeout="2s"),
            "stalls_stored": Peer(script(faults.stored(faults.stall)), remote_timeout="2s"),
            "drips": Peer(script(faults.drip(b"HTTP/1.1 204 OK\r\nX: " + b"x" * 1000, 0.05)),
                          remote_timeout="2s"),
            "cuts_requests": Peer(intercept=faults.CutRequests(3)),
            "cuts_answers": Peer(script(*[faults.stored(faults.raw(
                b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"))] * 2)),
            "bad_request": Peer(script(
                write_receiver.accept, status(400, b"out of\nbounds \x1b[31m \xff"),
                status(400, b"out of bounds")), **two),
            "conflict": Peer(script(write_receiver.accept, status(409, b"duplicate sample")),
                             **two),
            "answers_415": Peer(knows_1_only(415)),
            "answers_400": Peer(knows_1_only(400)),
            "ignores_2": Peer(knows_1_only(204)),
            "insists_on_2": Peer(script(status(415, b"what is this?")), **two),
            "error_500": Peer(script(*[status(500, b"oh no")] * 5)),
            "error_503": Peer(script(*[status(503, b"later", Retry_After="0")] * 5)),
            "busy_seconds": Peer(script(status(429, b"slow", Retry_After=str(RETRY_SECONDS)))),
            "busy_date": Peer(script(retry_after_date)),
            "busy_dropped": Peer(script(status(429, b"too many")),
                                 queue={"retry_on_http_429": False}, **two),
            "moves": Peer(moves("/moved"),
                          basic_auth={"username": "me", "password": SECRET}),
            "moves_elsewhere": Peer(script(then=status(308, Location=target)),
                                    authorization={"credentials": SECRET},
                                    headers={"X-Key": SECRET}),
            "not_followed": Peer(script(status(308, Location=target)), follow_redirects=False),
            "wrong_name": Peer(certificate=cls.authority.issue("name", "DNS:other.example"), **tls),
            "expired": Peer(certificate=cls.authority.issue("expired", days=-1), **tls),
            "wrong_counts": Peer(script(written(lambda n: n - 1), written(lambda n: n - 1),
                                        written(lambda n: n + 5), written(lambda n: "many")),
                                 **two),
            "garbage": Peer(script(
                faults.raw(b"\0\xff" * 1000), faults.raw(b"HTTP/1.1 banana\r\n\r\n"),
                faults.raw(b"HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n"),
                faults.raw(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), faults.raw(b""))),
        }

    @classmethod
    def run_all(cls, server):
        """Lets everybody misbehave and recover, and keeps what is seen afterwards."""
        witness = cls.peers["witness"].receiver
        for collection in range(COLLECTIONS):
            pushing.spans(server, NAMES)
            harness.wait_until(lambda: len(pushing.stamps(witness)) > collection, "a collection")
        for name in ("refused", "wrong_name", "expired"):
            harness.wait_until(lambda: pushing.log_lines(server, name), f"a line about {name}")
        cls.peers["refused"].receiver.up()
        for name in ("wrong_name", "expired"):
            cls.peers[name].receiver.use_certificate(*cls.good_certificate)
        for name, peer in cls.peers.items():
            if isinstance(peer.script, faults.Script):
                harness.wait_until(peer.script.done, f"the end of what is wrong with {name}")
        pushing.freeze(server, cls.tables)
        cls.counters = pushing.Counters(server)
        cls.logs = {name: pushing.log_lines(server, name) for name in cls.peers}
        cls.log = server.log()

    # What each test is made of.

    def got(self, name):
        return pushing.arrived(self.peers[name].receiver.requests())

    def expected(self):
        return pushing.contents(self.got("witness"))

    def logged(self, name, *texts):
        """Some line about the receiver has all these texts."""
        self.assertTrue(any(all(text in line for text in texts) for line in self.logs[name]),
                        (texts, self.logs[name]))

    def check(self, name, to=None, repeats=False, lost=()):
        """Everything but the requests `lost` has arrived, and is counted."""
        got = self.got(to or name)
        self.assertEqual(pushing.order_problems(got, repeats), [])
        lost_contents = pushing.contents(pushing.arrived(lost))
        contents = pushing.contents(got)
        self.assertFalse(contents.keys() & lost_contents.keys())
        self.assertEqual({**contents, **lost_contents}, self.expected())
        counters = self.counters
        self.assertEqual(counters.get("samples_in_total", name), len(self.expected()))
        self.assertEqual(counters.get("samples_total", name), len(contents))
        self.assertEqual(counters.get("samples_pending", name), 0)
        self.assertEqual(counters.dropped(name),
                         {"rejected": len(lost_contents)} if lost_contents else {})

    def check_retried(self, name, code, times, repeats=False):
        """That status was answered so often at least, and everything arrived all the same."""
        self.check(name, repeats=repeats)
        self.assertGreaterEqual(self.counters.requests(name)[code], times)
        self.assertGreater(self.counters.get("samples_retried_total", name), 0)
        self.assertEqual(self.counters.get("samples_failed_total", name), 0)

    def check_refused(self, name, code, *texts):
        """What was answered with errors by the script is lost, and nothing else."""
        lost = [request for request in self.peers[name].script.answered
                if request not in self.peers[name].receiver.accepted]
        self.check(name, lost=lost)
        self.assertEqual(self.counters.requests(name)[code], len(lost))
        self.assertEqual(self.counters.get("samples_failed_total", name),
                         sum(request.samples for request in lost))
        self.assertEqual(self.counters.get("samples_retried_total", name), 0)
        self.logged(name, "refuses samples", f"HTTP {code}", *texts)

    def check_fell_back(self, name):
        self.check(name)
        self.assertFalse(any(request.v2 for request in self.peers[name].receiver.requests()))
        self.assertTrue(any(request.v2 for request in self.peers[name].receiver.seen))
        self.assertEqual(self.counters.get("samples_failed_total", name), 0)
        self.assertEqual(self.counters.get("samples_retried_total", name), 0)
        self.assertEqual(len([line for line in self.logs[name] if "1.0 only" in line]), 1)

    # The tests.

    def test_nothing_is_lost_when_all_is_well(self):
        self.check("witness")
        got = self.got("witness")
        self.assertEqual(len(got), len(NAMES) * pushing.SERIES_PER_NAME)
        self.assertEqual(pushing.gap_problems(got), [])
        self.assertEqual(self.counters.get("samples_retried_total", "witness"), 0)
        self.assertEqual(self.logs["witness"], [])

    def test_connections_are_refused_until_the_receiver_comes(self):
        self.check_retried("refused", 0, 2)
        self.logged("refused", "trying again", "connect")

    def test_a_receiver_that_stalls_is_given_up_and_asked_again(self):
        self.check_retried("stalls", 0, 2)
        self.logged("stalls", "trying again", "timed out")
        # Stored, but who could know?
        self.check_retried("stalls_stored", 0, 1, repeats=True)

    def test_an_answer_that_drips_is_given_up(self):
        self.check_retried("drips", 0, 1)

    def test_requests_that_are_cut(self):
        self.check_retried("cuts_requests", 0, 3)

    def test_answers_that_are_cut(self):
        self.check_retried("cuts_answers", 0, 2, repeats=True)

    def test_bad_requests_are_dropped_and_told(self):
        self.check_refused("bad_request", 400, "out of")
        self.assertNotIn("\x1b", self.log)

    def test_conflicts_are_dropped_and_told(self):
        self.check_refused("conflict", 409, "duplicate sample")

    def test_version_1_for_those_that_refuse_version_2(self):
        self.check_fell_back("answers_415")
        self.check_fell_back("answers_400")

    def test_version_1_for_those_that_do_not_say_what_they_have_written(self):
        self.check_fell_back("ignores_2")

    def test_no_other_version_than_the_one_configured(self):
        self.check_refused("insists_on_2", 415, "what is this?")

    def test_server_errors_are_retried(self):
        self.check_retried("error_500", 500, 5)
        self.logged("error_500", "trying again", "HTTP 500", "oh no")
        self.check_retried("error_503", 503, 5)

    def test_retry_after_in_seconds(self):
        self.check_retried("busy_seconds", 429, 1)
        first, second = self.peers["busy_seconds"].receiver.seen[:2]
        self.assertGreaterEqual(second.arrived - first.arrived, RETRY_SECONDS)

    def test_retry_after_as_a_date(self):
        self.check_retried("busy_date", 429, 1)
        first, second = self.peers["busy_date"].receiver.seen[:2]
        self.assertGreaterEqual(second.arrived, int(first.arrived + RETRY_SECONDS))

    def test_too_many_requests_are_dropped_when_that_is_configured(self):
        self.check_refused("busy_dropped", 429, "too many")

    def test_redirects_are_followed_with_credentials_on_the_same_host(self):
        self.check("moves")
        for request in self.peers["moves"].receiver.requests():
            self.assertTrue(request.headers["Authorization"].startswith("Basic "))

    def test_redirects_to_others_are_followed_without_credentials(self):
        self.check("moves_elsewhere", to="elsewhere")
        for request in self.peers["moves_elsewhere"].receiver.seen:
            self.assertEqual(request.headers["Authorization"], f"Bearer {SECRET}")
            self.assertEqual(request.headers["X-Key"], SECRET)
        for request in self.peers["elsewhere"].receiver.seen:
            self.assertNotIn(SECRET, str(request.headers))

    def test_redirects_are_not_followed_when_that_is_configured(self):
        self.check_refused("not_followed", 308, "redirect that is not followed")

    def test_another_name_in_the_certificate(self):
        self.check_retried("wrong_name", 0, 1)
        self.logged("wrong_name", "trying again", "certificate")

    def test_an_expired_certificate(self):
        self.check_retried("expired", 0, 1)
        self.logged("expired", "trying again", "certificate has expired")

    def test_wrong_numbers_of_written_samples(self):
        self.check("wrong_counts")
        script = self.peers["wrong_counts"].script
        # A count that is no number says nothing.
        self.assertEqual(self.counters.get("samples_failed_total", "wrong_counts"), 2)
        sent = self.counters.get("samples_total", "wrong_counts")
        self.assertEqual(self.counters.get("samples_written_total", "wrong_counts"),
                         sent - 2 + 5 - script.answered[3].samples)
        self.logged("wrong_counts", "has not written what it was sent",
                    f"samples_written={script.answered[0].samples - 1}")

    def test_answers_that_are_no_http(self):
        self.check_retried("garbage", 0, 4)
        self.assertEqual(self.counters.requests("garbage")[999], 1)

    def test_no_secret_is_told(self):
        self.assertNotIn(SECRET, self.log)
        self.assertNotIn(SECRET, str(self.counters.series))


if __name__ == "__main__":
    unittest.main()
