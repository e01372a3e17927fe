"""The words as types: identities that hold everywhere, and masks that come back."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series, pack_mask, unpack_mask
from wattline.units import Unit

WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE)


def test_labels_are_sorted_and_normalised():
    one = Series.of("caf\u00e9", WATTS, {"b": "2", "a": "e\u0301"})
    two = Series.of("cafe\u0301", WATTS, {"a": "\u00e9", "b": "2"})
    assert one == two
    assert one.key == two.key


def test_a_label_that_is_json_is_no_text_and_comes_back():
    labels = {"port": 3, "text": "3", "on": True, "none": None, "list": [1, "a"]}
    series = Series.of("pdu", WATTS, labels)
    assert series.label_values() == labels
    assert Series.of("pdu", WATTS, {"port": 3}).key != Series.of("pdu", WATTS, {"port": "3"}).key


def test_no_text_can_pass_for_json():
    assert Series.of("pdu", WATTS, {"a": "\x00{}"}).label_values() == {"a": "{}"}


def test_a_key_does_not_depend_on_unit_kind_or_help():
    other = Metric("power_watts", Unit.NONE, Kind.UNKNOWN, "some help")
    assert Series.of("pdu", WATTS).key == Series.of("pdu", other).key


def test_a_layout_id_is_the_same_on_every_host():
    """Pinned: stores on disk and buses between hosts rest on it."""
    series = [Series.of("pdu", WATTS, {"outlet": "1"}), Series.of("pdu", WATTS, {"outlet": "2"})]
    digest = hashlib.blake2b(digest_size=16)
    for key in (b'["pdu","power_watts",[["outlet","1"]]]', b'["pdu","power_watts",[["outlet","2"]]]'):
        digest.update(len(key).to_bytes(4, "little") + key)
    assert Layout.of(series).id == digest.digest()
    assert Layout.of(series[::-1]).id != Layout.of(series).id


def test_a_series_stands_once_in_a_layout():
    with pytest.raises(ValueError, match=r"pdu power_watts .* stands twice"):
        Layout.of([Series.of("pdu", WATTS), Series.of("pdu", WATTS)])
    with pytest.raises(ValueError, match="as many columns"):
        Layout.of([Series.of("pdu", WATTS)], [])


def test_a_layout_grows_in_its_family():
    root = Layout.of([Series.of("a", WATTS)], [Column(rated=5.0)], devices=[Device("a")])
    grown = root.grown([Series.of("b", WATTS)], [Column(rated=6.0)], [Device("b")])
    assert root.family == root.id == grown.family != grown.id
    assert grown.series[:1] == root.series
    assert [column.rated for column in grown.columns] == [5.0, 6.0]
    assert [device.name for device in grown.devices] == ["a", "b"]
    assert grown == Layout.of([*grown.series])
    assert len({root, grown, Layout.of(root.series)}) == 2


def test_the_parent_is_that_of_the_first_feed():
    assert Device("a").parent is None
    assert Device("a", parents=(("A", "pdu-a"), ("B", "pdu-b"))).parent == "pdu-a"


@given(mask=st.tuples(st.integers(0, 9), st.integers(1, 20)).flatmap(lambda shape: arrays(bool, shape)))
def test_a_mask_comes_back_from_its_bits(mask):
    packed = pack_mask(mask)
    assert (packed is None) == bool(mask.all())
    assert np.array_equal(unpack_mask(packed, *mask.shape), mask)


def test_a_batch_knows_its_size():
    layout = Layout.of([Series.of("a", WATTS), Series.of("b", WATTS)])
    batch = Batch(layout, np.arange(3), np.zeros((3, 2)), pack_mask(np.eye(3, 2, dtype=bool)))
    assert (len(batch), batch.size, len(batch.layout)) == (3, 6, 2)
    assert batch.mask().tolist() == [[True, False], [False, True], [False, False]]
