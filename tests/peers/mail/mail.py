"""A mail server on aiosmtpd, under TLS, that reads what it gets with Python's own email package.

It tells its port on the first line, then answers each line of its input with one line: "ok", or a state as JSON.
  fault HOW   what happens to the next message: refuse, refuse-sender, later, busy, drop-before, drop-after
  state
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Server:
    def __init__(self, arguments):
        self.arguments = arguments
        self.faults = []
        self.state = {"messages": [], "logins": 0, "refused": 0}

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        fine = (data.login.decode(), data.password.decode()) == ("hub", "secret")
        self.state["logins" if fine else "refused"] += 1
        return AuthResult(success=fine, handled=fine)

    def smtp(self, context):
        starts = self.arguments.mode == "starttls"
        return SMTP(
            self,
            hostname="localhost",
            tls_context=context if starts else None,
            require_starttls=starts,
            auth_require_tls=starts,
            auth_required=self.arguments.mode != "plain",
            authenticator=self.authenticate,
        )

    async def handle_MAIL(self, _server, _session, envelope, address, _options):
        if self.faults[:1] == ["refuse-sender"]:
            self.faults.pop(0)
            return "553 5.1.8 not from you"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if self.faults[:1] == ["refuse"]:
            self.faults.pop(0)
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        fault = self.faults.pop(0) if self.faults else ""
        if fault in ("later", "busy"):
            return "451 4.3.0 later" if fault == "later" else "421 4.3.2 too busy"
        if fault == "drop-before":
            server.transport.abort()
            return "421 gone"
        self.keep(session, envelope)
        if fault == "drop-after":
            server.transport.abort()
        return "250 OK"

    def keep(self, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        part = lambda kind: message.get_body(preferencelist=(kind,)).get_content()
        self.state["messages"].append(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": session.ssl is not None or self.arguments.mode == "implicit",
                "headers": {name: str(value) for name, value in message.items()},
                "text": part("plain"),
                "html": part("html"),
            }
        )

    def answer(self, line):
        name, *words = line.split()
        if name == "state":
            return json.dumps(self.state)
        if name == "fault":
            self.faults.append(words[0])
            return "ok"
        return "unknown"


async def main():
    warnings.simplefilter("ignore")
    logging.disable()
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--mode", choices=["starttls", "implicit", "plain"], required=True)
    arguments = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    server = Server(arguments)
    loop = asyncio.get_running_loop()
    implicit = context if arguments.mode == "implicit" else None
    listening = await loop.create_server(lambda: server.smtp(context), "127.0.0.1", 0, ssl=implicit)
    print(listening.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(server.answer(line), flush=True)


asyncio.run(main())
