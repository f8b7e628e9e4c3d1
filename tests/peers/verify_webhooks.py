"""Verifies webhooks with the package `standardwebhooks`, an implementation that is not ours.

Reads {"secret": …, "got": [{"headers": {…}, "body": …}, …]} and says how many it verified. Each must
also be refused once a letter of its body, its name or its time is another.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def is_verified(webhook, body, headers):
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def main():
    asked = json.load(sys.stdin)
    webhook = Webhook(asked["secret"])
    for got in asked["got"]:
        headers, body = got["headers"], got["body"]
        if not is_verified(webhook, body, headers):
            sys.exit(print(f"not verified: {headers}") or 1)
        time = str(int(headers["webhook-timestamp"]) + 1)
        changed = [
            (body + " ", headers),
            (body, {**headers, "webhook-id": headers["webhook-id"] + "0"}),
            (body, {**headers, "webhook-timestamp": time}),
        ]
        if any(is_verified(webhook, *other) for other in changed):
            sys.exit(print(f"a change is not seen: {headers}") or 1)
    print(f"verified {len(asked['got'])}")


main()
