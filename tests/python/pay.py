"""A merchant's first program: it takes one payment from a phone number and prints what came of it.

    python -m grpc_tools.protoc -I proto --python_out=stubs --grpc_python_out=stubs $(find proto -name '*.proto')
    PYTHONPATH=stubs python pay.py --hub 127.0.0.1:7400 --tls my-terminal/ --phone +8613800138000 --fen 1250

The folder holds what `bankhub init terminal` made. The code and the transaction password are what the payer types in.
"""

import argparse
import json
import pathlib
import secrets
import sys
import time
import uuid

import grpc
from bankhub.common.v1 import money_pb2
from bankhub.terminal.v1 import terminal_service_pb2 as pb
from bankhub.terminal.v1 import terminal_service_pb2_grpc
from google.rpc import error_details_pb2, status_pb2


def new_id() -> str:
    """UUID version 7: the time in milliseconds, then chance."""
    bits = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=bits))


def connect(hub: str, folder: pathlib.Path) -> grpc.Channel:
    """Mutual TLS: the hub learns from the certificate which terminal this is."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=(folder / "ca.pem").read_bytes(),
        private_key=(folder / "key.pem").read_bytes(),
        certificate_chain=(folder / "certificate.pem").read_bytes(),
    )
    return grpc.secure_channel(hub, credentials)


def reason(error: grpc.RpcError) -> str:
    """The code of the catalogue, such as PAYER_UNAVAILABLE, from the details of a call that failed."""
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return error.code().name


def pay(hub: terminal_service_pb2_grpc.TerminalServiceStub, phone: str, fen: int) -> pb.Payment:
    # Write the id down before it is sent: whatever happens then, the same id never pays twice.
    payment = hub.CreatePayment(
        pb.CreatePaymentRequest(
            payment_id=new_id(),
            phone_number=phone,
            amount=money_pb2.Money(currency_code="CNY", minor_units=fen),
        ),
        timeout=15,
    ).payment
    while payment.state == pb.PAYMENT_STATE_AWAITING_CODE:
        print(f"{payment.payment_id} waits for the code and the transaction password", file=sys.stderr, flush=True)
        code, password = sys.stdin.readline().split()
        payment = hub.AuthorizePayment(
            pb.AuthorizePaymentRequest(
                payment_id=payment.payment_id, attempt_id=new_id(), code=code, transaction_password=password
            ),
            timeout=15,
        ).payment
    for seen in hub.WatchPayment(pb.WatchPaymentRequest(payment_id=payment.payment_id), timeout=60):
        payment = seen.payment
    return payment


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--hub", required=True, help="host:port")
    arguments.add_argument("--tls", required=True, type=pathlib.Path, help="folder of ca.pem, certificate.pem, key.pem")
    arguments.add_argument("--phone", required=True, help="in international form")
    arguments.add_argument("--fen", required=True, type=int, help="hundredths of a yuan")
    given = arguments.parse_args()
    with connect(given.hub, given.tls) as channel:
        try:
            payment = pay(terminal_service_pb2_grpc.TerminalServiceStub(channel), given.phone, given.fen)
        except grpc.RpcError as error:
            print(json.dumps({"error": reason(error)}))
            return 1
    print(
        json.dumps(
            {
                "payment_id": payment.payment_id,
                "state": pb.PaymentState.Name(payment.state),
                "reason": payment.refusal.reason,
                "minor_units": payment.amount.minor_units,
                "account": payment.account_masked,
            }
        )
    )
    return 0 if payment.state == pb.PAYMENT_STATE_APPROVED else 1


if __name__ == "__main__":
    sys.exit(main())
