"""A folder of images: classes, labels, sizes, the seal, and the memory map that all processes share."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hpsearch.config import ConfigError
from hpsearch.config.data import ColorChoice, TaskChoice
from hpsearch.data import image_cache, image_folder
from hpsearch.data.check import tell_data
from hpsearch.data.dataset import content_digest
from hpsearch.data.datasets import find_source
from hpsearch.data.seal import Claim, load_development, seal
from hpsearch.engine.device_data import to_device
from hpsearch.errors import DataError
from hpsearch.records import Task
from tests.data.images import fill, folder_data, shades


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HPSEARCH_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / image_cache.FOLDER


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pets"


def opened(data):
    sealed = seal(data)
    return sealed.open(Claim(sealed.digest, 1, "me", "now", "to look"))


def test_sub_folders_are_the_classes(folder):
    written = fill(folder, {"dog": 10, "a cat": 15})
    rows = load_development(folder_data(folder))
    assert (rows.name, rows.task, rows.classes, rows.class_names) == ("pets", Task.BINARY, 2, ("a cat", "dog"))
    assert rows.inputs.shape == (20, 1, 4, 3)
    assert rows.inputs.dtype == np.uint8
    assert np.bincount(rows.targets).tolist() == [12, 8]
    pixels = {name.split("/")[0]: [] for name in written}
    for name, image in written.items():
        pixels[name.split("/")[0]].append(image.tobytes())
    for image, target in zip(rows.inputs, rows.targets, strict=True):
        assert image.tobytes() in pixels[rows.class_names[target]]


def test_classes_are_numbered_as_in_torchvision(folder):
    from torchvision.datasets import ImageFolder  # noqa: PLC0415 - slow

    fill(folder, {"10": 3, "9": 3, "B": 3, "a": 3, "ä": 3})
    (folder / "a" / "deeper").mkdir()
    Image.fromarray(shades(99)).save(folder / "a" / "deeper" / "x.png")
    reference = ImageFolder(folder)
    rows = find_source(folder_data(folder)).read()
    assert rows.class_names == tuple(reference.classes)
    assert sorted(rows.targets.tolist()) == sorted(reference.targets)


def test_every_image_is_either_sealed_or_not(folder):
    written = fill(folder, {"dog": 10, "cat": 15})
    data = folder_data(folder)
    development, sealed = load_development(data), opened(data)
    both = [image.tobytes() for image in (*development.inputs, *sealed.inputs)]
    assert sorted(both) == sorted(image.tobytes() for image in written.values())
    assert np.bincount(sealed.targets).tolist() == [3, 2]


def test_a_search_maps_no_sealed_pixel(folder, cache):
    fill(folder, {"dog": 10, "cat": 15})
    data = folder_data(folder, size=[4, 3], color=ColorChoice.GREY)
    development = load_development(data)
    (mapped,) = cache.glob("*.npy")
    assert np.load(mapped).tobytes() == development.inputs.tobytes()


def test_a_folder_of_test_images_is_sealed_instead(folder):
    fill(folder / "train", {"dog": 6, "cat": 6})
    test = fill(folder / "test", {"dog": 2, "cat": 1}, first=50)
    data = folder_data(folder / "train", test_path=str(folder / "test"))
    assert load_development(data).n == 12
    assert load_development(data).name == "pets"
    sealed = opened(data)
    assert [each.tobytes() for each in sealed.inputs[:, 0]] == [test[name].tobytes() for name in sorted(test)]
    assert sealed.targets.tolist() == [0, 1, 1]


def test_a_class_that_only_the_test_images_have_is_refused(folder):
    fill(folder / "train", {"dog": 6, "cat": 6})
    fill(folder / "test", {"dog": 2, "cow": 1})
    with pytest.raises(DataError, match=r"test \(data\.test_path\) has the class 'cow', and .*train has not"):
        find_source(folder_data(folder / "train", test_path=str(folder / "test")))


def test_openings_are_counted_for_the_images_whatever_their_names_labels_and_size(folder, tmp_path):
    fill(folder, {"dog": 10, "cat": 15})
    other = tmp_path / "renamed"
    (other / "x").mkdir(parents=True)
    (other / "y").mkdir()
    for at, path in enumerate(sorted(folder.rglob("*.png"))):
        os.link(path, other / "xy"[at % 2] / f"{at}.png")
    digests = {
        seal(data).digest
        for data in (
            folder_data(folder),
            folder_data(folder, size=2),
            folder_data(folder, color=ColorChoice.RGB),
            folder_data(folder, test=0.4),
            folder_data(other),
        )
    }
    assert len(digests) == 1


def test_the_content_of_a_sweep_depends_on_size_and_labels(folder):
    fill(folder, {"dog": 10, "cat": 15})
    digests = [load_development(folder_data(folder, size=size)).digest for size in (None, [4, 3], 2)]
    assert digests[0] == digests[1] != digests[2]


def test_one_changed_pixel_changes_the_content(folder):
    fill(folder, {"dog": 10, "cat": 15})
    before = seal(folder_data(folder)).digest
    pixels = shades(0)
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(folder / "dog" / "00.png")
    assert seal(folder_data(folder)).digest != before


def test_images_are_decoded_once(folder, monkeypatch):
    fill(folder, {"dog": 10, "cat": 15})
    first = load_development(folder_data(folder))

    def never(*_, **__):
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_folder, "pixels_of", never)
    monkeypatch.setattr(image_folder, "shape_of", never)
    again = load_development(folder_data(folder))
    assert again.digest == first.digest
    assert isinstance(again.inputs, np.memmap)


def test_a_changed_file_is_decoded_again(folder):
    fill(folder, {"dog": 10, "cat": 15})
    data = folder_data(folder, size=[4, 3], color=ColorChoice.GREY)
    before = load_development(data).digest
    for path in folder.rglob("*.png"):
        Image.fromarray(np.zeros((4, 3), np.uint8)).save(path)
    assert load_development(data).digest != before


def test_a_damaged_map_is_refused(folder, cache):
    fill(folder, {"dog": 10, "cat": 15})
    data = folder_data(folder, size=[4, 3], color=ColorChoice.GREY)
    load_development(data)
    (path,) = cache.glob("*.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"\.npy is damaged: delete it, and its images are read again"):
        load_development(data)


def test_the_map_is_used_as_it_is_and_minibatches_equal_those_of_a_copy(folder):
    fill(folder, {"dog": 10, "cat": 15})
    rows = load_development(folder_data(folder))
    inputs = to_device(rows).inputs
    assert inputs.data_ptr() == rows.inputs.ctypes.data
    index = torch.tensor([3, 0, 3])
    assert torch.equal(inputs.index_select(0, index), torch.tensor(np.array(rows.inputs)).index_select(0, index))


def test_the_digest_of_a_map_is_that_of_an_array(folder):
    fill(folder, {"dog": 10, "cat": 15})
    rows = load_development(folder_data(folder))
    copied = type(rows)(**{**vars(rows), "inputs": np.array(rows.inputs)})
    assert content_digest(copied) == rows.digest


def test_all_damaged_files_are_named_up_to_five(folder):
    fill(folder, {"dog": 10, "cat": 15})
    for path in (folder / "cat").iterdir():
        path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(DataError, match=r"^15 images cannot be read; repair or remove the files:") as told:
        load_development(folder_data(folder))
    assert str(told.value).count(".png: ") == 5
    assert str(told.value).endswith("and 10 more")


def test_damaged_development_and_test_images_are_told_together(folder):
    for part in ("train", "test"):
        fill(folder / part, {"dog": 4, "cat": 4})
        pixels = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
        path = folder / part / "dog" / "00.jpg"
        Image.fromarray(pixels).save(path)
        path.write_bytes(path.read_bytes()[:900])
    data = folder_data(folder / "train", test_path=str(folder / "test"), size=4)
    with pytest.raises(DataError, match=r"(?s)^2 images cannot be read.*train/dog/00\.jpg.*test/dog/00\.jpg"):
        load_development(data)


def test_nothing_is_left_of_images_that_could_not_be_decoded(folder, cache):
    fill(folder, {"dog": 10, "cat": 15})
    (folder / "dog" / "00.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"(?s)1 image cannot be read.*00\.png: it is no image"):
        find_source(folder_data(folder))
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_images_of_several_sizes_are_refused_with_a_size_to_choose(folder):
    fill(folder, {"dog": 10, "cat": 15})
    Image.fromarray(shades(0, 5, 6)).save(folder / "cat" / "07.png")
    with pytest.raises(
        DataError, match=r"one size, and .*cat/00\.png is 4 x 3, .*cat/07\.png is 5 x 6: 'data\.size=\[4,3\]' resizes"
    ):
        find_source(folder_data(folder))
    assert load_development(folder_data(folder, size=2)).inputs.shape[2:] == (2, 2)


def test_size_and_color_are_settled_for_all_processes(folder):
    fill(folder, {"dog": 10, "cat": 15})
    settled = find_source(folder_data(folder)).data
    assert (settled.size, settled.color) == ([4, 3], ColorChoice.GREY)
    Image.fromarray(np.zeros((4, 3, 3), np.uint8)).save(folder / "cat" / "07.png")
    assert find_source(folder_data(folder)).data.color is ColorChoice.RGB
    assert load_development(settled).inputs.shape[1] == 1


def test_what_was_recognized_is_said(folder):
    fill(folder, {"dog": 10, "cat": 15})
    (folder / "readme.txt").touch()
    (folder / "cat" / "photo.heic").touch()
    Image.fromarray(shades(0)).save(folder / "cover.png")
    data = folder_data(folder)
    assert tell_data(load_development(data), data)["notes"] == [
        "1 image beside the folders of classes left out: cover.png",
        "images of 4 x 3, grey; if not: data.color=rgb",
        f"2 files of {folder} are no images and left out: cat/photo.heic, readme.txt",
        "classes: cat 12, dog 8",
    ]


def test_many_classes_are_said_by_the_rarest_and_the_most_frequent(folder):
    fill(folder, {**{str(number): 5 for number in range(9)}, "many": 50, "few": 3})
    data = folder_data(folder)
    assert tell_data(load_development(data), data)["notes"][-1] == "classes: 11, of 2 (few) to 40 (many) rows"


@pytest.mark.parametrize(
    ("parts", "way_out"),
    [
        (("train", "test"), "data.path=pets/train data.test_path=pets/test; val rows are drawn"),
        (("train", "val"), "data.path=pets/train data.test_path=pets/val; val rows are drawn"),
        (("Train", "Val", "Test"), "data.path=pets/Train data.test_path=pets/Test; val rows are drawn"),
    ],
)
def test_parts_of_a_data_set_are_no_classes(folder, monkeypatch, parts, way_out):
    monkeypatch.chdir(folder.parent)
    for part in parts:
        fill(folder / part, {"dog": 3, "cat": 3})
    with pytest.raises(DataError, match=rf"holds the parts {', '.join(sorted(parts))} of a data set, .*{way_out}"):
        find_source(folder_data("pets"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "holds no images, such as .bmp, .gif"),
        ({"dog": 3}, "holds one class only, dog: at least 2 are needed"),
        ({"dog": 3, "cat": 3, "cow": 0}, "has folders without images, and each is a class: cow; add images of"),
        ({"pets/dog": 3, "pets/cat": 3}, r"is the only folder in .*, and holds folders: data\.path=pets/pets"),
        ({".": 3}, "lie in no folders of classes: move those of a class into a folder, or name a CSV file"),
    ],
)
def test_a_folder_without_classes_is_refused(folder, monkeypatch, classes, message):
    folder.mkdir()
    monkeypatch.chdir(folder.parent)
    fill(folder, classes)
    with pytest.raises(DataError, match=message):
        find_source(folder_data("pets"))


def test_the_only_table_beside_images_is_proposed_as_labels(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    fill(folder, {".": 3})
    (folder / "labels.csv").touch()
    with pytest.raises(DataError, match=r"name a CSV file of labels by data\.labels=pets/labels\.csv"):
        find_source(folder_data("pets"))


@pytest.fixture
def labelled(folder, tmp_path):
    def write(rows, header="file,label", **changes):
        path = tmp_path / "labels.csv"
        path.write_text("\n".join([header, *rows]))
        return folder_data(folder, labels=str(path), **changes)

    return write


def test_labels_come_from_a_csv_file_in_any_order(folder, labelled):
    written = fill(folder, {".": 20})
    names = [name.removeprefix("./") for name in written]
    data = labelled([f"{name},{'odd' if at % 2 else 'even'}" for at, name in reversed(list(enumerate(names)))])
    rows = find_source(data).read()
    assert rows.class_names == ("even", "odd")
    assert rows.targets.tolist() == [0, 1] * 10
    decoded = find_source(data).taken(rows, np.arange(20))
    np.testing.assert_array_equal(decoded.inputs[:, 0], np.stack(list(written.values())))


def test_several_columns_of_the_labels_are_targets_in_the_order_of_the_files(folder, labelled):
    fill(folder, {"x": 20})
    lines = [f"x/{at:02},{at},{at / 7}" for at in reversed(range(20))]
    rows = find_source(labelled(lines, header="file,left,top", target=["top", "left"])).read()
    assert (rows.task, rows.target_names) == (Task.REGRESSION, ("top", "left"))
    np.testing.assert_allclose(rows.targets, np.stack([np.arange(20) / 7, np.arange(20)], axis=1), rtol=1e-6)


def test_names_of_columns_are_chosen_and_suffixes_may_be_missing(folder, labelled):
    fill(folder, {"x": 20})
    rows = [f"x/{at:02},{at / 7},p{at // 2},{at / 2}" for at in reversed(range(20))]
    data = labelled(rows, header="id,age,patient,w", file_column="id", target="age", groups="patient", weight="w")
    rows = find_source(data).read()
    np.testing.assert_allclose(rows.weights, np.arange(20) / 2)
    assert rows.task is Task.REGRESSION
    np.testing.assert_allclose(rows.targets[:, 0], np.arange(20) / 7, rtol=1e-6)
    assert len(set(zip(rows.groups.tolist(), [at // 2 for at in range(20)], strict=True))) == 10
    sealed, development = opened(data), load_development(data)
    assert not set(sealed.groups.tolist()) & set(development.groups.tolist())


@pytest.mark.parametrize(
    "name", ["{part}/{at:02}.png", "{part}\\{at:02}", "./{part}/{at:02}.png", "{at:02}.png", "{at:02}"]
)
def test_a_file_is_named_by_its_path_or_its_name(folder, labelled, name):
    written = fill(folder, {"part 1": 5, "part 2": 5})
    for at in range(5):
        (folder / "part 2" / f"{at:02}.png").rename(folder / "part 2" / f"{at + 5:02}.png")
    rows = [f"{name.format(part=f'part {1 + at // 5}', at=at)},{at % 2}" for at in range(10)]
    source = find_source(labelled(rows))
    assert source.read().targets.tolist() == [0, 1] * 5
    decoded = source.taken(source.read(), np.arange(10))
    np.testing.assert_array_equal(decoded.inputs[:, 0], np.stack(list(written.values())))


def test_a_name_that_two_files_have_is_refused(folder, labelled):
    fill(folder, {"part 1": 2, "part 2": 2})
    with pytest.raises(DataError, match=r"2 files of data\.labels are no image in .*pets: 00\.png, 01\.png"):
        find_source(labelled(["00.png,a", "01.png,b"]))


def test_processes_that_start_together_decode_once(folder, monkeypatch):
    fill(folder, {"dog": 10, "cat": 15})
    data, decoded, pixels_of = folder_data(folder), [], image_folder.pixels_of

    def counted(file, **how):
        decoded.append(file)
        return pixels_of(file, **how)

    monkeypatch.setattr(image_folder, "pixels_of", counted)
    with ThreadPoolExecutor(4) as pool:
        digests = [rows.digest for rows in pool.map(load_development, [data] * 4)]
    assert len(set(digests)) == 1
    assert len(decoded) == 20


def test_a_column_that_is_named_as_groups_are_is_pointed_out(folder, labelled):
    fill(folder, {".": 20})
    rows = [f"{at:02}.png,{at % 2},p{at // 4}" for at in range(20)]
    advice = "rows of one patient may be more alike than others: data.groups=patient keeps them on one side of splits"
    assert advice in find_source(labelled(rows, header="file,label,patient")).read().notes
    grouped = labelled(rows, header="file,label,patient", groups="patient")
    assert advice not in find_source(grouped).read().notes


def test_several_numbers_are_predicted_together(folder, labelled):
    fill(folder, {".": 20})
    data = labelled([f"{at:02}.png,{at},{at**2}" for at in range(20)], header="file,left,top", target=["top", "left"])
    rows = find_source(replace(data, max_classes=2)).read()
    assert rows.target_names == ("top", "left")
    np.testing.assert_array_equal(rows.targets, [[at**2, at] for at in range(20)])


def test_a_word_among_numbers_leads_to_classes(folder, labelled):
    fill(folder, {".": 20})
    rows = [f"{at:02}.png,{at % 3 if at else 'none'}" for at in range(20)]
    with pytest.raises(DataError, match=r"if these are categories: data\.task=classification$"):
        find_source(labelled(rows))
    labels = find_source(labelled(rows, task=TaskChoice.CLASSIFICATION)).read()
    assert labels.class_names == ("0", "1", "2", "none")


def test_images_without_a_row_are_left_out_and_said(folder, labelled):
    fill(folder, {".": 12})
    data = labelled([f"{at:02}.png,{at % 2}" for at in range(10)])
    assert find_source(data).read().n == 10
    assert find_source(data).read().notes[0] == "2 images without a label left out: 10.png, 11.png"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["00.png,a", "07.png,b"], r"1 file of data\.labels is no image in .*pets: 07\.png; remove their rows, or"),
        (["00.png,a", "00.png,b"], r"data\.labels has several rows for 00\.png: an image has one label"),
        (["00.png,a", "01.png,"], r"is missing, as the target of 1 row of 2 is: .*data\.missing_target=drop"),
    ],
)
def test_rows_that_fit_no_image_are_refused(folder, labelled, rows, message):
    fill(folder, {".": 3})
    with pytest.raises(DataError, match=message):
        find_source(labelled(rows))


def test_a_column_that_does_not_exist_is_refused(folder, labelled):
    fill(folder, {".": 3})
    with pytest.raises(DataError, match=r"has no column 'file' \(data\.file_column\): did you mean filename\?"):
        find_source(labelled(["00.png,a"], header="filename,label"))


def test_a_file_of_labels_inside_the_folder_is_pointed_at(folder):
    fill(folder, {".": 3})
    (folder / "labels.csv").touch()
    with pytest.raises(
        DataError, match=r"data\.labels=labels\.csv: there is no such file \(data\.labels=.*/pets/labels"
    ):
        find_source(folder_data(folder, labels="labels.csv"))


def test_test_images_have_labels_of_their_own(folder, labelled, tmp_path):
    fill(folder, {".": 10})
    test = fill(tmp_path / "test", {".": 4}, first=50)
    (tmp_path / "test.csv").write_text("file,label\n" + "\n".join(f"{at:02}.png,{at % 2}" for at in range(3)))
    keys = {"test_path": str(tmp_path / "test"), "test_labels": str(tmp_path / "test.csv")}
    data = labelled([f"{at:02}.png,{at % 2}" for at in range(10)], **keys)
    assert load_development(data).n == 10
    sealed = opened(data)
    assert sealed.targets.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(sealed.inputs[:, 0], np.stack(list(test.values())[:3]))


def test_an_autoencoder_needs_no_labels(folder):
    written = fill(folder, {".": 10})
    rows = load_development(folder_data(folder, task=TaskChoice.AUTOENCODER))
    assert (rows.n, rows.targets.shape, rows.autoencoder) == (8, (8, 12), True)
    assert {each.tobytes() for each in rows.inputs} <= {each.tobytes() for each in written.values()}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"size": 0}, r"data\.size must be null, or a number >= 1, or two of them: \[height,width\], got 0"),
        ({"size": [4]}, r"data\.size must be null, .* got \[4\]"),
        ({"target": ["x", "y"]}, r"data\.target must name one column without data\.labels: folders are classes"),
        ({"groups": "patient"}, r"data\.groups needs data\.labels, where the column is, got 'patient'"),
        ({"test_labels": "t.csv"}, r"data\.test_labels must be given with data\.labels and data\.test_path, and only"),
        ({"labels": "a.csv", "test_path": "t"}, r"data\.test_labels must be given .*, got null"),
        ({"labels": "a.csv", "file_column": "label"}, r"data\.file_column must differ from data\.target"),
        ({"task": TaskChoice.REGRESSION}, r"data\.task must not be regression without data\.labels"),
    ],
)
def test_options_that_do_not_fit_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        folder_data("pets", **keys)
