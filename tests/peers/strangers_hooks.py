"""What schemathesis does not know by itself: how the bytes of an upload are sent, and that files are bytes."""

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def piece(context, value):
    if isinstance(value, bytes):
        return {"data": value}
    return {"data": str(value).encode()}


@schemathesis.deserializer(
    "application/gzip",
    "application/octet-stream",
    "application/vnd.apache.parquet",
    "application/x-ndjson",
    "application/zstd",
)
def file(context, response):
    return response.content.decode("latin-1")
