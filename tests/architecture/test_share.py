"""A link brings the network back whole, and nothing else that is put in its place does harm."""

import base64
import re
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Architecture, make_layer, share
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import ArchitectureError
from tests.architecture.strategies import networks, trees

LENET = PRESETS["article-000-lenet5"].architecture
TEXT = share.to_text(LENET)


def packed(document: bytes) -> str:
    """Return any bytes packed as a link packs its JSON."""
    packer = zlib.compressobj(9, zdict=share._WORDS_1)
    return "1" + base64.urlsafe_b64encode(packer.compress(document) + packer.flush()).decode().rstrip("=")


@settings(max_examples=200)
@given(networks(most=12))
def test_any_network_comes_back(architecture: Architecture) -> None:
    text = share.to_text(architecture)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert share.read(text).architecture == architecture


@settings(max_examples=100)
@given(st.text(max_size=80))
def test_any_name_comes_back(name: str) -> None:
    assert share.read(share.to_text(LENET.renamed(name))).architecture.name == name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fits_in_a_short_link(name: str) -> None:
    text = share.to_text(PRESETS[name].architecture)
    assert len(text) < 600
    assert share.read(text).architecture == PRESETS[name].architecture


def test_a_link_made_long_ago_still_opens() -> None:
    """These bytes are out in the world: version 1 may never change."""
    old = "1ePkFTBmqI8fcxKKSzOScVF0DA2NdYOACHU6URdSJKQPqxxRtkh5GZhr1EB3yEsiR-PMSblvIzp5I1QishoqtBQDVSRy8"
    assert share.read(old).architecture == PRESETS["article-003-keras"].architecture


def test_line_breaks_of_a_mail_do_no_harm() -> None:
    assert share.read(f"  {TEXT[:40]}\r\n {TEXT[40:]}\n").architecture == LENET


@settings(max_examples=300)
@given(st.integers(0, len(TEXT) - 1))
def test_a_link_cut_in_two_is_said(end: int) -> None:
    with pytest.raises(ArchitectureError):
        share.read(TEXT[:end])


@settings(max_examples=400)
@given(st.integers(1, len(TEXT) - 1), st.sampled_from("ABCxyz019_-"))
def test_a_changed_letter_never_makes_another_network(place: int, letter: str) -> None:
    try:
        assert share.read(TEXT[:place] + letter + TEXT[place + 1 :]).architecture == LENET
    except ArchitectureError as error:
        assert "\n" not in str(error)


@settings(max_examples=400)
@given(st.text(max_size=300) | st.text("ABCxyz019_-", max_size=300).map("1".__add__))
def test_anything_else_is_said(text: str) -> None:
    with pytest.raises(ArchitectureError):
        share.read(text)


@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: repr(v).encode())
)
def test_a_well_packed_document_that_is_no_network_is_said(document: bytes) -> None:
    with pytest.raises(ArchitectureError):
        share.read(packed(document))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no network"),
        ("3" + TEXT[1:], "not one that this lab made"),
        ("2" + TEXT[1:], "cut or changed"),
        (TEXT[:-4] + "%3D!", "not one that this lab made"),
        ("1" + "A" * 10_000, "longer than"),
        ("1" + "A" * 10_000_000, "longer than"),
        (packed(b" " * 2_000_000), "unpacks to more than"),
        (packed(b"[" * 200_000), "nests deeper"),
        (packed(b'{"input_shape":[1,8,8],"layers":[' + b'{"kind":"ReLU"},' * 9_999 + b'{"kind":"ReLU"}]}'), "at most"),
        (packed(b"hello"), "not a network"),
        (packed(b"\xff\xfe"), "cut or changed"),
        (TEXT + "AAAA", "cut or changed"),
    ],
)
def test_each_kind_of_harm_has_its_sentence(text: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        share.read(text)


def test_a_network_too_long_for_a_link_is_said() -> None:
    many = [
        make_layer("BatchNorm2d", eps=((i * 7919) % 9973 + 1) / 9974, momentum=((i * 6007) % 9973) / 9973)
        for i in range(450)
    ]
    with pytest.raises(ArchitectureError, match="save it as a file"):
        share.to_text(Architecture(input_shape=(1, 8, 8), layers=tuple(many)))


RECIPE = {"epochs": 5, "batch_size": 128, "lr": 0.01, "schedule": "one_cycle", "augmentation": {"shift": 2}}


@settings(max_examples=100)
@given(networks(most=8) | trees())
def test_a_network_comes_back_with_its_recipe_and_data(architecture: Architecture) -> None:
    shared = share.Shared.of(architecture, RECIPE, "mnist")
    text = share.to_text(architecture, RECIPE, "mnist")
    assert re.fullmatch(r"2[A-Za-z0-9_-]+", text)
    assert share.read(text) == shared
    assert share.read(text).architecture == architecture
    assert share.Shared.from_json(shared.to_json()) == shared


def test_a_recipe_makes_a_link_a_little_longer() -> None:
    assert len(share.to_text(LENET, RECIPE, "mnist")) < len(TEXT) + 100


def test_a_link_with_a_recipe_made_long_ago_still_opens() -> None:
    """These bytes are out in the world: version 2 may never change."""
    old = "2ePlMosY2wzQXqBhYlqKZiDNnwksBLCUEovDAUbqgF37wUgxYpKB4z4oc7ycWlWQC7dE1MDDWBaaBxGLiwoM6CcqA-gmKNjkEI8-PeogOWR7kSPxZHrctZJciOpgVaWxtLQAsF1Sy"
    assert share.read(old) == share.Shared.of(PRESETS["article-003-keras"].architecture, RECIPE, "mnist")


def test_a_network_alone_is_shared_as_its_own_document() -> None:
    assert share.Shared.of(LENET).to_json() == LENET.to_json()
    named = LENET.renamed("cnnlab.shared")
    assert share.Shared.from_json(named.to_json()) == share.Shared.of(named)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ('{"format":"cnnlab.shared","version":1}', "architecture"),
        ('{"format":"cnnlab.shared","version":2,"architecture":{"input_shape":[1,8,8]}}', "version"),
        ('{"format":"cnnlab.shared","recipe":[],"architecture":{"input_shape":[1,8,8]}}', "recipe"),
        ('{"format":"cnnlab.shared","data":"%s","architecture":{"input_shape":[1,8,8]}}' % ("x" * 81), "data"),
        ('{"format":"cnnlab.shared","recipe":{"a":' + "[" * 200 + "]" * 200 + "}}", "nests deeper"),
        ('{"format":"cnnlab.shared"' + " " * 2_000_000, "at most"),
        ('{"format":"cnnlab.shared",', "not a network"),
    ],
)
def test_a_shared_document_that_is_none_is_said(document: str, says: str) -> None:
    with pytest.raises(ArchitectureError, match=says):
        share.Shared.from_json(document)
