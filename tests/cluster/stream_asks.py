"""Requests a gateway's stream from the operator with a stolen token. Prints the status and the first message.

    HOST:PORT TOKEN
"""

import http.client
import json
import ssl
import sys

SECONDS = 20
HELLO = {"hello": {"version": "0.1.0", "formats": [1]}}


def main(address, token):
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    # An attacker would not check the operator's certificate.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host.strip("[]"), int(port), context=context, timeout=SECONDS)
    connection.putrequest("POST", "/v1/stream")
    connection.putheader("authorization", f"Bearer {token}")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    line = json.dumps(HELLO).encode() + b"\n"
    connection.send(b"%x\r\n%s\r\n" % (len(line), line))
    answer = connection.getresponse()
    print(answer.status)
    if answer.status != 200:
        return print(answer.read().decode())
    # Beats may come first.
    while line := answer.readline():
        if b'"policy"' in line:
            return print(line.decode())


main(*sys.argv[1:])
