"""Tiny data sets in the layouts of the real ones, with their oddities. The pictures are noise, each another."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from envs import datasets
from envs.datasets import Task

SIZE = 40, 30
"""(width, height) of every picture, px."""
BAD_LINES = (b'{"question": "cut sho\n', b'["a list"]\n', b'{"question": "\xff"}\n')
"""Lines that are no record."""


def pixels(number: int) -> np.ndarray:
    """(30, 40, 3), uint8: blocks of random colour, in which no two numbers look alike."""
    coarse = np.random.default_rng([7, number]).integers(0, 256, (6, 8, 3), np.uint8)
    return np.repeat(np.repeat(coarse, 5, axis=0), 5, axis=1)


def picture(path: Path, number: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PILImage.fromarray(pixels(number)).save(path)
    return path


def encoded(number: int) -> dict[str, Any]:
    """A picture as parquet files of the Hugging Face hub hold it."""
    stream = io.BytesIO()
    PILImage.fromarray(pixels(number)).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def write_json(path: Path, records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return path


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def write_csv(path: Path, header: list[str], records: Iterable[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *records])
    return path


def write_parquet(path: Path, records: list[dict[str, Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records), path)
    return path


def slake_record(qid: int, question: str, answer: str, **more: Any) -> dict[str, Any]:
    name = more.pop("img_name", "xmlab1/source.jpg")
    return {
        "img_id": 1, "img_name": name, "question": question, "answer": answer, "q_lang": "en", "location": "Abdomen",
        "modality": "MRI", "answer_type": "OPEN", "base_type": "vqa", "content_type": "Organ", "qid": qid,
        "triple": ["vhead", "_", "_"], **more,
    }  # fmt: skip


SLAKE = [
    slake_record(1, "Which organ is shown?", "Liver"),
    slake_record(2, "Is the liver healthy?", "Yes", answer_type="CLOSED"),
    slake_record(3, "Is the liver on the left or the right?", "Right", answer_type="CLOSED"),
    slake_record(4, "图中有肝脏吗?", "有", q_lang="zh", answer_type="CLOSED"),
    slake_record(5, "What is beside the kidney?", "Spleen", img_name="xmlab2/source.jpg"),
]


def slake(root: Path, split: str = "test", records: list[dict[str, Any]] = SLAKE) -> Path:
    """xmlab1 has boxes, as [x, y, width, height]; xmlab2 has none."""
    for number in (1, 2):
        picture(root / f"imgs/xmlab{number}/source.jpg", number)
    write_json(root / "imgs/xmlab1/detection.json", [{"Liver": [4.0, 5.0, 10.0, 8.0]}, {"Kidney": [20, 20, 6, 6]}])
    write_json(root / f"{split}.json", records)
    return root


def vqa_rad_hub(root: Path) -> Path:
    records = [
        {"image": encoded(1), "question": "is there a mass?", "answer": "yes"},
        {"image": encoded(1), "question": "where is the mass?", "answer": "left upper lobe"},
        {"image": encoded(2), "question": "what plane is this?", "answer": "axial"},
    ]
    write_parquet(root / "data/test-00000-of-00001-e5bc3d208bb4deeb.parquet", records)
    return root


def vqa_rad_public(root: Path) -> Path:
    """One file for both splits; an answer may be a number."""
    shared = {"image_organ": "CHEST", "question_type": "PRES", "image_name": "synpic1.jpg"}
    records = [
        {**shared, "qid": "1", "question": "Is there a mass?", "answer": "No ", "answer_type": "CLOSED",
         "phrase_type": "test_freeform"},
        {**shared, "qid": "2", "question": "How many ribs?", "answer": 8, "answer_type": "OPEN",
         "phrase_type": "test_para"},
        {**shared, "qid": "3", "question": "What is seen?", "answer": "a mass", "answer_type": "OPEN",
         "phrase_type": "freeform"},
    ]  # fmt: skip
    picture(root / "VQA_RAD Image Folder/synpic1.jpg", 1)
    write_json(root / "VQA_RAD Dataset Public.json", records)
    return root


def path_vqa(root: Path) -> Path:
    for shard in range(2):
        records = [
            {"image": encoded(shard), "question": "what is present?", "answer": "cardiovascular"},
            {"image": encoded(shard), "question": "is this a heart?", "answer": "no"},
        ]
        write_parquet(root / f"data/test-0000{shard}-of-00002.parquet", records)
    return root


def pmc_vqa(root: Path) -> Path:
    """Version 1 and version 2, and choices that are letters of panels."""
    first = ["Figure_path", "Question", "Answer", "Choice A", "Choice B", "Choice C", "Choice D", "Answer_label"]
    second = ["index", "Figure_path", "Caption", "Question", " Choice A ", " Choice B ", " Choice C ", " Choice D ",
              "Answer", "split"]  # fmt: skip
    write_csv(
        root / "test_clean.csv", first,
        [
            ["F1.jpg", "Which stain?", "PAS", " A:H&E ", " B:PAS ", " C:Silver ", " D:Congo red ", "B"],
            ["F1.jpg", "Which panel?", "A", "A:B", "B:A", "C:C", "D:D", "B"],
        ],
    )  # fmt: skip
    write_csv(
        root / "test_2.csv", second, [[7, "F2.jpg", "A cap,\ntion", "Which?", "CT", "MRI", "PET", "US", "C", "test"]]
    )
    picture(root / "images/F1.jpg", 1)
    picture(root / "images_2/F2.jpg", 2)
    return root


def omnimedvqa(root: Path) -> Path:
    """Two to four options; one row says "modality" for "modality_type"."""
    shared = {"dataset": "Chest CT Scan", "question_type": "Modality", "image_path": "Images/chest/1.png"}
    records = [
        {**shared, "question_id": "chest_0", "question": "What is this?", "gt_answer": "CT", "option_A": "MRI",
         "option_B": "CT", "option_C": "PET", "option_D": "X-ray", "modality_type": "CT(Computed Tomography)"},
        {**shared, "question_id": "chest_1", "question": "Is it normal?", "gt_answer": "No", "option_A": "No",
         "option_B": "Yes", "modality": "CT(Computed Tomography)"},
    ]  # fmt: skip
    picture(root / "Images/chest/1.png", 1)
    write_json(root / "QA_information/Open-access/Chest CT Scan.json", records)
    return root


def medxpertqa(root: Path) -> Path:
    """Both ways of writing options and label; a question that repeats its choices."""
    options = {"A": "atrophy", "B": "bleeding", "C": "cyst", "D": "dysplasia", "E": "edema"}
    shared = {"medical_task": "Diagnosis", "body_system": "Nervous", "question_type": "Reasoning"}
    question = "What is shown?\nAnswer Choices: (A) atrophy (B) bleeding (C) cyst (D) dysplasia (E) edema"
    records = [
        {**shared, "id": "MM-1", "question": question, "options": options, "label": "E",
         "images": ["a.jpeg", "b.jpeg"]},
        {**shared, "id": "MM-2", "question": "And here?", "label": ["B"], "images": ["a.jpeg"],
         "options": [{"letter": letter, "content": text} for letter, text in options.items()]},
    ]  # fmt: skip
    picture(root / "images/a.jpeg", 1)
    picture(root / "images/b.jpeg", 2)
    write_jsonl(root / "MM/test.jsonl", records)
    return root


def mmmu_med(root: Path, subjects: Iterable[str]) -> Path:
    """Options as Python writes a list; open questions with several right answers; up to seven pictures."""
    for n, subject in enumerate(subjects):
        records = [
            {"id": f"validation_{subject}_1", "question": "Compare <image 1> with <image 2>.", "answer": "B",
             "options": "['It is \"larger\"', \"It's smaller\"]", "question_type": "multiple-choice"},
            {"id": f"validation_{subject}_2", "question": "How long? <image 1>", "answer": "['24', 'twenty-four']",
             "options": "[]", "question_type": "open"},
        ]  # fmt: skip
        for at, record in enumerate(records):
            record |= {f"image_{k}": encoded(2 * n + k) if k <= 2 - at else None for k in range(1, 8)}
            record |= {"subfield": "Anatomy", "topic_difficulty": "Easy"}
        write_parquet(root / subject / "validation-00000-of-00001.parquet", records)
    return root


def medframeqa(root: Path) -> Path:
    shared = {"system": "nervous", "organ": "brain", "keyword": "stroke", "modality": "MRI", "video_id": "v1"}
    records = [
        {**shared, "question_id": f"q{count}", "question": "What changes between the frames?",
         "options": ["size", "place", "brightness"], "correct_answer": "C", "image_url": "", "reasoning_chain": "...",
         **{f"image_{n}": encoded(n) if n <= count else None for n in range(1, 6)}}
        for count in (2, 5)
    ]  # fmt: skip
    write_parquet(root / "data/test-00000-of-00001.parquet", records)
    return root


def split_hash(tasks: Iterable[Task]) -> str:
    """The hash of a split that was loaded."""
    return datasets.split_hash(datasets.task_hash(question, truth) for question, truth in tasks)
