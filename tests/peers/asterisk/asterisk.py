"""The exchange's side of FastAGI, as Asterisk's res_agi speaks it.

No package plays this side: pyst2, aioagi and the like are servers, as the hub is one. So this is written from Asterisk's documentation of
the Asterisk Gateway Interface, apart from the hub's own code. It reads a scenario as JSON from standard input and prints what happened as
JSON. A scenario:

    {"address": "127.0.0.1:4573", "caller": "13800138000", "presentation": "0",
     "press": ["2", "1", "271828#"],        keys, each time keys are waited for; null is silence
     "interrupt": true,                     the first key is pressed while the prompt before is played
     "hang_up_after": 7,                    the caller hangs up while this command is done, counted from 1
     "dead": true,                          ... and commands after that are answered by 511 instead of a line HANGUP
     "sounds": "/folder"}                   recordings have to be there, as 8 kHz mono of 16 bits
"""

import json
import socket
import sys
import wave
from pathlib import Path

HEADERS = """agi_network: yes
agi_network_script: bankhub
agi_request: agi://localhost/bankhub
agi_channel: PJSIP/trunk-00000001
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1790000000.1
agi_version: 20.5.0
agi_callerid: {caller}
agi_calleridname: unknown
agi_callingpres: {presentation}
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 95500
agi_rdnis: unknown
agi_context: incoming
agi_extension: 95500
agi_priority: 1
agi_enhanced: 0.0
agi_accountcode:
agi_threadid: 140000000000000

"""


class Channel:
    """One call."""

    def __init__(self, scenario):
        self.scenario = scenario
        host, _, port = scenario["address"].rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.lines = self.socket.makefile("r", encoding="ascii", newline="\n")
        self.press = list(scenario.get("press", []))
        self.pressed_early = None
        self.commands = 0
        self.is_up = True
        self.events = []

    def send(self, line):
        self.socket.sendall(line.encode("ascii"))

    def hang_up(self):
        self.is_up = False
        self.events.append({"hung_up_by": "caller"})
        if not self.scenario.get("dead"):
            self.send("HANGUP\n")

    def play(self, name):
        """Whether the recording is there; without a folder of recordings it is taken to be."""
        self.events.append({"said": name})
        folder = self.scenario.get("sounds")
        if folder is None:
            return True
        file = Path(folder) / (name.split("/", 1)[1] + ".wav")
        if not file.is_file():
            self.events.append({"missing": name})
            return False
        with wave.open(str(file)) as sound:
            shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
        assert shape == (8000, 1, 2), (file, shape)
        return True

    def stream_file(self, name, keys):
        if not self.play(name):
            return "200 result=0 endpos=0"
        keys = keys.strip('"')
        wants_keys = keys and self.scenario.get("interrupt") and self.press and self.press[0]
        if wants_keys and self.pressed_early is None and self.press[0][0] in keys:
            typed = self.press.pop(0)
            self.pressed_early = typed[1:]
            return f"200 result={ord(typed[0])} endpos=4000"
        return "200 result=0 endpos=8000"

    def get_data(self, name, _timeout_ms, most):
        self.play(name)
        if self.pressed_early is not None:
            typed, self.pressed_early = self.pressed_early, None
        elif self.press:
            typed = self.press.pop(0)
        else:
            self.hang_up()
            return "200 result=-1"
        self.events.append({"pressed": typed})
        typed = typed or ""
        most = int(most)
        keys = typed.split("#")[0][:most]
        has_ended = "#" in typed or len(keys) == most
        return f"200 result={keys}" + ("" if has_ended else " (timeout)")

    def do(self, command):
        words = command.split(" ")
        self.commands += 1
        if self.commands == self.scenario.get("hang_up_after"):
            self.hang_up()
            return "200 result=-1"
        if not self.is_up:
            return "511 Command Not Permitted on a dead channel or intercept routine"
        # A key that was pressed alone while a prompt was played is all there is to the next wait of one key.
        if words[0] != "GET" and words[0] != "STREAM" or words[:2] == ["STREAM", "FILE"] and self.pressed_early == "":
            self.pressed_early = None
        match words:
            case ["ANSWER"]:
                return "200 result=0"
            case ["STREAM", "FILE", name, keys]:
                return self.stream_file(name, keys)
            case ["GET", "DATA", name, timeout_ms, most]:
                return self.get_data(name, timeout_ms, most)
            case ["HANGUP"]:
                self.is_up = False
                self.events.append({"hung_up_by": "hub"})
                return "200 result=1"
            case ["STREAM" | "GET" | "SAY" | "WAIT", *_]:
                return "520-Invalid command syntax.  Proper usage follows:\n520 End of proper usage."
        return "510 Invalid or unknown command"

    def run(self):
        fill = {"caller": self.scenario["caller"], "presentation": self.scenario.get("presentation", "0")}
        self.send(HEADERS.format(**fill))
        for line in self.lines:
            answer = self.do(line.rstrip("\n"))
            if answer.startswith("5"):
                self.events.append({"answered": answer[:3]})
            self.send(answer + "\n")
        return self.events


def main():
    scenario = json.load(sys.stdin)
    channel = Channel(scenario)
    try:
        events = channel.run()
    except (ConnectionResetError, BrokenPipeError):
        events = channel.events
    print(json.dumps(events))


if __name__ == "__main__":
    main()
