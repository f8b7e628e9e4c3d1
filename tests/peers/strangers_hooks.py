"""What schemathesis does not know by itself: how the bytes of an upload are sent."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def piece(context, value):
    if isinstance(value, bytes):
        return {"data": value}
    return {"data": str(value).encode()}
