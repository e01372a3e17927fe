"""Pages of BMCs: what was seen of them is read, and any bytes are a value or Malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed
from wattline.wire.bmc_pages import cookies, form, nearly_json, token, webvar, xml_texts

PAGE = b"""//Dynamic Data Begin
 WEBVAR_JSONVAR_X = { WEBVAR_STRUCTNAME_X : [ { 'A' : 'it\\'s "7"', B: 0x, 'C' : -1.5, d : true, }, {} ],
 HAPI_STATUS:0 };
//Dynamic data end
"""


def test_a_javascript_page():
    page = PAGE.replace(b"0x", b"[1,2,]")
    assert webvar(page, "X") == [{"A": 'it\'s "7"', "B": [1, 2], "C": -1.5, "d": True}]
    assert webvar(b"WEBVAR_JSONVAR_X = {WEBVAR_STRUCTNAME_X: [{'A': 'http://a;b'}]};", "X") == [{"A": "http://a;b"}]


@pytest.mark.parametrize(
    "page",
    [PAGE, b"", b"WEBVAR_JSONVAR_X", b"WEBVAR_JSONVAR_X = [1]", b"WEBVAR_JSONVAR_X = {'a", b"WEBVAR_JSONVAR_Y = {}"],
)
def test_a_javascript_page_that_means_nothing(page):
    with pytest.raises(Malformed):
        webvar(page, "X")


@given(st.binary(), st.text(alphabet="{}[]:,;'\"\\/ \nWx0-.", max_size=60))
def test_any_javascript_is_a_value_or_malformed(raw, text):
    for page in (raw, b"WEBVAR_JSONVAR_X = " + raw, f"WEBVAR_JSONVAR_X = {text}".encode()):
        try:
            rows = webvar(page, "X")
        except Malformed:
            continue
        assert all(isinstance(row, dict) for row in rows)


def test_nearly_json():
    assert nearly_json(b"({%22a%22:1}") == nearly_json(b'{"a":1}') == {"a": 1}


@given(st.one_of(st.binary(), st.text(alphabet='{}[]:,"%22 ', max_size=40).map(str.encode)))
def test_any_near_json_is_a_value_or_malformed(raw):
    try:
        nearly_json(raw)
    except Malformed:
        return


def test_texts_of_xml():
    page = b"<root><a><b>1,2</b><b>3<c>x</c>4</b></a><b>no</b></root>"
    assert xml_texts(page, "a", "b") == ["1,2", "34"]
    assert xml_texts(page, "a", "z") == []


BOMB = b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>'


@pytest.mark.parametrize("page", [b"", b"<a>", b"<a></b>", b"\xff\xfe", b"<a>\0</a>", BOMB])
def test_what_is_no_xml(page):
    with pytest.raises(Malformed):
        xml_texts(page, "a")


@given(st.one_of(st.binary(), st.text(alphabet="<>/a &;!?-=\"'", max_size=60).map(str.encode)))
def test_any_xml_is_texts_or_malformed(raw):
    try:
        xml_texts(raw, "a")
    except Malformed:
        return


def test_a_form_is_encoded():
    assert form(user="a b", password="p&q=%é+") == b"user=a+b&password=p%26q%3D%25%C3%A9%2B"


def test_cookies_of_an_answer():
    headers = {"Set-Cookie": '-http-session-="12::x"; path=/', "X": "y=z"}
    assert cookies(headers) == {"-http-session-": "12::x"}


@pytest.mark.parametrize("said", [None, 7, "", "a b", "a\r\nX: y", "a;b", "é", "a" * 5000])
def test_what_is_no_token(said):
    with pytest.raises(Malformed):
        token(said)
