"""Serves what listens at a plain URL over TLS: tls_front.py URL PORT=FILES..., where FILES are FILES.crt and FILES.key."""

import asyncio
import ssl
import sys
from urllib.parse import urlsplit

behind = urlsplit(sys.argv[1])


async def pump(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass  # the other one has ended it
    finally:
        sink.close()


async def relay(reader, writer):
    try:
        source, sink = await asyncio.open_connection(behind.hostname, behind.port)
    except OSError as error:
        print(error, file=sys.stderr)
        writer.close()
        return
    await asyncio.gather(pump(reader, sink), pump(source, writer))


async def serve(port, files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files + ".crt", files + ".key")
    async with await asyncio.start_server(relay, port=port, ssl=context) as server:
        await server.serve_forever()


async def main():
    fronts = (argument.split("=") for argument in sys.argv[2:])
    await asyncio.gather(*(serve(int(port), files) for port, files in fronts))


asyncio.run(main())
