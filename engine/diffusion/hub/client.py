"""`Hub`: asks the Hugging Face hub what a repository holds, and reads files from any byte on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

import requests

from engine.errors import FetchError

_TIMEOUT_S = (10.0, 30.0)  # to connect, and between two packets
_PIECE_BYTES = 1 << 14  # of the piece in which a connection breaks nothing is kept


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository."""

    path: str
    size: int
    """Bytes."""
    digest: str
    """Hexadecimal: SHA-256 of large files, of the others the SHA-1 that git gives a blob."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What a repository holds at one commit."""

    hub_id: str
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]

    @property
    def page(self) -> str:
        """Where a person reads its licence."""
        return f"https://huggingface.co/{self.hub_id}"


class Interrupted(Exception):  # noqa: N818 - says what happened
    """The connection broke; what came before is good."""


class Hub:
    """One hub. A context manager; raises `FetchError` with the remedy."""

    def __init__(self, endpoint: str, token: str | None = None) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "sonolume"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._session.close()

    def repository(self, hub_id: str) -> Repository:
        """Ask what a repository holds now."""
        url = f"{self._endpoint}/api/models/{quote(hub_id)}/revision/main"
        try:
            answer = self._session.get(url, params={"blobs": "true"}, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise FetchError(self._unreachable(hub_id)) from error
        self._check(answer, hub_id)
        try:
            return _repository(hub_id, answer.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FetchError(
                f"{self._endpoint} answers about {hub_id} in an unknown way: is it a model hub?"
            ) from error

    def pieces(self, repository: Repository, file: RemoteFile, start: int) -> Iterator[bytes]:
        """Read a file from byte `start` on.

        Yields an empty piece first when the hub begins anew in spite of `start`. Raises
        `Interrupted` when the connection breaks.
        """
        url = (
            f"{self._endpoint}/{repository.hub_id}/resolve/{repository.commit}/{quote(file.path)}"
        )
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            with self._session.get(
                url, headers=headers, stream=True, timeout=_TIMEOUT_S
            ) as answer:
                self._check(answer, repository.hub_id)
                if start and answer.status_code != requests.codes.partial_content:
                    yield b""
                yield from answer.iter_content(_PIECE_BYTES)
        except requests.RequestException as error:
            raise Interrupted from error

    def _unreachable(self, hub_id: str) -> str:
        return (
            f"{hub_id} cannot be fetched, {self._endpoint} does not answer: check the network, "
            "or copy the checkpoint's folder here and give its path"
        )

    def _check(self, answer: requests.Response, hub_id: str) -> None:
        status = answer.status_code
        if status < 400:
            return
        why = answer.headers.get("X-Error-Code", "")
        page = f"{self._endpoint}/{hub_id}"
        if why == "GatedRepo" or status == requests.codes.forbidden:
            raise FetchError(
                f"{hub_id} wants its licence accepted first: accept it at {page}, then log in "
                "with `hf auth login` or set HF_TOKEN"
            )
        if why == "RepoNotFound" or status in (401, 404):
            raise FetchError(
                f"{self._endpoint} has no {hub_id} (status {status}), or it is private: check "
                "the name; `sonolume models list` shows the recommended ones"
            )
        raise FetchError(f"{self._endpoint} refuses {hub_id} (status {status}): try again later")


def _repository(hub_id: str, table: dict[str, Any]) -> Repository:
    card = table.get("cardData") or {}
    licence = card.get("license_name") or card.get("license") or ""
    files = tuple(
        RemoteFile(
            str(entry["rfilename"]), int(entry["size"]),
            str(entry["lfs"]["sha256"] if entry.get("lfs") else entry["blobId"]),
        )
        for entry in table["siblings"]
    )  # fmt: skip
    return Repository(hub_id, str(table["sha"]), str(licence), files)
