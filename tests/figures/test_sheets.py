"""The data of the Explore page's component: what the browser unpacks is what the network computed."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from cnnlab.figures import sheets
from cnnlab.figures.tiles import limits
from cnnlab.insight import filters, look
from tests.insight.makers import MODELS, grey, picture_for


def unpack(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def seen_of(model):
    return look(model, picture_for(model))


def test_values_and_tiles_come_back():
    model = grey()
    seen = seen_of(model)
    data = sheets.layer_data(seen, "conv1", "layer")
    values = seen.maps["conv1"].numpy()
    assert data["mode"] == "signed"
    shade = unpack(data["tiles"], np.uint8).reshape(values.shape)
    low, high = limits(values, "signed")
    assert np.abs(shade / 255 * (high - low) + low - values).max() <= (high - low) / 255
    assert data["means"] == pytest.approx(values.mean(axis=(1, 2)).tolist(), abs=1e-6)
    detail = sheets.unit_data(model.architecture, seen, "conv1", 2, filters(model, "conv1"))
    assert np.array_equal(unpack(detail["values"]).reshape(values.shape[1:]), values[2])
    json.dumps([data, detail])


@pytest.mark.parametrize("layer", ["conv1", "relu1"])
def test_scales_are_shared_as_widely_as_was_asked(layer):
    seen = seen_of(grey())
    values = seen.maps[layer].numpy()
    mode = sheets.mode_of(values)
    unit = sheets.layer_data(seen, layer, "unit")
    assert list(zip(unit["low"], unit["high"])) == [limits(one, mode) for one in values]
    shared = sheets.layer_data(seen, layer, "layer")
    assert set(zip(shared["low"], shared["high"])) == {limits(values, mode)}
    whole = sheets.layer_data(seen, layer, "network")
    largest = max(float(one.abs().max()) for one in seen.maps.values())
    assert whole["high"] == [pytest.approx(largest)] * len(values)
    assert whole["low"] == [pytest.approx(-largest if mode == "signed" else 0.0)] * len(values)


@pytest.mark.parametrize(("net", "layer"), [("grey", "conv1"), ("grey", "conv2"), ("colour", "conv2")])
def test_what_the_browser_adds_up_is_the_number_in_the_map(net, layer):
    """The same sum as in map_grid.js, over all kernels sent (here all of them), plus the bias."""
    model = MODELS[net]()
    seen = seen_of(model)
    for unit in (0, 3):
        detail = sheets.unit_data(model.architecture, seen, layer, unit, filters(model, layer))
        kernel, stride, padding, dilation = detail["window"]
        assert len(detail["channels"]) == detail["of_channels"]
        values = seen.maps[layer][unit].numpy()
        for row, col in [(0, 0), (values.shape[0] - 1, 2)]:
            total = detail["bias"]
            for channel in detail["channels"]:
                height, width = channel["map_size"]
                arriving = unpack(channel["map"]).reshape(height, width)
                weights = unpack(channel["kernel"]).reshape(channel["size"])
                for i in range(kernel):
                    for j in range(kernel):
                        y, x = row * stride - padding + dilation * i, col * stride - padding + dilation * j
                        if 0 <= y < height and 0 <= x < width:
                            total += float(arriving[y, x]) * float(weights[i, j])
            assert total == pytest.approx(float(values[row, col]), abs=1e-5)


def test_only_the_heaviest_kernels_are_sent():
    from cnnlab.architecture import layers as L
    from tests.insight.makers import model_of

    model = model_of((12, 8, 8), [L.Conv2d(out_channels=2), L.Flatten(), L.Linear(out_features=2)])
    seen = seen_of(model)
    found = filters(model, "conv1")
    detail = sheets.unit_data(model.architecture, seen, "conv1", 1, found)
    weight = found.weight[1].abs().sum((1, 2))
    assert {c["index"] for c in detail["channels"]} == set(weight.topk(sheets.MOST_CHANNELS).indices.tolist())
    assert detail["of_channels"] == 12


def test_fields_are_those_of_the_trace():
    model = grey()
    detail = sheets.unit_data(model.architecture, seen_of(model), "conv2", 0, filters(model, "conv2"))
    field = model.architecture.trace().rows[4].receptive_field
    assert detail["fields"] == {"rows": list(field.rows.spans), "cols": list(field.cols.spans)}


def test_a_map_behind_a_convolution_has_its_filter():
    architecture = grey().architecture
    assert sheets.source_filters(architecture, "conv1") == "conv1"
    assert sheets.source_filters(architecture, "pool1") == "conv1"
    assert sheets.source_filters(architecture, "relu2") == "conv2"
    assert sheets.source_filters(architecture, "flatten") is None
    model = grey()
    detail = sheets.unit_data(architecture, seen_of(model), "pool1", 1, filters(model, "conv1"))
    assert (detail["filter"], detail["window"]) == ("conv1", [])
    assert all(channel["map"] is None for channel in detail["channels"])


def test_a_map_that_no_convolution_made_has_no_filter():
    from cnnlab.architecture import layers as L
    from tests.insight.makers import GREY, model_of

    model = model_of(GREY, [L.MaxPool2d(), L.Conv2d(out_channels=2), L.Flatten(), L.Linear(out_features=2)])
    assert sheets.source_filters(model.architecture, "pool1") is None
    detail = sheets.unit_data(model.architecture, seen_of(model), "pool1", 0, None)
    assert (detail["channels"], detail["filter"], detail["bias"]) == ([], None, None)


def test_a_vector_is_no_sheet():
    with pytest.raises(ValueError, match="vector"):
        sheets.layer_data(seen_of(grey()), "fc1")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_comes_as_rgb(channels):
    picture = np.random.default_rng(0).integers(0, 256, (channels, 4, 5), dtype=np.uint8)
    data = sheets.picture_data(picture)
    rgb = unpack(data["rgb"], np.uint8).reshape(4, 5, 3)
    assert data["size"] == [4, 5]
    assert np.array_equal(rgb, np.broadcast_to(picture.transpose(1, 2, 0), (4, 5, 3)))
