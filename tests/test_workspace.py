"""A workspace brings everything back, believes nothing it reads, and belongs to whoever knows its id."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cnnlab import handover
from cnnlab.architecture.presets import PRESETS
from cnnlab.description import ModelAbout, Preprocessing, bundled_path
from cnnlab.errors import BudgetError, DataError, PictureError
from cnnlab.home import is_full
from cnnlab.numbering import run_numbers
from cnnlab.workspace import (
    MAX_DRAWINGS,
    MAX_MODELS,
    MAX_OPERATIONS,
    MAX_SETTLED,
    MAX_UPLOADS,
    MAX_WIDGETS,
    Choices,
    ImageRef,
    Operations,
    Score,
    Workspace,
    is_id,
    new_id,
    open_image,
)


@pytest.fixture
def space(lab_home: Path) -> Workspace:
    return Workspace(new_id())


def digit(value: int = 200) -> np.ndarray:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:23, 13:16] = value
    return pixels


def test_ids_are_long_and_checked() -> None:
    assert is_id(new_id()) and new_id() != new_id()
    for bad in ("", "short", "../" * 20, "x" * 39, "x" * 200, None, 7, "a b" * 20):
        assert not is_id(bad)
    with pytest.raises(DataError):
        Workspace("../../etc/passwd")


def test_the_folder_does_not_give_the_id_away(space: Workspace, lab_home: Path) -> None:
    space.rename("Ana")
    files = [path for path in lab_home.rglob("*") if path.is_file()]
    assert files
    assert all(space.id not in str(path) and space.id.encode() not in path.read_bytes() for path in files)


def test_nothing_is_written_before_something_is_made(space: Workspace) -> None:
    assert space.name == "" and space.choices == Choices() and space.drawings() == () and space.networks == {}
    assert not space.folder.exists()


def test_name_and_choices_come_back(space: Workspace) -> None:
    space.rename("  Ana\n and \x07Wei " + "x" * 100)
    space.choose(language="zh_CN", data="cifar10", image=ImageRef(kind="drawing", id="0" * 16))
    space.choose(run="abc")
    again = Workspace(space.id)
    assert again.name == ("Ana and Wei " + "x" * 100)[:40]
    assert (again.choices.language, again.choices.data, again.choices.run) == ("zh_CN", "cifar10", "abc")
    assert again.choices.image == ImageRef(kind="drawing", id="0" * 16)


def test_a_choice_that_cannot_be_kept_changes_nothing(space: Workspace) -> None:
    space.choose(data="mnist")
    with pytest.raises(DataError):
        space.choose(data="x" * 1000)
    assert space.choices.data == "mnist"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 9}', '{"name": 3}', '{"choices": {"image": {"kind": "x"}}}', "[" * 200_000],
)
def test_a_damaged_record_is_an_empty_one(space: Workspace, text: str) -> None:
    space.rename("Ana")
    (space.folder / "workspace.json").write_text(text)
    assert space.name == "" and space.choices == Choices()
    space.rename("Wei")
    assert space.name == "Wei"


def test_two_workspaces_do_not_see_each_other(space: Workspace) -> None:
    other = Workspace(new_id())
    id = space.save_drawing(digit())
    space.save_network(PRESETS["mnist-sprint"].architecture)
    assert other.drawings() == () and other.networks == {} and other.drawing(id) is None
    other.delete()
    assert len(space.drawings()) == 1


def test_networks_come_back_and_go(space: Workspace) -> None:
    network = PRESETS["mnist-sprint"].architecture
    space.save_network(network)
    space.save_network(network.renamed("../../climb"))
    (space.folder / "networks" / "damaged.json").write_text("{")
    assert list(space.networks) == ["../../climb", network.name]
    assert space.networks[network.name] == network
    assert all(path.parent == space.folder / "networks" for path in space.folder.rglob("*.json"))
    space.delete_network("../../climb")
    space.delete_network("never there")
    assert list(space.networks) == [network.name]


def test_drawings_come_back_newest_first(space: Workspace) -> None:
    first, second = space.save_drawing(digit(100), label=1), space.save_drawing(digit(255))
    drawings = space.drawings()
    assert [d.id for d in drawings] == [second, first]
    assert [d.label for d in drawings] == [None, 1]
    assert np.array_equal(drawings[1].pixels, digit(100))
    space.delete_drawing(first)
    space.delete_drawing("../workspace")
    assert [d.id for d in space.drawings()] == [second]


def test_a_drawing_that_is_none_is_left_out(space: Workspace) -> None:
    id = space.save_drawing(digit())
    folder = space.folder / "drawings"
    (folder / f"{'1' * 16}.png").write_bytes(b"no picture")
    Image.new("RGB", (3000, 10)).save(folder / f"{'2' * 16}.png")
    (folder / f"{'3' * 16}.png").write_bytes((folder / f"{id}.png").read_bytes()[:60])
    assert [d.id for d in space.drawings()] == [id]
    assert space.drawing("../../x") is None and space.drawing("f" * 16) is None


@pytest.mark.parametrize("bad", [np.zeros((28, 27), np.uint8), np.zeros((28, 28)), np.zeros((1, 28, 28), np.uint8)])
def test_only_drawings_are_kept(space: Workspace, bad: np.ndarray) -> None:
    with pytest.raises(PictureError):
        space.save_drawing(bad)


def test_a_drawing_kept_twice_is_one(space: Workspace) -> None:
    first = space.save_drawing(digit(), 7)
    assert space.save_drawing(digit()) == space.save_drawing(digit(), 7) == first
    assert len({first, space.save_drawing(digit(), 1), space.save_drawing(digit(90), 1)}) == 3
    newest = space.newest_drawing()
    assert newest is not None and newest.pixels.max() == 90


def test_a_workspace_is_full_one_day(space: Workspace) -> None:
    folder = space.folder / "drawings"
    folder.mkdir(parents=True)
    for number in range(MAX_DRAWINGS):
        (folder / f"{number:016x}.png").touch()
    with pytest.raises(BudgetError):
        space.save_drawing(digit())


def test_uploads_are_made_small(space: Workspace) -> None:
    id = space.save_upload(Image.new("RGBA", (4000, 1000), "red"))
    with Image.open(space.folder / "uploads" / f"{id}.png") as kept:
        assert kept.size == (512, 128) and kept.mode == "RGB"
    assert space.upload(id) is not None and space.upload("../workspace") is None


def test_the_oldest_uploads_make_room(space: Workspace) -> None:
    picture = Image.new("L", (8, 8))
    ids = [space.save_upload(picture) for _number in range(MAX_UPLOADS + 2)]
    assert [space.upload(id) is not None for id in ids] == [False, False] + [True] * MAX_UPLOADS


def test_two_tabs_keep_each_others_choices(space: Workspace) -> None:
    barrier = threading.Barrier(2)

    def choose(**changes: str) -> None:
        tab = Workspace(space.id)
        barrier.wait()
        tab.choose(**changes)

    for number in range(20):
        tabs = [
            threading.Thread(target=choose, kwargs={"run": f"run{number}"}),
            threading.Thread(target=choose, kwargs={"model": f"bundled:m{number}"}),
        ]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()
        assert (space.choices.run, space.choices.model) == (f"run{number}", f"bundled:m{number}")


def test_tabs_keep_each_others_controls(space: Workspace) -> None:
    barrier = threading.Barrier(8)

    def choose(number: int) -> None:
        tab = Workspace(space.id)
        barrier.wait()
        tab.choose_widget(f"control {number}", number)

    tabs = [threading.Thread(target=choose, args=(number,)) for number in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert space.choices.widgets == {f"control {number}": number for number in range(8)}
    for number in range(MAX_WIDGETS):
        space.choose_widget(f"later {number}", number)
    assert len(space.choices.widgets) == MAX_WIDGETS and "control 1" not in space.choices.widgets
    with pytest.raises(DataError):
        space.choose_widget("x" * 100, 1)


def test_a_model_far_down_in_the_folders_can_be_chosen(space: Workspace) -> None:
    ref = "file:/" + "/".join(["a folder with a long name"] * 20) + "/model.safetensors"
    space.choose(model=ref)
    space.choose_widget("draw.compare.1", ref)
    assert (space.choices.model, space.choices.widgets["draw.compare.1"]) == (ref, ref)


def test_deleting_removes_it_all(space: Workspace) -> None:
    space.rename("Ana")
    space.save_drawing(digit())
    space.delete()
    assert not space.folder.exists() and space.name == ""


def asked(data: str, preprocessing: Preprocessing) -> SimpleNamespace:
    return SimpleNamespace(preprocessing=preprocessing, about=ModelAbout(data=data), class_names=("a", "b"))


GREY = asked("mnist", Preprocessing(data_shape=(1, 28, 28), input_shape=(1, 32, 32), mean=(0.1,), std=(0.3,)))
COLOUR = asked(
    "cifar10", Preprocessing(data_shape=(3, 32, 32), input_shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.2,) * 3)
)


def test_images_open_as_the_model_takes_them(space: Workspace) -> None:
    drawing = ImageRef(kind="drawing", id=space.save_drawing(digit()))
    opened = open_image(drawing, space, GREY)
    assert opened.shape == (1, 28, 28) and np.array_equal(opened[0].numpy(), digit())
    test = open_image(ImageRef(data="mnist", index=3), space, GREY)
    assert test.shape == (1, 28, 28) and int(test.max()) > 200
    upload = ImageRef(kind="upload", id=space.save_upload(Image.new("RGB", (300, 200), (10, 200, 30))))
    colour = open_image(upload, space, COLOUR)
    assert colour.shape == (3, 32, 32) and colour[:, 0, 0].tolist() == [10, 200, 30]


@pytest.mark.parametrize(
    ("ref", "model"),
    [
        (ImageRef(kind="drawing", id="a" * 16), GREY),
        (ImageRef(kind="upload", id="a" * 16), COLOUR),
        (ImageRef(data="mnist", index=10_000_000), GREY),
        (ImageRef(data="mnist", index=0), COLOUR),
        (ImageRef(data="no such set"), GREY),
    ],
)
def test_an_image_that_is_gone_says_so(space: Workspace, ref: ImageRef, model: SimpleNamespace) -> None:
    with pytest.raises(DataError):
        open_image(ref, space, model)


def test_the_record_is_plain_json(space: Workspace) -> None:
    space.choose(language="en")
    assert json.loads((space.folder / "workspace.json").read_text())["choices"]["language"] == "en"


def test_only_first_answers_count_and_a_shown_one_does_not(space: Workspace) -> None:
    assert space.score == Score() and not space.folder.exists()
    space.settle("size", "size:a", True)
    space.settle("size", "size:a", False)
    space.settle("size", "size:b", False)
    space.settle("number", "number:a")
    space.settle("number", "number:a", True)
    again = Workspace(space.id).score
    assert (again.of("size"), again.of("number"), again.of("params")) == ((1, 2), (0, 0), (0, 0))
    assert again.settled == ("size:a", "size:b", "number:a")


def test_a_first_answer_stays_the_first_after_many_others(space: Workspace) -> None:
    space.settle("size", "size:a", False)
    told = json.loads((space.folder / "predictions.json").read_text())
    told["settled"] += [f"number:{n:016x}" for n in range(MAX_SETTLED - 1)]  # as long as they really are
    (space.folder / "predictions.json").write_text(json.dumps(told))
    for n in range(3):
        space.settle("number", f"number:{n:016x}", True)
    assert MAX_SETTLED >= 10_000 and space.settle("size", "size:a", True).of("size") == (0, 1)


def test_the_oldest_settled_questions_go_and_their_points_stay(space: Workspace) -> None:
    many = {"asked": {"size": MAX_SETTLED}, "right": {}, "settled": [f"size:{n}" for n in range(MAX_SETTLED)]}
    space.settle("size", "first", True)
    (space.folder / "predictions.json").write_text(json.dumps(many))
    score = space.settle("size", "newest", True)
    assert len(score.settled) == MAX_SETTLED and score.settled[-1] == "newest" and "size:0" not in score.settled
    assert score.of("size") == (1, MAX_SETTLED + 1)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"asked": 3}', '{"asked": {"size": -1}}', '{"asked": {"size": "many"}}', "[" * 200_000,
        '{"right": {"size": 5}, "asked": {"size": 4}}', '{"settled": "all"}', '{"asked": {"size": 1e99}}',
        json.dumps({"asked": {str(n): 1 for n in range(50)}}), json.dumps({"settled": ["x"] * 50_000}), "\x00" * 99,
    ],
)  # fmt: skip
def test_a_score_that_cannot_be_believed_is_a_fresh_one_and_harms_nothing_else(space: Workspace, text: str) -> None:
    space.rename("Ana")
    (space.folder / "predictions.json").write_text(text)
    assert space.score == Score() and space.name == "Ana"
    assert space.settle("params", "params:a", True).of("params") == (1, 1)


def test_a_score_of_a_later_lab_keeps_what_is_known(space: Workspace) -> None:
    space.rename("Ana")
    told = {"asked": {"size": 3}, "right": {"size": 2}, "streak": 9}
    (space.folder / "predictions.json").write_text(json.dumps(told))
    assert space.score.of("size") == (2, 3)


def test_a_question_that_cannot_be_kept_is_refused(space: Workspace) -> None:
    with pytest.raises(DataError):
        space.settle("size", "x" * 200, True)
    assert space.score == Score()


def by_hand(count: int, size: int) -> list[dict]:
    kernel = [[-0.12345678901234567] * size] * size
    return [{"do": "write", "layer": "conv1", "unit": unit, "source": 0, "values": kernel} for unit in range(count)]


def test_all_operations_come_back_however_large(space: Workspace) -> None:
    assert space.operations == Operations() and not space.folder.exists()
    done = by_hand(MAX_OPERATIONS, 64)
    space.keep_operations("run:" + "x" * 300, done)
    again = Workspace(space.id).operations
    assert again.model == "run:" + "x" * 300 and list(again.done) == done
    for bad in (by_hand(MAX_OPERATIONS + 1, 3), [{"values": "x" * 17_000_000}]):
        with pytest.raises(DataError):
            space.keep_operations("bundled:a", bad)
    assert Workspace(space.id).operations == again


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"model": 3}', '{"done": 7}', '{"done": ["x"]}', "[" * 200_000, "\x00" * 99]
)
def test_damaged_operations_are_none(space: Workspace, text: str) -> None:
    space.rename("Ana")
    (space.folder / "operations.json").write_text(text)
    assert space.operations == Operations() and space.name == "Ana"


def model_file(name: str) -> bytes:
    bundled = bundled_path("article-000-lenet5").read_bytes()
    assert bundled.count(b'\\"name\\":\\"article-000-lenet5\\"') == 2  # of the network, and of the model
    head, _name, rest = bundled.rpartition(b'\\"name\\":\\"article-000-lenet5\\"')
    new = head + b'\\"name\\":\\"' + name.encode() + b'\\"' + rest
    length = int.from_bytes(bundled[:8], "little") + len(new) - len(bundled)
    return length.to_bytes(8, "little") + new[8:]


def test_kept_models_are_found_by_name_and_belong_to_their_workspace(space: Workspace) -> None:
    sources = [space.save_model(model_file(name)) for name in ("mine", "other", "mine")]
    assert space.models() == dict(zip(sources, ("mine", "other", "mine (2)")))
    other = Workspace(new_id())
    assert all(space.has_model(source) and not other.has_model(source) for source in sources)
    path = Path(sources[0].removeprefix("file:"))
    for bad in (
        f"file:{path.parent}/../models/{path.name}",
        f"file:{path.with_suffix('.json')}",
        f"run:{path}",
        "file:",
    ):
        assert not space.has_model(bad)
    (space.folder / "models" / "0123456789abcdef.safetensors").write_bytes(b"not a model")
    assert len(space.models()) == 3
    other.delete_model(sources[1])
    space.delete_model(sources[1])
    assert list(space.models().values()) == ["mine", "mine (2)"]


def test_int8_models_are_kept_apart_from_whole_ones(space: Workspace) -> None:
    whole = model_file("mine")
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    told = {"model": json.loads(header["__metadata__"]["cnnlab.model"]), "toolkit": "any"}
    head = json.dumps({"__metadata__": {"cnnlab.int8": json.dumps(told)}}).encode()
    sources = [space.save_model(file) for file in (whole, len(head).to_bytes(8, "little") + head)]
    assert space.models() == {sources[0]: "mine"} and space.int8_models() == {sources[1]: "mine (2)"}
    assert all(map(space.has_model, sources))


def test_no_two_kept_models_are_called_alike(space: Workspace) -> None:
    for name in ("a (2)", "a", "a", "a (2)", "a"):
        space.save_model(model_file(name))
    assert list(space.models().values()) == ["a (2)", "a", "a (3)", "a (2) (2)", "a (4)"]


def test_a_workspace_keeps_so_many_models_and_no_more(space: Workspace) -> None:
    for _one in range(MAX_MODELS):
        space.save_model(b"x")
    with pytest.raises(BudgetError, match="all it can"):
        space.save_model(b"x")


def test_a_full_disk_keeps_nobody_from_choosing_and_loses_nothing(
    space: Workspace, lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.choose(language="en")
    network = PRESETS["mnist-sprint"].architecture
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("os.fsync", full)
        space.choose(visited=("draw",))
        space.choose_widget("draw.size", 3)
        space.rename("Ana")
        space.keep_operations("bundled:mnist-sprint", [{"do": "silence"}])
        assert space.settle("hit", "one", right=True).of("hit") == (1, 1)
        assert run_numbers(space, ["a", "b"]) == {"a": 1, "b": 2} == run_numbers(space, ["a", "b"])
        again = Workspace(space.id)
        assert (again.name, again.choices.language, again.choices.visited) == ("Ana", "en", ("draw",))
        assert again.score.of("hit") == (1, 1) and again.operations.done == ({"do": "silence"},)
        for keep in (
            lambda: space.save_network(network),
            lambda: space.save_drawing(np.zeros((28, 28), np.uint8)),
            lambda: space.save_upload(Image.new("L", (8, 8))),
            lambda: space.save_model(b"x"),
            lambda: handover.offer(space),
        ):
            with pytest.raises(DataError, match="No space left on device"):
                keep()
        assert is_full()
        assert sorted(path.name for path in space.folder.rglob("*") if path.is_file()) == ["workspace.json"]
    assert not is_full()  # there is room again: all that waited is written by this very look
    written = {path.name for path in space.folder.rglob("*") if path.is_file()}
    assert written == {"workspace.json", "operations.json", "predictions.json", "runs.json"}
    assert json.loads((space.folder / "workspace.json").read_bytes())["choices"]["widgets"] == {"draw.size": 3}


def test_what_waits_for_a_full_disk_goes_with_its_workspace(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        space.choose(language="en")
        space.delete()
        assert not is_full()
    assert Workspace(space.id).choices.language is None and not space.folder.exists()
