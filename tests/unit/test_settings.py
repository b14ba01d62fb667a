"""What an operator sets: each value that cannot work is refused at once, in words, under the name it was given by."""

from __future__ import annotations

from pathlib import Path

import pytest

from esb import settings
from esb.errors import SettingInvalid
from esb.settings import Settings


def read(folder: Path, **variables: str) -> Settings:
    return settings.load({f"ESB_{name.upper()}": text for name, text in variables.items()}, file=folder / "esb.yaml")


def test_what_nobody_sets_is_the_default(tmp_path: Path) -> None:
    assert read(tmp_path) == Settings()


def test_what_a_child_process_is_given_is_read_back_the_same(tmp_path: Path) -> None:
    endpoints = {"din-reg": "http://127.0.0.1:9/a", "mkr": "https://mkr.example"}
    given = Settings(endpoints=endpoints, node="node-2.az", later_tries_s=(1, 2), journal_window_ms=0.5)
    environment = settings.as_environment(given)
    own = {name.removeprefix("ESB_").lower(): text for name, text in environment.items() if name.startswith("ESB_")}
    own.pop("config")
    assert read(tmp_path, **own) == given


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("max_in_flight", "abc", "ESB_MAX_IN_FLIGHT must be a whole number, not 'abc'"),
        ("max_in_flight", "0", "ESB_MAX_IN_FLIGHT must be at least 1, not '0'"),
        ("max_body_bytes", "-1", "ESB_MAX_BODY_BYTES must be at least 1, not '-1'"),
        ("journal_window_ms", "-0.1", "ESB_JOURNAL_WINDOW_MS must be a number, 0 or more, not '-0.1'"),
        ("journal_window_ms", "nan", "ESB_JOURNAL_WINDOW_MS must be a number, 0 or more, not 'nan'"),
        ("journal_window_ms", "inf", "ESB_JOURNAL_WINDOW_MS must be a number, 0 or more, not 'inf'"),
        ("checkpoint_every_s", "0", "ESB_CHECKPOINT_EVERY_S must be a number above 0, not '0'"),
        ("inbox_redeliver_s", "0", "ESB_INBOX_REDELIVER_S must be a number above 0, not '0'"),
        ("inbox_redeliver_s", "soon", "ESB_INBOX_REDELIVER_S must be a number, not 'soon'"),
        ("shutdown_grace_s", "-1", "ESB_SHUTDOWN_GRACE_S must be a number, 0 or more, not '-1'"),
        ("later_tries_s", "5,x", "ESB_LATER_TRIES_S must be whole numbers, as 5,30,120, not ['5', 'x']"),
        ("node", "", "ESB_NODE must be a name of"),
        ("node", "../x", "ESB_NODE must be a name of"),
        ("endpoints", "mkr", "ESB_ENDPOINTS must read agency=url,agency=url"),
        ("endpoints", "mkr=ftp://mkr.example", "addresses of http:// or https://"),
        ("endpoints", "mkr=http://mkr.example:99999", "addresses of http:// or https://"),
        ("endpoints", "mkr=https://", "addresses of http:// or https://"),
        ("http", "", "one of http, https and broker_url must be set"),
        ("max_inflight", "1", "unknown setting 'max_inflight' (did you mean 'max_in_flight'?)"),
    ],
)
def test_a_value_that_cannot_work_is_refused_in_words(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read(tmp_path, **{name: text})
    assert said in caught.value.reason


def test_a_bus_without_http_is_good_where_it_has_another_door(tmp_path: Path) -> None:
    assert read(tmp_path, http="", https="127.0.0.1:8443").https
    assert read(tmp_path, http="", broker_url="amqp://127.0.0.1").broker_url


def test_a_wrong_value_of_the_file_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "esb.yaml").write_text("max_in_flight: lots\n", encoding="utf-8")
    with pytest.raises(SettingInvalid, match=r"esb\.yaml: max_in_flight must be a whole number, not 'lots'"):
        read(tmp_path)


def test_a_secret_of_the_wrong_type_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "esb.yaml").write_text("key_passphrase: [hidden]\n", encoding="utf-8")
    with pytest.raises(SettingInvalid) as caught:
        read(tmp_path)
    assert "must be text" in caught.value.reason
    assert "hidden" not in caught.value.reason
