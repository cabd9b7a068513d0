"""One HTTPS request to a webhook, as an API server sends it.

`admission` and `converting` call it. Must never look into what is sent or answered.
"""

import base64
import functools
import ssl
from typing import Any

import aiohttp

from lab.apiserver.objects import Json, encode


class CallError(Exception):
    """A webhook did not answer, or not with JSON."""


@functools.lru_cache(maxsize=16)
def _trusting(bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)


async def call(client: Json, review: Json, seconds: int) -> Any:
    """The JSON that the webhook of a `clientConfig` answers; raises CallError.

    Only its `url` is followed: nothing here routes to Services.
    """
    if not client.get("url"):
        raise CallError(f'service "{client["service"]["name"]}" not found')
    where = f"{client['url']}?timeout={seconds}s"
    limit = aiohttp.ClientTimeout(total=seconds)
    headers = {"Content-Type": "application/json"}
    try:
        context = _trusting(client.get("caBundle") or "")
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(where, data=encode(review), headers=headers, ssl=context) as answer,
        ):
            if answer.status != 200:
                text = (await answer.text()).strip()
                raise CallError(f'Post "{where}": status {answer.status}: {text}')
            return await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise CallError(f'Post "{where}": {error or "context deadline exceeded"}') from error
