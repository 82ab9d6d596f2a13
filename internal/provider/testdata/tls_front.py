"""Serves what listens at a plain URL over TLS: tls_front.py URL PORT=FILES..., where FILES are FILES.crt and FILES.key."""

import socket
import ssl
import sys
import threading
from urllib.parse import urlsplit


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass  # the other one has ended it
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def relay(plain, context, behind):
    try:
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection(behind) as server:
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()
    except OSError as error:  # a client that does not trust the certificate, for one
        print(error, file=sys.stderr)


def serve(port, files, behind):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files + ".crt", files + ".key")
    with socket.create_server(("", port)) as listener:
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=relay, args=(plain, context, behind), daemon=True).start()


url = urlsplit(sys.argv[1])
for argument in sys.argv[2:]:
    port, files = argument.split("=")
    threading.Thread(target=serve, args=(int(port), files, (url.hostname, url.port))).start()
