"""A node, written from the description of the protocol alone (topics, payloads, what a node
promises), with paho-mqtt and nothing of this repository: who understands this one understands
the protocol.

node.py HOST PORT NAME PASSWORD [--mqtt 311|5] [--boot N] [--led on|off]

Orders: reading {values, age_ms?}; raw {topic, payload}; silence and speak (answers to commands); refuse (say no to
commands from now on); off (cut the line without a word), on (come back, memory intact); leave
(say goodbye and stay away).
Events: connected {rc}, subscribed, command {body, retain}, switched {actuator, state, at_ms},
acked {seq}, answered {id, result}, lost.
"""

import argparse
import json
import threading
import time

import paho.mqtt.client as mqtt

import lines

RETRY_S = 0.1


class Node:
    def __init__(self, args):
        self.args = args
        self.topic = f"signalbox/{args.name}/"
        self.boot = args.boot
        self.seq = 0
        self.began = time.monotonic()
        self.actuators = {"led": args.led, "pump": "off"}
        self.timers = {}
        self.executed = {}
        self.silent = False
        self.refusing = False
        self.lock = threading.RLock()
        self.wanted = threading.Event()
        self.numbers = {}
        version = mqtt.MQTTv5 if args.mqtt == "5" else mqtt.MQTTv311
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=args.name,
            protocol=version,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(args.name, args.password)
        self.client.will_set(self.topic + "status", '{"online":false}', qos=1, retain=True)
        self.client.on_connect = self.connected
        self.client.on_subscribe = lambda *_: self.came()
        self.client.on_message = self.message
        self.client.on_publish = self.published
        self.client.on_disconnect = lambda *_: lines.event("lost")

    def serve(self):
        """Keeps the connection for as long as it is wanted."""
        while True:
            self.wanted.wait()
            try:
                self.client.connect(self.args.host, self.args.port, keepalive=5)
                self.client.loop_forever(retry_first_connection=False)
            except OSError:
                pass
            time.sleep(RETRY_S)

    def connected(self, client, _data, _flags, reason, _properties):
        lines.event("connected", rc=str(reason))
        if reason.is_failure:
            self.wanted.clear()
            client.disconnect()
            return
        client.subscribe(self.topic + "command", qos=1)

    def came(self):
        self.tell_status()
        lines.event("subscribed")

    def tell_status(self, online=True):
        status = {"online": online}
        if online:
            status.update(
                boot=self.boot,
                firmware="paho-0.1",
                actuators=self.actuators,
                uptime_s=int(time.monotonic() - self.began),
                rssi_dbm=-61,
            )
        return self.client.publish(self.topic + "status", json.dumps(status), 1, retain=True)

    def message(self, _client, _data, message):
        body = json.loads(message.payload)
        lines.event("command", body=body, retain=bool(message.retain))
        with self.lock:
            answer = self.execute(body)
        answer["actuators"] = dict(self.actuators)
        if self.silent:
            return
        self.client.publish(self.topic + "ack", json.dumps(answer), 1)
        lines.event("answered", id=body["id"], result=answer["result"])

    def execute(self, body):
        answer = {"id": body["id"]}
        name, action = body["actuator"], body["action"]
        if body["id"] in self.executed:
            answer["result"] = "duplicate"
            if name in self.timers:
                left = self.timers[name][1] - time.monotonic()
                answer["off_in_ms"] = max(0, int(left * 1000))
            return answer
        if self.refusing or name not in self.actuators:
            return answer | {"result": "refused", "reason": "the tank is empty"}
        self.executed[body["id"]] = True
        if action == "toggle":
            action = "off" if self.actuators[name] == "on" else "on"
        if name in self.timers:
            self.timers.pop(name)[0].cancel()
        self.switch(name, action)
        for_ms = body.get("for_ms")
        if action == "on" and for_ms is not None:
            timer = threading.Timer(for_ms / 1000, self.time_over, [name])
            timer.daemon = True
            self.timers[name] = (timer, time.monotonic() + for_ms / 1000)
            timer.start()
            answer["off_in_ms"] = for_ms
        return answer | {"result": "applied"}

    def switch(self, name, state):
        self.actuators[name] = state
        now_ms = int(time.time() * 1000)
        lines.event("switched", actuator=name, state=state, at_ms=now_ms)

    def time_over(self, name):
        with self.lock:
            self.timers.pop(name, None)
            self.switch(name, "off")
        if self.client.is_connected():
            self.tell_status()

    def reading(self, values, age_ms=0):
        self.seq += 1
        message = {
            "boot": self.boot,
            "seq": self.seq,
            "samples": [{"age_ms": age_ms, "values": values}],
        }
        sent = self.client.publish(self.topic + "telemetry", json.dumps(message), 1)
        self.numbers[sent.mid] = self.seq

    def published(self, _client, _data, mid, _reason, _properties):
        # The acknowledgement can come before the number is noted.
        threading.Timer(0.01, self.tell_acked, [mid]).start()

    def tell_acked(self, mid):
        seq = self.numbers.pop(mid, None)
        if seq is not None:
            lines.event("acked", seq=seq)

    def cut(self):
        self.wanted.clear()
        sock = self.client.socket()
        if sock is not None:
            # Nothing is said at the level of MQTT: the broker sends the last will.
            sock.shutdown(2)

    def leave(self):
        self.wanted.clear()
        self.tell_status(online=False).wait_for_publish(5)
        self.client.disconnect()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("name")
    parser.add_argument("password")
    parser.add_argument("--mqtt", choices=["311", "5"], default="311")
    parser.add_argument("--boot", type=int, default=1)
    parser.add_argument("--led", choices=["on", "off"], default="off")
    node = Node(parser.parse_args())
    node.wanted.set()
    threading.Thread(target=node.serve, daemon=True).start()
    for order in lines.orders():
        match order["do"]:
            case "reading":
                node.reading(order["values"], order.get("age_ms", 0))
            case "raw":
                node.client.publish(order["topic"], order["payload"], 1)
            case "silence":
                node.silent = True
            case "speak":
                node.silent = False
            case "refuse":
                node.refusing = True
            case "off":
                node.cut()
            case "on":
                node.wanted.set()
            case "leave":
                node.leave()
                lines.event("left")


main()
