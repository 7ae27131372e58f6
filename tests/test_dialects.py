import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.dialects.tags import tags
from envs.dialects.vitar import vitar
from envs.episode import Answer, Malformed, ToolCall

TAGS, VITAR = tags(), vitar()
ZOOM = ToolCall(name="zoom", arguments={"image": "img0", "box": [1, 2, 3, 4]})
ZOOM_TEXT = '{"name": "zoom", "arguments": {"image": "img0", "box": [1, 2, 3, 4]}}'

words = st.text().filter(lambda text: "<" not in text and text.encode("utf-8", "replace").decode() == text)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
calls = st.builds(
    ToolCall, name=words.filter(lambda name: name != "Terminate"), arguments=st.dictionaries(words, values, max_size=4)
)
answers = st.builds(Answer, text=words.map(str.strip))


@pytest.mark.parametrize("dialect", [TAGS, VITAR], ids=["tags", "vitar"])
@given(text=st.text() | st.text("<>/{}[]\"':, \\think_oalswer`01", max_size=60))
def test_no_text_raises(dialect, text):
    assert dialect.strict(text).actions
    assert dialect.repairing(text).actions


@pytest.mark.parametrize("dialect", [TAGS, VITAR], ids=["tags", "vitar"])
@given(thought=words.map(str.strip), actions=st.lists(calls, min_size=1, max_size=3) | answers.map(lambda a: [a]))
def test_an_action_survives_writing_and_reading(dialect, thought, actions):
    text = dialect.write(thought, tuple(actions))
    for parse in (dialect.strict, dialect.repairing):
        read = parse(text)
        assert (read.thought, read.actions) == (thought, tuple(actions))


@pytest.mark.parametrize("dialect", [TAGS, VITAR], ids=["tags", "vitar"])
@given(text=st.text("<>/{}[]\"':, \\think_oalswer`01", max_size=60))
def test_what_the_strict_parser_reads_the_repairing_one_reads_the_same(dialect, text):
    exact = dialect.strict(text)
    if exact.understood:
        assert dialect.repairing(text) == exact


def test_several_calls_keep_their_order():
    read = TAGS.strict(f"<think>a</think>\n<tool_call>{ZOOM_TEXT}</tool_call>\n<tool_call>{ZOOM_TEXT}</tool_call>")
    assert read.actions == (ZOOM, ZOOM)
    assert [(span.phase) for span in read.spans] == ["think", "act", "act"]


def test_spans_point_at_the_words():
    text = "<think>because</think><answer> benign </answer>"
    read = TAGS.strict(text)
    assert [text[span.start : span.end] for span in read.spans] == ["because", " benign "]
    assert read.actions == (Answer(text="benign"),)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (f"<think>a<tool_call>{ZOOM_TEXT}", ZOOM),  # nothing closed
        (f"I will look.\n```json\n{ZOOM_TEXT}\n```", ZOOM),  # fenced, no tags
        (f"Sure! {ZOOM_TEXT}", ZOOM),  # bare
        (f"<tool_call>{ZOOM_TEXT[:-1]}</tool_call>", ZOOM),  # a bracket short
        (f"<tool_call>{ZOOM_TEXT.replace(chr(34), chr(39))}</tool_call>", ZOOM),  # single quotes
        (f"<tool_call>{ZOOM_TEXT.replace(']', ',]')}</tool_call>", ZOOM),  # a comma too many
        ('<tool_call>{"name": "zoom", "parameters": {"image": "img0", "box": [1, 2, 3, 4]}}</tool_call>', ZOOM),
        (f'<tool_call>{{"function": {ZOOM_TEXT}}}</tool_call>', ZOOM),
        (f"<tool_call>{ZOOM_TEXT}</tool_call><answer>it is benign</answer>", ZOOM),  # answered before it had seen
        ("<think>a</think> The answer: <answer>benign", Answer(text="benign")),
        ("so \\boxed{B}", Answer(text="B")),
        ("<answer>\\boxed{B}</answer> extra", Answer(text="B")),
    ],
)
def test_a_slip_is_repaired_and_the_strict_parser_says_so(text, action):
    assert not TAGS.strict(text).understood
    assert TAGS.repairing(text).actions == (action,)


@pytest.mark.parametrize(
    "text", ["", "hello", "<think>only thinking</think>", "<tool_call>[1, 2]</tool_call>", "\x00<"]
)
def test_nonsense_is_malformed_for_both_parsers(text):
    for parse in (TAGS.strict, TAGS.repairing, VITAR.strict, VITAR.repairing):
        (action,) = parse(text).actions
        assert isinstance(action, Malformed)


def test_an_answer_that_a_closed_thought_only_mentions_is_no_answer():
    read = TAGS.repairing("<think>Could it be <answer>benign</answer>? No, I must look.</think>")
    assert isinstance(read.actions[0], Malformed)


def test_a_call_that_cannot_be_read_is_said_and_does_not_cost_the_others():
    read = TAGS.repairing(f"Look: <tool_call>{ZOOM_TEXT}</tool_call><tool_call>not json</tool_call>")
    assert read.actions[0] == ZOOM
    assert isinstance(read.actions[1], Malformed)


@pytest.mark.parametrize("piece", ["<think>", "<tool_call>", "```json{", '{"name": ', "<tool_call>{'", "\\boxed{", "{"])
@pytest.mark.parametrize("dialect", [TAGS, VITAR], ids=["tags", "vitar"])
def test_a_long_degenerate_reply_is_read_in_time_that_grows_with_its_length(dialect, piece):
    """Quadratic time would be minutes here."""
    assert dialect.repairing(piece * 50_000).actions


def test_a_tag_inside_an_argument_does_not_end_the_call():
    call = ToolCall(name="mark", arguments={"label": "</tool_call><answer>x</answer>"})
    assert TAGS.strict(TAGS.write("", (call,))).actions == (call,)


def test_a_thought_that_holds_a_tag_is_not_written():
    with pytest.raises(ValueError, match="cannot hold the tag <answer>"):
        TAGS.write("I could say <answer>", (Answer(text="x"),))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_json_is_not_read_strictly(number):
    call = f'{{"name": "zoom", "arguments": {{"factor": {number}}}}}'
    assert not TAGS.strict(f"<tool_call>{call}</tool_call>").understood
    assert not VITAR.strict(f'{{"thought": "", "actions": [{call}]}}').understood


def test_half_a_character_can_still_be_stored():
    (call,) = TAGS.strict('<tool_call>{"name": "mark", "arguments": {"label": "\\ud800"}}</tool_call>').actions
    assert call.arguments == {"label": "?"}
    assert ToolCall.model_validate_json(call.model_dump_json()) == call


def test_arguments_nested_too_deep_are_malformed():
    deep = "[" * 200 + "]" * 200
    (action,) = TAGS.strict(f'<tool_call>{{"name": "zoom", "arguments": {{"box": {deep}}}}}</tool_call>').actions
    assert isinstance(action, Malformed)
    assert "20 deep" in action.problem


# --- ViTAR: the released system's cases, features section 2.2


def said(*actions: dict, thought: str = "look") -> str:
    return json.dumps({"thought": thought, "actions": list(actions)})


END = {"name": "Terminate", "arguments": {"answer": "benign"}}
MARK = {"name": "mark", "arguments": {"image": "img0", "boxes": [[1, 2, 3, 4]]}}


def test_vitar_calls_and_answers():
    assert VITAR.strict(said(MARK)).actions == (ToolCall(**MARK),)
    assert VITAR.strict(said(END)).actions == (Answer(text="benign"),)
    assert VITAR.strict(said(MARK, END)).actions == (ToolCall(**MARK), Answer(text="benign"))


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (said({"name": "Terminate", "arguments": {"ans": "benign"}}), Answer(text="benign")),
        (said({"name": "Terminate", "arguments": {"answer": 7}}), Answer(text="7")),
        (f"```json\n{said(END)}\n```", Answer(text="benign")),
        (json.dumps({"actions": [END]}), Answer(text="benign")),
        (json.dumps(MARK), ToolCall(**MARK)),
        (said(MARK)[:-2], ToolCall(**MARK)),
    ],
)
def test_a_vitar_slip_is_repaired(text, action):
    assert not VITAR.strict(text).understood
    assert VITAR.repairing(text).actions == (action,)


@pytest.mark.parametrize(
    "text", [said(), said(END, MARK), json.dumps({"thought": "x"}), '{"thought": 1, "actions": []}']
)
def test_what_vitar_would_not_understand_is_malformed(text):
    (action,) = VITAR.strict(text).actions
    assert isinstance(action, Malformed)
