import pytest

from agent.config import ConfigError, build, load


def test_a_table_is_a_call():
    questions = list(build("envs.tasks", {"name": "discs", "split": "test", "count": 3}))
    assert [question.id for question, _ in questions] == ["discs/test/0", "discs/test/1", "discs/test/2"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            {"name": "discs", "cuont": 3},
            "discs has no setting 'cuont'; it takes: split, count, start, view_px. Did you mean 'count'?",
        ),
        ({"name": "discs", "count": "many"}, "discs.count: Input should be a valid integer"),
        ({"name": "disks"}, "no 'disks' in envs/tasks/; there are: change, clip, count,"),
        ({"split": "test"}, "needs a name"),
    ],
)
def test_a_bad_setting_is_named(table, told):
    with pytest.raises(ConfigError) as refusal:
        build("envs.tasks", table)
    assert told in str(refusal.value)


def test_more_is_given_only_to_those_who_take_it():
    assert len(list(build("envs.tasks", {"name": "discs"}, count=2, on_text=print))) == 2


def test_later_files_then_variables_then_changes_win(tmp_path):
    (tmp_path / "a.toml").write_text('[policy]\nname = "local"\ntemperature = 1.0\n[env]\nmax_turns = 2\n')
    (tmp_path / "b.toml").write_text("[policy]\ntemperature = 0.5\ntop_p = 0.9\nseed = 1\n")
    environ = {"OVERREAD_POLICY__TOP_P": "0.8", "OVERREAD_POLICY__SEED": "2", "HOME": "/"}
    config = load([tmp_path / "a.toml", tmp_path / "b.toml"], ["policy.seed=3", "env.dialect=vitar"], environ)
    assert config == {
        "policy": {"name": "local", "temperature": 0.5, "top_p": 0.8, "seed": 3},
        "env": {"max_turns": 2, "dialect": "vitar"},
    }


@pytest.mark.parametrize("change", ["seed", "seed=3", "policy.seed"])
def test_a_change_names_its_table(change):
    with pytest.raises(ConfigError, match=r"written table\.setting=value"):
        load(changes=[change])


def test_a_file_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load([tmp_path / "none.toml"])
    (tmp_path / "bad.toml").write_text("[policy\n")
    with pytest.raises(ConfigError, match=r"bad\.toml: not TOML"):
        load([tmp_path / "bad.toml"])
