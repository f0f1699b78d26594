"""The page behind a reverse proxy: another name, another port, TLS. As in Codespaces."""

from __future__ import annotations

import ssl

import pytest
import trustme

from tests.tls_front import TlsFront

from .pages import DOT, answers, expect, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NAME = "chat.localhost"  # browsers know that it is this machine


@pytest.mark.parametrize("host", ["as the browser sent it", "the proxy's own"])
def test_the_page_works_behind_tls_under_another_name_and_port(make_playground, visit, host):
    def handler(task):
        sent = task.attachments[0].read()
        drawn = task.upload_file(sent, file_name="again.png", mime_type="image/png")
        return f"{task.content.splitlines()[0]} ![again]({drawn.url})"

    playground = make_playground(handler, allowed_hosts=[NAME])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(NAME).configure_cert(context)
    inner = playground.server.port
    front = TlsFront(inner, context, host=f"127.0.0.1:{inner}" if host == "the proxy's own" else None)
    try:
        token = playground.url.partition("?")[2]
        page = visit(playground, f"https://{NAME}:{front.port}/playground/?{token}", ignore_https_errors=True)
        assert page.evaluate("isSecureContext && location.protocol") == "https:"
        page.locator("#picker").set_input_files({"name": "dot.png", "mimeType": "image/png", "buffer": DOT})
        expect(page.locator("#files .file small")).to_have_text(f"{len(DOT)} B")
        say(page, "hello")
        expect(answers(page)).to_contain_text("hello")
        for picture in (page.locator(".message.user .picture img"), answers(page).locator("img")):
            expect(picture).to_be_visible()
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
        page.reload()
        expect(answers(page)).to_contain_text("hello")
        assert page.evaluate("violations") == []
        page.context.close()
    finally:
        front.close()
