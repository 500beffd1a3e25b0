"""A mail server by aiosmtpd that behaves well or badly, as told.

smtp.py PORT [--certificate FILE --key FILE]

Port 0 picks a free one. With a certificate STARTTLS is offered, and mail is taken only after it.
Orders: mode {mode}: `accept`; `later` (451 at RCPT); `refuse` (550 at RCPT); `drop` (the
connection ends at DATA, before the answer); `hold` (DATA is not answered until told otherwise).
Events: listening {port}, tried {mode}, mail {to, from, headers, body}.
"""

import argparse
import asyncio
import email
import email.policy
import logging
import ssl
import threading

from aiosmtpd.smtp import SMTP

import lines


class Handler:
    mode = "accept"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        mode = self.mode
        if mode == "later":
            lines.event("tried", mode=mode)
            return "451 4.7.1 greylisted, try again later"
        if mode == "refuse":
            lines.event("tried", mode=mode)
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):
        mode = self.mode
        if mode in ("drop", "hold"):
            lines.event("tried", mode=mode)
        if mode == "drop":
            server.transport.abort()
            return "421 dropped"
        while self.mode == "hold":
            await asyncio.sleep(0.02)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        lines.event(
            "mail",
            to=envelope.rcpt_tos,
            sender=envelope.mail_from,
            headers={name.lower(): str(value) for name, value in message.items()},
            body=message.get_content(),
        )
        return "250 OK"


async def serve(args, handler, ready):
    context = None
    if args.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.certificate, args.key)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            handler,
            hostname="mail.example.org",
            tls_context=context,
            require_starttls=context is not None,
        ),
        "127.0.0.1",
        args.port,
    )
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    args = parser.parse_args()
    # Clients that go away in mid-sentence are what these tests are about.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    handler = Handler()
    listening = lambda port: lines.event("listening", port=port)
    threading.Thread(
        target=lambda: asyncio.run(serve(args, handler, listening)), daemon=True
    ).start()
    for order in lines.orders():
        handler.mode = order["mode"]
        lines.event("now", mode=handler.mode)


main()
