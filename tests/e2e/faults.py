"""What receivers of remote write do wrong, for write_receiver.Receiver.

An answer is a function of a request, as Receiver wants it: it returns (status, headers, body), or a
function that answers by itself.
"""

import threading
import time

import write_receiver


class Script:
    """Gives one answer after the other, and then the same one for ever."""

    def __init__(self, *answers, then=write_receiver.accept):
        self._lock = threading.Lock()
        self._answers = list(answers)
        self._then = then
        self.answered = []  # the requests that got one of `answers`

    def __call__(self, request):
        with self._lock:
            if not self._answers:
                return self._then(request)
            self.answered.append(request)
            return self._answers.pop(0)(request)

    def done(self):
        with self._lock:
            return not self._answers


def status(code, body=b"", **headers):
    """Just that status. Headers' names come with _ for -."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: (code, headers, body)


def stall(_request):
    """Says nothing until the other side gives up."""
    return lambda handler: handler.wait_for_end()


def raw(*chunks):
    """Sends these bytes and ends the connection."""
    def answer(_request):
        def act(handler):
            handler.hang_up()
            for chunk in chunks:
                handler.wfile.write(chunk)
        return act
    return answer


def drip(data, pause_seconds):
    """Sends byte after byte, as long as somebody listens."""
    def answer(_request):
        def act(handler):
            handler.hang_up()
            for byte in data:
                handler.wfile.write(bytes([byte]))
                time.sleep(pause_seconds)
        return act
    return answer


def stored(answer):
    """Stores the request, whatever the answer makes of that. Only for raw answers."""
    def answer_stored(request):
        act = answer(request)

        def store_and_act(handler):
            handler.server.receiver.store(request)
            act(handler)
        return store_and_act
    return answer_stored


class CutRequests:
    """An intercept: reads only a part of so many requests and ends the connection."""

    def __init__(self, count):
        self._lock = threading.Lock()
        self._left = count

    def __call__(self, handler):
        with self._lock:
            if self._left == 0:
                return False
            self._left -= 1
        handler.rfile.read(10)
        return True
