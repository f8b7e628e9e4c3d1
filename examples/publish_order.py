"""Publishes an order of a job and prints the job that it became.

    pip install nats-py
    python publish_order.py nats://127.0.0.1:4222 my-key '{"kind": "train", "dataset": "trial"}'
"""

import asyncio
import sys

import nats


async def main(server, key, order):
    bus = await nats.connect(server)
    inbox = bus.new_inbox()
    answers = await bus.subscribe(inbox)
    headers = {"Nats-Msg-Id": key, "Tgs-Answer-To": inbox}
    await bus.jetstream().publish("tgs.v1.orders", order.encode(), headers=headers)
    answer = await answers.next_msg(timeout=30)
    print(answer.data.decode())
    await bus.close()


asyncio.run(main(*sys.argv[1:]))
