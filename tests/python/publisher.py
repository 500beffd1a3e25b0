"""Publishes numbered readings as fast as it can, by paho-mqtt, and keeps account of what was
acknowledged. It survives any number of broker restarts and sends what was not acknowledged again,
in order, before anything new: so the protocol wants it. A careless one leaves that to paho, where
new messages overtake those that were queued while the broker was away.

publisher.py HOST PORT NAME PASSWORD [--window N] [--limit N] [--samples N] [--rate N]
             [--careless]

Orders: stop (no new numbers; ends when all are acknowledged).
Events: acked {n} now and then, done {published, acked}: `acked` is a list of [first, last].
"""

import argparse
import json
import queue
import threading
import time

import paho.mqtt.client as mqtt

import lines

RETRY_S = 0.15
TOLD_EVERY = 200
# A past of its own, so that a sample's time tells its number, one a millisecond: near enough for
# rules to judge the first numbers, far enough that fast ones stay behind the station's clock.
TIME_0_MS = int(time.time() * 1_000) - 200_000


class Publisher:
    def __init__(self, args):
        self.args = args
        self.open = threading.Event()
        self.stopping = threading.Event()
        self.answered = queue.SimpleQueue()
        self.pending = {}
        self.acked = []
        self.began = time.monotonic()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=args.name, reconnect_on_failure=False
        )
        self.client.username_pw_set(args.name, args.password)
        if not args.careless:
            self.client.max_inflight_messages_set(args.window)
        self.client.on_connect = self.connected
        self.client.on_disconnect = lambda *_: self.open.clear()
        self.client.on_publish = lambda _c, _d, mid, *_: self.answered.put(mid)

    def connected(self, _client, _data, _flags, reason, _properties):
        if not reason.is_failure:
            self.open.set()

    def serve(self):
        while True:
            try:
                self.client.connect(self.args.host, self.args.port, keepalive=10)
                self.client.loop_forever(retry_first_connection=False)
            except OSError:
                pass
            # What is open now must be sent again before anything new.
            self.open.clear()
            time.sleep(RETRY_S)

    def collect(self, wait_s=None):
        """Takes note of acknowledgements; waits for one if told so."""
        try:
            mid = self.answered.get(timeout=wait_s) if wait_s else self.answered.get_nowait()
            while True:
                seq = self.pending.pop(mid, None)
                if seq is not None:
                    self.note(seq)
                mid = self.answered.get_nowait()
        except queue.Empty:
            pass

    def note(self, seq):
        if self.acked and self.acked[-1][1] + 1 == seq:
            self.acked[-1][1] = seq
        else:
            self.acked.append([seq, seq])
        if seq % TOLD_EVERY == 0:
            lines.event("acked", n=seq)

    def wait_until_open(self):
        """Connected, and everything from before is acknowledged."""
        while not self.stopping.is_set():
            if self.open.is_set() and not self.pending:
                return
            self.collect(0.05)

    def keep_pace(self, seq):
        """Waits until the next number is due."""
        due = self.began + seq / self.args.rate
        while not self.stopping.is_set() and (wait_s := due - time.monotonic()) > 0:
            self.collect(min(wait_s, 0.05))

    def body(self, seq):
        """With one sample a message, message and sample have the same number."""
        many = self.args.samples
        numbers = range((seq - 1) * many + 1, seq * many + 1)
        samples = [{"ts_ms": TIME_0_MS + n, "values": {"n": n}} for n in numbers]
        return json.dumps({"boot": 1, "seq": seq, "samples": samples})

    def run(self):
        seq = 0
        while not self.stopping.is_set():
            if not self.args.careless:
                self.wait_until_open()
            while (self.args.careless or self.open.is_set()) and not self.stopping.is_set():
                if self.args.limit and seq == self.args.limit:
                    self.stopping.set()
                    break
                if len(self.pending) >= self.args.window:
                    self.collect(0.05)
                    continue
                if self.args.rate:
                    self.keep_pace(seq)
                seq += 1
                topic = f"signalbox/{self.args.name}/telemetry"
                self.pending[self.client.publish(topic, self.body(seq), 1).mid] = seq
                self.collect()
        while self.pending:
            self.collect(0.05)
        lines.event("done", published=seq, acked=self.acked)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("name")
    parser.add_argument("password")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--rate", type=int, default=0, help="numbers a second, at most")
    parser.add_argument("--careless", action="store_true")
    publisher = Publisher(parser.parse_args())
    threading.Thread(target=publisher.serve, daemon=True).start()
    threading.Thread(target=publisher.run, daemon=True).start()
    for order in lines.orders():
        assert order["do"] == "stop"
        publisher.stopping.set()


main()
