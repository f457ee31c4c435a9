from __future__ import annotations

import pytest

from engine.sources.stored.addresses import Address, environment_of, parse_address, scheme_of


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("s3://bucket/a/*.csv", Address("s3", "bucket", "a/*.csv")),
        ("gs://bucket", Address("gs", "bucket", "")),
        ("az://container/", Address("az", "container", "")),
        ("s3://bucket/100%25 #1?.csv", Address("s3", "bucket", "100%25 #1?.csv")),
        ("sftp://user@host:2222/in/*.csv", Address("sftp", "user@host:2222", "in/*.csv")),
        ("sftp://host//srv/a.csv", Address("sftp", "host", "/srv/a.csv")),
    ],
)
def test_an_address_is_taken_apart_and_nothing_of_it_decoded(path: str, address: Address) -> None:
    assert parse_address(path) == address


@pytest.mark.parametrize(
    "path",
    [
        "s3://KEY:SECRET@bucket/a.csv",
        "s3://KEY@bucket/a.csv",
        "sftp://user:SECRET@host/a.csv",
        "s3://bucket/a.csv?X-Amz-Signature=SECRET",
        "az://container/a.csv?sv=2024&sig=SECRET",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(path: str) -> None:
    with pytest.raises(ValueError, match="holds a secret") as caught:
        parse_address(path)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("https://host/a.csv", "unknown https://; known are s3://, gs://, az://, sftp://"),
        ("s3:///a.csv", "names no bucket"),
        ("sftp:///a.csv", "names no host"),
        ("s3://bucket//a.csv", "two slashes in a row"),
        ("s3://bucket/a//b.csv", "two slashes in a row"),
    ],
)
def test_what_can_not_be_read_is_said(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_address(path)


def test_other_paths_are_local() -> None:
    assert [scheme_of(path) for path in ("a.csv", "/a/b.csv", "C:\\a.csv", "a:b", "s3:/a", "S3://b/k")] == [
        *[""] * 5,
        "s3",
    ]


def test_a_store_gets_its_own_variables_and_no_others() -> None:
    environment = {"AWS_PROFILE": "p", "AZURE_CLIENT_ID": "c", "SSH_AUTH_SOCK": "s", "HTTPS_PROXY": "h", "TOKEN": "t"}
    assert environment_of(["a.csv", "-"], environment) == {}
    assert environment_of(["s3://b/k", "a.csv"], environment).keys() == {"AWS_PROFILE", "HTTPS_PROXY"}
    assert environment_of(["az://b/k"], environment).keys() == {"AZURE_CLIENT_ID", "HTTPS_PROXY"}
    assert environment_of(["sftp://h/k"], environment).keys() == {"SSH_AUTH_SOCK"}
