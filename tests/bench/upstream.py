"""A KIE.AI that answers every status query after 50 ms: `python -m tests.bench.upstream PORT`."""

import asyncio
import json
import sys

LATENCY_SECONDS = 0.05


async def answer(reader, writer):
    body = json.dumps(
        {"code": 200, "data": {"taskId": "t", "state": "generating", "resultJson": ""}}
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(LATENCY_SECONDS)
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port):
    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
