"""The store of weights, against a local server that is slow, truncated, wrong or absent."""

import hashlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from UncertainRegLib.backbones import weights as store
from UncertainRegLib.backbones.facts import Weights

CONTENT = bytes(range(256)) * 4096  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Host(BaseHTTPRequestHandler):
    """Plays the host of the weights; the path chooses the behaviour."""

    requests: list = []  # noqa: RUF012 (shared on purpose)
    enough = threading.Event()  # a stalled answer ends

    def do_GET(self):
        Host.requests.append((self.path, self.headers.get("Range")))
        path = self.path.split("/")[-1]
        if path == "missing":
            self.send_error(404)
            return
        start = 0
        if self.headers.get("Range") and path != "no-range":
            start = int(self.headers["Range"].split("=")[1].rstrip("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        body = CONTENT[start:] if path != "other" else b"something else"
        if path != "no-length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if path == "truncated" and start == 0:
            body = body[: len(body) // 3]
        for position in range(0, len(body), 1 << 18):
            if path == "slow":
                time.sleep(0.05)
            if path == "stalled" and position:
                Host.enough.wait(60)
            try:
                self.wfile.write(body[position : position + (1 << 18)])
            except OSError:
                return

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCERTAINREG_WEIGHTS", str(tmp_path / "store"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "")
    Host.requests.clear()
    Host.enough.clear()


def weights(host, kind, sha256=SHA256):
    return Weights("net/w.pth", f"{host}/{kind}", len(CONTENT), sha256, "MIT")


@pytest.mark.parametrize("kind", ["plain", "slow", "no-length"])
def test_download_checks_and_records(host, kind):
    seen = []
    path = store.download(weights(host, kind), lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT and seen[-1][0] == len(CONTENT)
    assert store.checked_path(weights(host, kind)) == path
    assert [item.sha256 for item in store.stored()] == [SHA256]


def test_truncated_download_is_continued(host):
    entry = weights(host, "truncated")
    with pytest.raises(store.WeightsError, match="run it again to continue"):
        store.download(entry)
    assert not store.is_stored(entry)
    assert store.download(entry).read_bytes() == CONTENT
    assert Host.requests[-1][1].startswith("bytes=")


def test_server_without_ranges_starts_again(host):
    entry = weights(host, "no-range")
    part = store.store() / "net" / "w.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    assert store.download(entry).read_bytes() == CONTENT


def test_complete_part_is_accepted(host):
    part = store.store() / "net" / "w.pth.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert store.download(weights(host, "plain")).read_bytes() == CONTENT


def test_stalled_download_keeps_what_came(host, monkeypatch):
    monkeypatch.setattr(store, "TIMEOUT_S", 3)
    monkeypatch.setattr(store, "CHUNK", 1 << 16)
    with pytest.raises(store.WeightsError, match="interrupted"):
        store.download(weights(host, "stalled"))
    Host.enough.set()
    assert (store.store() / "net" / "w.pth.part").stat().st_size > 0


def test_wrong_content_is_refused_and_removed(host):
    with pytest.raises(store.WeightsError, match="not the expected file"):
        store.download(weights(host, "other"))
    assert not list(store.store().rglob("w.pth*"))


def test_absent_file_and_absent_host(host):
    with pytest.raises(store.WeightsError, match="answered 404"):
        store.download(weights(host, "missing"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # nobody listens there any more
    with pytest.raises(store.WeightsError, match="check the network and proxy"):
        store.download(weights(f"http://127.0.0.1:{port}", "x"))


def test_proxy_is_used(host, monkeypatch):
    monkeypatch.setenv("http_proxy", host)  # the host plays the proxy as well
    store.download(Weights("net/w.pth", "http://weights.invalid/plain", 0, SHA256, "MIT"))
    assert Host.requests[-1][0] == "http://weights.invalid/plain"


def test_checksum_is_recorded_on_first_use_when_none_is_pinned(host):
    entry = weights(host, "plain", sha256="")
    path = store.download(entry)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(store.WeightsError, match="is damaged"):
        store.checked_path(entry)


def test_import_from_file_and_folder(tmp_path):
    entry = Weights("net/w.pth", "", 0, SHA256, "MIT", page="https://example.org/models")
    with pytest.raises(store.WeightsError, match=r"example\.org/models"):
        store.download(entry)
    folder = tmp_path / "usb" / "stick"
    folder.mkdir(parents=True)
    with pytest.raises(store.WeightsError, match=r"contains no file w\.pth"):
        store.install_from(entry, tmp_path / "usb")
    with pytest.raises(store.WeightsError, match="does not exist"):
        store.install_from(entry, tmp_path / "nothing")
    (folder / "w.pth").write_bytes(CONTENT)
    assert store.install_from(entry, tmp_path / "usb").read_bytes() == CONTENT
    assert store.install_from(entry, folder / "w.pth").read_bytes() == CONTENT
    (tmp_path / "usb" / "w.pth").write_bytes(CONTENT)
    with pytest.raises(store.WeightsError, match="contains 2 files"):
        store.install_from(entry, tmp_path / "usb")
    (folder / "w.pth").write_bytes(b"wrong")
    with pytest.raises(store.WeightsError, match="not the expected file"):
        store.install_from(entry, folder)
    assert store.is_stored(entry)  # the good one stays


def test_clear_frees_everything(host):
    entry = weights(host, "plain")
    store.download(entry)
    assert store.clear(entry) >= len(CONTENT)
    assert store.stored() == [] and not store.is_stored(entry)
    with pytest.raises(store.WeightsError, match="not installed: run `backbones install"):
        store.checked_path(entry)


def test_consent_names_host_size_and_licence(host):
    question = store.consent_question(weights(host, "plain"), "Net")
    assert "127.0.0.1" in question and "1 MB" in question and "MIT" in question
