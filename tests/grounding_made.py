"""Tiny data sets of regions, volumes and reports in the layouts of the real ones, with their oddities."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from tests.datasets_made import encoded, picture, pixels, write_csv, write_json, write_jsonl, write_parquet

__all__ = ["encoded", "picture", "pixels"]

BOX = "<|box_start|>({},{}),({},{})<|box_end|>"
VOXELS = 8, 6, 5
"""(x, y, z) of every volume."""


def talk(*said: str) -> list[dict[str, str]]:
    """A conversation in the words of LLaVA and ShareGPT."""
    return [{"from": "human" if n % 2 == 0 else "gpt", "value": text} for n, text in enumerate(said)]


def medsg_record(task: str, question: str, answer: list[float], images: int = 2, **more: Any) -> dict[str, Any]:
    names = [f"MedSG-Bench/MedSG-Bench/Task1/{n}.png" for n in range(1, images + 1)]
    return {"task": task, "images": names, "question": question, "answer": answer, **more}


MEDSG = [
    medsg_record("Registered_Diff", "Compare these two images: what differs?", [1, 2, 9, 8]),
    medsg_record("Non_Registered_Diff", "Compare these two images.", [0, 0, 1, 1]),
    medsg_record(
        "multi_view",
        f"The object marked in the first image({BOX.format(5, 6, 15, 16)}). Locate it in the second image.",
        [3, 4, 20, 21], images=3, size=[40, 30],
    ),
    medsg_record("object_tracking", "Track what the first image shows.", [2, 2, 12, 12], images=4),
    medsg_record("concept", "Find the concept.", [2, 3, 4, 5]),
    medsg_record("patch", "Locate the second region in the source image.", [7, 7, 9, 9], images=3),
    medsg_record("cross_modal", "Find what the first image marks in the third image.", [1, 1, 2, 2], images=4),
    {**medsg_record("referring", "Find the area: <|object_ref_start|>Liver<|object_ref_end|>.", [0, 0, 40, 30]),
     "images": ["MedSG-Bench/MedSG-Bench/Task8/a_CT_Liver.png", "MedSG-Bench/MedSG-Bench/Task8/b_CT_Colon.png"]},
]  # fmt: skip


def medsg(root: Path, records: list[dict[str, Any]] = MEDSG) -> Path:
    """The benchmark: its paths begin with folders of its authors."""
    for n in range(1, 5):
        picture(root / f"MedSG-Bench/Task1/{n}.png", n)
    for n, name in enumerate(("a_CT_Liver", "b_CT_Colon"), start=5):
        picture(root / f"MedSG-Bench/Task8/{name}.png", n)
    write_json(root / "MedSG-Bench/Task1.json", records)
    return root


def medsg_train(root: Path) -> Path:
    """The training part: several exchanges a row, and an answer that names its image."""
    for n in range(1, 4):
        picture(root / f"MedSG-Train/Task8/{n}.png", n)
    names = [f"MedSG-Bench/MedSG-Train/Task8/{n}.png" for n in range(1, 4)]
    ask = "Identify: <|object_ref_start|>{}<|object_ref_end|>."
    several = talk(
        "<image>\n<image>\n<image>\n" + ask.format("RightVentricle"),
        "It's in the third image. " + BOX.format(10, 12, 30, 25),
        ask.format("Spleen"),
        "It's in the first image. " + BOX.format(0, 0, 1, 1),
    )
    single = talk("<image>\n<image>\nGo by the first image. Find it in the second image.", BOX.format(3, 3, 6, 6))
    records = [
        {"id": "referring/1", "task": "referring", "images": names, "conversations": several},
        {"id": "crossmodality/1", "task": "crossmodal", "images": names[:2], "conversations": single},
    ]
    write_json(root / "MedSG-Train/Task8.json", records)
    return root


def said(answer: str, task: str = "pointing") -> dict[str, Any]:
    """A line of the instructions of MedMultiPoints."""
    ask = {"role": "user", "content": "<image> Where are the polyps?", "task": task, "source": "hyper-kvasir"}
    return {"messages": [ask, {"role": "assistant", "content": answer}], "images": ["MedMultiPoints-images/a.png"]}


MULTIPOINTS = [
    said('```json\n[{"point_2d": [3.5, 4], "label": "polyp"}, {"point_2d": [30, 20.2], "label": "polyp"}]\n```'),
    said('[{"bbox_2d": [0, 0, 1, 1], "label": "polyp"}]', "bounding"),
    said('{"counts": 3, "label": "polyp"}', "counting"),
    said('{"count": 0, "label": "polyp"}', "counting"),
    said('{"counts": 2, "point_2d": [[1, 2], [3, 4]], "label": "polyp"}', "cnt_and_point"),
    said('{"counts": 1, "bbox_2d": [[1, 2, 3, 4]], "label": "polyp"}', "count_and_box"),
    said("[]", "bounding"),
]


def medmultipoints(root: Path, records: list[dict[str, Any]] = MULTIPOINTS) -> Path:
    picture(root / "MedMultiPoints-images/a.png", 1)
    write_jsonl(root / "instruction_dataset/multi-task-test.jsonl", records)
    return root


def multipoints_row(**more: Any) -> dict[str, Any]:
    return {
        "image": encoded(1), "image_sha256": "ab", "img_size": [40, 30], "points": [[3.5, 4.0], [20.0, 21.0]],
        "bbox": [[1.0, 2.0, 6.0, 7.0], [18.0, 19.0, 22.0, 23.0]], "count": 2, "label": "normal",
        "collection_method": "counting", "classification": "visem", "organ": "sperm", **more,
    }  # fmt: skip


def medmultipoints_columns(root: Path, kind: str = "parquet", **more: Any) -> Path:
    """The annotations as a table; kind is parquet, or arrow as on the hub."""
    empty = multipoints_row(points=None, bbox=[], count=0, label="instrument", organ=None)
    records = [multipoints_row(**more), empty]
    if kind == "parquet":
        write_parquet(root / "data/train-00000-of-00001.parquet", records)
        return root
    import pyarrow as pa

    table = pa.Table.from_pylist(records)
    path = str(root / "kvasir-points_datasets_script-train-00000-of-00002.arrow")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return root


HOW = "Your task is object detection. Use this format: <ref>object</ref><box>[[x1, y1, x2, y2]]</box>. <image>\n"
FIND = [
    {"id": 8, "image": "./demo/images/a.png", "width": 40, "height": 30,
     "conversations": talk(HOW + "Please locate <ref>vessel wall</ref> in this MRI scan.",
                           "<ref>vessel wall</ref><box>[[0, 0, 999, 999], [0, 0, 1, 1]]</box>")},
    {"id": 9, "image": "./demo/images/a.png",
     "conversations": talk(HOW + "Describe <ref>right lung</ref>, <ref>left lung</ref>",
                           "<ref>right lung</ref><box>[[0, 0, 333, 999]]</box>, <ref>left lung</ref>"
                           "<box>[[666, 0, 999, 999]]</box>: No effusion.")},
    {"id": 10, "image": "./demo/images/a.png", "width": 40, "height": 30,
     "conversations": talk("你是一个医疗助手。<image>\n请定位并描述这张医学影像中的<ref>胰腺癌</ref>",
                           "<ref>胰腺癌</ref><box>[[333, 333, 666, 666]]</box>:胰尾部见一肿块。")},
    {"id": 11, "image": "./demo/images/a.png",
     "conversations": talk(HOW + "Please locate <ref>mass</ref>.", "<ref>mass</ref><box>[]</box>")},
]  # fmt: skip
NAME = [
    {"id": 7, "image": "demo/images/a.png", "width": 40, "height": 30,
     "conversations": talk("Boxes are [x1, y1, x2, y2]. <image>\nWhat is <ref>this</ref><box>[[0, 0, 999, 500]]</box>?",
                           "right mandible")},
]  # fmt: skip


def medreginstruct(root: Path, find: list[dict[str, Any]] = FIND) -> Path:
    picture(root / "images/a.png", 1)
    write_jsonl(root / "text2region.jsonl", find)
    write_jsonl(root / "region2text.jsonl", NAME)
    return root


def mask(path: Path, *boxes: tuple[int, int, int, int], size: tuple[int, int] = (40, 30), value: int = 1) -> Path:
    """A picture that is not 0 inside of boxes (x0, y0, x1, y1)."""
    marked = np.zeros(size[::-1], np.uint8)
    for x0, y0, x1, y1 in boxes:
        marked[y0:y1, x0:x1] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    PILImage.fromarray(marked).save(path)
    return path


OUTLINE = talk("<image>\nOutline the liver.", "It is <SEG>.<mask>masks/liver.png</mask>")


def mecovqa(root: Path, conversation: list[dict[str, str]] = OUTLINE) -> Path:
    picture(root / "images/a.png", 1)
    mask(root / "masks/liver.png", (4, 5, 14, 13), (20, 20, 22, 22))
    mask(root / "masks/small.png", (0, 0, 3, 3), size=(10, 10))
    mask(root / "masks/none.png")
    shared = {"id": "1", "image": "images/a.png"}
    region = talk("<image>\nWhat is <region>masks/liver.png</region>?", "The liver.", "Is it healthy?", "Yes, it is.")
    words = talk("What modality is this?\n<image>", "An MRI.")
    write_json(root / "MeCoVQA_Pixel_Grounding_test.json", [{**shared, "conversations": conversation}])
    write_json(root / "MeCoVQA_Region_QA_test.json", [{**shared, "conversations": region, "answer_type": "open"}])
    write_json(root / "MeCoVQA_Complex_VQA_test.json", [{**shared, "conversations": words}])
    return root


def array(path: Path, number: int = 0, shape: tuple[int, ...] = (1, 5, 6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng([3, number]).random(shape, np.float32))
    return path


def volume(path: Path, number: int = 0, spacing_mm: tuple[float, float, float] = (0.83, 0.83, 5.0)) -> Path:
    """A CT of `VOXELS`."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng([4, number]).integers(-200, 200, VOXELS, np.int16)
    image = nibabel.Nifti1Image(values, np.diag([*spacing_mm, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def film(path: Path, frames: int = 4) -> Path:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 50 * n, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


M3D_HEADER = ["Image Path", "Question", "Choice A", "Choice B", "Choice C", "Choice D", "Answer", "Answer Choice",
              "Question Type"]  # fmt: skip
M3D = [
    ["ct/1/Axial.npy", "Which plane?", "Axial", "Coronal", "Sagittal", "Oblique", "Axial", "A", 1],
    ["ct/1/Axial.npy", "What is enlarged?", "Liver", "B", "Kidney", "Lung", "Kidney", "C", 4],
    ["ct/1/Axial.npy", "Is there a mass?", "", "", "", "", "Yes", "", 4],
    ["ct/1/Axial.npy", "Where is the liver?", "", "", "", "", "At [0.2, 0.333, 0.25, 0.6, 0.667, 0.5].", "", 5],
    ["ct/1/Axial.npy", "Where is the body?", "", "", "", "", "[0, 0, 0, 1, 1, 1]", "", 5],
]


def m3d_vqa(root: Path, records: list[list[Any]] = M3D, header: list[str] = M3D_HEADER) -> Path:
    array(root / "ct/1/Axial.npy")
    write_csv(root / "M3D_VQA_test5k.csv", header, records)
    return root


RAD3D_HEADER = ["Task", "Subtask", "VolumeName", "Question", "Answer", "QuestionType", "AnswerChoice", "Choice A",
                "Choice B", "Choice C", "Choice D"]  # fmt: skip
SIZES = [
    [3, 2, "test_1_a_1.nii.gz", "How large is the lesion?", "31 mm", "Open", "-", "-", "-", "-", "-"],
    [3, 2, "test_1_a_1.nii.gz", "How large is the node?", "30x13 mm", "Open", "-", "-", "-", "-", "-"],
    [3, 2, "test_1_a_2.nii.gz", "How large are the nodules?", "2-3 mm", "Open", "-", "-", "-", "-", "-"],
    [3, 2, "test_1_a_1.nii.gz", "How large are they?", "Up to 3 mm", "Open", "-", "-", "-", "-", "-"],
]


def rad3d(root: Path, sizes: list[list[Any]] = SIZES, header: list[str] = RAD3D_HEADER) -> Path:
    """A volume of CT-RATE in its own folders, and one as the .npy that the authors made."""
    volume(root / "valid_fixed/valid_1/valid_1_a/test_1_a_1.nii.gz")
    array(root / "test_npy/test_1_a_2.npy", shape=(5, 6, 8))
    yes = [4, 2, "test_1_a_1.nii.gz", "Does it show atelectasis?", "No", "Close", "B", "Yes", "No", "-", "-"]
    four = [5, 4, "test_1_a_1.nii.gz", "How is the hernia to be classified?", "Resolved Lesion", "Close", "B",
            "Refractory Lesion", "Resolved Lesion", "New Lesion", "No Abnormality"]  # fmt: skip
    write_csv(root / "3DRAD/test/Task3_Medical_Computation/Size.csv", header, sizes)
    write_csv(root / "3DRAD/test/Task4_Existence_Detection/Lung nodule.csv", RAD3D_HEADER, [yes])
    write_csv(root / "3DRAD/test/Task5_Static_Temporal_Diagnosis/b.csv", RAD3D_HEADER, [four])
    return root


def tumor_record(**more: Any) -> dict[str, Any]:
    return {
        "qid": "bench_1", "image_id": "BDMAP_1", "spacing": "[0.83 0.83 5.0]", "shape": "(8, 6, 5)", "sex": None,
        "question": "How large is the spleen?", "answer": "Normal (no splenomegaly)",
        "mc_question": "How large is the spleen? A: Normal (no splenomegaly) B: Moderate C: Severe D: Mild",
        "correct_option": "A", "organ": "spleen", "question_type": "medical reasoning",
        "question_subtype": "splenomegaly grading", **more,
    }  # fmt: skip


TUMORS = [
    tumor_record(),
    tumor_record(qid="bench_2", question="Is there a lesion?", answer="Yes", question_subtype="PDAC existence",
                 mc_question="Is there a lesion? A: No B: Yes", correct_option="B"),
    tumor_record(qid="bench_3", question="What is the volume?", answer=1523.4,
                 mc_question="What is the volume? A: 1523.4 cm³ B: 12 cm³",
                 question_subtype="organ volume measurement"),
]  # fmt: skip


def deeptumorvqa(root: Path, records: list[dict[str, Any]] = TUMORS, nested: bool = True) -> Path:
    """The benchmark with its records under "questions", or one a line; each of the three kinds of pictures."""
    volume(root / "benchmark/ct/BDMAP_1/ct.nii.gz")
    picture(root / "benchmark/images_2d/whole/BDMAP_1.png", 1)
    film(root / "benchmark/videos/whole/BDMAP_1.mp4")
    if nested:
        about = {"version": 4, "num_questions": len(records), "question_types": ["recognition"]}
        write_json(root / "benchmark/test_qa.json", {**about, "questions": records})
    else:
        write_jsonl(root / "benchmark/test_qa.jsonl", records)
    return root


SIGNS, OPACITY = ["Are there any signs in the lung?", ["yes"]], ["Is there an opacity in the lung?", ["yes"]]
PARTS = ["In which part of the body?", ["right lower lobe", "left lower lobe"]]


def pair(
    asked: list[Any], history: list[Any], path: str, options: tuple[str, ...] = ("yes", "no"), **about: Any
) -> list:
    return [*asked, history, {"answer_type": "single_choice", "options": list(options), "path": path, **about}]


RESTRUCT = [
    pair(["Are there any foreign objects?", ["no"]], [], "foreign objects_objects"),
    pair(SIGNS, [], "lung_signs"),
    pair(OPACITY, [SIGNS], "lung_signs_opacity"),
    pair(PARTS, [SIGNS, OPACITY], "lung_signs_opacity_body_region",
         ("apex", "left lower lobe", "right lower lobe"), answer_type="multi_choice"),
    pair(["Is there another opacity in the lung?", ["no"]], [SIGNS, OPACITY, PARTS], "lung_signs_opacity"),
    pair(["What is the degree?", ["mild"]], [SIGNS], "lung_signs_degree", ("mild", "severe", "no selection")),
]  # fmt: skip


def radrestruct(root: Path, pairs: Any = RESTRUCT, mapping: Any = None) -> Path:
    """One report with two images."""
    for n, name in enumerate(("CXR1_1-1001", "CXR1_1-2001"), start=1):
        picture(root / f"images/{name}.png", n)
    images = {"1": ["CXR1_1-1001", "CXR1_1-2001"], "2": ["CXR2"]}
    write_json(root / "id_to_img_mapping_frontal_reports.json", images if mapping is None else mapping)
    write_json(root / "test_qa_pairs/1.json", pairs)
    return root


VIEWS = [
    {"id": "s1", "image": ["1.png", "2.png"], "findings": "The lungs are clear.", "impression": "Normal chest."},
    {"id": "s2", "image": "1.png", "findings": " ", "impression": "Normal chest."},
    {"id": "s3", "image": ["1.png"], "findings": "", "impression": ""},
]
PAIRS = [
    {"question_id": "p1", "image": ["1.png", "2.png"], "text": "Write the findings.", "reference": "New effusion."},
    {"question_id": "p2", "image": ["1.png", "1.png"], "text": "Write the findings.", "reference": "No effusion."},
    {"question_id": "p3", "image": ["1.png", "copy.png"], "text": "Write the findings.", "reference": "Clear."},
]


def cxr_report(root: Path, views: list[dict[str, Any]] = VIEWS, pairs: list[dict[str, Any]] = PAIRS) -> Path:
    """Studies as test.json, pairs as train.json and validation.jsonl."""
    for n in (1, 2):
        picture(root / f"images/{n}.png", n)
    picture(root / "images/copy.png", 1)
    write_json(root / "test.json", views)
    write_jsonl(root / "val.jsonl", pairs)
    learnt = [
        {"id": p["question_id"], "image": p["image"], "conversations": talk("<image>\n" + p["text"], p["reference"])}
        for p in pairs
    ]
    write_json(root / "train.json", learnt)
    return root


COLUMNS = {"question": "q", "answer": "reward.truth", "image": "img", "boxes": "box", "coordinates": "0-1"}


def vitar_row(**more: Any) -> dict[str, Any]:
    box = [[0.0, 0.0, 1.0, 1.0]]
    words = {"q": "What is in the box?", "reward": {"truth": "A polyp"}, "opts": None}
    return {**words, "img": [encoded(1)], "box": box, **more}


def vitar(root: Path, *records: dict[str, Any]) -> Path:
    choice = vitar_row(reward={"truth": "B"}, opts=["A. cyst", "B. polyp"], box=[[0.25, 0.5, 0.5, 1.0]])
    write_parquet(root / "data/train-00000-of-00001.parquet", list(records or (vitar_row(), choice)))
    return root
