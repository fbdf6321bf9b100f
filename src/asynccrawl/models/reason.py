"""Why a record was not saved: the closed vocabulary of manifest, report and API."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """One cause per failed or skipped record. Whether another run may help is the outcome's `retryable`."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    RESET = "reset"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"
    HTTP_4XX = "http_4xx"
    HTTP_403 = "http_403"
    HTTP_404 = "http_404"
    HTTP_410 = "http_410"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    HTTP_OTHER = "http_other"
    REDIRECT_LOOP = "redirect_loop"
    BAD_REDIRECT = "bad_redirect"
    BLOCKED_SCHEME = "blocked_scheme"
    BLOCKED_ADDRESS = "blocked_address"
    ROBOTS = "robots"
    OPT_OUT = "opt_out"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    CORRUPT = "corrupt"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    PLACEHOLDER = "placeholder"
    DUPLICATE = "duplicate"
    HASH_MISMATCH = "hash_mismatch"
    BAD_LINE = "bad_line"
    BAD_URL = "bad_url"
    BAD_NAME = "bad_name"
    NAME_CONFLICT = "name_conflict"
    LABEL_FULL = "label_full"
    LABEL_NOT_WANTED = "label_not_wanted"
    HOST_DOWN = "host_down"
    INTERNAL = "internal"

    @property
    def status(self) -> Status:
        """`skipped` for records that were left out on purpose, else `failed`."""
        return Status.SKIPPED if self in _SKIPPED else Status.FAILED


class Status(enum.StrEnum):
    """Where a record stands in the ledger. A `pending` record still waits for its outcome."""

    PENDING = "pending"
    SAVED = "saved"
    FAILED = "failed"
    SKIPPED = "skipped"


_SKIPPED = frozenset({Reason.DUPLICATE, Reason.LABEL_FULL, Reason.LABEL_NOT_WANTED, Reason.ROBOTS, Reason.OPT_OUT})
