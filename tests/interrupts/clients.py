"""The clients of models, each made for the stub and asked for a stream in its own way."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from arinova_agent_sync import interruptible

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the internet when it is imported
TIMEOUT = 8.0  # seconds that a client waits by itself
MESSAGES = [{"role": "user", "content": "hi"}]

Ask = Callable[[], Iterator[str]]


class Kind(NamedTuple):
    """A kind of client.

    Attributes:
        module: what it is imported from.
        make: makes an interruptible one for a base URL, and returns it and a function that asks for a stream.
        repeats: whether it tries again by itself when the provider is busy.
    """

    module: str
    make: Callable[[str], tuple[Any, Ask]]
    repeats: bool = False


def openai(base: str) -> tuple[Any, Ask]:
    import openai

    client = interruptible(openai.OpenAI(base_url=f"{base}/v1", api_key="key", timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        for chunk in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            yield chunk.choices[0].delta.content or ""

    return client, ask


def anthropic(base: str) -> tuple[Any, Ask]:
    import anthropic

    client = interruptible(anthropic.Anthropic(base_url=base, api_key="key", timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        for event in client.messages.create(model="m", max_tokens=9, messages=MESSAGES, stream=True):
            if event.type == "content_block_delta":
                yield event.delta.text

    return client, ask


def groq(base: str) -> tuple[Any, Ask]:
    import groq

    client = interruptible(groq.Groq(base_url=base, api_key="key", timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        for chunk in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            yield chunk.choices[0].delta.content or ""

    return client, ask


def ollama(base: str) -> tuple[Any, Ask]:
    import ollama

    client = interruptible(ollama.Client(host=base, timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        for part in client.chat(model="m", messages=MESSAGES, stream=True):
            yield part.message.content or ""

    return client, ask


def mistralai(base: str) -> tuple[Any, Ask]:
    from mistralai.client import Mistral

    client = interruptible(Mistral(api_key="key", server_url=base, timeout_ms=int(TIMEOUT * 1000)))

    def ask() -> Iterator[str]:
        for event in client.chat.stream(model="m", messages=MESSAGES):
            yield event.data.choices[0].delta.content or ""

    return client, ask


def google_genai(base: str) -> tuple[Any, Ask]:
    from google import genai

    client = interruptible(
        genai.Client(api_key="key", http_options={"base_url": base, "timeout": int(TIMEOUT * 1000)})
    )

    def ask() -> Iterator[str]:
        for chunk in client.models.generate_content_stream(model="m", contents="hi"):
            yield chunk.text

    return client, ask


def langchain_openai(base: str) -> tuple[Any, Ask]:
    from langchain_openai import ChatOpenAI

    client = interruptible(ChatOpenAI(model="m", base_url=f"{base}/v1", api_key="key", timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        for chunk in client.stream("hi"):
            yield str(chunk.content)

    return client, ask


def litellm(base: str) -> tuple[Any, Ask]:
    import httpx
    import litellm

    litellm.in_memory_llm_clients_cache.flush_cache()
    client = litellm.client_session = interruptible(httpx.Client())

    def ask() -> Iterator[str]:
        answer = litellm.completion(
            model="openai/m",
            messages=MESSAGES,
            stream=True,
            api_base=f"{base}/v1",
            api_key="key",
            timeout=TIMEOUT,
        )
        for chunk in answer:
            yield chunk.choices[0].delta.content or ""

    return client, ask


def llama_index(base: str) -> tuple[Any, Ask]:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI

    client = interruptible(OpenAI(model="gpt-4o", api_base=f"{base}/v1", api_key="key", timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        for part in client.stream_chat([ChatMessage(role="user", content="hi")]):
            yield part.delta or ""

    return client, ask


def bedrock(base: str) -> tuple[Any, Ask]:
    import boto3
    from botocore.config import Config

    client = interruptible(
        boto3.client(
            "bedrock-runtime",
            endpoint_url=base,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            # With its three attempts it would be through in no time.
            config=Config(
                read_timeout=TIMEOUT,
                connect_timeout=TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": 20},
            ),
        )
    )

    def ask() -> Iterator[str]:
        for event in client.invoke_model_with_response_stream(modelId="m", body=b"{}")["body"]:
            yield event["chunk"]["bytes"].decode()

    return client, ask


def httpx(base: str) -> tuple[Any, Ask]:
    import httpx

    return httpx_like(httpx, base)


def httpx2(base: str) -> tuple[Any, Ask]:
    import httpx2

    return httpx_like(httpx2, base)


def httpx_like(library: Any, base: str) -> tuple[Any, Ask]:
    client = interruptible(library.Client(timeout=TIMEOUT))

    def ask() -> Iterator[str]:
        answer = client.send(client.build_request("GET", f"{base}/x"), stream=True)
        yield from answer.iter_text()

    return client, ask


def requests(base: str) -> tuple[Any, Ask]:
    import requests

    client = interruptible(requests.Session())

    def ask() -> Iterator[str]:
        answer = client.get(f"{base}/x", stream=True, timeout=TIMEOUT)
        for line in answer.iter_lines(1):
            yield line.decode()

    return client, ask


def urllib3(base: str) -> tuple[Any, Ask]:
    import ssl

    import urllib3

    # The others take certificates and proxies from the environment by themselves.
    tls, proxy = ssl.create_default_context(), os.environ.get("HTTPS_PROXY")
    manager = urllib3.ProxyManager(proxy, proxy_ssl_context=tls) if proxy else urllib3.PoolManager()
    manager.connection_pool_kw |= {"timeout": TIMEOUT, "ssl_context": tls}
    client = interruptible(manager)

    def ask() -> Iterator[str]:
        answer = client.request("GET", f"{base}/x", preload_content=False)
        for data in answer.stream(8):
            yield data.decode()

    return client, ask


KINDS = {
    "openai": Kind("openai", openai, repeats=True),
    "anthropic": Kind("anthropic", anthropic, repeats=True),
    "groq": Kind("groq", groq, repeats=True),
    "ollama": Kind("ollama", ollama),
    "mistralai": Kind("mistralai.client", mistralai),
    "google-genai": Kind("google.genai", google_genai),
    "langchain-openai": Kind("langchain_openai", langchain_openai, repeats=True),
    "litellm": Kind("litellm", litellm, repeats=True),
    "llama-index": Kind("llama_index.llms.openai", llama_index, repeats=True),
    "bedrock": Kind("boto3", bedrock, repeats=True),
    "httpx": Kind("httpx", httpx),
    "httpx2": Kind("httpx2", httpx2),
    "requests": Kind("requests", requests),
    "urllib3": Kind("urllib3", urllib3),
}


def close(client: Any) -> None:
    """Close a client's connections."""
    while client is not None and not callable(getattr(client, "close", None)):
        inner = ("root_client", "_client", "_api_client", "sdk_configuration", "client")
        client = next((found for name in inner if (found := getattr(client, name, None))), None)
        if hasattr(client, "clear"):
            client.clear()
    if client is not None:
        client.close()


def kinds(*, repeats: bool = False) -> list[Any]:
    """Return the kinds of clients for a test's parameters; those that are missing here are skipped."""
    return [
        pytest.param(
            kind, id=name, marks=pytest.mark.skipif(not installed(kind.module), reason=f"needs {kind.module}")
        )
        for name, kind in KINDS.items()
        if kind.repeats or not repeats
    ]


def installed(module: str) -> bool:
    """Tell whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False
