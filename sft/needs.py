"""What a training would need, as a record and in words."""

from collections.abc import Iterator

from sft.census import Census
from sft.memory import GIB, Memory, Part
from sft.phases import NAMES
from tools.geometry import Frozen

CARDS_GIB = (24, 40, 48, 80)


class StageNeeds(Frozen):
    """One stage: what learns, from what, and what it takes."""

    name: str
    steps: int
    batch: int
    """Episodes a step, over all devices."""
    at_once: int
    """Episodes that a device holds at a time."""
    parts: tuple[Part, ...]
    data: tuple[Census, ...]
    memory: Memory
    longest: int
    """Tokens of the longest episode that was looked at and is kept."""

    def epochs(self, one: Census) -> float:
        """How often the steps go through a set of demonstrations."""
        return self.steps * self.batch * one.share / one.count if one.count else 0.0


class Disk(Frozen):
    """Bytes."""

    checkpoint: int
    keep: int
    model: int
    """The weights at the end."""
    free: int

    @property
    def needed(self) -> int:
        """One more than is kept, for while the newest is written."""
        return (self.keep + 1) * self.checkpoint + self.model


class Estimate(Frozen):
    """All that `overread sft CONFIG --dry-run` says."""

    path: str
    family: str
    source: str
    """Where the shape of the model was read."""
    weights_here: bool
    tokenizer: str
    dtype: str
    devices: int
    launch: str
    """The file for accelerate; empty for one device."""
    max_length: int
    checkpointing: bool
    stages: tuple[StageNeeds, ...]
    disk: Disk
    host: dict[str, int]
    """Bytes of main memory, by what for."""
    versions: dict[str, str | None]
    problems: tuple[str, ...]
    """What cannot work, each with what to change."""

    def lines(self) -> list[str]:
        """The estimate in words, line by line: model, data, memory, disk, versions, problems."""
        return [*_told(self)]


def _told(estimate: Estimate) -> Iterator[str]:
    yield f"model      {estimate.path}: {estimate.family}, its shape from {estimate.source}"
    if not estimate.weights_here:
        yield "           its weights are not here: they must be before the training starts"
    if estimate.tokenizer != estimate.path:
        yield f"           nor is its tokenizer: tokens are counted with that of {estimate.tokenizer}, nearly the same"
    where = f"{estimate.devices} GPUs by {estimate.launch}" if estimate.launch else "one device"
    yield f"devices    {where}; computed in {estimate.dtype}, gradient checkpointing {_onoff(estimate.checkpointing)}"
    for stage in estimate.stages:
        yield from _stage(stage, estimate)
    yield from _disk(estimate)
    yield "versions   " + ", ".join(f"{name} {found or 'missing'}" for name, found in estimate.versions.items())
    yield from (f"PROBLEM    {problem}" for problem in estimate.problems)
    many = len(estimate.problems)
    yield f"{many or 'no'} problem{'s' if many > 1 else ''}; nothing was started"


def _stage(stage: StageNeeds, estimate: Estimate) -> Iterator[str]:
    steps = stage.batch // (stage.at_once * estimate.devices)
    yield ""
    yield (
        f"stage      {stage.name}: {stage.steps} steps of {stage.batch} episodes: {estimate.devices} x {stage.at_once} "
        f"at a time, {steps} times"
    )
    learns = [f"{part.name} {part.trained:,}" for part in stage.parts if part.trained]
    frozen = [f"{part.name} {part.frozen:,}" for part in stage.parts if part.frozen]
    yield f"  learns   {', '.join(learns)}; frozen: {', '.join(frozen) or 'nothing'}"
    for one in stage.data:
        yield from _data(one, stage.epochs(one), estimate.max_length)
    yield from _memory(stage, estimate)


def _data(one: Census, epochs: float, max_length: int) -> Iterator[str]:
    yield (
        f"  data     {one.name}: {one.count:,} demonstrations, {one.share:.0%} of the draws, {epochs:.2f} epochs; "
        f"{one.looked} looked at"
    )
    if one.tokens:
        yield (
            f"           tokens an episode: median {one.at(50):,}, 95 % {one.at(95):,}, longest {max(one.tokens):,}; "
            f"of images {sum(one.images) / sum(one.tokens):.0%}"
        )
        learned = sum(one.learned.values())
        each = ", ".join(f"{phase} {one.learned[phase]:.0f}" for phase in NAMES if phase in one.learned)
        if learned:
            yield f"           learned from: {learned:.0f} tokens an episode ({each})"
    if one.long:
        lengths = ", ".join(f"{length:,}" for length in sorted(one.long, reverse=True)[:5])
        yield f"           dropped: {len(one.long)} longer than max_length {max_length:,}: {lengths} tokens"
    yield from (f"           dropped: {number} of {one.looked}: {reason}" for reason, number in one.dropped.items())


def _memory(stage: StageNeeds, estimate: Estimate) -> Iterator[str]:
    needs = stage.memory
    names = ("weights", "gradients", "optimizer", "gathered", "copies", "head")
    fixed = ", ".join(f"{name} {_gib(getattr(needs, name))}" for name in names if getattr(needs, name))
    yield f"  memory   of each device, GiB: {fixed}"
    yield (
        f"           activations a 1,000 tokens: {_gib(needs.per_token_checkpointed * 1000)} with gradient "
        f"checkpointing, {_gib(needs.per_token_kept * 1000)} without"
    )
    seen, most = (stage.at_once * length for length in (stage.longest, estimate.max_length))
    yield (
        f"           in all: {_gib(needs.total(seen))} at the longest seen ({seen:,} tokens at a time), "
        f"{_gib(needs.total(most))} at max_length ({most:,})"
    )
    yield "           " + "; ".join(f"{card} GB: {_fits(needs.longest(card), seen, most)}" for card in CARDS_GIB)
    if needs.longest(max(CARDS_GIB)) < most:
        yield "           to need less: " + ", ".join(_knobs(stage, estimate))


def _fits(room: int, seen: int, most: int) -> str:
    if room >= most:
        return "fits"
    return f"fits up to {room:,} tokens at a time" if room >= seen else "too small"


def _knobs(stage: StageNeeds, estimate: Estimate) -> Iterator[str]:
    """What to change, the cheapest first."""
    if not estimate.checkpointing:
        yield "trainer.gradient_checkpointing = true"
    if stage.at_once > 1:
        yield "trainer.per_device_train_batch_size = 1"
    if stage.memory.longest(max(CARDS_GIB)) > stage.longest:
        yield f"model.max_length = {stage.memory.longest(max(CARDS_GIB)) // stage.at_once}"
    if not any(part.name == "lora" for part in stage.parts):
        yield 'model.train = "lora"'
        yield "sft.accelerate with more GPUs under FSDP"
    yield 'trainer.optim = "adamw_8bit"'


def _disk(estimate: Estimate) -> Iterator[str]:
    disk, host = estimate.disk, estimate.host
    yield ""
    yield (
        f"disk       {_gib(disk.needed)} GiB: {disk.keep} checkpoints kept and one being written, "
        f"{_gib(disk.checkpoint)} each; the model at the end {_gib(disk.model)}; {_gib(disk.free)} free here"
    )
    yield (
        f"host RAM   {_gib(host['pixels'])} GiB for the pixels of batches on their way, {_gib(host['weights'])} for "
        f"weights while they are read; this machine has {_gib(host['here'])}"
    )


def _gib(number: int) -> str:
    return f"{number / GIB:.2f}" if number < 10 * GIB else f"{number / GIB:.0f}"


def _onoff(on: bool) -> str:
    return "on" if on else "off"
