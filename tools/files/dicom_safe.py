"""What of a DICOM header may be shown: terms that the standard defines, and numbers that say how a picture was made.

Free text, names, ids, dates, places and UIDs are not on these lists. A term is compared with the list, since a name can
be typed into any field.
"""

import re
from typing import TYPE_CHECKING

from tools.files.dicom_values import number, word, words

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def _terms(*lines: str) -> frozenset[str]:
    return frozenset(term for line in lines for term in line.split())


MODALITIES = _terms(
    # DICOM PS3.3 C.7.3.1.1.1, with the retired ones that are still met
    "AR ASMT AU BDUS BI BMD CR CT CTPROTOCOL DG DOC DX ECG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO LEN LS MG",
    "MR NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTPLAN",
    "RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XC CD DD EC CF DF DS ST VF CP",
    "DM FA FS LP MA MS",
)

BODY_PARTS = _terms(
    # DICOM PS3.16 annex L, the terms in common use
    "ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM AXILLA BACK BLADDER BRAIN BREAST BRONCHUS BUTTOCK CALCANEUS",
    "CALF CAROTID CEREBELLUM CHEEK CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX COLON CORNEA CORONARYARTERY",
    "CSPINE CTSPINE DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE EYELID FACE FEMUR FINGER FOOT FOREARM GALLBLADDER",
    "HAND HEAD HEADNECK HEART HIP HUMERUS ILEUM ILIUM IAC JAW JEJUNUM KIDNEY KNEE LARYNX LEG LIVER LSPINE LSSPINE",
    "LUNG MANDIBLE MAXILLA MEDIASTINUM MOUTH NECK NECKCHEST NECKCHESTABDOMEN NECKCHESTABDPELV NOSE ORBIT OVARY",
    "PANCREAS PAROTID PATELLA PELVIS PENIS PHARYNX PROSTATE RADIUS RADIUSULNA RECTUM RIB SCALP SCAPULA SCLERA",
    "SCROTUM SHOULDER SINUS SKULL SPINE SPLEEN SSPINE STERNUM STOMACH TESTIS THIGH THUMB THYMUS THYROID TIBIA",
    "TIBIAFIBULA TMJ TOE TONGUE TRACHEA TSPINE TLSPINE ULNA URETER URETHRA UTERUS VAGINA VULVA WHOLEBODY WRIST",
    "ZYGOMA",
)

TERMS = {
    "Modality": MODALITIES,
    "BodyPartExamined": BODY_PARTS,
    "ViewPosition": _terms("AP PA LL RL RLD LLD RLO LLO LAO RAO LPO RPO ML LM MLO LMO CC FB SIO ISO CV AT AX"),
    "Laterality": frozenset("LR"),
    "ImageLaterality": frozenset("LRUB"),
    "PatientPosition": _terms("HFP HFS HFDR HFDL FFDR FFDL FFP FFS LFP LFS RFP RFS AFDR AFDL PFDR PFDL"),
    "ScanningSequence": _terms("SE IR GR EP RM"),
    "MRAcquisitionType": frozenset(("1D", "2D", "3D")),
    "PresentationIntentType": frozenset(("FOR PRESENTATION", "FOR PROCESSING")),
    "LossyImageCompression": frozenset(("00", "01")),
    "BurnedInAnnotation": frozenset(("YES", "NO")),
}

NUMBERS = (
    "KVP", "XRayTubeCurrent", "ExposureTime", "DistanceSourceToDetector", "DistanceSourceToPatient", "SliceThickness",
    "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "MagneticFieldStrength", "EchoTrainLength",
    "BodyPartThickness", "CompressionForce", "MechanicalIndex",
)  # fmt: skip

WINDOW_WORDS = _terms(
    "WINDOW WINDOW1 WINDOW2 WINDOW3 NORMAL DEFAULT BONE BONES LUNG LUNGS BRAIN LIVER SOFT TISSUE SOFTTISSUE",
    "MEDIASTINUM ABDOMEN CHEST HEAD NECK SPINE PELVIS CTA ANGIO STROKE SUBDURAL ORBIT SINUS TEMPORAL HARD SOFTER",
    "HARDER HIGH LOW CONTRAST NARROW WIDE FULL AUTO USER ALGO1 ALGO2 STANDARD STD OSSEOUS PARENCHYMA VESSEL",
    "VESSELS LINEAR SIGMOID MINMAX",
)

UNITS = {
    # DICOM PS3.3 C.11.1.1.2 (rescale type), C.8.9.1.1.3 (PET units), C.8.8.3.1 (dose units); others go without a unit
    "HU": "HU", "HU_MOD": "HU", "OD": "OD/1000", "MGML": "mg/ml", "Z_EFF": "Z_eff", "ED": "10^23/ml", "PCT": "%",
    "BQML": "Bq/ml", "CNTS": "counts", "PROPCNTS": "counts", "CPS": "counts/s", "PROPCPS": "counts/s", "CM2": "cm2",
    "PCNT": "%", "MGMINML": "mg/min/ml", "UMOLMINML": "umol/min/ml", "MLMING": "ml/min/g", "MLG": "ml/g",
    "1CM": "1/cm", "UMOLML": "umol/ml", "GML": "g/ml", "GY": "Gy",
}  # fmt: skip


def safe_header(header: "Dataset") -> dict[str, str]:
    """The fields that are safe to show, by DICOM keyword."""
    shown = {keyword: word(header, keyword) for keyword, terms in TERMS.items() if word(header, keyword) in terms}
    for keyword in NUMBERS:
        if (found := number(header, keyword)) is not None:
            shown[keyword] = f"{found:g}"
    if words(header, "ImageType")[:1] in (("ORIGINAL",), ("DERIVED",)):
        shown["ImageType"] = words(header, "ImageType")[0]
    return shown


def safe_modality(header: "Dataset") -> str:
    """The modality code; empty where it is none that DICOM defines."""
    found = word(header, "Modality")
    return found if found in MODALITIES else ""


def safe_window_name(text: str) -> str:
    """What a window is for, where that is said in the usual words; else empty, since the field is free text."""
    parts = [part.upper() for part in re.split(r"[^A-Za-z0-9]+", text) if part]
    usual = [part for part in parts if part in WINDOW_WORDS]
    numbered = [part for part in parts if len(part) == 1 and part.isdigit()]
    return text.strip() if usual and len(usual) + len(numbered) == len(parts) else ""
